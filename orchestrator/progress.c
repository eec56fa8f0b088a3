// SPDX-License-Identifier: MIT
#include "orchestrator/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR_REDRAW_MS 250
#define LINE_EVERY_MS 10000

struct assay_progress {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const char *label, *good_word;
    size_t total, done, done_before, good, unscored, running;
    uint64_t started_ms, line_due_ms;
    bool terminal, shown, stopping;
};

void assay_duration_text(char out[ASSAY_DURATION_BYTES], uint64_t ms)
{
    const uint64_t s = ms / 1000;

    if (s >= 3600)
        snprintf(out, ASSAY_DURATION_BYTES, "%lluh%02llum", (unsigned long long)(s / 3600 % 100000),
                (unsigned long long)(s / 60 % 60));
    else if (s >= 60)
        snprintf(out, ASSAY_DURATION_BYTES, "%llum%02llus", (unsigned long long)(s / 60),
                (unsigned long long)(s % 60));
    else
        snprintf(out, ASSAY_DURATION_BYTES, "%llu.%llus", (unsigned long long)s,
                (unsigned long long)(ms / 100 % 10));
}

static bool env_is_set(const char *name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *value = getenv(name);

    return value && *value;
}

static bool bar_wanted(void)
{
    const char *term = getenv("TERM"); // NOLINT(concurrency-mt-unsafe): likewise

    return isatty(STDERR_FILENO) && !env_is_set("NO_COLOR") && !env_is_set("CI") && term &&
            strcmp(term, "dumb") != 0;
}

// Counts, rate and time left as one line of text. Under the lock.
static void describe(const struct assay_progress *p, char *out, size_t size)
{
    const uint64_t elapsed = assay_clock_ms() - p->started_ms;
    const size_t fresh = p->done - p->done_before;
    char spent[ASSAY_DURATION_BYTES], left[ASSAY_DURATION_BYTES] = "?";
    char unscored[48] = "";

    assay_duration_text(spent, elapsed);
    if (fresh > 0)
        assay_duration_text(left, elapsed * (p->total - p->done) / fresh);
    if (p->unscored)
        snprintf(unscored, sizeof(unscored), ", %zu without verdict", p->unscored);
    snprintf(out, size, "%zu/%zu done, %zu %s%s, %zu running, %.1f/min, %s, left %s", p->done,
            p->total, p->good, p->good_word, unscored, p->running,
            elapsed ? (double)fresh * 60000.0 / (double)elapsed : 0.0, spent, left);
}

static void draw_bar(struct assay_progress *p)
{
    struct winsize size = {0};
    size_t width = 80;
    char text[256], bar[21];
    const size_t filled = p->total ? p->done * 20 / p->total : 20;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        width = size.ws_col;
    describe(p, text, sizeof(text));
    for (size_t i = 0; i < 20; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[20] = '\0';
    char line[400];
    snprintf(line, sizeof(line), "%s [%s] %s", p->label, bar, text);
    if (strlen(line) > width - 1)
        line[width - 1] = '\0';
    fprintf(stderr, "\r\033[K%s", line);
    p->shown = true;
}

static void clear_bar(struct assay_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

static void print_line(struct assay_progress *p)
{
    char text[256];

    describe(p, text, sizeof(text));
    fprintf(stderr, "%s: %s\n", p->label, text);
    p->line_due_ms = assay_clock_ms() + LINE_EVERY_MS;
}

static void show(struct assay_progress *p)
{
    if (p->terminal)
        draw_bar(p);
    else if (assay_clock_ms() >= p->line_due_ms)
        print_line(p);
}

static void *run_thread(void *argument)
{
    struct assay_progress *p = argument;

    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct timespec until;

        show(p);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += BAR_REDRAW_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum assay_status assay_progress_start(struct assay_progress **out, const char *label,
        const char *good_word, size_t total, size_t done, size_t good_before,
        struct assay_error *err)
{
    struct assay_progress *p = calloc(1, sizeof(*p));
    pthread_condattr_t attributes;

    if (!p)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    p->label = label;
    p->good_word = good_word;
    p->total = total;
    p->done = p->done_before = done;
    p->good = good_before;
    p->started_ms = assay_clock_ms();
    p->line_due_ms = p->started_ms + LINE_EVERY_MS;
    p->terminal = bar_wanted();
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&p->thread, NULL, run_thread, p) != 0) {
        pthread_cond_destroy(&p->wake);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return assay_fail(err, ASSAY_ENOMEM, "no thread for the progress display");
    }
    *out = p;
    return ASSAY_OK;
}

void assay_progress_begin(struct assay_progress *p)
{
    pthread_mutex_lock(&p->lock);
    p->running++;
    pthread_mutex_unlock(&p->lock);
}

void assay_progress_end(struct assay_progress *p, bool good, bool scored)
{
    pthread_mutex_lock(&p->lock);
    p->running--;
    p->done++;
    p->good += good;
    p->unscored += !scored;
    pthread_mutex_unlock(&p->lock);
}

void assay_progress_drop(struct assay_progress *p)
{
    pthread_mutex_lock(&p->lock);
    p->running--;
    pthread_mutex_unlock(&p->lock);
}

void assay_progress_around(void *progress, bool before)
{
    struct assay_progress *p = progress;

    if (before) {
        pthread_mutex_lock(&p->lock);
        clear_bar(p);
    } else {
        if (p->terminal && !p->stopping)
            draw_bar(p);
        pthread_mutex_unlock(&p->lock);
    }
}

void assay_progress_stop(struct assay_progress *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    clear_bar(p);
    print_line(p);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
