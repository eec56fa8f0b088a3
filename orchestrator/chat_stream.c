// SPDX-License-Identifier: MIT
// chat_stream.c - events -> deltas -> one message.
//
// Lines "data: ..." up to an empty line are one event; other fields and comments say nothing here.
// A delta names its call by "index"; where a server leaves that out, a delta with a function's name
// begins the next call.
#include "orchestrator/chat_stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/actor.h"
#include "orchestrator/chat.h"

#define EVENT_DEPTH_MAX 32
#define PART_BYTES_MAX ((size_t)64 << 20) // of a text, of all arguments of a call

struct part_call {
    struct assay_buf id, name, arguments;
};

struct gathering {
    struct assay_buf event, content, logprobs, usage, error;
    struct part_call calls[ASSAY_ACTOR_CALLS_MAX];
    size_t call_count;
    bool too_many; // the last delta began a call beyond the last
    char finish[32];
    bool done;
};

static void begin(struct gathering *g)
{
    struct assay_buf *const texts[] = {&g->event, &g->content, &g->logprobs, &g->usage, &g->error};

    memset(g, 0, sizeof(*g));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assay_buf_init(texts[i], PART_BYTES_MAX);
}

static bool any_failed(const struct gathering *g)
{
    bool failed = g->content.failed || g->logprobs.failed || g->usage.failed || g->error.failed;

    for (size_t i = 0; i < g->call_count; i++)
        failed |= g->calls[i].id.failed || g->calls[i].name.failed || g->calls[i].arguments.failed;
    return failed;
}

static void end(struct gathering *g)
{
    assay_buf_free(&g->event);
    assay_buf_free(&g->content);
    assay_buf_free(&g->logprobs);
    assay_buf_free(&g->usage);
    assay_buf_free(&g->error);
    for (size_t i = 0; i < g->call_count; i++) {
        assay_buf_free(&g->calls[i].id);
        assay_buf_free(&g->calls[i].name);
        assay_buf_free(&g->calls[i].arguments);
    }
}

// --- deltas --------------------------------------------------------------------------------------

static void add_text(struct assay_buf *out, const struct assay_json *object, const char *key)
{
    const char *text = assay_json_text(assay_json_get(object, key));

    if (text != NULL)
        assay_buf_adds(out, text);
}

static void keep_copy(struct assay_buf *out, const struct assay_json *value)
{
    struct assay_json_writer w;

    assay_buf_clear(out);
    assay_json_writer_init(&w, out, 0);
    assay_json_put_copy(&w, NULL, value);
}

// The call that a delta goes on with, or begins; NULL: one too many.
static struct part_call *call_of(struct gathering *g, const struct assay_json *delta)
{
    const struct assay_json *function = assay_json_get(delta, "function");
    const char *name = assay_json_text(assay_json_get(function, "name"));
    uint64_t index = g->call_count;

    if (assay_json_get(delta, "index") != NULL) {
        if (assay_json_opt_u64(&index, delta, "index", 0, UINT32_MAX, NULL) != ASSAY_OK)
            return NULL;
    } else if ((name == NULL || name[0] == '\0') && g->call_count > 0) {
        return g->too_many ? NULL : &g->calls[g->call_count - 1];
    }
    g->too_many = index >= ASSAY_ACTOR_CALLS_MAX;
    if (g->too_many)
        return NULL;
    for (; g->call_count <= index; g->call_count++) {
        struct part_call *call = &g->calls[g->call_count];

        assay_buf_init(&call->id, PART_BYTES_MAX);
        assay_buf_init(&call->name, PART_BYTES_MAX);
        assay_buf_init(&call->arguments, PART_BYTES_MAX);
    }
    return &g->calls[index];
}

static void add_calls(struct gathering *g, const struct assay_json *deltas)
{
    if (deltas == NULL || assay_json_type(deltas) != ASSAY_JSON_ARRAY)
        return;
    for (const struct assay_json *delta = assay_json_first(deltas); delta != NULL;
            delta = assay_json_next(delta)) {
        const struct assay_json *function = assay_json_get(delta, "function");
        struct part_call *call = call_of(g, delta);

        if (call == NULL)
            continue;
        // Some servers say id and name again with every piece of the arguments.
        if (call->id.len == 0)
            add_text(&call->id, delta, "id");
        if (call->name.len == 0)
            add_text(&call->name, function, "name");
        add_text(&call->arguments, function, "arguments");
    }
}

static void add_logprobs(struct gathering *g, const struct assay_json *logprobs)
{
    const struct assay_json *content = assay_json_get(logprobs, "content");
    struct assay_json_writer w;

    if (content == NULL || assay_json_type(content) != ASSAY_JSON_ARRAY)
        return;
    for (const struct assay_json *entry = assay_json_first(content); entry != NULL;
            entry = assay_json_next(entry)) {
        assay_buf_addc(&g->logprobs, g->logprobs.len > 0 ? ',' : '[');
        assay_json_writer_init(&w, &g->logprobs, 0);
        assay_json_put_copy(&w, NULL, entry);
    }
}

static void take_chunk(struct gathering *g, const struct assay_json *chunk)
{
    const struct assay_json *usage = assay_json_get(chunk, "usage");
    const struct assay_json *error = assay_json_get(chunk, "error");
    const struct assay_json *choice = assay_json_first(assay_json_get(chunk, "choices"));
    const char *finish = assay_json_text(assay_json_get(choice, "finish_reason"));
    const struct assay_json *delta = assay_json_get(choice, "delta");
    uint64_t index = 0;

    if (error != NULL && assay_json_type(error) != ASSAY_JSON_NULL)
        keep_copy(&g->error, error);
    if (usage != NULL && assay_json_type(usage) == ASSAY_JSON_OBJECT)
        keep_copy(&g->usage, usage);
    if (choice == NULL || assay_json_opt_u64(&index, choice, "index", 0, 0, NULL) != ASSAY_OK)
        return;
    add_text(&g->content, delta, "content");
    add_calls(g, assay_json_get(delta, "tool_calls"));
    add_logprobs(g, assay_json_get(choice, "logprobs"));
    if (finish != NULL)
        snprintf(g->finish, sizeof(g->finish), "%s", finish);
}

// --- events --------------------------------------------------------------------------------------

static enum assay_status take_event(struct gathering *g, struct assay_error *err)
{
    const struct assay_json_limits limits = {PART_BYTES_MAX, EVENT_DEPTH_MAX};
    struct assay_json *chunk = NULL;
    enum assay_status status = assay_buf_check(&g->event, "an event", err);

    if (status != ASSAY_OK || g->event.len == 0)
        return status;
    if (strcmp(g->event.data, "[DONE]") == 0) {
        g->done = true;
    } else {
        assay_chat_spare_nul(g->event.data, g->event.len);
        status = assay_json_parse(&chunk, g->event.data, g->event.len, limits, "an event", 1, err);
        if (status == ASSAY_OK)
            take_chunk(g, chunk);
        assay_json_free(chunk);
    }
    assay_buf_clear(&g->event);
    return status;
}

static enum assay_status take_lines(
        struct gathering *g, const char *text, size_t len, struct assay_error *err)
{
    const char *end_of_text = text + len;
    enum assay_status status = ASSAY_OK;

    for (const char *at = text; at < end_of_text && !g->done && status == ASSAY_OK;) {
        const char *newline = memchr(at, '\n', (size_t)(end_of_text - at));
        const char *stop = newline != NULL ? newline : end_of_text;
        size_t n = (size_t)(stop - at);

        if (n > 0 && at[n - 1] == '\r')
            n--;
        if (n == 0) {
            status = take_event(g, err);
        } else if (n >= 5 && memcmp(at, "data:", 5) == 0) {
            const size_t skip = n > 5 && at[5] == ' ' ? 6 : 5;

            if (g->event.len > 0)
                assay_buf_addc(&g->event, '\n');
            assay_buf_add(&g->event, at + skip, n - skip);
        }
        at = stop + 1;
    }
    // What stands without an empty line after it was cut; "[DONE]" alone is whole as it is.
    if (status == ASSAY_OK && strcmp(g->event.data, "[DONE]") == 0)
        g->done = true;
    return status;
}

// --- the whole -----------------------------------------------------------------------------------

static void write_call(struct assay_json_writer *w, const struct part_call *call)
{
    assay_json_begin_object(w, NULL);
    if (call->id.len > 0)
        assay_json_put_text(w, "id", call->id.data);
    assay_json_put_text(w, "type", "function");
    assay_json_begin_object(w, "function");
    assay_json_put_text(w, "name", call->name.data);
    assay_json_put_text(w, "arguments", call->arguments.data);
    assay_json_end_object(w);
    assay_json_end_object(w);
}

static void write_choice(struct assay_json_writer *w, struct gathering *g)
{
    assay_json_begin_object(w, NULL);
    assay_json_begin_object(w, "message");
    assay_json_put_text(w, "role", "assistant");
    assay_json_put_text(w, "content", g->content.len > 0 ? g->content.data : NULL);
    if (g->call_count > 0)
        assay_json_begin_array(w, "tool_calls");
    for (size_t i = 0; i < g->call_count; i++)
        write_call(w, &g->calls[i]);
    if (g->call_count > 0)
        assay_json_end_array(w);
    assay_json_end_object(w);
    if (g->logprobs.len > 0) {
        assay_buf_addc(&g->logprobs, ']');
        assay_json_begin_object(w, "logprobs");
        assay_json_put_written(w, "content", g->logprobs.data);
        assay_json_end_object(w);
    }
    assay_json_put_text(w, "finish_reason", g->finish[0] != '\0' ? g->finish : "stop");
    assay_json_end_object(w);
}

static void write_whole(struct assay_buf *out, struct gathering *g)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    if (g->error.len > 0) {
        assay_json_put_written(&w, "error", g->error.data);
    } else {
        assay_json_begin_array(&w, "choices");
        write_choice(&w, g);
        assay_json_end_array(&w);
        if (g->usage.len > 0)
            assay_json_put_written(&w, "usage", g->usage.data);
    }
    assay_json_end_object(&w);
}

enum assay_status assay_chat_stream_gather(
        struct assay_buf *out, const char *text, size_t len, struct assay_error *err)
{
    struct gathering g;
    enum assay_status status;

    if (text[strspn(text, " \t\r\n")] == '{') {
        assay_buf_add(out, text, len);
        return assay_buf_check(out, "the answer", err);
    }
    begin(&g);
    status = take_lines(&g, text, len, err);
    if (status == ASSAY_OK && any_failed(&g))
        status = assay_fail(err, ASSAY_ENOMEM, "the answer is larger than an answer may be");
    if (status == ASSAY_OK && g.error.len == 0 && !g.done && g.finish[0] == '\0')
        status = assay_fail(err, ASSAY_EIO, "the stream was cut");
    if (status == ASSAY_OK)
        write_whole(out, &g);
    end(&g);
    return status == ASSAY_OK ? assay_buf_check(out, "the answer", err) : status;
}
