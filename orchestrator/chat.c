// SPDX-License-Identifier: MIT
#include "orchestrator/chat.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define ARGUMENT_DEPTH_MAX 16

static const char system_text[] =
        "You are a software engineer at work in a repository. You act through the tools, and every "
        "message of yours calls at least one. Look before you change: read the code that the task "
        "is about, find the cause, make the smallest change that mends it, and run the tests. Do "
        "not change the tests to make them pass: other tests, which you cannot see, decide. When "
        "the work is done, call submit.";

const char *assay_chat_task(enum assay_task_kind task)
{
    switch (task) {
    case ASSAY_TASK_REPAIR:
        return "Change the repository so that the following is resolved.";
    case ASSAY_TASK_LOCALIZE:
        return "Find where the repository must be changed to resolve the following, without "
               "changing it. Call submit with `answer`: one place a line, most likely first, as "
               "path:function or path:line.";
    case ASSAY_TASK_WRITE_TESTS:
        return "Write tests, in the repository's own manner, that fail because of the following "
               "and will pass once it is resolved. Do not resolve it.";
    }
    return "";
}

static void next_message(struct assay_buf *out, struct assay_json_writer *w)
{
    if (out->len > 0)
        assay_buf_addc(out, ',');
    assay_json_writer_init(w, out, 0);
    assay_json_begin_object(w, NULL);
}

void assay_chat_add(struct assay_buf *out, const char *role, const char *text, size_t len)
{
    struct assay_json_writer w;

    next_message(out, &w);
    assay_json_put_text(&w, "role", role);
    assay_json_put_bytes(&w, "content", text, len);
    assay_json_end_object(&w);
}

void assay_chat_begin(
        struct assay_buf *out, const struct assay_instance *instance, const char *workdir)
{
    struct assay_buf text;

    assay_chat_add(out, "system", system_text, strlen(system_text));
    assay_buf_init(&text, out->max);
    assay_buf_addf(&text, "The repository %s is at %s. %s\n\n", instance->repo, workdir,
            assay_chat_task(instance->task));
    assay_buf_add(&text, instance->problem.data != NULL ? instance->problem.data : "",
            instance->problem.len);
    assay_chat_add(out, "user", text.data, text.len);
    if (text.failed)
        out->failed = true;
    assay_buf_free(&text);
}

// Servers read the arguments of earlier calls, and refuse what is no JSON.
static const char *valid_arguments(const char *text)
{
    const struct assay_json_limits limits = {(size_t)64 << 20, ARGUMENT_DEPTH_MAX};
    struct assay_json *json = NULL;
    bool valid = false;

    if (text == NULL || text[0] == '\0')
        return "{}";
    valid = assay_json_parse(&json, text, strlen(text), limits, "", 1, NULL) == ASSAY_OK &&
            assay_json_type(json) == ASSAY_JSON_OBJECT;
    assay_json_free(json);
    return valid ? text : "{}";
}

static void put_id(struct assay_json_writer *w, const char *key, const char *id, size_t number)
{
    char made[32];

    snprintf(made, sizeof(made), "call_%zu", number);
    assay_json_put_text(w, key, id != NULL && id[0] != '\0' ? id : made);
}

void assay_chat_add_answer(struct assay_buf *out, const char *text,
        const struct assay_actor_call *calls, size_t count, size_t first_number)
{
    struct assay_json_writer w;

    next_message(out, &w);
    assay_json_put_text(&w, "role", "assistant");
    assay_json_put_text(&w, "content", text != NULL ? text : count > 0 ? NULL : "");
    if (count > 0)
        assay_json_begin_array(&w, "tool_calls");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(&w, NULL);
        put_id(&w, "id", calls[i].id, first_number + i);
        assay_json_put_text(&w, "type", "function");
        assay_json_begin_object(&w, "function");
        assay_json_put_text(&w, "name", calls[i].tool);
        assay_json_put_text(&w, "arguments", valid_arguments(calls[i].arguments));
        assay_json_end_object(&w);
        assay_json_end_object(&w);
    }
    if (count > 0)
        assay_json_end_array(&w);
    assay_json_end_object(&w);
}

void assay_chat_add_result(struct assay_buf *out, const char *call_id, size_t number,
        const char *tool, struct assay_bytes text)
{
    struct assay_json_writer w;

    next_message(out, &w);
    assay_json_put_text(&w, "role", tool != NULL ? "tool" : "user");
    if (tool != NULL)
        put_id(&w, "tool_call_id", call_id, number);
    assay_json_put_bytes(&w, "content", text.data, text.len);
    assay_json_end_object(&w);
}

void assay_chat_add_turns(
        struct assay_buf *out, const struct assay_turn *turns, size_t count, size_t *number)
{
    for (size_t i = 0; i < count;) {
        struct assay_actor_call calls[ASSAY_ACTOR_CALLS_MAX];
        size_t call_count = 0, end = i;

        for (; end < count && turns[end].message == turns[i].message &&
                call_count < ASSAY_ACTOR_CALLS_MAX;
                end++)
            if (turns[end].tool != NULL)
                calls[call_count++] = (struct assay_actor_call){.id = turns[end].call_id,
                        .tool = turns[end].tool,
                        .arguments = turns[end].arguments};
        assay_chat_add_answer(out, turns[i].text, calls, call_count, *number);
        for (; i < end; i++) {
            assay_chat_add_result(
                    out, turns[i].call_id, *number, turns[i].tool, turns[i].observation);
            *number += turns[i].tool != NULL;
        }
    }
}
