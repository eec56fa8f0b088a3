// SPDX-License-Identifier: MIT
#include "figure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

// Longer than threads that wait for work keep a processor.
enum { SETTLE_NS = 50000000 };

void give_up(const char *what)
{
    (void)fprintf(stderr, "bench/policy: %s\n", what);
    exit(1); // NOLINT(concurrency-mt-unsafe): one thread
}

double now_s(void)
{
    return (double)assay_clock_us() / 1e6;
}

void settle(void)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS};

    (void)nanosleep(&pause, NULL);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return values[(count - 1) / 2];
}

bool figure_print(const char *bench, const struct figure *f, bool json)
{
    const bool compared = f->bound > 0; // without a peer there is no bound
    const char *quote = f->peer != NULL ? "\"" : "";
    const bool met = f->at_most ? f->ratio <= f->bound : f->ratio >= f->bound;

    if (json && !compared)
        (void)printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"value\":%.4f,\"unit\":\"%s\","
                     "\"spread\":%.4f,\"peer\":%s%s%s,\"peer_value\":null,\"ratio\":null,"
                     "\"bound\":null,\"met\":null}\n",
                bench, f->metric, f->value, f->unit, f->spread, quote,
                f->peer != NULL ? f->peer : "null", quote);
    else if (!compared)
        (void)printf("%-26s %10.3f %-9s (+- %.3f)  %s\n", f->metric, f->value, f->unit, f->spread,
                f->peer != NULL ? f->peer : "not compared");
    else if (json)
        (void)printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"value\":%.4f,\"unit\":\"%s\","
                     "\"spread\":%.4f,\"peer\":\"%s\",\"peer_value\":%.4f,\"ratio\":%.3f,"
                     "\"bound\":%.2f,\"met\":%s}\n",
                bench, f->metric, f->value, f->unit, f->spread, f->peer, f->peer_value, f->ratio,
                f->bound, met ? "true" : "false");
    else
        (void)printf("%-26s %10.3f %-9s (+- %.3f)  %s %.3f: ratio %.3f, bound %s %.2f: %s\n",
                f->metric, f->value, f->unit, f->spread, f->peer, f->peer_value, f->ratio,
                f->at_most ? "<=" : ">=", f->bound, met ? "met" : "NOT met");
    (void)fflush(stdout);
    return met || !compared;
}

bool wanted(int argc, char **argv, const char *name)
{
    bool any = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
        any = any || strcmp(argv[i], "--json") != 0;
    }
    return !any;
}
