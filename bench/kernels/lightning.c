// SPDX-License-Identifier: MIT
// lightning.c - is lightning attention linear in the number of tokens, forward and backward, and
// how far from the machine's multiply-adds is it?
//
// One sequence of 1K to 64K tokens, 8 heads of 96 (minimind-3's width). The line is the mean
// time of a token over all lengths, "off the line" the length whose token is furthest from it. The
// lengths are measured in turns, each `rounds` times; the fastest counts, since nothing but
// disturbance makes a walk slower.
//
//     lightning [--json] [threads]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "kernels/ops.h"

enum { HEADS = 8, WIDTH = 96, LENGTHS = 7, ROUNDS = 9, TOKENS_MAX = 65536 };

static const double BOUND = 0.10;

struct bench {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_lightning_args args;
    struct assay_span span;
    double best_s[2][LENGTHS]; // forward, backward
};

static float *tensor(const struct bench *bench, size_t count, double low, double high)
{
    void *memory = NULL;
    float *values = NULL;
    struct assay_rng rng;

    if (bench->ops->device.alloc(&memory, count * sizeof(float), NULL) != ASSAY_OK)
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    values = memory;
    assay_rng_seed(&rng, 1, count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(low + (high - low) * assay_rng_unit(&rng));
    return values;
}

static void prepare(struct bench *bench)
{
    const size_t row = (size_t)3 * HEADS * WIDTH;
    const float *qkv = tensor(bench, TOKENS_MAX * row, -0.1, 0.1);
    float *dqkv = tensor(bench, TOKENS_MAX * row, 0, 0);

    bench->args = (struct assay_lightning_args){.q = qkv,
            .k = qkv + WIDTH,
            .v = qkv + (size_t)2 * WIDTH,
            .dq = dqkv,
            .dk = dqkv + WIDTH,
            .dv = dqkv + (size_t)2 * WIDTH,
            .row_stride = row,
            .head_stride = (size_t)3 * WIDTH,
            .spans = &bench->span,
            .B = 1,
            .H = HEADS,
            .D = WIDTH};
    bench->args.out = tensor(bench, (size_t)TOKENS_MAX * HEADS * WIDTH, 0, 0);
    bench->args.dout = tensor(bench, (size_t)TOKENS_MAX * HEADS * WIDTH, -0.1, 0.1);
    bench->args.slope = tensor(bench, HEADS, 0.005, 0.9);
}

static size_t length_of(size_t index)
{
    return (size_t)1024 << index;
}

static void measure(struct bench *bench, size_t index)
{
    const size_t T = length_of(index);

    bench->span.row_count = (uint32_t)T;
    bench->args.T = bench->args.rows_max = T;
    for (size_t direction = 0; direction < 2; direction++) {
        const uint64_t start_us = assay_clock_us();
        double seconds = 0;

        if (direction == 0)
            bench->ops->lightning_forward(&bench->args, bench->stream);
        else
            bench->ops->lightning_backward(&bench->args, bench->stream);
        seconds = (double)(assay_clock_us() - start_us) / 1e6;
        if (bench->best_s[direction][index] == 0 || seconds < bench->best_s[direction][index])
            bench->best_s[direction][index] = seconds;
    }
}

static bool report(const struct bench *bench, size_t direction, bool json)
{
    const char *name = direction == 0 ? "forward" : "backward";
    // Multiply-adds a token: D^2 for the state, D^2 for the output; backward walks three times.
    const double flops = 4.0 * HEADS * WIDTH * WIDTH * (direction == 0 ? 1 : 3);
    double line = 0, worst = 0;

    for (size_t i = 0; i < LENGTHS; i++)
        line += bench->best_s[direction][i] / (double)length_of(i) / LENGTHS;
    for (size_t i = 0; i < LENGTHS; i++) {
        const double each = bench->best_s[direction][i] / (double)length_of(i);

        worst = fmax(worst, fabs(each / line - 1));
        if (!json)
            (void)printf("%-8s %6zu tokens: %8.3f ms, %6.3f us a token, %5.1f GFLOP/s\n", name,
                    length_of(i), bench->best_s[direction][i] * 1e3, each * 1e6,
                    flops / each / 1e9);
    }
    if (json)
        (void)printf(
                "{\"bench\":\"lightning\",\"metric\":\"%s_off_the_line_1k_to_64k\",\"value\":%.3f,"
                "\"unit\":\"ratio\",\"spread\":null,\"peer\":null,\"peer_value\":null,"
                "\"ratio\":null,\"bound\":%.2f,\"met\":%s}\n",
                name, worst, BOUND, worst <= BOUND ? "true" : "false");
    else
        (void)printf("%-8s at most %.1f %% off the line\n", name, worst * 100);
    return worst <= BOUND;
}

int main(int argc, char **argv)
{
    struct bench bench = {.ops = assay_ops_cpu(NULL)};
    struct assay_stream_options options = {0};
    bool json = false, met = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else
            options.thread_count = strtoul(argv[i], NULL, 10);
    }
    if (bench.ops->device.stream_create(&bench.stream, &options, NULL) != ASSAY_OK)
        return 1;
    prepare(&bench);
    measure(&bench, LENGTHS - 1); // page faults
    memset(bench.best_s, 0, sizeof(bench.best_s));
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < LENGTHS; i++)
            measure(&bench, i);
    for (size_t direction = 0; direction < 2; direction++)
        met = report(&bench, direction, json) && met;
    bench.ops->device.stream_destroy(bench.stream);
    return met ? 0 : 1;
}
