// SPDX-License-Identifier: MIT
// serve_shapes.c - rewards as trainers ask for them: slime, OpenRLHF, verl, TRL, NeMo Gym.
//
// A shape reads which answers are meant, and writes what they are worth. What is not there before
// the client's patience ends is 503: all of these ask again, and join the run in flight. So is a
// null reward where the trainer knows none: a number would be a lie, and asking again tries again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/chat.h"
#include "orchestrator/serve_gather.h"
#include "orchestrator/serve_parts.h"
#include "tasks/store_job.h"

// No request is longer (assay_http_options), and an answer is a part of one.
#define RESPONSE_BYTES_MAX ((size_t)64 << 20)

#define ANSWERS_MAX ASSAY_JOBS_MAX

struct shape_call;

struct shape {
    unsigned patience_s; // below what its client has
    bool knows_null;
    enum assay_status (*read)(struct shape_call *c, struct assay_error *err);
    void (*write)(struct assay_json_writer *w, const struct shape_call *c,
            const struct assay_gathered *items);
};

struct shape_call {
    const struct shape *shape;
    struct assay_service *serve;
    struct assay_http_request *request;
    struct assay_arena *arena; // owned
    struct assay_json *body;   // owned
    struct assay_submission *submissions;
    size_t count;
};

// A model may say a NUL, and its trainer is not to end for it: it reads as U+FFFD.
static enum assay_status read_body(
        struct assay_json **out, struct assay_http_request *request, struct assay_error *err)
{
    struct assay_buf *text = assay_http_body(request);

    assay_chat_spare_nul(text->data, text->len);
    return assay_service_read(out, request, err);
}

// --- which answer is meant ----------------------------------------------------------------------

// An instance by what a data set's row says of it: its id, or {"instance_id", "suite"}, or either
// as JSON in a text.
static enum assay_status find_task(struct shape_call *c, const struct assay_served **out,
        const struct assay_json *label, struct assay_error *err)
{
    const struct assay_json_limits limits = {ASSAY_SERVE_BODY_BYTES_MAX, 8};
    const char *text = label != NULL ? assay_json_text(label) : NULL;
    struct assay_json *inner = NULL;
    const char *suite = NULL;
    enum assay_status status;

    if (text != NULL && text[strspn(text, " \t\r\n")] == '{') {
        status = assay_json_parse(&inner, text, strlen(text), limits, "label", 1, err);
        if (status != ASSAY_OK)
            return status;
        label = inner;
        text = NULL;
    }
    if (text == NULL && label != NULL && assay_json_type(label) == ASSAY_JSON_OBJECT) {
        text = assay_json_text(assay_json_get(label, "instance_id"));
        suite = assay_json_text(assay_json_get(label, "suite"));
    }
    status = text != NULL ? assay_served_find(out, c->serve->suites, suite, text, err)
                          : assay_fail(err, ASSAY_EINVAL,
                                    "an instance_id is wanted, or {\"instance_id\", \"suite\"}");
    assay_json_free(inner);
    return status;
}

// What a policy said last: a text, or messages with "content".
static struct assay_bytes last_words(const struct assay_json *said)
{
    const char *text = said != NULL ? assay_json_text(said) : NULL;
    const struct assay_json *last = NULL;

    for (const struct assay_json *at = said != NULL && text == NULL ? assay_json_first(said) : NULL;
            at != NULL; at = assay_json_next(at)) {
        if (assay_json_type(at) == ASSAY_JSON_OBJECT)
            last = at;
    }
    if (last != NULL)
        text = assay_json_text(assay_json_get(last, "content"));
    return (struct assay_bytes){text != NULL ? text : "", text != NULL ? strlen(text) : 0};
}

static enum assay_status make_room(struct shape_call *c, size_t count, struct assay_error *err)
{
    if (count > ANSWERS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "at most %d answers", ANSWERS_MAX);
    c->submissions = assay_arena_array(c->arena, count, sizeof(*c->submissions));
    c->count = count;
    return c->submissions != NULL ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static void put_reward(
        struct assay_json_writer *w, const char *key, const struct assay_gathered *item)
{
    if (item->scored)
        assay_json_put_double(w, key, item->reward);
    else
        assay_json_put_null(w, key);
}

static void put_details(struct assay_json_writer *w, const struct assay_gathered *item)
{
    if (item->scored)
        assay_json_put_bool(w, "resolved", item->resolved);
    else
        assay_json_put_null(w, "resolved");
    assay_json_put_text(w, "cause", item->cause);
    assay_json_put_text(w, "job_id", item->job_id);
}

// --- slime: {"prompt", "response", "label"} -> the reward ---------------------------------------

static enum assay_status read_slime(struct shape_call *c, struct assay_error *err)
{
    enum assay_status status = make_room(c, 1, err);

    if (status != ASSAY_OK)
        return status;
    c->submissions[0].answer = last_words(assay_json_get(c->body, "response"));
    return find_task(c, &c->submissions[0].task, assay_json_get(c->body, "label"), err);
}

static void write_slime(
        struct assay_json_writer *w, const struct shape_call *c, const struct assay_gathered *items)
{
    if (assay_http_query(c->request, "detail") == NULL) {
        // A bare value: the writer wants an object or an array around it.
        if (items[0].scored)
            assay_buf_addf(w->buf, "%.17g", items[0].reward);
        else
            assay_buf_adds(w->buf, "null");
        return;
    }
    assay_json_begin_object(w, NULL);
    put_reward(w, "score", &items[0]);
    put_details(w, &items[0]);
    assay_json_end_object(w);
}

// --- OpenRLHF: {"query", "prompts", "labels"} -> {"rewards", "scores", "extra_logs"} ------------

static enum assay_status read_openrlhf(struct shape_call *c, struct assay_error *err)
{
    const struct assay_json *query = NULL, *labels = NULL;
    const struct assay_json *prompts = assay_json_get(c->body, "prompts");
    const struct assay_json *at, *label, *prompt;
    enum assay_status status = assay_json_read_array(&query, c->body, "query", err);

    if (status == ASSAY_OK)
        status = assay_json_read_array(&labels, c->body, "labels", err);
    if (status == ASSAY_OK && assay_json_count(labels) != assay_json_count(query))
        status = assay_fail(err, ASSAY_EINVAL, "labels: as many as queries are wanted");
    if (status == ASSAY_OK)
        status = make_room(c, assay_json_count(query), err);
    if (status != ASSAY_OK)
        return status;
    at = assay_json_first(query);
    label = assay_json_first(labels);
    prompt = prompts != NULL ? assay_json_first(prompts) : NULL;
    for (size_t i = 0; i < c->count && status == ASSAY_OK; i++) {
        struct assay_bytes *answer = &c->submissions[i].answer;
        const char *begin = prompt != NULL ? assay_json_text(prompt) : NULL;

        *answer = last_words(at);
        // The query is the prompt and the answer to it.
        if (begin != NULL && strncmp(answer->data, begin, strlen(begin)) == 0) {
            answer->data += strlen(begin);
            answer->len -= strlen(begin);
        }
        status = find_task(c, &c->submissions[i].task, label, err);
        at = assay_json_next(at);
        label = assay_json_next(label);
        prompt = prompt != NULL ? assay_json_next(prompt) : NULL;
    }
    return status;
}

static void write_openrlhf(
        struct assay_json_writer *w, const struct shape_call *c, const struct assay_gathered *items)
{
    static const char *const names[] = {"rewards", "scores"};

    assay_json_begin_object(w, NULL);
    for (size_t k = 0; k < 2; k++) {
        assay_json_begin_array(w, names[k]);
        for (size_t i = 0; i < c->count; i++)
            put_reward(w, NULL, &items[i]);
        assay_json_end_array(w);
    }
    assay_json_begin_object(w, "extra_logs");
    assay_json_begin_array(w, "resolved");
    for (size_t i = 0; i < c->count; i++)
        assay_json_put_u64(w, NULL, items[i].resolved);
    assay_json_end_array(w);
    assay_json_end_object(w);
    assay_json_end_object(w);
}

// --- verl: compute_score's arguments -> {"score", "reward", ...} --------------------------------

static enum assay_status read_verl(struct shape_call *c, struct assay_error *err)
{
    const struct assay_json *extra = assay_json_get(c->body, "extra_info");
    enum assay_status status = make_room(c, 1, err);

    if (status != ASSAY_OK)
        return status;
    c->submissions[0].answer = last_words(assay_json_get(c->body, "solution_str"));
    if (extra != NULL && assay_json_get(extra, "instance_id") != NULL)
        return find_task(c, &c->submissions[0].task, extra, err);
    return find_task(c, &c->submissions[0].task, assay_json_get(c->body, "ground_truth"), err);
}

static void write_verl(
        struct assay_json_writer *w, const struct shape_call *c, const struct assay_gathered *items)
{
    (void)c;
    assay_json_begin_object(w, NULL);
    put_reward(w, "score", &items[0]);
    put_reward(w, "reward", &items[0]); // as its releases before had it
    put_details(w, &items[0]);
    assay_json_end_object(w);
}

// --- TRL: a reward function's arguments -> a list of numbers and nulls --------------------------

static enum assay_status read_trl(struct shape_call *c, struct assay_error *err)
{
    const struct assay_json *completions = NULL, *ids = NULL, *at, *id;
    enum assay_status status = assay_json_read_array(&completions, c->body, "completions", err);

    if (status == ASSAY_OK)
        status = assay_json_read_array(&ids, c->body, "instance_id", err);
    if (status == ASSAY_OK && assay_json_count(ids) != assay_json_count(completions))
        status = assay_fail(err, ASSAY_EINVAL, "instance_id: as many as completions are wanted");
    if (status == ASSAY_OK)
        status = make_room(c, assay_json_count(completions), err);
    if (status != ASSAY_OK)
        return status;
    at = assay_json_first(completions);
    id = assay_json_first(ids);
    for (size_t i = 0; i < c->count && status == ASSAY_OK; i++) {
        c->submissions[i].answer = last_words(at);
        status = find_task(c, &c->submissions[i].task, id, err);
        at = assay_json_next(at);
        id = assay_json_next(id);
    }
    return status;
}

static void write_trl(
        struct assay_json_writer *w, const struct shape_call *c, const struct assay_gathered *items)
{
    assay_json_begin_array(w, NULL);
    for (size_t i = 0; i < c->count; i++)
        put_reward(w, NULL, &items[i]);
    assay_json_end_array(w);
}

// --- NeMo Gym: a row with its response -> the same, with its reward -----------------------------

// The texts of the last message of a Responses API answer. Without memory for them there is no
// answer, not an empty one.
static enum assay_status response_text(struct assay_bytes *out, const struct assay_json *response,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *output = response != NULL ? assay_json_get(response, "output") : NULL;
    const struct assay_json *last = NULL;
    struct assay_buf text;
    enum assay_status status;

    for (const struct assay_json *at = output != NULL ? assay_json_first(output) : NULL; at != NULL;
            at = assay_json_next(at)) {
        const char *type = assay_json_text(assay_json_get(at, "type"));

        if (type != NULL && strcmp(type, "message") == 0)
            last = at;
    }
    last = last != NULL ? assay_json_get(last, "content") : NULL;
    assay_buf_init(&text, RESPONSE_BYTES_MAX);
    if (last != NULL && assay_json_text(last) != NULL)
        assay_buf_adds(&text, assay_json_text(last));
    else
        for (const struct assay_json *at = last != NULL ? assay_json_first(last) : NULL; at != NULL;
                at = assay_json_next(at)) {
            const char *piece = assay_json_text(assay_json_get(at, "text"));

            if (piece != NULL)
                assay_buf_adds(&text, piece);
        }
    status = assay_bytes_keep(out, &text, "response", arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status read_nemo(struct shape_call *c, struct assay_error *err)
{
    const struct assay_json *params = assay_json_get(c->body, "responses_create_params");
    const struct assay_json *label = c->body;
    enum assay_status status = make_room(c, 1, err);

    if (status != ASSAY_OK)
        return status;
    if (assay_json_get(label, "instance_id") == NULL && params != NULL)
        label = assay_json_get(params, "metadata");
    status = response_text(
            &c->submissions[0].answer, assay_json_get(c->body, "response"), c->arena, err);
    if (status != ASSAY_OK)
        return status;
    return find_task(c, &c->submissions[0].task, label, err);
}

static void write_nemo(
        struct assay_json_writer *w, const struct shape_call *c, const struct assay_gathered *items)
{
    static const char *const ours[] = {
            "reward", "mask_sample", "failure_kind", "failure_reason", "assay"};

    assay_json_begin_object(w, NULL);
    for (const struct assay_json *at = assay_json_first(c->body); at != NULL;
            at = assay_json_next(at)) {
        bool is_ours = false;

        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            is_ours |= strcmp(assay_json_key(at), ours[i]) == 0;
        if (!is_ours)
            assay_json_put_copy(w, assay_json_key(at), at);
    }
    // Its reward is a number, and its mask says that the number is none.
    assay_json_put_double(w, "reward", items[0].scored ? items[0].reward : 0);
    assay_json_put_bool(w, "mask_sample", !items[0].scored);
    if (!items[0].scored) {
        assay_json_put_text(w, "failure_kind", "assay:infra");
        assay_json_put_text(w, "failure_reason", items[0].reason);
    }
    assay_json_begin_object(w, "assay");
    put_details(w, &items[0]);
    assay_json_end_object(w);
    assay_json_end_object(w);
}

// --- one call -----------------------------------------------------------------------------------

static const struct shape slime = {110, false, read_slime, write_slime};
static const struct shape openrlhf = {170, false, read_openrlhf, write_openrlhf};
static const struct shape verl = {170, false, read_verl, write_verl};
static const struct shape trl = {170, true, read_trl, write_trl};
static const struct shape nemo = {170, true, read_nemo, write_nemo};

static void release(struct shape_call *c)
{
    assay_json_free(c->body);
    assay_arena_destroy(c->arena);
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
        c->shape->write(&w, c, items);
        assay_service_reply(c->request, 200, &text);
    }
    release(c);
}

static void answer_call(struct assay_service_call *call, const struct shape *shape)
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
    *c = (struct shape_call){.shape = shape, .serve = call->serve, .request = request};
    status = assay_arena_create(&c->arena, ASSAY_SERVE_ARENA_BYTES, &err);
    if (status == ASSAY_OK)
        status = read_body(&c->body, request, &err);
    if (status == ASSAY_OK)
        status = shape->read(c, &err);
    if (status == ASSAY_OK)
        status = assay_gather(call->serve->grader, c->submissions, c->count,
                assay_clock_ms() + shape->patience_s * 1000ULL, &gathering, &err);
    if (status == ASSAY_OK)
        return;
    assay_service_fail(request, status, &err);
    release(c);
}

void assay_service_slime(struct assay_service_call *call)
{
    answer_call(call, &slime);
}

void assay_service_openrlhf(struct assay_service_call *call)
{
    answer_call(call, &openrlhf);
}

void assay_service_verl(struct assay_service_call *call)
{
    answer_call(call, &verl);
}

void assay_service_trl(struct assay_service_call *call)
{
    answer_call(call, &trl);
}

void assay_service_nemo_verify(struct assay_service_call *call)
{
    answer_call(call, &nemo);
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

static void write_metrics(struct assay_json_writer *w, const char *key, double sum, size_t scored)
{
    assay_json_begin_object(w, key);
    if (scored > 0)
        assay_json_put_double(w, "mean/reward", sum / (double)scored);
    assay_json_end_object(w);
}

// Means of what is no mask.
void assay_service_nemo_metrics(struct assay_service_call *call)
{
    const struct assay_json *responses = NULL;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;
    double sum = 0;
    size_t scored = 0, masked = 0;
    enum assay_status status = read_body(&body, call->request, &err);

    if (status == ASSAY_OK)
        status = assay_json_read_array(&responses, body, "verify_responses", &err);
    if (status != ASSAY_OK) {
        assay_json_free(body);
        assay_service_fail(call->request, status, &err);
        return;
    }
    for (const struct assay_json *at = assay_json_first(responses); at != NULL;
            at = assay_json_next(at)) {
        const struct assay_json *reward = assay_json_get(at, "reward");
        const struct assay_json *mask = assay_json_get(at, "mask_sample");

        if (reward == NULL || assay_json_type(reward) != ASSAY_JSON_NUMBER ||
                (mask != NULL && assay_json_bool(mask))) {
            masked++;
            continue;
        }
        sum += assay_json_number(reward);
        scored++;
    }
    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_array(&w, "group_level_metrics");
    assay_json_end_array(&w);
    write_metrics(&w, "agent_metrics", sum, scored);
    write_metrics(&w, "key_metrics", sum, scored);
    assay_json_put_u64(&w, "scored", scored);
    assay_json_put_u64(&w, "masked", masked);
    assay_json_end_object(&w);
    assay_json_free(body);
    assay_service_reply(call->request, 200, &text);
}
