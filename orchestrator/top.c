// SPDX-License-Identifier: MIT
#include "orchestrator/top.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/utf8.h"
#include "orchestrator/progress.h"
#include "orchestrator/report.h"

#define SILENT_MS_MIN 60000
#define SILENT_STEPS 10 // of the usual length
#define FORGOTTEN_MS 3600000
#define PACE_S 60 // a run's rate is that of the last minute
#define INTERVALS_MAX 32
#define PATH_BYTES 4096
#define LINE_BYTES_MAX ((size_t)4096)

const char *assay_top_state_name(enum assay_top_state state)
{
    static const char *const names[] = {"running", "silent", "stopped", "finished"};

    return names[state];
}

// --- loading -------------------------------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

// The usual time from one step of the phase to the next; a night between two of them is not usual.
// 0: unknown.
static uint64_t step_ms(const struct assay_train_report *report, const char *phase)
{
    uint64_t intervals[INTERVALS_MAX], later = 0;
    size_t count = 0;

    for (size_t i = report->row_count; i > 0 && count < INTERVALS_MAX; i--) {
        const struct assay_train_row *row = &report->rows[i - 1];
        const uint64_t at = assay_clock_utc_ms(row->recorded_at);

        if (strcmp(row->phase, phase) != 0)
            continue;
        if (later > at && at > 0)
            intervals[count++] = later - at;
        later = at;
    }
    if (count == 0)
        return 0;
    qsort(intervals, count, sizeof(intervals[0]), by_size);
    return intervals[count / 2];
}

static uint64_t since(const char *text, uint64_t now_ms)
{
    const uint64_t at = assay_clock_utc_ms(text);

    return now_ms > at ? now_ms - at : 0;
}

static enum assay_top_state state_of(bool finished, uint64_t quiet_ms, uint64_t usual_ms)
{
    const uint64_t patience = SILENT_STEPS * usual_ms;

    if (finished)
        return ASSAY_TOP_FINISHED;
    return quiet_ms > (patience > SILENT_MS_MIN ? patience : SILENT_MS_MIN) ? ASSAY_TOP_SILENT
                                                                            : ASSAY_TOP_RUNNING;
}

// A training's lock is its process's as long as that lives (train.c).
static bool is_stopped(const char *home, const char *run_id)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/runs/%s/lock", home, run_id);
    return assay_fs_lock_state(path) == ASSAY_LOCK_FREE;
}

static enum assay_status load_training(struct assay_top_item *out, struct assay_store *store,
        const char *home, const char *run_id, uint64_t now_ms, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_train_report *report = &out->report;
    enum assay_status status =
            assay_train_report_load(report, store, run_id, ASSAY_TRAIN_TAIL, arena, err);
    uint64_t done, usual;

    if (status != ASSAY_OK)
        return status;
    done = assay_train_report_done(report);
    out->training = true;
    out->run_id = report->training.run_id;
    // A step may be under way: the phase is that of the next one, until there is none.
    const bool rl = report->rl_steps > 0 && done >= report->sft_steps;

    out->phase = rl ? "rl" : "sft";
    out->phase_done = rl ? done - report->sft_steps : done;
    out->phase_total = rl ? report->rl_steps : report->sft_steps;
    out->quiet_ms = since(report->row_count > 0 ? report->rows[report->row_count - 1].recorded_at
                                                : report->training.started_at,
            now_ms);
    usual = step_ms(report, out->phase);
    out->left_ms = usual == 0 ? ASSAY_TOP_UNKNOWN_MS : usual * (out->phase_total - out->phase_done);
    out->state = state_of(report->training.state == ASSAY_RUN_FINISHED, out->quiet_ms, usual);
    if (out->state != ASSAY_TOP_FINISHED && is_stopped(home, run_id))
        out->state = ASSAY_TOP_STOPPED;
    return ASSAY_OK;
}

static enum assay_status load_run(struct assay_top_item *out, struct assay_store *store,
        const struct assay_run *run, uint64_t now_ms, struct assay_arena *arena,
        struct assay_error *err)
{
    char minute_ago[ASSAY_TIME_TEXT_BYTES];
    enum assay_status status;
    uint64_t usual = 0;

    assay_clock_utc_ago(minute_ago, PACE_S);
    status = assay_store_run_pace(store, run->run_id, minute_ago, arena, &out->pace, err);
    if (status != ASSAY_OK)
        return status;
    out->run_id = run->run_id;
    out->run = *run;
    out->quiet_ms = since(out->pace.last_at ? out->pace.last_at : run->started_at, now_ms);
    out->left_ms = ASSAY_TOP_UNKNOWN_MS;
    if (out->pace.done_since > 0) {
        usual = (uint64_t)PACE_S * 1000 / out->pace.done_since;
        out->left_ms = usual * (run->total - run->done);
    }
    out->state = state_of(run->state == ASSAY_RUN_FINISHED, out->quiet_ms, usual);
    return ASSAY_OK;
}

struct loading {
    struct assay_top *top;
    const char *run_id;
};

static void keep(const struct loading *l, const struct assay_top_item *item)
{
    const bool quiet = item->state == ASSAY_TOP_SILENT || item->state == ASSAY_TOP_STOPPED;

    if (!l->run_id && quiet && item->quiet_ms > FORGOTTEN_MS)
        l->top->forgotten++;
    else
        l->top->items[l->top->count++] = *item;
}

static bool wanted(const struct loading *l, const char *run_id, enum assay_run_state state)
{
    return l->run_id ? strcmp(l->run_id, run_id) == 0 : state == ASSAY_RUN_OPEN;
}

static enum assay_status find_run(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_run **out, size_t *count, struct assay_error *err)
{
    struct assay_run *run = assay_arena_array(arena, 1, sizeof(*run));
    const enum assay_status status = run ? assay_store_get_run(store, run_id, arena, run, err)
                                         : assay_fail(err, ASSAY_ENOMEM, "out of memory");

    *out = run;
    *count = status == ASSAY_OK;
    return status == ASSAY_ENOTFOUND ? ASSAY_OK : status; // it may be a training
}

enum assay_status assay_top_load(struct assay_top *out, struct assay_store *store, const char *home,
        const char *run_id, uint64_t now_ms, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_top top = {0};
    const struct loading l = {&top, run_id};
    struct assay_training *trainings = NULL;
    struct assay_run *runs = NULL;
    size_t training_count = 0, run_count = 0;
    enum assay_status status =
            assay_store_list_trainings(store, arena, &trainings, &training_count, err);

    if (status == ASSAY_OK)
        status = run_id ? find_run(store, run_id, arena, &runs, &run_count, err)
                        : assay_store_list_open_runs(store, arena, &runs, &run_count, err);
    if (status != ASSAY_OK)
        return status;
    top.items = assay_arena_array(arena, training_count + run_count, sizeof(*top.items));
    if (!top.items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < training_count + run_count && status == ASSAY_OK; i++) {
        const bool training = i < training_count;
        struct assay_top_item item = {0};

        if (training && wanted(&l, trainings[i].run_id, trainings[i].state))
            status = load_training(&item, store, home, trainings[i].run_id, now_ms, arena, err);
        else if (!training &&
                wanted(&l, runs[i - training_count].run_id, runs[i - training_count].state))
            status = load_run(&item, store, &runs[i - training_count], now_ms, arena, err);
        if (status == ASSAY_OK && item.run_id)
            keep(&l, &item);
    }
    if (status == ASSAY_OK && run_id && top.count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no run %.110s in the store", run_id);
    if (status == ASSAY_OK)
        *out = top;
    return status;
}

// --- text ----------------------------------------------------------------------------------------

struct lines {
    struct assay_buf *out;
    struct assay_buf line;
    size_t width;
};

// End a line: what a terminal would obey is gone, what is too long is cut.
static void end_line(struct lines *l)
{
    size_t columns = 0, at = 0;

    while (at < l->line.len && (l->width == 0 || columns < l->width)) {
        const unsigned char byte = (unsigned char)l->line.data[at];

        if (byte < 0x20 || byte == 0x7f)
            l->line.data[at] = '?';
        if (byte == 0xc2 && at + 1 < l->line.len && (unsigned char)l->line.data[at + 1] < 0xa0)
            l->line.data[at] = l->line.data[at + 1] = '?'; // U+0080 to U+009F: ESC [ in one
        at++;
        while (at < l->line.len && ((unsigned char)l->line.data[at] & 0xc0) == 0x80)
            at++;
        columns++;
    }
    (void)assay_buf_add(l->out, l->line.data, at);
    (void)assay_buf_addc(l->out, '\n');
    assay_buf_clear(&l->line);
}

static void put_number(struct lines *l, const struct assay_train_row *row, const char *name,
        const char *words, double factor, const char *unit)
{
    const double value = assay_train_row_get(row, name);

    if (!isnan(value))
        (void)assay_buf_addf(&l->line, "  %s %.*f%s", words,
                fabs(value * factor) >= 100          ? 0
                        : fabs(value * factor) >= 10 ? 1
                                                     : 3,
                value * factor, unit);
}

static void put_time(struct lines *l, const struct assay_top_item *item, const char *of)
{
    char text[ASSAY_DURATION_BYTES];

    if (item->state == ASSAY_TOP_RUNNING && item->left_ms != ASSAY_TOP_UNKNOWN_MS) {
        assay_duration_text(text, item->left_ms);
        (void)assay_buf_addf(&l->line, "  left %s%s", text, of);
    }
    if (item->state != ASSAY_TOP_FINISHED) {
        assay_duration_text(text, item->quiet_ms);
        (void)assay_buf_addf(&l->line, "  %s %s ago",
                item->state == ASSAY_TOP_SILENT            ? "SILENT: last recorded"
                        : item->state == ASSAY_TOP_STOPPED ? "its process is gone: last recorded"
                                                           : "recorded",
                text);
    }
}

size_t assay_top_rewards(
        const struct assay_train_report *report, double rewards[ASSAY_TOP_REWARDS_MAX])
{
    size_t count = 0;

    for (size_t i = report->row_count; i > 0 && count < ASSAY_TOP_REWARDS_MAX; i--) {
        const double value = assay_train_row_get(&report->rows[i - 1], "reward");

        if (strcmp(report->rows[i - 1].phase, "rl") == 0 && isfinite(value))
            rewards[count++] = value;
    }
    for (size_t i = 0; i < count / 2; i++) {
        const double value = rewards[i];

        rewards[i] = rewards[count - 1 - i];
        rewards[count - 1 - i] = value;
    }
    return count;
}

// The last rewards as a curve of one line, each between the least and the most of them.
static void put_curve(struct lines *l, const struct assay_train_report *report)
{
    static const char *const blocks[] = {
            "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
    double values[ASSAY_TOP_REWARDS_MAX], least = (double)INFINITY, most = -(double)INFINITY;
    const size_t count = assay_top_rewards(report, values);

    for (size_t i = 0; i < count; i++) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    if (count < 2)
        return;
    (void)assay_buf_adds(&l->line, "  reward ");
    for (size_t i = 0; i < count; i++)
        (void)assay_buf_adds(&l->line,
                blocks[most > least ? (size_t)(7.999 * (values[i] - least) / (most - least)) : 0]);
    (void)assay_buf_addf(&l->line, " %.3g to %.3g", least, most);
}

static void put_rate(struct lines *l, const struct assay_train_row *row, const char *split)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%s_rate", split);
    if (isnan(assay_train_row_get(row, name)))
        return;
    (void)assay_buf_addf(&l->line, "  %s %.1f %%", split, 100 * assay_train_row_get(row, name));
    (void)snprintf(name, sizeof(name), "%s_low", split);
    (void)assay_buf_addf(&l->line, " (%.1f", 100 * assay_train_row_get(row, name));
    (void)snprintf(name, sizeof(name), "%s_high", split);
    (void)assay_buf_addf(&l->line, "-%.1f)", 100 * assay_train_row_get(row, name));
}

static void write_training(struct lines *l, const struct assay_top_item *item, bool curves)
{
    const struct assay_train_report *report = &item->report;
    const struct assay_train_row *rl = assay_train_report_last(report, "rl", NULL);
    const struct assay_train_row *sft = assay_train_report_last(report, "sft", NULL);
    const struct assay_train_row *eval = assay_train_report_last(report, "eval", NULL);

    (void)assay_buf_addf(&l->line, "train %s  %s  %s %" PRIu64 "/%" PRIu64, item->run_id,
            assay_top_state_name(item->state), item->phase, item->phase_done, item->phase_total);
    put_time(l, item, strcmp(item->phase, "sft") == 0 && report->rl_steps > 0 ? " of sft" : "");
    end_line(l);
    if (rl) {
        put_number(l, rl, "reward", "reward", 1, "");
        put_number(l, rl, "entropy", "entropy", 1, "");
        put_number(l, rl, "dead_share", "dead groups", 100, " %");
        put_number(l, rl, "rescued", "rescued", 1, "");
        put_number(l, rl, "grad_norm", "grad norm", 1, "");
        put_number(l, rl, "staleness", "stale", 1, "");
        end_line(l);
        put_number(l, rl, "sampled_tokens_per_s", "sampled", 1, " tok/s");
        put_number(l, rl, "trained_rows_per_s", "trained", 1, " tok/s");
        put_number(l, rl, "executed_per_s", "verdicts", 1, "/s");
        put_number(l, rl, "idle_for_rewards", "idle for rewards", 100, " %");
        put_number(l, rl, "idle_trainer", "trainer idle", 100, " %");
        put_number(l, rl, "idle_sampler", "sampler idle", 100, " %");
        end_line(l);
    } else if (sft) {
        put_number(l, sft, "loss", "loss", 1, "");
        put_number(l, sft, "grad_norm", "grad norm", 1, "");
        put_number(l, sft, "rows_per_s", "trained", 1, " tok/s");
        end_line(l);
    }
    if (eval) {
        (void)assay_buf_adds(&l->line, "  held-out");
        put_rate(l, eval, "seeds");
        put_rate(l, eval, "families");
        end_line(l);
    }
    if (curves && rl) {
        put_curve(l, report);
        if (l->line.len > 0)
            end_line(l);
    }
}

static void write_run(struct lines *l, const struct assay_top_item *item)
{
    (void)assay_buf_addf(&l->line, "run   %s  %s  %s  %s  %zu/%zu done, %zu resolved", item->run_id,
            assay_top_state_name(item->state), item->run.suite, item->run.model, item->pace.done,
            item->run.total, item->pace.resolved);
    if (item->pace.unscored > 0)
        (void)assay_buf_addf(&l->line, ", %zu without verdict", item->pace.unscored);
    if (item->state == ASSAY_TOP_RUNNING)
        (void)assay_buf_addf(&l->line, ", %zu in the last minute", item->pace.done_since);
    put_time(l, item, "");
    end_line(l);
}

static void write_service(struct lines *l, const struct assay_top_service *service)
{
    char text[ASSAY_DURATION_BYTES];

    assay_duration_text(text, service->uptime_s * 1000);
    (void)assay_buf_addf(&l->line,
            "service %s  %s %s  gradings %" PRIu64 " of %" PRIu64 ", %" PRIu64
            " queued  episodes %" PRIu64 "  connections %" PRIu64,
            service->version, service->draining ? "DRAINING, up" : "up", text, service->running,
            service->slots, service->queued, service->episodes, service->connections);
    end_line(l);
}

void assay_top_write(struct assay_buf *out, const struct assay_top *top, size_t width, bool curves)
{
    struct lines l = {.out = out, .width = width};

    assay_buf_init(&l.line, LINE_BYTES_MAX);
    if (top->service)
        write_service(&l, top->service);
    for (size_t i = 0; i < top->count; i++) {
        if (top->items[i].training)
            write_training(&l, &top->items[i], curves);
        else
            write_run(&l, &top->items[i]);
    }
    if (top->count == 0)
        (void)assay_buf_adds(out, "nothing is running\n");
    if (top->forgotten > 0)
        (void)assay_buf_addf(out,
                "%zu more open, silent for an hour or longer: assay report --list\n",
                top->forgotten);
    assay_buf_free(&l.line);
}

// --- JSON ----------------------------------------------------------------------------------------

static void put_last(
        struct assay_json_writer *w, const struct assay_train_report *report, const char *phase)
{
    const struct assay_train_row *row = assay_train_report_last(report, phase, NULL);

    if (row)
        assay_json_put_written(w, phase, row->body);
    else
        assay_json_put_null(w, phase);
}

static void put_rewards(struct assay_json_writer *w, const struct assay_train_report *report)
{
    double rewards[ASSAY_TOP_REWARDS_MAX];
    const size_t count = assay_top_rewards(report, rewards);

    assay_json_begin_array(w, "rewards");
    for (size_t i = 0; i < count; i++)
        assay_json_put_double(w, NULL, rewards[i]);
    assay_json_end_array(w);
}

static void put_service(struct assay_json_writer *w, const struct assay_top_service *service)
{
    assay_json_begin_object(w, "service");
    assay_json_put_text(w, "version", service->version);
    assay_json_put_u64(w, "uptime_s", service->uptime_s);
    assay_json_put_bool(w, "draining", service->draining);
    assay_json_put_u64(w, "slots", service->slots);
    assay_json_put_u64(w, "running", service->running);
    assay_json_put_u64(w, "queued", service->queued);
    assay_json_put_u64(w, "episodes", service->episodes);
    assay_json_put_u64(w, "connections", service->connections);
    assay_json_end_object(w);
}

static void put_item(struct assay_json_writer *w, const struct assay_top_item *item)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "run_id", item->run_id);
    assay_json_put_text(w, "kind", item->training ? "training" : "run");
    assay_json_put_text(w, "state", assay_top_state_name(item->state));
    assay_json_put_u64(w, "quiet_ms", item->quiet_ms);
    if (item->left_ms == ASSAY_TOP_UNKNOWN_MS)
        assay_json_put_null(w, "left_ms");
    else
        assay_json_put_u64(w, "left_ms", item->left_ms);
    if (item->training) {
        assay_json_put_text(w, "phase", item->phase);
        assay_json_put_u64(w, "phase_done", item->phase_done);
        assay_json_put_u64(w, "phase_total", item->phase_total);
        assay_json_put_u64(w, "rl_steps", item->report.rl_steps);
        put_rewards(w, &item->report);
        put_last(w, &item->report, "sft");
        put_last(w, &item->report, "rl");
        put_last(w, &item->report, "eval");
    } else {
        assay_json_put_text(w, "suite", item->run.suite);
        assay_json_put_text(w, "model", item->run.model);
        assay_json_put_u64(w, "done", item->pace.done);
        assay_json_put_u64(w, "total", item->run.total);
        assay_json_put_u64(w, "resolved", item->pace.resolved);
        assay_json_put_u64(w, "unscored", item->pace.unscored);
        assay_json_put_u64(w, "done_last_minute", item->pace.done_since);
    }
    assay_json_end_object(w);
}

void assay_top_write_json(struct assay_buf *out, const struct assay_top *top)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    if (top->service)
        put_service(&w, top->service);
    assay_json_begin_array(&w, "items");
    for (size_t i = 0; i < top->count; i++)
        put_item(&w, &top->items[i]);
    assay_json_end_array(&w);
    assay_json_put_u64(&w, "forgotten", top->forgotten);
    assay_json_end_object(&w);
}
