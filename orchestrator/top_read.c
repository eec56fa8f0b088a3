// SPDX-License-Identifier: MIT
// top_read.c - what assay_top_write_json() wrote, read again: another machine's look at its runs.
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/top.h"

#define JSON_BYTES_MAX ((size_t)64 << 20)
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 8
#define ROW_COUNT_MAX (ASSAY_TOP_REWARDS_MAX + 3)

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "top: out of memory");
}

static enum assay_status read_text(const char **out, const struct assay_json *from, const char *key,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *text = NULL;
    const enum assay_status status = assay_json_read_text(&text, from, key, err);

    if (status != ASSAY_OK)
        return status;
    *out = assay_arena_strdup(arena, text);
    return *out ? ASSAY_OK : no_memory(err);
}

static enum assay_status read_number(
        uint64_t *out, const struct assay_json *from, const char *key, struct assay_error *err)
{
    return assay_json_read_u64(out, from, key, 0, ASSAY_JSON_INTEGER_MAX, err);
}

static enum assay_status read_size(
        size_t *out, const struct assay_json *from, const char *key, struct assay_error *err)
{
    uint64_t number = 0;
    const enum assay_status status = read_number(&number, from, key, err);

    if (status == ASSAY_OK)
        *out = (size_t)number;
    return status;
}

// --- a training ---------------------------------------------------------------------------------

// The last step of a phase, where there is one.
static enum assay_status read_last(struct assay_train_report *report, const struct assay_json *from,
        const char *phase, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *body = assay_json_get(from, phase);
    struct assay_train_row *row = &report->rows[report->row_count];
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status;

    if (assay_json_type(body) != ASSAY_JSON_OBJECT)
        return ASSAY_OK;
    *row = (struct assay_train_row){.phase = phase, .recorded_at = ""};
    assay_buf_init(&text, BODY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_put_copy(&w, NULL, body);
    status = assay_buf_check(&text, "top", err);
    if (status == ASSAY_OK && !(row->body = assay_arena_strdup(arena, text.data)))
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_train_row_read(row, body, arena, err);
    report->row_count += status == ASSAY_OK;
    assay_buf_free(&text);
    return status;
}

// Steps of which only the reward is told. The newest of them is the phase's last, which stands
// whole.
static enum assay_status read_rewards(struct assay_train_report *report,
        const struct assay_json *from, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *rewards = NULL;
    enum assay_status status = assay_json_read_array(&rewards, from, "rewards", err);
    const size_t count = status == ASSAY_OK ? assay_json_count(rewards) : 0;

    if (count > ASSAY_TOP_REWARDS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "top: %zu rewards", count);
    for (const struct assay_json *at = count > 0 ? assay_json_first(rewards) : NULL;
            at && assay_json_next(at); at = assay_json_next(at)) {
        struct assay_train_number *number = assay_arena_array(arena, 1, sizeof(*number));

        if (!number)
            return no_memory(err);
        *number = (struct assay_train_number){"reward", assay_json_number(at)};
        report->rows[report->row_count++] = (struct assay_train_row){
                .phase = "rl", .recorded_at = "", .body = "{}", .numbers = number, .count = 1};
    }
    return status;
}

static enum assay_status read_training(struct assay_top_item *out, const struct assay_json *from,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_train_report *report = &out->report;
    const char *phase = NULL;
    enum assay_status status = assay_json_read_text(&phase, from, "phase", err);

    report->rows = assay_arena_array(arena, ROW_COUNT_MAX, sizeof(*report->rows));
    if (!report->rows)
        return no_memory(err);
    if (status == ASSAY_OK)
        status = read_number(&out->phase_done, from, "phase_done", err);
    if (status == ASSAY_OK)
        status = read_number(&out->phase_total, from, "phase_total", err);
    if (status == ASSAY_OK)
        status = read_number(&report->rl_steps, from, "rl_steps", err);
    if (status == ASSAY_OK)
        status = read_last(report, from, "sft", arena, err);
    if (status == ASSAY_OK)
        status = read_rewards(report, from, arena, err);
    if (status == ASSAY_OK)
        status = read_last(report, from, "rl", arena, err);
    if (status == ASSAY_OK)
        status = read_last(report, from, "eval", arena, err);
    if (status == ASSAY_OK)
        out->phase = strcmp(phase, "sft") == 0 ? "sft" : "rl";
    return status;
}

// --- a run --------------------------------------------------------------------------------------

static enum assay_status read_run(struct assay_top_item *out, const struct assay_json *from,
        struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = read_text(&out->run.suite, from, "suite", arena, err);

    if (status == ASSAY_OK)
        status = read_text(&out->run.model, from, "model", arena, err);
    if (status == ASSAY_OK)
        status = read_size(&out->pace.done, from, "done", err);
    if (status == ASSAY_OK)
        status = read_size(&out->run.total, from, "total", err);
    if (status == ASSAY_OK)
        status = read_size(&out->pace.resolved, from, "resolved", err);
    if (status == ASSAY_OK)
        status = read_size(&out->pace.unscored, from, "unscored", err);
    if (status == ASSAY_OK)
        status = read_size(&out->pace.done_since, from, "done_last_minute", err);
    return status;
}

// --- all ----------------------------------------------------------------------------------------

static enum assay_status read_state(
        enum assay_top_state *out, const struct assay_json *from, struct assay_error *err)
{
    const char *name = NULL;
    const enum assay_status status = assay_json_read_text(&name, from, "state", err);
    enum assay_top_state state = ASSAY_TOP_FINISHED;

    if (status != ASSAY_OK)
        return status;
    while (state > ASSAY_TOP_RUNNING && strcmp(name, assay_top_state_name(state)) != 0)
        state--;
    if (strcmp(name, assay_top_state_name(state)) != 0)
        return assay_fail(err, ASSAY_EINVAL, "top: the state \"%.40s\" is not known", name);
    *out = state;
    return ASSAY_OK;
}

static enum assay_status read_item(struct assay_top_item *out, const struct assay_json *from,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *kind = NULL;
    enum assay_status status = read_text(&out->run_id, from, "run_id", arena, err);

    out->left_ms = ASSAY_TOP_UNKNOWN_MS;
    if (status == ASSAY_OK)
        status = assay_json_read_text(&kind, from, "kind", err);
    if (status == ASSAY_OK)
        status = read_state(&out->state, from, err);
    if (status == ASSAY_OK)
        status = read_number(&out->quiet_ms, from, "quiet_ms", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->left_ms, from, "left_ms", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status != ASSAY_OK)
        return status;
    out->training = strcmp(kind, "training") == 0;
    return out->training ? read_training(out, from, arena, err) : read_run(out, from, arena, err);
}

static enum assay_status read_service(const struct assay_top_service **out,
        const struct assay_json *from, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_top_service *service = assay_arena_array(arena, 1, sizeof(*service));
    enum assay_status status =
            service ? read_text(&service->version, from, "version", arena, err) : no_memory(err);

    if (status == ASSAY_OK)
        status = read_number(&service->uptime_s, from, "uptime_s", err);
    if (status == ASSAY_OK)
        status = assay_json_read_bool(&service->draining, from, "draining", err);
    if (status == ASSAY_OK)
        status = read_number(&service->slots, from, "slots", err);
    if (status == ASSAY_OK)
        status = read_number(&service->running, from, "running", err);
    if (status == ASSAY_OK)
        status = read_number(&service->queued, from, "queued", err);
    if (status == ASSAY_OK)
        status = read_number(&service->episodes, from, "episodes", err);
    if (status == ASSAY_OK)
        status = read_number(&service->connections, from, "connections", err);
    if (status == ASSAY_OK)
        *out = service;
    return status;
}

enum assay_status assay_top_read(struct assay_top *out, const char *json, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {JSON_BYTES_MAX, DEPTH_MAX};
    const struct assay_json *items = NULL;
    struct assay_json *document = NULL;
    struct assay_top top = {0};
    enum assay_status status = assay_json_parse(&document, json, len, limits, "top", 1, err);

    if (status == ASSAY_OK)
        status = assay_json_read_array(&items, document, "items", err);
    if (status == ASSAY_OK)
        status = read_size(&top.forgotten, document, "forgotten", err);
    if (status == ASSAY_OK && assay_json_get(document, "service"))
        status = read_service(&top.service, assay_json_get(document, "service"), arena, err);
    if (status == ASSAY_OK) {
        top.items = assay_arena_array(arena, assay_json_count(items), sizeof(*top.items));
        status = top.items ? ASSAY_OK : no_memory(err);
    }
    for (const struct assay_json *at = status == ASSAY_OK ? assay_json_first(items) : NULL;
            at && status == ASSAY_OK; at = assay_json_next(at))
        status = read_item(&top.items[top.count++], at, arena, err);
    if (status == ASSAY_OK)
        *out = top;
    assay_json_free(document);
    return status;
}
