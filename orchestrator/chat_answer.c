// SPDX-License-Identifier: MIT
// chat_answer.c - what a server of the chat-completions protocol answered, as a message of an
// actor.
#include <string.h>

#include "base/json.h"
#include "orchestrator/chat.h"

#define ANSWER_BYTES_MAX ((size_t)128 << 20)
#define ANSWER_DEPTH_MAX 64

static enum assay_status read_call(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err)
{
    const struct assay_json *function = NULL;
    struct assay_actor_call *call = &out->calls[out->call_count];
    const char *id = assay_json_text(assay_json_get(json, "id"));
    const char *name = NULL;
    enum assay_status status = assay_json_read_object(&function, json, "function", err);

    if (status == ASSAY_OK)
        status = assay_json_read_text(&name, function, "name", err);
    if (status != ASSAY_OK)
        return status;
    if (out->call_count == ASSAY_ACTOR_CALLS_MAX)
        return ASSAY_OK; // what is more than that is not done; the model sees what was
    call->id = id != NULL ? assay_arena_strdup(out->arena, id) : NULL;
    call->tool = assay_arena_strdup(out->arena, name);
    call->arguments = assay_actor_copy_arguments(assay_json_get(function, "arguments"), out->arena);
    out->call_count++;
    if (call->tool == NULL || call->arguments == NULL || (id != NULL && call->id == NULL))
        return assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    return ASSAY_OK;
}

static uint64_t read_usage(const struct assay_json *json, const char *key)
{
    uint64_t count = 0;
    const struct assay_json *usage = assay_json_get(json, "usage");

    if (usage != NULL &&
            assay_json_opt_u64(&count, usage, key, 0, UINT64_C(1) << 40, NULL) != ASSAY_OK)
        count = 0;
    return count;
}

// One array of the record: a member of each entry, or of the list that the choice has beside them.
static void put_ids(struct assay_json_writer *w, const struct assay_json *choice,
        const struct assay_json *entries)
{
    const struct assay_json *ids = assay_json_get(choice, "token_ids"); // vLLM
    const struct assay_json *first = assay_json_get(assay_json_first(entries), "id");

    if (ids != NULL && assay_json_type(ids) == ASSAY_JSON_ARRAY) {
        assay_json_put_copy(w, "ids", ids);
    } else if (first != NULL && assay_json_type(first) == ASSAY_JSON_NUMBER) { // llama.cpp
        assay_json_begin_array(w, "ids");
        for (const struct assay_json *entry = assay_json_first(entries); entry != NULL;
                entry = assay_json_next(entry))
            assay_json_put_double(w, NULL, assay_json_number(assay_json_get(entry, "id")));
        assay_json_end_array(w);
    }
}

// The tokens that were sampled, as tasks/trajectory.h has them.
static enum assay_status read_sampled(
        struct assay_actor_message *out, const struct assay_json *choice, struct assay_error *err)
{
    const struct assay_json *entries =
            assay_json_get(assay_json_get(choice, "logprobs"), "content");
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status;

    if (entries == NULL || assay_json_type(entries) != ASSAY_JSON_ARRAY)
        return ASSAY_OK;
    assay_buf_init(&text, 2 * ANSWER_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    put_ids(&w, choice, entries);
    assay_json_begin_array(&w, "pieces");
    for (const struct assay_json *entry = assay_json_first(entries); entry != NULL;
            entry = assay_json_next(entry))
        assay_json_put_text(&w, NULL, assay_json_text(assay_json_get(entry, "token")));
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "logp");
    for (const struct assay_json *entry = assay_json_first(entries); entry != NULL;
            entry = assay_json_next(entry))
        assay_json_put_double(&w, NULL, assay_json_number(assay_json_get(entry, "logprob")));
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    status = assay_buf_check(&text, "the answer", err);
    if (status == ASSAY_OK && (out->sampled = assay_arena_strdup(out->arena, text.data)) == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    assay_buf_free(&text);
    return status;
}

// The first choice's message.
static enum assay_status read_choice(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err)
{
    const struct assay_json *choices = NULL, *message = NULL, *calls = NULL;
    const char *text = NULL;
    enum assay_status status = assay_json_read_array(&choices, json, "choices", err);

    if (status == ASSAY_OK && assay_json_first(choices) == NULL)
        status = assay_fail(err, ASSAY_EINVAL, "no choice");
    if (status == ASSAY_OK)
        status = assay_json_read_object(&message, assay_json_first(choices), "message", err);
    if (status != ASSAY_OK)
        return status;
    status = read_sampled(out, assay_json_first(choices), err);
    if (status != ASSAY_OK)
        return status;
    text = assay_json_text(assay_json_get(message, "content"));
    if (text != NULL && text[0] != '\0' &&
            (out->text = assay_arena_strdup(out->arena, text)) == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    calls = assay_json_get(message, "tool_calls");
    if (calls == NULL || assay_json_type(calls) != ASSAY_JSON_ARRAY)
        return ASSAY_OK;
    for (const struct assay_json *call = assay_json_first(calls);
            call != NULL && status == ASSAY_OK; call = assay_json_next(call))
        status = read_call(out, call, err);
    return status;
}

void assay_chat_spare_nul(char *text, size_t len)
{
    for (size_t i = 0; i + 6 <= len; i++) {
        if (text[i] != '\\')
            continue;
        if (memcmp(text + i, "\\u0000", 6) == 0)
            memcpy(text + i, "\\ufffd", 6);
        i++; // what is escaped begins no escape
    }
}

static enum assay_status parse_answer(
        struct assay_json **out, const char *text, size_t len, struct assay_error *err)
{
    const struct assay_json_limits limits = {ANSWER_BYTES_MAX, ANSWER_DEPTH_MAX};
    struct assay_buf copy;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&copy, ANSWER_BYTES_MAX);
    assay_buf_add(&copy, text, len);
    status = assay_buf_check(&copy, "the answer", err);
    if (status == ASSAY_OK) {
        assay_chat_spare_nul(copy.data, copy.len);
        status = assay_json_parse(out, copy.data, copy.len, limits, "the answer", 1, err);
    }
    assay_buf_free(&copy);
    return status;
}

enum assay_status assay_chat_read_answer(
        struct assay_actor_message *out, const char *text, size_t len, struct assay_error *err)
{
    const struct assay_json *trouble = NULL;
    struct assay_json *json = NULL;
    enum assay_status status = parse_answer(&json, text, len, err);

    if (status != ASSAY_OK)
        return status;
    trouble = assay_json_get(json, "error");
    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        status = assay_fail(err, ASSAY_EINVAL, "the answer is no object");
    else if (trouble != NULL && assay_json_type(trouble) != ASSAY_JSON_NULL) {
        const char *words = assay_json_text(assay_json_get(trouble, "message"));

        status = assay_fail(
                err, ASSAY_EINVAL, "the server says: %.150s", words != NULL ? words : "error");
    } else {
        status = read_choice(out, json, err);
        out->prompt_tokens = read_usage(json, "prompt_tokens");
        out->answer_tokens = read_usage(json, "completion_tokens");
    }
    assay_json_free(json);
    return status;
}
