// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/serve_policy.h"

#define CHUNK_BYTES_MAX ASSAY_EMBEDDED_TEXT_BYTES_MAX

void assay_policy_begin(
        struct assay_json_writer *w, const struct assay_policy_ask *ask, const char *kind)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "id", ask->id);
    assay_json_put_text(w, "object", kind);
    assay_json_put_u64(w, "created", ask->created_s);
    assay_json_put_text(w, "model", ask->model);
    assay_json_begin_array(w, "choices");
}

static const char *finish_reason(const struct assay_policy_choice *c)
{
    if (c->stop_at == SIZE_MAX && c->answer.finish == ASSAY_FINISH_LENGTH)
        return "length";
    return c->message.call_count > 0 ? "tool_calls" : "stop";
}

// Tokens [from, to): each as text, as bytes, with its log-probability.
static void put_chat_logprobs(
        struct assay_json_writer *w, const struct assay_policy_choice *c, size_t from, size_t to)
{
    assay_json_begin_object(w, "logprobs");
    assay_json_begin_array(w, "content");
    for (size_t i = from; i < to; i++) {
        const struct assay_token *token =
                assay_tokenizer_token(c->tokenizer, c->answer.ids.items[i]);
        const char *bytes = token != NULL ? token->bytes : "";
        const size_t len = token != NULL ? token->len : 0;

        assay_json_begin_object(w, NULL);
        assay_json_put_bytes(w, "token", bytes, len);
        assay_json_put_double(w, "logprob", c->answer.logp[i]);
        assay_json_begin_array(w, "bytes");
        for (size_t k = 0; k < len; k++)
            assay_json_put_u64(w, NULL, (unsigned char)bytes[k]);
        assay_json_end_array(w);
        assay_json_begin_array(w, "top_logprobs");
        assay_json_end_array(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_put_null(w, "refusal");
    assay_json_end_object(w);
}

static void put_text_logprobs(
        struct assay_json_writer *w, const struct assay_policy_choice *c, size_t from, size_t to)
{
    assay_json_begin_object(w, "logprobs");
    assay_json_begin_array(w, "tokens");
    for (size_t i = from; i < to; i++) {
        const struct assay_token *token =
                assay_tokenizer_token(c->tokenizer, c->answer.ids.items[i]);

        assay_json_put_bytes(
                w, NULL, token != NULL ? token->bytes : "", token != NULL ? token->len : 0);
    }
    assay_json_end_array(w);
    assay_json_begin_array(w, "token_logprobs");
    for (size_t i = from; i < to; i++)
        assay_json_put_double(w, NULL, c->answer.logp[i]);
    assay_json_end_array(w);
    assay_json_put_null(w, "top_logprobs");
    assay_json_begin_array(w, "text_offset");
    for (size_t i = from; i < to; i++)
        assay_json_put_u64(w, NULL, i > 0 ? c->answer.ends[i - 1] : 0);
    assay_json_end_array(w);
    assay_json_end_object(w);
}

static void put_tokens(
        struct assay_json_writer *w, const struct assay_policy_choice *c, size_t from, size_t to)
{
    if (!c->ask->logprobs)
        assay_json_put_null(w, "logprobs");
    else if (c->ask->chat)
        put_chat_logprobs(w, c, from, to);
    else
        put_text_logprobs(w, c, from, to);
    if (!c->ask->token_ids)
        return;
    assay_json_begin_array(w, "token_ids");
    for (size_t i = from; i < to; i++)
        assay_json_put_i64(w, NULL, c->answer.ids.items[i]);
    assay_json_end_array(w);
}

// `numbered`: a chunk's, which say where they belong.
static void put_calls(
        struct assay_json_writer *w, const struct assay_policy_choice *c, bool numbered)
{
    assay_json_begin_array(w, "tool_calls");
    for (size_t i = 0; i < c->message.call_count; i++) {
        char id[ASSAY_ID_BYTES + 24];

        snprintf(id, sizeof(id), "%s.%u.%u", c->ask->id, (unsigned)c->index, (unsigned)i);
        assay_json_begin_object(w, NULL);
        if (numbered)
            assay_json_put_u64(w, "index", i);
        assay_json_put_text(w, "id", id);
        assay_json_put_text(w, "type", "function");
        assay_json_begin_object(w, "function");
        assay_json_put_text(w, "name", c->message.calls[i].tool);
        assay_json_put_text(w, "arguments", c->message.calls[i].arguments);
        assay_json_end_object(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

void assay_policy_put_choice(struct assay_json_writer *w, const struct assay_policy_choice *c)
{
    const struct assay_buf *text = &c->answer.text;

    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "index", c->index);
    if (c->ask->chat) {
        assay_json_begin_object(w, "message");
        assay_json_put_text(w, "role", "assistant");
        if (text->len > 0 || c->message.call_count == 0)
            assay_json_put_bytes(w, "content", text->data, text->len);
        else
            assay_json_put_null(w, "content");
        if (c->message.call_count > 0)
            put_calls(w, c, false);
        assay_json_put_null(w, "refusal");
        assay_json_end_object(w);
    } else {
        assay_json_put_bytes(w, "text", text->data, text->len);
    }
    put_tokens(w, c, 0, c->answer.ids.count);
    assay_json_put_text(w, "finish_reason", finish_reason(c));
    assay_json_end_object(w);
}

void assay_policy_put_usage(
        struct assay_json_writer *w, const struct assay_policy_ask *ask, uint64_t answer_tokens)
{
    assay_json_begin_object(w, "usage");
    assay_json_put_u64(w, "prompt_tokens", ask->prompt.count);
    assay_json_put_u64(w, "completion_tokens", answer_tokens);
    assay_json_put_u64(w, "total_tokens", ask->prompt.count + answer_tokens);
    assay_json_end_object(w);
}

// --- streams -------------------------------------------------------------------------------------

static const char *chunk_kind(const struct assay_policy_ask *ask)
{
    return ask->chat ? "chat.completion.chunk" : "text_completion";
}

static bool send_chunk(struct assay_http_stream *stream, struct assay_buf *text)
{
    bool sent = false;

    assay_buf_adds(text, "\n\n");
    if (!text->failed)
        sent = assay_http_stream_write(stream, text->data, text->len);
    assay_buf_free(text);
    return sent;
}

void assay_policy_tell(struct assay_policy_choice *c, size_t to, bool finish)
{
    const char *text = c->answer.text.data + c->told;
    const size_t len = to > c->told ? to - c->told : 0;
    struct assay_json_writer w;
    struct assay_buf out;

    if (len == 0 && !finish)
        return;
    assay_buf_init(&out, CHUNK_BYTES_MAX);
    assay_buf_adds(&out, "data: ");
    assay_json_writer_init(&w, &out, 0);
    assay_policy_begin(&w, c->ask, chunk_kind(c->ask));
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "index", c->index);
    if (c->ask->chat) {
        assay_json_begin_object(&w, "delta");
        if (c->told_tokens == 0)
            assay_json_put_text(&w, "role", "assistant");
        if (len > 0)
            assay_json_put_bytes(&w, "content", text, len);
        if (finish && c->message.call_count > 0)
            put_calls(&w, c, true);
        assay_json_end_object(&w);
    } else {
        assay_json_put_bytes(&w, "text", text, len);
    }
    put_tokens(&w, c, c->told_tokens, c->answer.ids.count);
    if (finish)
        assay_json_put_text(&w, "finish_reason", finish_reason(c));
    else
        assay_json_put_null(&w, "finish_reason");
    assay_json_end_object(&w);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    c->told += len;
    c->told_tokens = c->answer.ids.count;
    c->gone = !send_chunk(c->stream, &out);
}

void assay_policy_tell_end(struct assay_http_stream *stream, const struct assay_policy_ask *ask,
        uint64_t answer_tokens)
{
    static const char done[] = "data: [DONE]\n\n";
    struct assay_json_writer w;
    struct assay_buf out;

    if (ask->usage) {
        assay_buf_init(&out, CHUNK_BYTES_MAX);
        assay_buf_adds(&out, "data: ");
        assay_json_writer_init(&w, &out, 0);
        assay_policy_begin(&w, ask, chunk_kind(ask));
        assay_json_end_array(&w);
        assay_policy_put_usage(&w, ask, answer_tokens);
        assay_json_end_object(&w);
        (void)send_chunk(stream, &out);
    }
    (void)assay_http_stream_write(stream, done, sizeof(done) - 1);
}
