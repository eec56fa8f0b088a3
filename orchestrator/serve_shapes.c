// SPDX-License-Identifier: MIT
// serve_shapes.c - rewards as trainers ask for them: slime, OpenRLHF, verl, TRL, NeMo Gym.
//
// What is not there before the client's patience ends is 503: all of these ask again, and join the
// run in flight. So is a null reward where the trainer knows none: a number would be a lie, and
// asking again tries again.
#include "orchestrator/serve_shapes.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/chat.h"
#include "orchestrator/serve_parts.h"

struct shape_call {
    const struct assay_shape *shape;
    struct assay_service *serve;
    struct assay_http_request *request;
    struct assay_json *body; // owned
    struct assay_shape_ask ask;
};

// A model may say a NUL, and its trainer is not to end for it: it reads as U+FFFD.
static enum assay_status read_body(
        struct assay_json **out, struct assay_http_request *request, struct assay_error *err)
{
    struct assay_buf *text = assay_http_body(request);

    assay_chat_spare_nul(text->data, text->len);
    return assay_service_read(out, request, err);
}

// --- one call -----------------------------------------------------------------------------------

static void release(struct shape_call *c)
{
    assay_json_free(c->body);
    assay_arena_destroy(c->ask.arena);
    free(c);
}

static void all_told(void *user, const struct assay_gathered *items, size_t count)
{
    struct shape_call *c = user;
    const char *null_is = assay_http_query(c->request, "null");
    const bool may_be_null =
            c->shape->knows_null || (null_is != NULL && strcmp(null_is, "null") == 0);
    const char *why_not = NULL;
    struct assay_json_writer w;
    struct assay_buf text;

    for (size_t i = 0; i < count && why_not == NULL; i++) {
        if (items[i].state != ASSAY_GRADED_DONE)
            why_not = items[i].state == ASSAY_GRADED_QUEUED ? "not graded yet: ask again"
                                                            : items[i].reason;
        else if (!items[i].scored && !may_be_null)
            why_not = items[i].reason;
    }
    if (why_not != NULL) {
        assay_service_refuse(c->request, 503, "null", why_not);
    } else {
        assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
        assay_json_writer_init(&w, &text, 0);
        c->shape->write(&w, &c->ask, items);
        assay_service_reply(c->request, 200, &text);
    }
    release(c);
}

static void answer_call(struct assay_service_call *call, enum assay_shape_name name)
{
    struct assay_http_request *request = call->request;
    struct shape_call *c = calloc(1, sizeof(*c));
    const struct assay_gathering gathering = {.done = all_told, .user = c};
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    if (c == NULL) {
        assay_service_refuse(request, 500, "memory", "out of memory");
        return;
    }
    *c = (struct shape_call){.shape = assay_shape_at(name),
            .serve = call->serve,
            .request = request,
            .ask = {.suites = call->serve->suites,
                    .details = assay_http_query(request, "detail") != NULL}};
    status = assay_arena_create(&c->ask.arena, ASSAY_SERVE_ARENA_BYTES, &err);
    if (status == ASSAY_OK)
        status = read_body(&c->body, request, &err);
    c->ask.body = c->body;
    if (status == ASSAY_OK)
        status = c->shape->read(&c->ask, &err);
    if (status == ASSAY_OK)
        status = assay_gather(call->serve->grader, c->ask.submissions, c->ask.count,
                assay_clock_ms() + c->shape->patience_s * 1000ULL, &gathering, &err);
    if (status == ASSAY_OK)
        return;
    assay_service_fail(request, status, &err);
    release(c);
}

void assay_service_slime(struct assay_service_call *call)
{
    answer_call(call, ASSAY_SHAPE_SLIME);
}

void assay_service_openrlhf(struct assay_service_call *call)
{
    answer_call(call, ASSAY_SHAPE_OPENRLHF);
}

void assay_service_verl(struct assay_service_call *call)
{
    answer_call(call, ASSAY_SHAPE_VERL);
}

void assay_service_trl(struct assay_service_call *call)
{
    answer_call(call, ASSAY_SHAPE_TRL);
}

void assay_service_nemo_verify(struct assay_service_call *call)
{
    answer_call(call, ASSAY_SHAPE_NEMO);
}

// --- the rest of NeMo Gym -----------------------------------------------------------------------

void assay_service_nemo_seed(struct assay_service_call *call)
{
    struct assay_buf text;

    assay_buf_init(&text, 16);
    assay_buf_adds(&text, "{}"); // a verdict needs no session
    assay_service_reply(call->request, 200, &text);
}

void assay_service_nemo_mode(struct assay_service_call *call)
{
    struct assay_buf text;

    assay_buf_init(&text, 32);
    assay_buf_adds(&text, "\"stateless\"");
    assay_service_reply(call->request, 200, &text);
}

void assay_service_nemo_metrics(struct assay_service_call *call)
{
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_buf text;
    enum assay_status status = read_body(&body, call->request, &err);

    assay_buf_init(&text, 4096);
    if (status == ASSAY_OK)
        status = assay_shape_write_metrics(&text, body, &err);
    assay_json_free(body);
    if (status == ASSAY_OK)
        assay_service_reply(call->request, 200, &text);
    else
        assay_service_fail(call->request, status, &err);
    assay_buf_free(&text);
}
