// SPDX-License-Identifier: MIT
// serve_look.c - what people look at: runs, attempts, answers, logs by range, comparisons.
#include "orchestrator/serve_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/store_view.h"

#define RUNS_MAX 200
#define TASKS_MAX 500
#define CHANGES_MAX 500
#define TESTS_MAX 20000 // of one answer; a longer list is cut, and says so

bool assay_service_look_begin(struct assay_look *look, struct assay_service_call *call)
{
    *look = (struct assay_look){.call = call, .store = assay_context_store(call->serve->context)};
    look->status = assay_arena_create(&look->arena, ASSAY_SERVE_ARENA_BYTES, &look->err);
    assay_buf_init(&look->text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&look->w, &look->text, 0);
    return look->status == ASSAY_OK;
}

void assay_service_look_end(struct assay_look *look)
{
    if (look->status == ASSAY_OK) {
        assay_service_reply(look->call->request, 200, &look->text);
    } else {
        assay_buf_free(&look->text);
        assay_service_fail(look->call->request, look->status, &look->err);
    }
    assay_arena_destroy(look->arena);
}

uint64_t assay_service_look_number(
        struct assay_look *look, const char *name, uint64_t otherwise, uint64_t max)
{
    const char *given = assay_http_query(look->call->request, name);
    uint64_t number = otherwise;
    char *end = NULL;

    if (look->status != ASSAY_OK || given == NULL)
        return otherwise;
    if (*given >= '0' && *given <= '9' && strlen(given) < 20)
        number = strtoull(given, &end, 10);
    if (end == NULL || *end != '\0' || number > max)
        look->status = assay_fail(
                &look->err, ASSAY_EINVAL, "%s: a number up to %" PRIu64 " is wanted", name, max);
    return number;
}

const char *assay_service_look_text(struct assay_look *look, const char *name)
{
    const char *given = assay_http_query(look->call->request, name);

    if (look->status == ASSAY_OK && (given == NULL || *given == '\0'))
        look->status = assay_fail(&look->err, ASSAY_EINVAL, "%s is wanted in the query", name);
    return given != NULL ? given : "";
}

// --- runs ----------------------------------------------------------------------------------------

static void put_run(struct assay_json_writer *w, const struct assay_run *run)
{
    assay_json_put_text(w, "run_id", run->run_id);
    assay_json_put_text(w, "suite", run->suite);
    assay_json_put_text(w, "model", run->model);
    assay_json_put_text(w, "command", run->command);
    assay_json_put_text(w, "state", run->state == ASSAY_RUN_OPEN ? "open" : "finished");
    assay_json_put_text(w, "started_at", run->started_at);
    assay_json_put_text(w, "finished_at", run->finished_at);
    assay_json_put_u64(w, "total", run->total);
    assay_json_put_u64(w, "done", run->done);
}

void assay_service_runs(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_run_view *rows = NULL;
    size_t count = 0;
    uint64_t before, max, jobs;

    (void)assay_service_look_begin(&look, call);
    before = assay_service_look_number(&look, "before", INT64_MAX, INT64_MAX);
    max = assay_service_look_number(&look, "limit", 50, RUNS_MAX);
    jobs = assay_service_look_number(&look, "jobs", 0, 1);
    if (look.status == ASSAY_OK)
        look.status = assay_store_view_runs(
                look.store, before, jobs == 1, max, look.arena, &rows, &count, &look.err);
    assay_json_begin_object(&look.w, NULL);
    assay_json_begin_array(&look.w, "runs");
    for (size_t i = 0; look.status == ASSAY_OK && i < count; i++) {
        assay_json_begin_object(&look.w, NULL);
        assay_json_put_u64(&look.w, "number", rows[i].number);
        put_run(&look.w, &rows[i].run);
        assay_json_put_u64(&look.w, "resolved", rows[i].resolved);
        assay_json_put_u64(&look.w, "unscored", rows[i].unscored);
        assay_json_end_object(&look.w);
    }
    assay_json_end_array(&look.w);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}

void assay_service_run(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_run run = {0};
    struct assay_cause_view *causes = NULL;
    size_t count = 0;

    if (assay_service_look_begin(&look, call))
        look.status = assay_store_get_run(look.store, call->argument, look.arena, &run, &look.err);
    if (look.status == ASSAY_OK)
        look.status = assay_store_view_causes(
                look.store, call->argument, look.arena, &causes, &count, &look.err);
    assay_json_begin_object(&look.w, NULL);
    put_run(&look.w, &run);
    assay_json_begin_array(&look.w, "causes");
    for (size_t i = 0; look.status == ASSAY_OK && i < count; i++) {
        assay_json_begin_object(&look.w, NULL);
        assay_json_put_text(&look.w, "cause", causes[i].cause);
        assay_json_put_bool(&look.w, "scored", causes[i].scored);
        assay_json_put_bool(&look.w, "resolved", causes[i].resolved);
        assay_json_put_u64(&look.w, "count", causes[i].count);
        assay_json_end_object(&look.w);
    }
    assay_json_end_array(&look.w);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}

// [{"instance_id", "attempts": [{...}]}]: rows of one task follow each other.
static void put_tasks(
        struct assay_json_writer *w, const struct assay_attempt_view *rows, size_t count)
{
    assay_json_begin_array(w, "tasks");
    for (size_t i = 0; i < count; i++) {
        const struct assay_attempt_view *row = &rows[i];

        if (i == 0 || strcmp(row->instance_id, rows[i - 1].instance_id) != 0) {
            assay_json_begin_object(w, NULL);
            assay_json_put_text(w, "instance_id", row->instance_id);
            assay_json_begin_array(w, "attempts");
        }
        assay_json_begin_object(w, NULL);
        assay_json_put_u64(w, "sample", row->sample);
        assay_json_put_text(w, "run_id", row->graded_in);
        if (row->episode_number > 0) {
            assay_json_put_u64(w, "trajectory", row->episode_number);
            assay_json_put_text(w, "ended", row->episode_cause);
        }
        if (row->has_verdict) {
            if (row->scored)
                assay_json_put_bool(w, "resolved", row->resolved);
            else
                assay_json_put_null(w, "resolved");
            assay_json_put_text(w, "cause", row->cause);
        }
        assay_json_end_object(w);
        if (i + 1 == count || strcmp(row->instance_id, rows[i + 1].instance_id) != 0) {
            assay_json_end_array(w);
            assay_json_end_object(w);
        }
    }
    assay_json_end_array(w);
}

void assay_service_attempts(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_attempt_view *rows = NULL;
    struct assay_run run = {0};
    size_t count = 0;
    uint64_t offset, max;

    (void)assay_service_look_begin(&look, call);
    offset = assay_service_look_number(&look, "offset", 0, INT64_MAX);
    max = assay_service_look_number(&look, "limit", 100, TASKS_MAX);
    if (look.status == ASSAY_OK)
        look.status = assay_store_get_run(look.store, call->argument, look.arena, &run, &look.err);
    if (look.status == ASSAY_OK)
        look.status = assay_store_view_attempts(
                look.store, call->argument, offset, max, look.arena, &rows, &count, &look.err);
    assay_json_begin_object(&look.w, NULL);
    assay_json_put_u64(&look.w, "total", run.total);
    assay_json_put_u64(&look.w, "offset", offset);
    put_tasks(&look.w, rows, look.status == ASSAY_OK ? count : 0);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}

// --- one answer ----------------------------------------------------------------------------------

static void put_tests(struct assay_look *look, const char *run_id, const char *instance_id)
{
    struct assay_outcome outcome;
    struct assay_error err = {0};
    size_t shown = 0;

    assay_outcome_init(&outcome, look->arena);
    // A verdict without tests (a patch that does not apply) has none: an empty list.
    if (assay_store_get_outcome(look->store, run_id, instance_id, &outcome, &err) != ASSAY_OK)
        outcome.count = 0;
    assay_json_put_u64(&look->w, "test_count", outcome.count);
    assay_json_begin_array(&look->w, "tests");
    for (size_t i = 0; i < outcome.count && shown < TESTS_MAX; i++, shown++) {
        assay_json_begin_array(&look->w, NULL);
        assay_json_put_text(&look->w, NULL, outcome.results[i].id);
        assay_json_put_text(&look->w, NULL, assay_test_status_name(outcome.results[i].status));
        assay_json_end_array(&look->w);
    }
    assay_json_end_array(&look->w);
}

void assay_service_attempt(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_answer_view answer = {0};
    const char *instance_id;

    (void)assay_service_look_begin(&look, call);
    instance_id = assay_service_look_text(&look, "instance_id");
    if (look.status == ASSAY_OK)
        look.status = assay_store_view_answer(
                look.store, call->argument, instance_id, look.arena, &answer, &look.err);
    if (look.status == ASSAY_OK) {
        assay_json_begin_object(&look.w, NULL);
        assay_json_put_text(&look.w, "run_id", call->argument);
        assay_json_put_text(&look.w, "suite", answer.suite);
        assay_json_put_text(&look.w, "instance_id", instance_id);
        assay_json_put_text(&look.w, "repo", answer.repo);
        assay_json_put_text(&look.w, "recorded_at", answer.recorded_at);
        if (answer.verdict != NULL)
            assay_json_put_written(&look.w, "verdict", answer.verdict);
        else
            assay_json_put_null(&look.w, "verdict");
        if (answer.patch.data != NULL)
            assay_json_put_bytes(&look.w, "patch", answer.patch.data, answer.patch.len);
        else
            assay_json_put_null(&look.w, "patch");
        put_tests(&look, call->argument, instance_id);
        assay_json_put_bool(&look.w, "log", answer.log_path != NULL);
        assay_json_end_object(&look.w);
    }
    assay_service_look_end(&look);
}

// --- two runs ------------------------------------------------------------------------------------

static void put_comparison(struct assay_json_writer *w, const struct assay_comparison *c)
{
    assay_json_begin_object(w, "counts");
    for (size_t i = 0; i < ASSAY_CHANGES; i++)
        assay_json_put_u64(w, assay_change_name((enum assay_change)i), c->changes[i]);
    assay_json_put_u64(w, "only_a", c->only_a);
    assay_json_put_u64(w, "only_b", c->only_b);
    assay_json_end_object(w);
    assay_json_begin_array(w, "tasks");
    for (size_t i = 0; i < c->count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "instance_id", c->rows[i].instance_id);
        assay_json_put_text(w, "change", assay_change_name(c->rows[i].change));
        assay_json_put_text(w, "cause_a", c->rows[i].cause_a);
        assay_json_put_text(w, "cause_b", c->rows[i].cause_b);
        assay_json_put_bool(w, "resolved_a", c->rows[i].resolved_a);
        assay_json_put_bool(w, "resolved_b", c->rows[i].resolved_b);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

void assay_service_compare(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_comparison comparison = {0};
    const char *a, *b;
    uint64_t offset, max;

    (void)assay_service_look_begin(&look, call);
    a = assay_service_look_text(&look, "a");
    b = assay_service_look_text(&look, "b");
    offset = assay_service_look_number(&look, "offset", 0, INT64_MAX);
    max = assay_service_look_number(&look, "limit", 100, CHANGES_MAX);
    if (look.status == ASSAY_OK)
        look.status = assay_store_compare(
                look.store, a, b, offset, max, look.arena, &comparison, &look.err);
    assay_json_begin_object(&look.w, NULL);
    if (look.status == ASSAY_OK)
        put_comparison(&look.w, &comparison);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}
