// SPDX-License-Identifier: MIT
// actor_embedded.c - a model of the policy room as an actor: no server, and every token is known.
//
// What is kept of an answer are the ids that the model read and those that it sampled, with their
// log-probabilities: whoever trains on it need not make tokens of texts again.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/tools.h"
#include "orchestrator/embedded.h"
#include "policy/chat.h"

struct embedded {
    struct assay_embedded *model; // owned
    struct assay_sampling sampling;
    uint64_t tokens_max; // of an answer
    char *digest;        // owned
};

struct pupil {
    const struct embedded *e;
    const struct assay_actor_task *task;
};

// --- what the command said -----------------------------------------------------------------------

static void release(void *config)
{
    struct embedded *e = config;

    if (e == NULL)
        return;
    assay_embedded_close(e->model);
    free(e->digest);
    free(e);
}

static enum assay_status read_options(
        struct embedded *e, const struct assay_invocation *invocation, struct assay_error *err)
{
    enum assay_status status =
            assay_cli_real(&e->sampling.temperature, invocation, "temperature", err);

    if (status == ASSAY_OK)
        status = assay_cli_number(
                &e->tokens_max, invocation, "answer-tokens", 1, ASSAY_EMBEDDED_TOKENS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_sampling_check(&e->sampling, err);
    return status;
}

static enum assay_status configure(void **config, const char *rest,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    struct embedded *e = NULL;
    enum assay_status status = ASSAY_OK;

    if (rest[0] == '\0')
        return assay_fail(err, ASSAY_EUSAGE, "--actor embedded:MODEL wants a model");
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *e = (struct embedded){.sampling = ASSAY_SAMPLING_PLAIN, .tokens_max = 1024};
    status = read_options(e, invocation, err);
    if (status == ASSAY_OK)
        status = assay_embedded_open(&e->model, rest, assay_cli_value(invocation, "template"), err);
    if (status == ASSAY_OK &&
            asprintf(&e->digest, "%s\n%g\n%" PRIu64, assay_embedded_version(e->model),
                    e->sampling.temperature, e->tokens_max) < 0) {
        e->digest = NULL;
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK)
        *config = e;
    else
        release(e);
    return status;
}

static const char *digest(const void *config)
{
    const struct embedded *e = config;

    return e->digest;
}

// --- one episode ---------------------------------------------------------------------------------

static enum assay_status open_pupil(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct pupil *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "embedded: out of memory");
    *p = (struct pupil){.e = config, .task = task};
    *state = p;
    return ASSAY_OK;
}

// The conversation as the model's ids.
static enum assay_status encode(const struct pupil *p, const struct assay_actor_question *question,
        struct assay_ids *ids, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status;

    assay_buf_init(&json, ASSAY_CHAT_BYTES_MAX);
    assay_buf_adds(&json, "{\"messages\":[");
    assay_buf_add(&json, question->messages->data, question->messages->len);
    assay_buf_adds(&json, "]");
    if (question->tools) {
        assay_buf_adds(&json, ",\"tools\":");
        assay_json_writer_init(&w, &json, 0);
        assay_tools_write(&w, NULL);
    }
    assay_buf_adds(&json, "}");
    if (question->messages->failed)
        json.failed = true;
    status = assay_buf_check(&json, "the conversation", err);
    if (status == ASSAY_OK)
        status = assay_embedded_encode(p->e->model, ids, json.data, json.len, err);
    assay_buf_free(&json);
    return status;
}

static enum assay_status write_sampled(struct assay_actor_message *out, const struct embedded *e,
        const struct assay_ids *prompt, const struct assay_embedded_answer *s,
        struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status;

    assay_buf_init(&json, ASSAY_EMBEDDED_TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "version", assay_embedded_version(e->model));
    assay_json_begin_array(&w, "ids");
    for (size_t i = 0; i < prompt->count; i++)
        assay_json_put_i64(&w, NULL, prompt->items[i]);
    for (size_t i = 0; i < s->ids.count; i++)
        assay_json_put_i64(&w, NULL, s->ids.items[i]);
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "mask");
    for (size_t i = 0; i < prompt->count + s->ids.count; i++)
        assay_json_put_u64(&w, NULL, i >= prompt->count);
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "logp");
    for (size_t i = 0; i < prompt->count + s->ids.count; i++)
        assay_json_put_double(&w, NULL, i < prompt->count ? 0 : s->logp[i - prompt->count]);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    status = assay_buf_check(&json, "the sampled tokens", err);
    if (status == ASSAY_OK && (out->sampled = assay_arena_strdup(out->arena, json.data)) == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    assay_buf_free(&json);
    return status;
}

static enum assay_status ask(void *state, const struct assay_actor_question *question,
        struct assay_actor_message *out, struct assay_error *err)
{
    const struct pupil *p = state;
    struct assay_ids prompt = {0};
    struct assay_embedded_answer answer;
    const struct assay_embedded_question asked = {.prompt = &prompt,
            .tokens_max = p->e->tokens_max,
            .sampling = p->e->sampling,
            .seed = p->task->seed + question->draw,
            .cancel = p->task->cancel,
            .deadline_ms = p->task->deadline_ms};
    enum assay_status status = encode(p, question, &prompt, err);

    assay_embedded_answer_init(&answer);
    if (status == ASSAY_OK)
        status = assay_embedded_ask(p->e->model, &asked, &answer, err);
    if (status == ASSAY_OK)
        status = write_sampled(out, p->e, &prompt, &answer, err);
    if (status == ASSAY_OK)
        status = assay_embedded_read(out, &answer.text, err);
    out->prompt_tokens = prompt.count;
    out->answer_tokens = answer.ids.count;
    assay_embedded_answer_free(&answer);
    free(prompt.items);
    return status;
}

const struct assay_actor_kind assay_actor_embedded = {.name = "embedded",
        .configure = configure,
        .release = release,
        .digest = digest,
        .open = open_pupil,
        .ask = ask,
        .close = free};
