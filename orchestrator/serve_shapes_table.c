// SPDX-License-Identifier: MIT
#include <string.h>

#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_shapes.h"
#include "tasks/store_job.h"

// No request is longer (assay_http_options), and an answer is a part of one.
#define RESPONSE_BYTES_MAX ((size_t)64 << 20)

#define ANSWERS_MAX ASSAY_JOBS_MAX

// --- which answer is meant ----------------------------------------------------------------------

// An instance by what a data set's row says of it: its id, or {"instance_id", "suite"}, or either
// as JSON in a text.
static enum assay_status find_task(struct assay_shape_ask *c, const struct assay_served **out,
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
    status = text != NULL ? assay_served_find(out, c->suites, suite, text, err)
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

static enum assay_status make_room(struct assay_shape_ask *c, size_t count, struct assay_error *err)
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

static enum assay_status read_slime(struct assay_shape_ask *c, struct assay_error *err)
{
    enum assay_status status = make_room(c, 1, err);

    if (status != ASSAY_OK)
        return status;
    c->submissions[0].answer = last_words(assay_json_get(c->body, "response"));
    return find_task(c, &c->submissions[0].task, assay_json_get(c->body, "label"), err);
}

static void write_slime(struct assay_json_writer *w, const struct assay_shape_ask *c,
        const struct assay_gathered *items)
{
    if (!c->details) {
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

static enum assay_status read_openrlhf(struct assay_shape_ask *c, struct assay_error *err)
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

static void write_openrlhf(struct assay_json_writer *w, const struct assay_shape_ask *c,
        const struct assay_gathered *items)
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

static enum assay_status read_verl(struct assay_shape_ask *c, struct assay_error *err)
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

static void write_verl(struct assay_json_writer *w, const struct assay_shape_ask *c,
        const struct assay_gathered *items)
{
    (void)c;
    assay_json_begin_object(w, NULL);
    put_reward(w, "score", &items[0]);
    put_reward(w, "reward", &items[0]); // as its releases before had it
    put_details(w, &items[0]);
    assay_json_end_object(w);
}

// --- TRL: a reward function's arguments -> a list of numbers and nulls --------------------------

static enum assay_status read_trl(struct assay_shape_ask *c, struct assay_error *err)
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

static void write_trl(struct assay_json_writer *w, const struct assay_shape_ask *c,
        const struct assay_gathered *items)
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

static enum assay_status read_nemo(struct assay_shape_ask *c, struct assay_error *err)
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

static void write_nemo(struct assay_json_writer *w, const struct assay_shape_ask *c,
        const struct assay_gathered *items)
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

const struct assay_shape *assay_shape_at(enum assay_shape_name name)
{
    static const struct assay_shape shapes[ASSAY_SHAPE_COUNT] = {
            [ASSAY_SHAPE_SLIME] = {110, false, read_slime, write_slime},
            [ASSAY_SHAPE_OPENRLHF] = {170, false, read_openrlhf, write_openrlhf},
            [ASSAY_SHAPE_VERL] = {170, false, read_verl, write_verl},
            [ASSAY_SHAPE_TRL] = {170, true, read_trl, write_trl},
            [ASSAY_SHAPE_NEMO] = {170, true, read_nemo, write_nemo},
    };

    return &shapes[name];
}

// --- NeMo Gym's metrics -------------------------------------------------------------------------

static void write_metrics(struct assay_json_writer *w, const char *key, double sum, size_t scored)
{
    assay_json_begin_object(w, key);
    if (scored > 0)
        assay_json_put_double(w, "mean/reward", sum / (double)scored);
    assay_json_end_object(w);
}

enum assay_status assay_shape_write_metrics(
        struct assay_buf *out, const struct assay_json *body, struct assay_error *err)
{
    const struct assay_json *responses = NULL;
    struct assay_json_writer w;
    double sum = 0;
    size_t scored = 0, masked = 0;
    const enum assay_status status =
            assay_json_read_array(&responses, body, "verify_responses", err);

    if (status != ASSAY_OK)
        return status;
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
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_array(&w, "group_level_metrics");
    assay_json_end_array(&w);
    write_metrics(&w, "agent_metrics", sum, scored);
    write_metrics(&w, "key_metrics", sum, scored);
    assay_json_put_u64(&w, "scored", scored);
    assay_json_put_u64(&w, "masked", masked);
    assay_json_end_object(&w);
    return ASSAY_OK;
}
