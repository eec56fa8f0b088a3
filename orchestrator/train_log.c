// SPDX-License-Identifier: MIT
#include "orchestrator/train_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/event_file.h"

#define PATH_BYTES 4096
#define STEP_BYTES_MAX ((size_t)1 << 20)
#define ROWS_BYTES_MAX ((size_t)4 << 30)

struct assay_train_log {
    int lines_fd, events_fd;
};

void assay_metrics_put(struct assay_metrics *metrics, const char *name, double value)
{
    struct assay_metric *item;

    if (metrics->count == ASSAY_METRICS_MAX)
        return;
    item = &metrics->items[metrics->count++];
    (void)snprintf(item->name, sizeof(item->name), "%s", name);
    item->value = value;
}

double assay_metrics_get(const struct assay_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->count; i++)
        if (strcmp(metrics->items[i].name, name) == 0)
            return metrics->items[i].value;
    return (double)NAN;
}

enum assay_status assay_metrics_write(struct assay_buf *out, const struct assay_metrics *metrics,
        const char *phase, uint64_t step, uint64_t position, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "phase", phase);
    assay_json_put_u64(&w, "step", step);
    assay_json_put_u64(&w, "position", position);
    for (size_t i = 0; i < metrics->count; i++)
        assay_json_put_double(&w, metrics->items[i].name, metrics->items[i].value);
    assay_json_end_object(&w);
    return assay_buf_check(out, "a step's metrics", err);
}

static double wall_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Every number of the row, as PHASE/NAME at the row's step.
static enum assay_status add_events(
        struct assay_buf *out, const struct assay_training_step *step, struct assay_error *err)
{
    const struct assay_json_limits limits = {STEP_BYTES_MAX, 4};
    struct assay_json *row = NULL;
    const double now = wall_time();
    enum assay_status status =
            assay_json_parse(&row, step->body, strlen(step->body), limits, "metrics", 1, err);

    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *at = assay_json_first(row); at; at = assay_json_next(at)) {
        char tag[ASSAY_METRIC_NAME_BYTES + 32];

        if (assay_json_type(at) != ASSAY_JSON_NUMBER)
            continue;
        (void)snprintf(tag, sizeof(tag), "%s/%s", step->phase, assay_json_key(at));
        assay_event_scalar(out, now, (int64_t)step->position, tag, (float)assay_json_number(at));
    }
    assay_json_free(row);
    return ASSAY_OK;
}

static enum assay_status flush(const struct assay_train_log *log, const struct assay_buf *lines,
        const struct assay_buf *events, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(lines, "metrics.jsonl", err);

    if (status == ASSAY_OK)
        status = assay_buf_check(events, ASSAY_EVENT_FILE_NAME, err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(log->lines_fd, lines->data, lines->len, err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(log->events_fd, events->data, events->len, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "metrics.jsonl, " ASSAY_EVENT_FILE_NAME);
    return status;
}

static enum assay_status add(const struct assay_training_step *step, struct assay_buf *lines,
        struct assay_buf *events, struct assay_error *err)
{
    (void)assay_buf_addf(lines, "%s\n", step->body);
    return add_events(events, step, err);
}

enum assay_status assay_train_log_add(struct assay_train_log *log,
        const struct assay_training_step *step, struct assay_error *err)
{
    struct assay_buf lines, events;
    enum assay_status status;

    assay_buf_init(&lines, STEP_BYTES_MAX);
    assay_buf_init(&events, 16 * STEP_BYTES_MAX);
    status = add(step, &lines, &events, err);
    if (status == ASSAY_OK)
        status = flush(log, &lines, &events, err);
    assay_buf_free(&lines);
    assay_buf_free(&events);
    return status;
}

static enum assay_status open_new(
        int *fd, const char *dir, const char *name, struct assay_error *err)
{
    char path[PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return assay_fail(err, ASSAY_EINVAL, "%s: too long", dir);
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    return *fd >= 0 ? ASSAY_OK : assay_fail_errno(err, errno, "%s", path);
}

static enum assay_status replay(const struct assay_train_log *log, struct assay_store *store,
        const char *run_id, uint64_t position, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_training_step *rows = NULL;
    struct assay_buf lines, events;
    size_t count = 0;
    enum assay_status status;

    assay_buf_init(&lines, ROWS_BYTES_MAX);
    assay_buf_init(&events, ROWS_BYTES_MAX);
    assay_event_begin(&events, wall_time());
    status = assay_arena_create(&arena, ROWS_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_store_training_steps(store, run_id, arena, &rows, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const bool evaluation = strcmp(rows[i].phase, "eval") == 0;

        if (rows[i].position < position || (evaluation && rows[i].position == position))
            status = add(&rows[i], &lines, &events, err);
    }
    if (status == ASSAY_OK)
        status = flush(log, &lines, &events, err);
    assay_buf_free(&lines);
    assay_buf_free(&events);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_train_log_open(struct assay_train_log **out, struct assay_store *store,
        const char *run_id, const char *dir, uint64_t position, struct assay_error *err)
{
    struct assay_train_log *log = calloc(1, sizeof(*log));
    enum assay_status status;

    if (!log)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    log->lines_fd = log->events_fd = -1;
    status = open_new(&log->lines_fd, dir, "metrics.jsonl", err);
    if (status == ASSAY_OK)
        status = open_new(&log->events_fd, dir, ASSAY_EVENT_FILE_NAME, err);
    if (status == ASSAY_OK)
        status = replay(log, store, run_id, position, err);
    if (status == ASSAY_OK)
        *out = log;
    else
        assay_train_log_close(log);
    return status;
}

void assay_train_log_close(struct assay_train_log *log)
{
    if (!log)
        return;
    if (log->lines_fd >= 0)
        close(log->lines_fd);
    if (log->events_fd >= 0)
        close(log->events_fd);
    free(log);
}
