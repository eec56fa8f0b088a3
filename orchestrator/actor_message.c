// SPDX-License-Identifier: MIT
// actor_message.c - a message of an actor as JSON: what scripts and programs write.
#include <string.h>

#include "envs/tools.h"
#include "orchestrator/actor.h"

const char *assay_actor_copy_arguments(const struct assay_json *json, struct assay_arena *arena)
{
    const char *text = json != NULL ? assay_json_text(json) : "{}";
    struct assay_json_writer w;
    struct assay_buf buf;
    const char *copy;

    if (text != NULL)
        return assay_arena_strdup(arena, text);
    assay_buf_init(&buf, 4 * ASSAY_TOOL_ARGUMENTS_BYTES_MAX);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_put_copy(&w, NULL, json); // where it stands in its text is not known
    copy = buf.failed ? NULL : assay_arena_strdup(arena, buf.data);
    assay_buf_free(&buf);
    return copy;
}

// {"id"?, "tool", "arguments"?}
static enum assay_status read_call(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err)
{
    struct assay_actor_call *call = &out->calls[out->call_count];
    const char *id = NULL, *tool = NULL;
    enum assay_status status;

    if (out->call_count == ASSAY_ACTOR_CALLS_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "a message has at most %d calls", ASSAY_ACTOR_CALLS_MAX);
    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "a call is an object with 'tool' and 'arguments'");
    status = assay_json_read_text(&tool, json, "tool", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&id, json, "id", err);
    if (status != ASSAY_OK)
        return status;
    call->tool = assay_arena_strdup(out->arena, tool);
    call->id = id != NULL ? assay_arena_strdup(out->arena, id) : NULL;
    call->arguments = assay_actor_copy_arguments(assay_json_get(json, "arguments"), out->arena);
    out->call_count++;
    if (call->tool == NULL || call->arguments == NULL || (id != NULL && call->id == NULL))
        return assay_fail(err, ASSAY_ENOMEM, "message: out of memory");
    return ASSAY_OK;
}

static enum assay_status read_calls(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err)
{
    const struct assay_json *calls = NULL;
    enum assay_status status;

    if (assay_json_get(json, "tool") != NULL)
        return read_call(out, json, err);
    if (assay_json_get(json, "calls") == NULL)
        return ASSAY_OK;
    status = assay_json_read_array(&calls, json, "calls", err);
    for (const struct assay_json *call = status == ASSAY_OK ? assay_json_first(calls) : NULL;
            call != NULL && status == ASSAY_OK; call = assay_json_next(call))
        status = read_call(out, call, err);
    return status;
}

enum assay_status assay_actor_read_message(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err)
{
    static const char *const keys[] = {"type", "instance_id", "text", "id", "tool", "arguments",
            "calls", "prompt_tokens", "answer_tokens"};
    const char *type = NULL, *text = NULL;
    enum assay_status status = ASSAY_OK;

    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "a message is one JSON object");
    status = assay_json_only_keys(json, keys, sizeof(keys) / sizeof(keys[0]), err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&type, json, "type", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&text, json, "text", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->prompt_tokens, json, "prompt_tokens", 0, UINT32_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->answer_tokens, json, "answer_tokens", 0, UINT32_MAX, err);
    if (status == ASSAY_OK && type != NULL && strcmp(type, "action") != 0 &&
            strcmp(type, "stop") != 0)
        status = assay_fail(err, ASSAY_EINVAL, "type: '%.60s' is not action or stop", type);
    if (status == ASSAY_OK)
        status = read_calls(out, json, err);
    if (status != ASSAY_OK)
        return status;
    out->stop = type != NULL && strcmp(type, "stop") == 0;
    if (text != NULL && (out->text = assay_arena_strdup(out->arena, text)) == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "message: out of memory");
    return ASSAY_OK;
}
