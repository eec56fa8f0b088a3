// SPDX-License-Identifier: MIT
// serve_policy.c - the embedded policy as OpenAI's clients call a model: GET /v1/models, POST
// /v1/chat/completions, POST /v1/completions.
#include "orchestrator/serve_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ANSWER_MS_MAX 600000
#define ARENA_BYTES ((size_t)64 << 20)

// --- as it comes ---------------------------------------------------------------------------------

// Where a text that ends the answer begins in what came since `from`; SIZE_MAX: nowhere.
static size_t find_stop(const struct assay_policy_choice *c, size_t from)
{
    const struct assay_buf *text = &c->answer.text;
    size_t found = SIZE_MAX;

    for (size_t i = 0; i < c->ask->stop_count; i++) {
        const size_t len = strlen(c->ask->stops[i]);
        const size_t back = from > len ? from - len : 0;
        const char *at = memmem(text->data + back, text->len - back, c->ask->stops[i], len);

        if (at != NULL && (size_t)(at - text->data) < found)
            found = (size_t)(at - text->data);
    }
    return found;
}

// How much of the text can be told: not what may yet be the beginning of a stop text, and no part
// of a character.
static size_t tellable(const struct assay_policy_choice *c)
{
    const struct assay_buf *text = &c->answer.text;
    size_t held = 0, to;

    for (size_t i = 0; i < c->ask->stop_count; i++) {
        const size_t len = strlen(c->ask->stops[i]) - 1;

        held = len > held ? len : held;
    }
    to = text->len > held ? text->len - held : 0;
    for (size_t back = 1; back <= 3 && back <= to; back++) {
        const unsigned char byte = (unsigned char)text->data[to - back];
        const size_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;

        if ((byte & 0xc0) != 0x80)
            return need > back ? to - back : to;
    }
    return to;
}

static bool on_token(void *user)
{
    struct assay_policy_choice *c = user;
    const size_t at = c->answer.ids.count - 1;

    c->stop_at = find_stop(c, at > 0 ? c->answer.ends[at - 1] : 0);
    if (c->stop_at != SIZE_MAX)
        return false;
    if (c->stream != NULL && !c->ask->tools)
        assay_policy_tell(c, tellable(c), false);
    return !c->gone;
}

// One choice to its end.
static enum assay_status answer_choice(struct assay_policy_choice *c, struct assay_service *serve,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_embedded_question question = {.prompt = &c->ask->prompt,
            .tokens_max = c->ask->tokens_max,
            .sampling = c->ask->sampling,
            .seed = c->ask->seed + c->index,
            .cancel = assay_context_interrupted(serve->context),
            .deadline_ms = assay_clock_ms() + ANSWER_MS_MAX,
            .on_token = on_token,
            .user = c};
    enum assay_status status =
            assay_embedded_ask(serve->options.policy, &question, &c->answer, err);

    if (status == ASSAY_OK && c->stop_at != SIZE_MAX)
        assay_buf_truncate(&c->answer.text, c->stop_at);
    if (status == ASSAY_OK && c->ask->tools) {
        c->message.arena = arena;
        status = assay_embedded_read(&c->message, &c->answer.text, err);
    }
    if (status == ASSAY_OK && c->stream != NULL)
        assay_policy_tell(c, c->answer.text.len, true);
    return status;
}

// --- a whole answer ------------------------------------------------------------------------------

struct reply {
    struct assay_service_call *call;
    const struct assay_policy_ask *ask;
    struct assay_http_stream *stream; // NULL: one document
    struct assay_json_writer w;
    struct assay_buf text;
    uint64_t tokens;
};

static enum assay_status answer_all(struct reply *r, struct assay_error *err)
{
    struct assay_service *serve = r->call->serve;
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);
    bool gone = false;

    for (uint64_t i = 0; i < r->ask->choices && status == ASSAY_OK && !gone; i++) {
        struct assay_policy_choice c = {.ask = r->ask,
                .tokenizer = assay_embedded_tokenizer(serve->options.policy),
                .stream = r->stream,
                .index = i,
                .stop_at = SIZE_MAX};

        assay_embedded_answer_init(&c.answer);
        status = answer_choice(&c, serve, arena, err);
        if (status == ASSAY_OK && r->stream == NULL)
            assay_policy_put_choice(&r->w, &c);
        r->tokens += c.answer.ids.count;
        gone = c.gone;
        assay_embedded_answer_free(&c.answer);
    }
    assay_arena_destroy(arena);
    return status;
}

static void put_prompt_ids(struct assay_json_writer *w, const struct assay_policy_ask *ask)
{
    assay_json_begin_array(w, "prompt_token_ids");
    for (size_t i = 0; i < ask->prompt.count; i++)
        assay_json_put_i64(w, NULL, ask->prompt.items[i]);
    assay_json_end_array(w);
}

static void reply_whole(struct reply *r)
{
    struct assay_error err = {0};
    enum assay_status status;

    assay_buf_init(&r->text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&r->w, &r->text, 0);
    assay_policy_begin(&r->w, r->ask, r->ask->chat ? "chat.completion" : "text_completion");
    status = answer_all(r, &err);
    if (status != ASSAY_OK) {
        assay_buf_free(&r->text);
        assay_service_fail(r->call->request, status, &err);
        return;
    }
    assay_json_end_array(&r->w);
    assay_policy_put_usage(&r->w, r->ask, r->tokens);
    if (r->ask->token_ids)
        put_prompt_ids(&r->w, r->ask);
    assay_json_end_object(&r->w);
    assay_service_reply(r->call->request, 200, &r->text);
}

static void reply_stream(struct reply *r)
{
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;

    r->stream = assay_http_stream(r->call->request, "text/event-stream");
    if (r->stream == NULL)
        return;
    if (answer_all(r, &err) == ASSAY_OK) {
        assay_policy_tell_end(r->stream, r->ask, r->tokens);
    } else { // the status was sent long ago
        assay_buf_init(&text, sizeof(err) * 8);
        assay_buf_adds(&text, "data: ");
        assay_json_writer_init(&w, &text, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_begin_object(&w, "error");
        assay_json_put_text(&w, "code", assay_status_name(err.status));
        assay_json_put_text(&w, "message", err.message);
        assay_json_end_object(&w);
        assay_json_end_object(&w);
        assay_buf_adds(&text, "\n\n");
        (void)assay_http_stream_write(r->stream, text.data, text.len);
        assay_buf_free(&text);
    }
    assay_http_stream_end(r->stream);
}

// --- routes --------------------------------------------------------------------------------------

static bool has_policy(struct assay_service_call *call)
{
    if (call->serve->options.policy == NULL)
        assay_service_refuse(
                call->request, 404, "enotfound", "no policy is served: assay serve --policy MODEL");
    return call->serve->options.policy != NULL;
}

static void answer(struct assay_service_call *call, bool chat)
{
    struct assay_policy_ask ask = {0};
    struct reply reply = {.call = call, .ask = &ask};
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    enum assay_status status;

    if (!has_policy(call))
        return;
    status = assay_service_read(&body, call->request, &err);
    if (status == ASSAY_OK)
        status = assay_policy_read(&ask, call->serve, body, chat, &err);
    if (status != ASSAY_OK)
        assay_service_fail(call->request, status, &err);
    else if (ask.stream)
        reply_stream(&reply);
    else
        reply_whole(&reply);
    free(ask.prompt.items);
    assay_json_free(body);
}

void assay_service_chat_completions(struct assay_service_call *call)
{
    answer(call, true);
}

void assay_service_completions(struct assay_service_call *call)
{
    answer(call, false);
}

void assay_service_models(struct assay_service_call *call)
{
    const struct assay_service_options *o = &call->serve->options;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, 1 << 16);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "object", "list");
    assay_json_begin_array(&w, "data");
    if (o->policy != NULL) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "id", o->policy_name);
        assay_json_put_text(&w, "object", "model");
        assay_json_put_u64(&w, "created", 0);
        assay_json_put_text(&w, "owned_by", "assay");
        assay_json_put_text(&w, "version", assay_embedded_version(o->policy));
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}
