// SPDX-License-Identifier: MIT
// serve_grade.c - answers for verdicts: POST /v1/grade, GET /v1/jobs, GET /v1/verdicts.
#include "orchestrator/serve_grade.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/serve_gather.h"
#include "orchestrator/serve_parts.h"
#include "tasks/store_job.h"
#include "tasks/verdict.h"

struct grade_call {
    struct assay_service *serve;
    struct assay_http_request *request;
    struct assay_http_stream *stream; // NULL: one answer at the end
    bool many;
};

// --- what is answered ---------------------------------------------------------------------------

static void write_item(
        struct assay_json_writer *w, const char *key, const struct assay_gathered *item)
{
    static const char *const states[] = {"queued", "finished", "stopped", "failed"};

    assay_json_begin_object(w, key);
    assay_json_put_text(w, "job_id", item->job_id);
    if (item->task != NULL)
        assay_json_put_text(w, "instance_id", item->task->instance->instance_id);
    assay_json_put_text(w, "state", states[item->state]);
    if (item->verdict != NULL)
        assay_json_put_written(w, "verdict", item->verdict);
    else
        assay_json_put_null(w, "verdict");
    if (item->state == ASSAY_GRADED_FAILED)
        assay_json_put_text(w, "error", item->reason);
    assay_json_end_object(w);
}

static void send_event(struct assay_http_stream *stream, const char *name, struct assay_buf *data)
{
    struct assay_buf piece;

    assay_buf_init(&piece, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_buf_addf(&piece, "event: %s\ndata: ", name);
    assay_buf_add(&piece, data->data, data->len);
    assay_buf_adds(&piece, "\n\n");
    if (!piece.failed && !data->failed)
        (void)assay_http_stream_write(stream, piece.data, piece.len);
    assay_buf_free(&piece);
    assay_buf_free(data);
}

static void stream_item(void *user, size_t index, const struct assay_gathered *item)
{
    const struct grade_call *c = user;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "index", index);
    write_item(&w, "job", item);
    assay_json_end_object(&w);
    send_event(c->stream, "verdict", &text);
}

static void end_stream(const struct grade_call *c, const char *name, const char *message)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    if (message != NULL)
        assay_json_put_text(&w, "message", message);
    assay_json_end_object(&w);
    send_event(c->stream, name, &text);
    assay_http_stream_end(c->stream);
}

static void answer_one(const struct grade_call *c, const struct assay_gathered *item)
{
    struct assay_json_writer w;
    struct assay_buf text;

    if (item->job_id[0] != '\0')
        assay_http_add_header(c->request, "Assay-Job", item->job_id);
    if (item->state == ASSAY_GRADED_STOPPED || item->state == ASSAY_GRADED_FAILED) {
        assay_service_refuse(
                c->request, item->state == ASSAY_GRADED_STOPPED ? 503 : 500, "job", item->reason);
        return;
    }
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    if (item->state == ASSAY_GRADED_DONE) {
        assay_buf_adds(&text, item->verdict);
    } else {
        assay_json_writer_init(&w, &text, 0);
        write_item(&w, NULL, item);
    }
    assay_service_reply(c->request, item->state == ASSAY_GRADED_DONE ? 200 : 202, &text);
}

static void answer_many(
        const struct grade_call *c, const struct assay_gathered *items, size_t count)
{
    unsigned status = 200;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_array(&w, "items");
    for (size_t i = 0; i < count; i++) {
        write_item(&w, NULL, &items[i]);
        if (items[i].state != ASSAY_GRADED_DONE)
            status = 202;
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    assay_service_reply(c->request, status, &text);
}

static void all_told(void *user, const struct assay_gathered *items, size_t count)
{
    struct grade_call *c = user;

    if (c->stream != NULL)
        end_stream(c, "end", NULL);
    else if (c->many)
        answer_many(c, items, count);
    else
        answer_one(c, &items[0]);
    free(c);
}

// --- POST /v1/grade -----------------------------------------------------------------------------

static bool wants_stream(struct assay_http_request *request)
{
    const char *accept = assay_http_header(request, "Accept");

    return accept != NULL && strstr(accept, "text/event-stream") != NULL;
}

static enum assay_status grade(struct grade_call *c, const struct assay_json *body,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_gathering gathering = {
            .done = all_told, .each = wants_stream(c->request) ? stream_item : NULL, .user = c};
    struct assay_grade_ask ask;
    enum assay_status status =
            assay_grade_read(&ask, c->serve->suites, body, gathering.each != NULL, arena, err);

    if (status != ASSAY_OK)
        return status;
    c->many = ask.many;
    if (gathering.each != NULL &&
            (c->stream = assay_http_stream(c->request, "text/event-stream")) == NULL) {
        free(c);
        return ASSAY_OK; // it has been answered
    }
    return assay_gather(c->serve->grader, ask.submissions, ask.count,
            assay_clock_ms() + ask.wait_s * 1000, &gathering, err);
}

void assay_service_grade(struct assay_service_call *call)
{
    struct grade_call *c = calloc(1, sizeof(*c));
    struct assay_http_request *request = call->request;
    struct assay_arena *arena = NULL;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&arena, ASSAY_SERVE_ARENA_BYTES, &err);

    if (status == ASSAY_OK && c == NULL)
        status = assay_fail(&err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = assay_service_read(&body, request, &err);
    if (status == ASSAY_OK) {
        *c = (struct grade_call){.serve = call->serve, .request = request};
        status = grade(c, body, arena, &err);
    }
    if (status != ASSAY_OK) {
        if (c != NULL && c->stream != NULL)
            end_stream(c, "error", err.message);
        else
            assay_service_fail(request, status, &err);
        free(c);
    }
    assay_json_free(body);
    assay_arena_destroy(arena);
}

// --- what became of it --------------------------------------------------------------------------

// A job with its verdict, as the store has them.
static enum assay_status write_job(struct assay_buf *text, struct assay_service *serve,
        const char *job_id, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(serve->context);
    struct assay_json_writer w;
    struct assay_verdict verdict = {0};
    struct assay_buf told;
    struct assay_job job;
    enum assay_status status = assay_store_get_job(store, job_id, NULL, arena, &job, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&told, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "job_id", job.job_id);
    assay_json_put_text(&w, "suite", job.suite);
    assay_json_put_text(&w, "instance_id", job.instance_id);
    assay_json_put_text(&w, "state", job.finished ? "finished" : "queued");
    assay_json_put_u64(&w, "tries", job.tries);
    assay_json_put_text(&w, "accepted_at", job.accepted_at);
    assay_json_put_text(&w, "finished_at", job.finished_at);
    if (job.finished &&
            assay_store_get_verdict(store, job.job_id, job.instance_id, arena, &verdict, NULL) ==
                    ASSAY_OK) {
        assay_verdict_write(&told, &verdict, 0);
        assay_json_put_written(&w, "verdict", told.data);
    } else {
        assay_json_put_null(&w, "verdict");
    }
    assay_json_end_object(&w);
    assay_buf_free(&told);
    return ASSAY_OK;
}

void assay_service_job(struct assay_service_call *call)
{
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    struct assay_buf text;
    enum assay_status status = assay_arena_create(&arena, ASSAY_SERVE_ARENA_BYTES, &err);

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    if (status == ASSAY_OK)
        status = write_job(&text, call->serve, call->argument, arena, &err);
    if (status == ASSAY_OK)
        assay_service_reply(call->request, 200, &text);
    else
        assay_service_fail(call->request, status, &err);
    assay_buf_free(&text);
    assay_arena_destroy(arena);
}

void assay_service_verdict(struct assay_service_call *call)
{
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    struct assay_verdict verdict = {0};
    struct assay_buf text;
    enum assay_status status = assay_arena_create(&arena, ASSAY_SERVE_ARENA_BYTES, &err);

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_store_cached_verdict(
                assay_context_store(call->serve->context), call->argument, arena, &verdict, &err);
    if (status == ASSAY_OK) {
        assay_verdict_write(&text, &verdict, 0);
        assay_service_reply(call->request, 200, &text);
    } else {
        assay_service_fail(call->request, status, &err);
    }
    assay_buf_free(&text);
    assay_arena_destroy(arena);
}

void assay_service_tell_graded(void *user, size_t index, const struct assay_graded *graded)
{
    struct assay_service *serve = user;
    struct assay_json_writer w;
    struct assay_buf text;

    (void)index;
    assay_histogram_add(&serve->graded, graded->wall_us);
    assay_buf_init(&text, ASSAY_EVENT_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "job_id", graded->job_id);
    assay_json_put_text(&w, "suite", graded->task->suite->name);
    assay_json_put_text(&w, "instance_id", graded->task->instance->instance_id);
    if (graded->scored)
        assay_json_put_double(&w, "reward", graded->reward);
    else
        assay_json_put_null(&w, "reward");
    assay_json_put_text(&w, "cause", graded->cause);
    assay_json_end_object(&w);
    if (!text.failed)
        assay_events_tell(serve->events, "graded", text.data);
    assay_buf_free(&text);
}
