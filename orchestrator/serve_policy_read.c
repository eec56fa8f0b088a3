// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/serve_policy.h"
#include "policy/chat.h"

#define TOKENS 1024 // of an answer, when nobody says
#define TOKENS_MAX 65536
#define PROMPT_IDS_MAX 4000000

// What changes an answer is done or refused; the rest of these says nothing about it.
static const char *const keys[] = {"model", "messages", "prompt", "tools", "tool_choice",
        "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens",
        "max_completion_tokens", "n", "seed", "stop", "stream", "stream_options", "logprobs",
        "top_logprobs", "return_token_ids", "response_format", "frequency_penalty",
        "presence_penalty", "echo", "best_of", "suffix", "user", "store", "metadata",
        "parallel_tool_calls", "service_tier", "safety_identifier", "prompt_cache_key"};

static bool is_given(const struct assay_json *body, const char *key)
{
    const struct assay_json *value = assay_json_get(body, key);

    return value != NULL && assay_json_type(value) != ASSAY_JSON_NULL;
}

static enum assay_status opt_real(double *out, const struct assay_json *body, const char *key,
        double min, double max, struct assay_error *err)
{
    const double number = assay_json_number(assay_json_get(body, key));

    if (!is_given(body, key))
        return ASSAY_OK;
    if (!(number >= min && number <= max)) // no number, too
        return assay_fail(err, ASSAY_EINVAL, "%s: a number from %g to %g is wanted", key, min, max);
    *out = number;
    return ASSAY_OK;
}

static enum assay_status opt_bool(
        bool *out, const struct assay_json *body, const char *key, struct assay_error *err)
{
    return is_given(body, key) ? assay_json_read_bool(out, body, key, err) : ASSAY_OK;
}

// What is not built is refused unless it asks for nothing.
static enum assay_status check_absent(const struct assay_json *body, struct assay_error *err)
{
    static const char *const zeros[] = {"frequency_penalty", "presence_penalty", "top_logprobs"};
    const char *format = NULL;
    double none = 0;
    bool echo = false;
    enum assay_status status = opt_bool(&echo, body, "echo", err);

    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]) && status == ASSAY_OK; i++)
        status = opt_real(&none, body, zeros[i], 0, 0, err);
    if (status == ASSAY_OK && is_given(body, "response_format"))
        format = assay_json_text(assay_json_get(assay_json_get(body, "response_format"), "type"));
    if (status != ASSAY_OK)
        return status;
    if (is_given(body, "response_format") && (format == NULL || strcmp(format, "text") != 0))
        return assay_fail(err, ASSAY_EINVAL, "response_format: only text is known");
    if (echo || is_given(body, "suffix"))
        return assay_fail(err, ASSAY_EINVAL, "echo and suffix are not known");
    return ASSAY_OK;
}

static enum assay_status read_sampling(
        struct assay_policy_ask *out, const struct assay_json *body, struct assay_error *err)
{
    struct assay_sampling *s = &out->sampling;
    uint64_t top_k = 0;
    enum assay_status status = opt_real(&s->temperature, body, "temperature", 0, 100, err);

    if (status == ASSAY_OK)
        status = opt_real(&s->top_p, body, "top_p", 0, 1, err);
    if (status == ASSAY_OK)
        status = opt_real(&s->min_p, body, "min_p", 0, 1, err);
    if (status == ASSAY_OK)
        status = opt_real(&s->repetition_penalty, body, "repetition_penalty", 0, 100, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&top_k, body, "top_k", 0, UINT32_MAX, err);
    s->top_k = (uint32_t)top_k;
    return status == ASSAY_OK ? assay_sampling_check(s, err) : status;
}

static enum assay_status read_stops(
        struct assay_policy_ask *out, const struct assay_json *body, struct assay_error *err)
{
    const struct assay_json *stop = assay_json_get(body, "stop");
    const bool many = stop != NULL && assay_json_type(stop) == ASSAY_JSON_ARRAY;

    if (!is_given(body, "stop"))
        return ASSAY_OK;
    for (const struct assay_json *at = many ? assay_json_first(stop) : stop; at != NULL;
            at = many ? assay_json_next(at) : NULL) {
        const char *text = assay_json_text(at);

        if (text == NULL || *text == '\0' || out->stop_count == ASSAY_POLICY_STOPS_MAX)
            return assay_fail(err, ASSAY_EINVAL, "stop: a text, or at most %d of them",
                    ASSAY_POLICY_STOPS_MAX);
        out->stops[out->stop_count++] = text;
    }
    return ASSAY_OK;
}

static enum assay_status read_counts(
        struct assay_policy_ask *out, const struct assay_json *body, struct assay_error *err)
{
    const struct assay_json *logprobs = assay_json_get(body, "logprobs");
    const struct assay_json *options = assay_json_get(body, "stream_options");
    uint64_t top = 0;
    enum assay_status status =
            assay_json_opt_u64(&out->tokens_max, body, "max_tokens", 1, TOKENS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_json_opt_u64(
                &out->tokens_max, body, "max_completion_tokens", 1, TOKENS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->choices, body, "n", 1, ASSAY_POLICY_CHOICES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->seed, body, "seed", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = opt_bool(&out->stream, body, "stream", err);
    if (status == ASSAY_OK)
        status = opt_bool(&out->token_ids, body, "return_token_ids", err);
    if (status == ASSAY_OK && options != NULL)
        status = opt_bool(&out->usage, options, "include_usage", err);
    if (status != ASSAY_OK || !is_given(body, "logprobs"))
        return status;
    // Of chats a truth value; of texts how many others beside the one that was drawn: none.
    if (assay_json_type(logprobs) == ASSAY_JSON_BOOL) {
        out->logprobs = assay_json_bool(logprobs);
        return ASSAY_OK;
    }
    out->logprobs = true;
    return assay_json_opt_u64(&top, body, "logprobs", 0, out->chat ? 0 : 1, err);
}

static enum assay_status read_messages(struct assay_policy_ask *out,
        const struct assay_embedded *policy, const struct assay_json *body, struct assay_error *err)
{
    const struct assay_json *messages = NULL;
    const char *choice = assay_json_text(assay_json_get(body, "tool_choice"));
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status = assay_json_read_array(&messages, body, "messages", err);

    if (status != ASSAY_OK)
        return status;
    if (is_given(body, "tool_choice") &&
            (choice == NULL || (strcmp(choice, "auto") != 0 && strcmp(choice, "none") != 0)))
        return assay_fail(err, ASSAY_EINVAL, "tool_choice: auto or none");
    out->tools = is_given(body, "tools") && (choice == NULL || strcmp(choice, "auto") == 0);
    assay_buf_init(&json, ASSAY_CHAT_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_copy(&w, "messages", messages);
    if (out->tools)
        assay_json_put_copy(&w, "tools", assay_json_get(body, "tools"));
    assay_json_end_object(&w);
    status = assay_buf_check(&json, "the conversation", err);
    if (status == ASSAY_OK)
        status = assay_embedded_encode(policy, &out->prompt, json.data, json.len, err);
    assay_buf_free(&json);
    return status;
}

// A text, or ids as they are.
static enum assay_status read_prompt(struct assay_policy_ask *out,
        const struct assay_embedded *policy, const struct assay_json *body, struct assay_error *err)
{
    const struct assay_json *prompt = assay_json_get(body, "prompt");
    const char *text;

    if (prompt != NULL && assay_json_type(prompt) == ASSAY_JSON_ARRAY &&
            assay_json_count(prompt) == 1 && assay_json_text(assay_json_first(prompt)) != NULL)
        prompt = assay_json_first(prompt);
    text = prompt != NULL ? assay_json_text(prompt) : NULL;
    if (text != NULL && *text != '\0')
        return assay_tokenizer_encode(
                assay_embedded_tokenizer(policy), &out->prompt, text, strlen(text), err);
    if (prompt == NULL || assay_json_type(prompt) != ASSAY_JSON_ARRAY ||
            assay_json_count(prompt) == 0 || assay_json_count(prompt) > PROMPT_IDS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "prompt: one text, or an array of token ids");
    for (const struct assay_json *at = assay_json_first(prompt); at != NULL;
            at = assay_json_next(at)) {
        const double id = assay_json_number(at);

        if (!(id >= 0 && id <= INT32_MAX && floor(id) == id))
            return assay_fail(err, ASSAY_EINVAL, "prompt: one text, or an array of token ids");
        if (!assay_ids_add(&out->prompt, (int32_t)id))
            return assay_fail(err, ASSAY_ENOMEM, "prompt: out of memory");
    }
    return ASSAY_OK;
}

enum assay_status assay_policy_read(struct assay_policy_ask *out, const struct assay_service *serve,
        const struct assay_json *body, bool chat, struct assay_error *err)
{
    const char *model = NULL;
    enum assay_status status;

    *out = (struct assay_policy_ask){.chat = chat,
            .choices = 1,
            .tokens_max = TOKENS,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .model = serve->options.policy_name,
            .created_s = assay_clock_now_ms() / 1000};
    status = assay_id_new(out->id, err);
    out->seed = assay_hash64(out->id, sizeof(out->id)) & ASSAY_JSON_INTEGER_MAX;
    if (status == ASSAY_OK)
        status = assay_json_only_keys(body, keys, sizeof(keys) / sizeof(keys[0]), err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&model, body, "model", err);
    if (status == ASSAY_OK && strcmp(model, out->model) != 0)
        return assay_fail(
                err, ASSAY_ENOTFOUND, "no model '%.100s' is served: %.100s is", model, out->model);
    if (status == ASSAY_OK)
        status = check_absent(body, err);
    if (status == ASSAY_OK)
        status = read_sampling(out, body, err);
    if (status == ASSAY_OK)
        status = read_stops(out, body, err);
    if (status == ASSAY_OK)
        status = read_counts(out, body, err);
    if (status == ASSAY_OK)
        status = chat ? read_messages(out, serve->options.policy, body, err)
                      : read_prompt(out, serve->options.policy, body, err);
    return status;
}
