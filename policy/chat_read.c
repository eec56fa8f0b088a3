// SPDX-License-Identifier: MIT
// chat_read.c - messages as chat services take them, from JSON.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policy/chat.h"

#define DEPTH_MAX 64
#define CALLS_MAX 1024

struct reading {
    struct assay_arena *arena;
    struct assay_chat_message *messages; // [capacity]
    size_t count, capacity;
    const struct assay_json *calls; // of the last message that has some
};

// --- JSON as Python writes it -------------------------------------------------------------------

static enum assay_status dump_number(struct assay_buf *buf, double value, struct assay_error *err)
{
    char text[40] = "";

    if (fabs(value) > (double)ASSAY_JSON_INTEGER_MAX && value == floor(value) && fabs(value) < 1e22)
        return assay_fail(err, ASSAY_EINVAL, "an integer beyond 2^53");
    if (value == floor(value) && fabs(value) <= (double)ASSAY_JSON_INTEGER_MAX) {
        (void)assay_buf_addf(buf, "%.0f", value);
        return ASSAY_OK;
    }
    for (int digits = 1; digits <= 17 && strtod(text, NULL) != value; digits++)
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
    (void)assay_buf_adds(buf, text);
    return ASSAY_OK;
}

static void dump_text(struct assay_buf *buf, const char *text)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, buf, 0);
    assay_json_put_text(&w, NULL, text);
}

static enum assay_status dump(
        struct assay_buf *buf, const struct assay_json *json, struct assay_error *err)
{
    const bool object = assay_json_type(json) == ASSAY_JSON_OBJECT;
    enum assay_status status = ASSAY_OK;

    switch (assay_json_type(json)) {
    case ASSAY_JSON_NULL:
        (void)assay_buf_adds(buf, "null");
        break;
    case ASSAY_JSON_BOOL:
        (void)assay_buf_adds(buf, assay_json_bool(json) ? "true" : "false");
        break;
    case ASSAY_JSON_NUMBER:
        return dump_number(buf, assay_json_number(json), err);
    case ASSAY_JSON_STRING:
        dump_text(buf, assay_json_text(json));
        break;
    case ASSAY_JSON_ARRAY:
    case ASSAY_JSON_OBJECT:
        (void)assay_buf_addc(buf, object ? '{' : '[');
        for (const struct assay_json *e = assay_json_first(json); e && status == ASSAY_OK;
                e = assay_json_next(e)) {
            if (e != assay_json_first(json))
                (void)assay_buf_adds(buf, ", ");
            if (object) {
                dump_text(buf, assay_json_key(e));
                (void)assay_buf_adds(buf, ": ");
            }
            status = dump(buf, e, err);
        }
        (void)assay_buf_addc(buf, object ? '}' : ']');
        break;
    }
    return status;
}

static enum assay_status keep(
        const char **out, struct assay_arena *arena, const char *text, struct assay_error *err)
{
    char *copy = assay_arena_strdup(arena, text);

    if (!copy)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = copy;
    return ASSAY_OK;
}

static enum assay_status keep_json(const char **out, struct assay_arena *arena,
        const struct assay_json *json, struct assay_error *err)
{
    struct assay_buf buf;
    enum assay_status status;

    assay_buf_init(&buf, ASSAY_CHAT_BYTES_MAX);
    status = dump(&buf, json, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&buf, "a JSON value", err);
    if (status == ASSAY_OK)
        status = keep(out, arena, buf.data, err);
    assay_buf_free(&buf);
    return status;
}

// --- messages -----------------------------------------------------------------------------------

static enum assay_status read_role(
        enum assay_chat_role *out, const struct assay_json *message, struct assay_error *err)
{
    static const char *const names[] = {"system", "user", "assistant", "tool"};
    const char *role = NULL;
    const enum assay_status status = assay_json_read_text(&role, message, "role", err);

    for (size_t i = 0; status == ASSAY_OK && i < 4; i++)
        if (strcmp(role, names[i]) == 0) {
            *out = (enum assay_chat_role)i;
            return ASSAY_OK;
        }
    return status == ASSAY_OK
            ? assay_fail(err, ASSAY_EINVAL,
                      "role: \"%.64s\" is none of system, user, assistant, tool", role)
            : status;
}

static enum assay_status read_calls(struct assay_chat_message *out,
        const struct assay_json *message, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *list = assay_json_get(message, "tool_calls");
    struct assay_chat_call *calls;
    enum assay_status status = ASSAY_OK;

    if (!list || assay_json_type(list) == ASSAY_JSON_NULL)
        return ASSAY_OK;
    if (assay_json_type(list) != ASSAY_JSON_ARRAY || assay_json_count(list) > CALLS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "tool_calls: not a list of at most %d", CALLS_MAX);
    calls = assay_arena_array(arena, assay_json_count(list), sizeof(*calls));
    if (!calls)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *e = assay_json_first(list); e && status == ASSAY_OK;
            e = assay_json_next(e)) {
        const struct assay_json *call = assay_json_get(e, "function");
        const struct assay_json *arguments;
        struct assay_chat_call *c = &calls[out->call_count++];
        const char *name = NULL;

        call = call ? call : e;
        arguments = assay_json_get(call, "arguments");
        status = assay_json_read_text(&name, call, "name", err);
        if (status == ASSAY_OK)
            status = keep(&c->name, arena, name, err);
        if (status == ASSAY_OK && !arguments)
            status = assay_fail(err, ASSAY_EINVAL, "arguments: missing");
        else if (status == ASSAY_OK && assay_json_text(arguments)) // JSON in a string, as it stands
            status = keep(&c->arguments, arena, assay_json_text(arguments), err);
        else if (status == ASSAY_OK)
            status = keep_json(&c->arguments, arena, arguments, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "tool_calls[%zu]", out->call_count - 1);
    }
    out->calls = calls;
    return status;
}

// The tool that answers: by its own name, or by the call that it answers.
static enum assay_status read_name(struct assay_chat_message *out, const struct reading *r,
        const struct assay_json *message, struct assay_error *err)
{
    const char *name = NULL, *id = NULL;
    enum assay_status status = assay_json_opt_text(&name, message, "name", err);

    if (status == ASSAY_OK)
        status = assay_json_opt_text(&id, message, "tool_call_id", err);
    if (status != ASSAY_OK || out->role != ASSAY_CHAT_TOOL)
        return status;
    for (const struct assay_json *c = assay_json_first(r->calls); !name && id && c;
            c = assay_json_next(c)) {
        const char *other = assay_json_text(assay_json_get(c, "id"));

        if (other && strcmp(other, id) == 0)
            name = assay_json_text(assay_json_get(assay_json_get(c, "function"), "name"));
    }
    return name ? keep(&out->name, r->arena, name, err) : ASSAY_OK;
}

static enum assay_status add_message(
        struct reading *r, const struct assay_chat_message *message, struct assay_error *err)
{
    if (r->count == r->capacity)
        return assay_fail(err, ASSAY_EINVAL, "more than %d messages", ASSAY_CHAT_MESSAGES_MAX);
    r->messages[r->count++] = *message;
    return ASSAY_OK;
}

struct part {
    const char *text, *name; // of the JSON
};

static enum assay_status read_part(
        struct part *out, const struct assay_json *json, struct assay_error *err)
{
    static const char *const keys[] = {"type", "text", "name"};
    const char *type = NULL;
    enum assay_status status;

    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "not an object");
    status = assay_json_only_keys(json, keys, 3, err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&type, json, "type", err);
    if (status == ASSAY_OK && strcmp(type, "text") != 0)
        status = assay_fail(err, ASSAY_EINVAL, "type: \"%.64s\" is not text", type);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&out->text, json, "text", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&out->name, json, "name", err);
    return status;
}

// A part of what tools answer is an answer of its own, perhaps of another tool.
static enum assay_status add_result(struct reading *r, const struct assay_chat_message *message,
        const struct part *part, struct assay_error *err)
{
    struct assay_chat_message one = *message;
    enum assay_status status = keep(&one.content, r->arena, part->text, err);

    if (status == ASSAY_OK && part->name)
        status = keep(&one.name, r->arena, part->name, err);
    return status == ASSAY_OK ? add_message(r, &one, err) : status;
}

// Content in parts is one text, but for results of tools.
static enum assay_status add_parts(struct reading *r, struct assay_chat_message *message,
        const struct assay_json *parts, struct assay_error *err)
{
    const bool results = message->role == ASSAY_CHAT_TOOL;
    struct assay_buf whole;
    enum assay_status status = ASSAY_OK;
    size_t index = 0;

    assay_buf_init(&whole, ASSAY_CHAT_BYTES_MAX);
    for (const struct assay_json *p = assay_json_first(parts); p && status == ASSAY_OK;
            p = assay_json_next(p), index++) {
        struct part part = {NULL, NULL};

        status = read_part(&part, p, err);
        if (status == ASSAY_OK && results)
            status = add_result(r, message, &part, err);
        else if (status == ASSAY_OK)
            (void)assay_buf_adds(&whole, part.text);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "content[%zu]", index);
    }
    if (status == ASSAY_OK && !results) {
        status = assay_buf_check(&whole, "content", err);
        if (status == ASSAY_OK)
            status = keep(&message->content, r->arena, whole.data, err);
        if (status == ASSAY_OK)
            status = add_message(r, message, err);
    }
    assay_buf_free(&whole);
    return status;
}

static enum assay_status read_message(
        struct reading *r, const struct assay_json *json, struct assay_error *err)
{
    static const char *const keys[] = {
            "role", "content", "reasoning_content", "tool_calls", "name", "tool_call_id"};
    const struct assay_json *content = assay_json_get(json, "content");
    struct assay_chat_message m = {.content = ""};
    const char *reasoning = NULL;
    enum assay_status status = ASSAY_OK;

    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "not an object");
    status = assay_json_only_keys(json, keys, sizeof(keys) / sizeof(keys[0]), err);
    if (status == ASSAY_OK)
        status = read_role(&m.role, json, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&reasoning, json, "reasoning_content", err);
    if (status == ASSAY_OK && reasoning)
        status = keep(&m.reasoning, r->arena, reasoning, err);
    if (status == ASSAY_OK)
        status = read_calls(&m, json, r->arena, err);
    if (status == ASSAY_OK && m.call_count > 0 && m.role != ASSAY_CHAT_ASSISTANT)
        status = assay_fail(err, ASSAY_EINVAL, "tool_calls: only an assistant calls tools");
    if (status == ASSAY_OK)
        status = read_name(&m, r, json, err);
    if (status != ASSAY_OK)
        return status;
    if (m.call_count > 0)
        r->calls = assay_json_get(json, "tool_calls");
    if (content && assay_json_type(content) == ASSAY_JSON_ARRAY)
        return add_parts(r, &m, content, err);
    if (content && assay_json_text(content))
        status = keep(&m.content, r->arena, assay_json_text(content), err);
    else if ((content && assay_json_type(content) != ASSAY_JSON_NULL) ||
            m.role != ASSAY_CHAT_ASSISTANT) // who only calls tools may say nothing
        status = assay_fail(err, ASSAY_EINVAL, "content: neither a text nor a list of texts");
    return status == ASSAY_OK ? add_message(r, &m, err) : status;
}

static enum assay_status read_tools(struct assay_chat *out, const struct assay_json *tools,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **list;
    size_t count = 0;
    enum assay_status status = ASSAY_OK;

    if (!tools || assay_json_type(tools) == ASSAY_JSON_NULL)
        return ASSAY_OK;
    if (assay_json_type(tools) != ASSAY_JSON_ARRAY)
        return assay_fail(err, ASSAY_EINVAL, "tools: not a list");
    list = assay_arena_array(arena, assay_json_count(tools), sizeof(*list));
    if (!list)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *t = assay_json_first(tools); t && status == ASSAY_OK;
            t = assay_json_next(t), count++) {
        status = assay_json_type(t) == ASSAY_JSON_OBJECT
                ? keep_json(&list[count], arena, t, err)
                : assay_fail(err, ASSAY_EINVAL, "not an object");
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "tools[%zu]", count);
    }
    out->tools = list;
    out->tool_count = count;
    return status;
}

static enum assay_status read_messages(struct assay_chat *out, const struct assay_json *list,
        struct assay_arena *arena, struct assay_error *err)
{
    struct reading r = {.arena = arena, .capacity = ASSAY_CHAT_MESSAGES_MAX};
    enum assay_status status = ASSAY_OK;
    size_t index = 0;

    if (!list || assay_json_type(list) != ASSAY_JSON_ARRAY || assay_json_count(list) == 0)
        return assay_fail(err, ASSAY_EINVAL, "messages: not a list with a message in it");
    r.messages = calloc(r.capacity, sizeof(*r.messages));
    if (!r.messages)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *m = assay_json_first(list); m && status == ASSAY_OK;
            m = assay_json_next(m), index++) {
        status = read_message(&r, m, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "messages[%zu]", index);
    }
    if (status == ASSAY_OK && r.count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "messages: say nothing");
    if (status == ASSAY_OK) {
        out->messages =
                (void *)assay_arena_memdup(arena, r.messages, r.count * sizeof(*r.messages));
        out->message_count = r.count;
        if (!out->messages)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    free(r.messages);
    return status;
}

enum assay_status assay_chat_read(struct assay_chat *out, const char *text, size_t len,
        const char *source, struct assay_arena *arena, struct assay_error *err)
{
    static const char *const keys[] = {"messages", "tools"};
    const struct assay_json_limits limits = {ASSAY_CHAT_BYTES_MAX, DEPTH_MAX};
    struct assay_json *root = NULL;
    struct assay_chat chat = {0};
    enum assay_status status = assay_json_parse(&root, text, len, limits, source, 1, err);

    if (status != ASSAY_OK)
        return status; // it names the source
    if (assay_json_type(root) == ASSAY_JSON_ARRAY) {
        status = read_messages(&chat, root, arena, err);
    } else if (assay_json_type(root) != ASSAY_JSON_OBJECT) {
        status = assay_fail(err, ASSAY_EINVAL, "neither messages nor an object with them");
    } else {
        status = assay_json_only_keys(root, keys, 2, err);
        if (status == ASSAY_OK)
            status = read_messages(&chat, assay_json_get(root, "messages"), arena, err);
        if (status == ASSAY_OK)
            status = read_tools(&chat, assay_json_get(root, "tools"), arena, err);
    }
    assay_json_free(root);
    if (status != ASSAY_OK)
        return assay_wrap(err, "%s", source);
    *out = chat;
    return ASSAY_OK;
}
