// SPDX-License-Identifier: MIT
#include "orchestrator/embedded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "kernels/ops.h"
#include "policy/chat.h"
#include "policy/shared_generator.h"

#define CHAT_ARENA_BYTES ((size_t)1 << 30)
#define ROWS_MAX 256                    // of a pass
#define ANSWERS_MAX 32                  // at once
#define STATE_BYTES ((uint64_t)4 << 30) // keys, values and states of all answers at once
#define STOP_IDS_MAX 4
#define CALL_DEPTH_MAX 32

struct assay_embedded {
    const struct assay_ops *ops;
    struct assay_stream *stream;            // owned
    struct assay_model *model;              // owned
    struct assay_tokenizer *tokenizer;      // owned
    const struct assay_chat_family *family; // static
    int32_t stop_ids[STOP_IDS_MAX];
    size_t stop_id_count;
    char version[ASSAY_EMBEDDED_VERSION_BYTES];
    struct assay_shared_generator *generator; // owned
};

// --- life ----------------------------------------------------------------------------------------

void assay_embedded_close(struct assay_embedded *e)
{
    if (e == NULL)
        return;
    assay_shared_generator_destroy(e->generator);
    assay_model_destroy(e->model);
    if (e->stream != NULL)
        e->ops->device.stream_destroy(e->stream);
    assay_tokenizer_destroy(e->tokenizer);
    free(e);
}

// The description's end, and the end of a turn that the tokenizer names.
static void find_stop_ids(struct assay_embedded *e)
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

static enum assay_status find_version(struct assay_embedded *e, struct assay_error *err)
{
    const size_t bytes = (size_t)e->model->params.element_count * assay_dtype_bytes(e->ops->weight);
    char hex[ASSAY_SHA256_HEX_BYTES];
    const enum assay_status status = assay_sha256_bytes(hex, e->model->params.weights, bytes, err);

    if (status == ASSAY_OK)
        snprintf(e->version, sizeof(e->version), "%.16s", hex);
    return status;
}

static enum assay_status open_model(
        struct assay_embedded *e, const char *path, const char *template, struct assay_error *err)
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

enum assay_status assay_embedded_open(struct assay_embedded **out, const char *path,
        const char *template, struct assay_error *err)
{
    struct assay_embedded *e = calloc(1, sizeof(*e));
    enum assay_status status;

    if (e == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = open_model(e, path, template, err);
    if (status == ASSAY_OK)
        *out = e;
    else
        assay_embedded_close(e);
    return status;
}

const char *assay_embedded_version(const struct assay_embedded *e)
{
    return e->version;
}

const struct assay_tokenizer *assay_embedded_tokenizer(const struct assay_embedded *e)
{
    return e->tokenizer;
}

// --- an answer -----------------------------------------------------------------------------------

enum assay_status assay_embedded_encode(const struct assay_embedded *e, struct assay_ids *ids,
        const char *json, size_t len, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_chat_text text;
    struct assay_chat chat;
    enum assay_status status = assay_arena_create(&arena, CHAT_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_chat_text_init(&text);
    status = assay_chat_read(&chat, json, len, "the conversation", arena, err);
    if (status == ASSAY_OK)
        status = assay_chat_write(&text, &chat, e->family, ASSAY_CHAT_THINKING_DEFAULT, err);
    if (status == ASSAY_OK)
        status = assay_chat_encode(ids, &text, e->family, e->tokenizer, err);
    assay_chat_text_free(&text);
    assay_arena_destroy(arena);
    return status;
}

void assay_embedded_answer_init(struct assay_embedded_answer *answer)
{
    *answer = (struct assay_embedded_answer){0};
    assay_buf_init(&answer->text, ASSAY_EMBEDDED_TEXT_BYTES_MAX);
}

void assay_embedded_answer_free(struct assay_embedded_answer *answer)
{
    assay_buf_free(&answer->text);
    free(answer->ids.items);
    free(answer->logp);
    free(answer->ends);
}

static bool make_room(struct assay_embedded_answer *a)
{
    const size_t capacity = a->capacity == 0 ? 256 : 2 * a->capacity;
    double *logp;
    uint32_t *ends;

    if (a->ids.count < a->capacity)
        return true;
    logp = realloc(a->logp, capacity * sizeof(*logp));
    if (logp != NULL)
        a->logp = logp;
    ends = realloc(a->ends, capacity * sizeof(*ends));
    if (ends != NULL)
        a->ends = ends;
    if (logp == NULL || ends == NULL)
        return false;
    a->capacity = capacity;
    return true;
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct assay_embedded_answer *a = user;
    const struct assay_token *text = assay_tokenizer_token(a->e->tokenizer, token->id);
    const size_t at = a->ids.count;

    if (!make_room(a) || !assay_ids_add(&a->ids, token->id)) {
        a->failed = true;
        return false;
    }
    if (token->finish != ASSAY_FINISH_STOP_ID && text != NULL && !text->special)
        assay_buf_add(&a->text, text->bytes, text->len);
    a->logp[at] = token->logp;
    a->ends[at] = (uint32_t)a->text.len;
    a->finish = token->finish;
    a->failed = a->text.failed;
    if (!a->failed && a->question->on_token != NULL && !a->question->on_token(a->question->user)) {
        a->finish = ASSAY_FINISH_VISITOR;
        return false;
    }
    return !a->failed;
}

enum assay_status assay_embedded_ask(struct assay_embedded *e,
        const struct assay_embedded_question *question, struct assay_embedded_answer *out,
        struct assay_error *err)
{
    const struct assay_generation request = {.prompt = question->prompt->items,
            .prompt_count = question->prompt->count,
            .sample_count = 1,
            .token_count_max = (size_t)question->tokens_max,
            .sampling = question->sampling,
            .seed = question->seed,
            .stop_ids = e->stop_ids,
            .stop_id_count = e->stop_id_count,
            .on_token = on_token,
            .user = out};
    const struct assay_shared_limits limits = {question->cancel, question->deadline_ms};
    enum assay_status status;

    out->e = e;
    out->question = question;
    status = assay_shared_generator_ask(e->generator, &request, &limits, err);
    if (status == ASSAY_OK && out->failed)
        status = assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    return status;
}

// --- what it says --------------------------------------------------------------------------------

// {"name", "arguments"}; what is none is a call of a tool that there is not, and is told so.
static enum assay_status add_call(
        struct assay_actor_message *out, const char *text, size_t len, struct assay_error *err)
{
    const struct assay_json_limits limits = {ASSAY_EMBEDDED_TEXT_BYTES_MAX, CALL_DEPTH_MAX};
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

enum assay_status assay_embedded_read(
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
