// SPDX-License-Identifier: MIT
// actor_embedded.c - a model of the policy room as an actor: no server, and every token is known.
//
// Weights and tokenizer are read once and shared; answers that episodes wait for at the same time
// are made together (policy/shared_generator.h). What is kept of an answer are the ids that the
// model read and those that it sampled, with their log-probabilities: whoever trains on it need not
// make tokens of texts again.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "envs/tools.h"
#include "kernels/ops.h"
#include "orchestrator/actor.h"
#include "policy/chat.h"
#include "policy/shared_generator.h"

#define CHAT_ARENA_BYTES ((size_t)1 << 30)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define TOKENS_MAX 1000000
#define ROWS_MAX 256                    // of a pass
#define ANSWERS_MAX 32                  // at once
#define STATE_BYTES ((uint64_t)4 << 30) // keys, values and states of all answers at once
#define STOP_IDS_MAX 4
#define VERSION_DIGITS 16
#define CALL_DEPTH_MAX 32

struct embedded {
    const struct assay_ops *ops;
    struct assay_stream *stream;            // owned
    struct assay_model *model;              // owned
    struct assay_tokenizer *tokenizer;      // owned
    const struct assay_chat_family *family; // static
    struct assay_sampling sampling;
    uint64_t tokens_max; // of an answer
    int32_t stop_ids[STOP_IDS_MAX];
    size_t stop_id_count;
    char version[VERSION_DIGITS + 1];         // of the weights
    char *digest;                             // owned
    struct assay_shared_generator *generator; // owned
};

struct pupil {
    struct embedded *e;
    const struct assay_actor_task *task;
};

// --- what the command said -----------------------------------------------------------------------

static void release(void *config)
{
    struct embedded *e = config;

    if (e == NULL)
        return;
    assay_shared_generator_destroy(e->generator);
    assay_model_destroy(e->model);
    if (e->stream != NULL)
        e->ops->device.stream_destroy(e->stream);
    assay_tokenizer_destroy(e->tokenizer);
    free(e->digest);
    free(e);
}

// The description's end, and the end of a turn that the tokenizer names.
static void find_stop_ids(struct embedded *e)
{
    static const char *const names[] = {"<|im_end|>", "<|endoftext|>", "<end_of_sentence>"};

    if (e->model->config.eos_id >= 0 && e->model->config.eos_id <= INT32_MAX)
        e->stop_ids[e->stop_id_count++] = (int32_t)e->model->config.eos_id;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const int32_t id = assay_tokenizer_find(e->tokenizer, names[i]);

        if (id >= 0 && assay_tokenizer_token(e->tokenizer, id)->special)
            e->stop_ids[e->stop_id_count++] = id;
    }
}

static enum assay_status find_version(struct embedded *e, struct assay_error *err)
{
    const size_t bytes = (size_t)e->model->params.element_count * assay_dtype_bytes(e->ops->weight);
    char hex[ASSAY_SHA256_HEX_BYTES];
    const enum assay_status status = assay_sha256_bytes(hex, e->model->params.weights, bytes, err);

    if (status == ASSAY_OK)
        snprintf(e->version, sizeof(e->version), "%.*s", VERSION_DIGITS, hex);
    return status;
}

static enum assay_status open_model(
        struct embedded *e, const char *path, const char *template, struct assay_error *err)
{
    const struct assay_stream_options options = {0};
    const struct assay_shared_options shared = {
            .answers_max = ANSWERS_MAX, .rows_max = ROWS_MAX, .bytes_max = STATE_BYTES};
    const struct assay_model_dialect dialect = {0};
    enum assay_status status = assay_tokenizer_open(&e->tokenizer, path, NULL, err);

    e->ops = assay_ops_cpu(NULL);
    if (status == ASSAY_OK)
        status = e->ops->device.stream_create(&e->stream, &options, err);
    if (status == ASSAY_OK)
        status = assay_model_open(&e->model, path, NULL, &dialect, e->ops, e->stream, err);
    if (status == ASSAY_OK)
        status = assay_shared_generator_create(&e->generator, e->model, &shared, e->stream, err);
    if (status != ASSAY_OK)
        return status;
    status = template != NULL ? assay_chat_family_find(&e->family, template, err)
                              : assay_chat_family_of(&e->family, &e->model->config, err);
    if (status != ASSAY_OK)
        return assay_wrap(err, "--template");
    find_stop_ids(e);
    return find_version(e, err);
}

static enum assay_status read_options(
        struct embedded *e, const struct assay_invocation *invocation, struct assay_error *err)
{
    enum assay_status status =
            assay_cli_real(&e->sampling.temperature, invocation, "temperature", err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&e->tokens_max, invocation, "answer-tokens", 1, TOKENS_MAX, err);
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
        status = open_model(e, rest, assay_cli_value(invocation, "template"), err);
    if (status == ASSAY_OK &&
            asprintf(&e->digest, "%s\n%g\n%" PRIu64, e->version, e->sampling.temperature,
                    e->tokens_max) < 0) {
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
    union {
        // cppcheck-suppress unusedStructMember
        const void *from;
        void *to;
    } shared = {.from = config}; // its generator is everybody's

    if (p == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "embedded: out of memory");
    *p = (struct pupil){.e = shared.to, .task = task};
    *state = p;
    return ASSAY_OK;
}

// The conversation as the model's ids.
static enum assay_status encode(const struct pupil *p, const struct assay_actor_question *question,
        struct assay_ids *ids, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_chat_text text;
    struct assay_chat chat;
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status = assay_arena_create(&arena, CHAT_ARENA_BYTES, err);

    assay_buf_init(&json, ASSAY_CHAT_BYTES_MAX);
    assay_chat_text_init(&text);
    if (status != ASSAY_OK)
        return status;
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
        status = assay_chat_read(&chat, json.data, json.len, "the conversation", arena, err);
    if (status == ASSAY_OK)
        status = assay_chat_write(&text, &chat, p->e->family, ASSAY_CHAT_THINKING_DEFAULT, err);
    if (status == ASSAY_OK)
        status = assay_chat_encode(ids, &text, p->e->family, p->e->tokenizer, err);
    assay_chat_text_free(&text);
    assay_buf_free(&json);
    assay_arena_destroy(arena);
    return status;
}

struct sampled {
    const struct embedded *e;
    struct assay_ids ids;
    double *logp; // [capacity of ids]
    size_t capacity;
    struct assay_buf text;
    bool failed;
};

static bool on_token(void *user, const struct assay_generated *token)
{
    struct sampled *s = user;
    const struct assay_token *text = assay_tokenizer_token(s->e->tokenizer, token->id);

    if (s->ids.count == s->capacity) {
        const size_t capacity = s->capacity == 0 ? 256 : 2 * s->capacity;
        double *grown = realloc(s->logp, capacity * sizeof(*grown));

        if (grown == NULL) {
            s->failed = true;
            return false;
        }
        s->logp = grown;
        s->capacity = capacity;
    }
    s->logp[s->ids.count] = token->logp;
    s->failed |= !assay_ids_add(&s->ids, token->id);
    if (token->finish != ASSAY_FINISH_STOP_ID && text != NULL && !text->special)
        assay_buf_add(&s->text, text->bytes, text->len);
    return !s->failed;
}

static enum assay_status generate(const struct pupil *p, const struct assay_ids *prompt,
        uint64_t draw, struct sampled *s, struct assay_error *err)
{
    const struct embedded *e = p->e;
    const struct assay_generation request = {.prompt = prompt->items,
            .prompt_count = prompt->count,
            .sample_count = 1,
            .token_count_max = (size_t)e->tokens_max,
            .sampling = e->sampling,
            .seed = p->task->seed + draw,
            .stop_ids = e->stop_ids,
            .stop_id_count = e->stop_id_count,
            .on_token = on_token,
            .user = s};
    const struct assay_shared_limits limits = {p->task->cancel, p->task->deadline_ms};

    return assay_shared_generator_ask(e->generator, &request, &limits, err);
}

// --- an answer -----------------------------------------------------------------------------------

// {"name", "arguments"}; what is none is a call of a tool that there is not, and is told so.
static enum assay_status add_call(
        struct assay_actor_message *out, const char *text, size_t len, struct assay_error *err)
{
    const struct assay_json_limits limits = {TEXT_BYTES_MAX, CALL_DEPTH_MAX};
    struct assay_actor_call *call = &out->calls[out->call_count];
    struct assay_json *json = NULL;
    const char *name = NULL;

    if (out->call_count == ASSAY_ACTOR_CALLS_MAX)
        return ASSAY_OK; // what is more than that is not done; the model sees what was
    if (assay_json_parse(&json, text, len, limits, "", 1, NULL) == ASSAY_OK)
        name = assay_json_text(assay_json_get(json, "name"));
    call->tool = assay_arena_strdup(out->arena, name != NULL ? name : "tool_call");
    call->arguments = name != NULL
            ? assay_actor_copy_arguments(assay_json_get(json, "arguments"), out->arena)
            : assay_arena_memdup(out->arena, text, len);
    assay_json_free(json);
    out->call_count++;
    return call->tool != NULL && call->arguments != NULL
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
}

// MiniMax has several calls in one pair of tags, a line each.
static enum assay_status add_calls(
        struct assay_actor_message *out, const char *text, size_t len, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (const char *at = text, *end = text + len; at < end && status == ASSAY_OK;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;

        if (strspn(at, " \t\r") < (size_t)(stop - at))
            status = add_call(out, at, (size_t)(stop - at), err);
        at = stop + 1;
    }
    return status;
}

// The text, without its calls.
static enum assay_status read_text(
        struct assay_actor_message *out, struct assay_buf *text, struct assay_error *err)
{
    static const struct {
        const char *begin, *end;
        bool lines;
    } tags[] = {{"<tool_call>", "</tool_call>", false}, {"<tool_calls>", "</tool_calls>", true}};
    char *first = NULL;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        for (char *at = text->data;
                status == ASSAY_OK && (at = strstr(at, tags[i].begin)) != NULL;) {
            const char *body = at + strlen(tags[i].begin);
            char *end = strstr(at, tags[i].end);
            const size_t len = end != NULL ? (size_t)(end - body) : strlen(body);

            if (first == NULL || at < first)
                first = at;
            status = tags[i].lines ? add_calls(out, body, len, err) : add_call(out, body, len, err);
            at = end != NULL ? end : text->data + text->len;
        }
    }
    if (first != NULL)
        assay_buf_truncate(text, (size_t)(first - text->data));
    if (status == ASSAY_OK && text->len > 0 &&
            (out->text = assay_arena_memdup(out->arena, text->data, text->len)) == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    return status;
}

static enum assay_status write_sampled(struct assay_actor_message *out, const struct embedded *e,
        const struct assay_ids *prompt, const struct sampled *s, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status;

    assay_buf_init(&json, TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "version", e->version);
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
    struct sampled s = {.e = p->e};
    enum assay_status status = encode(p, question, &prompt, err);

    assay_buf_init(&s.text, TEXT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = generate(p, &prompt, question->draw, &s, err);
    if (status == ASSAY_OK && (s.failed || s.text.failed))
        status = assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    if (status == ASSAY_OK)
        status = write_sampled(out, p->e, &prompt, &s, err);
    if (status == ASSAY_OK)
        status = read_text(out, &s.text, err);
    out->prompt_tokens = prompt.count;
    out->answer_tokens = s.ids.count;
    assay_buf_free(&s.text);
    free(s.logp);
    free(s.ids.items);
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
