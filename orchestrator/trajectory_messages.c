// SPDX-License-Identifier: MIT
// trajectory_messages.c - conversations as chat-completions endpoints have them, read as episodes.
//
// A message of the assistant is one of the actor's, its tool_calls are the turns, what they showed
// are the messages of role "tool" that name them. A message without a call is a turn too, and what
// the user says next is what it was told. What chats have no place for (instance, submission, why
// it ended) stands beside "messages", as assay_trajectory_write() puts it there.
#include <string.h>

#include "envs/tools.h"
#include "orchestrator/trajectory_parts.h"

#define CALLS_MAX 1024 // of one message, among which a result is looked for

static bool is_assistant(const struct assay_json *message)
{
    const char *role = assay_json_text(assay_json_get(message, "role"));

    return role != NULL && strcmp(role, "assistant") == 0;
}

bool assay_messages_are(const struct assay_json *document)
{
    const struct assay_json *messages = assay_json_get(document, "messages");

    if (messages == NULL || assay_json_type(messages) != ASSAY_JSON_ARRAY ||
            assay_json_get(document, "trajectory_format") != NULL ||
            assay_json_get(document, "info") != NULL)
        return false;
    if (assay_json_get(document, "tools") != NULL)
        return true;
    for (const struct assay_json *message = assay_json_first(messages); message != NULL;
            message = assay_json_next(message))
        if (is_assistant(message) && assay_json_count(assay_json_get(message, "tool_calls")) > 0)
            return true;
    return false;
}

// The text of the arguments; some write the object itself.
static const char *arguments_of(
        struct assay_trajectory_reader *r, const struct assay_json *arguments)
{
    struct assay_json_writer w;
    struct assay_buf json;
    const char *made = NULL;

    if (arguments == NULL || assay_json_type(arguments) == ASSAY_JSON_STRING)
        return assay_trajectory_copy(r, arguments != NULL ? assay_json_text(arguments) : "{}");
    assay_buf_init(&json, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_put_copy(&w, NULL, arguments);
    made = assay_trajectory_copy(r, json.data);
    r->no_memory |= json.failed;
    assay_buf_free(&json);
    return made;
}

// Another agent's call can be done here where it has a command line.
static void read_foreign(struct assay_trajectory_reader *r, struct assay_turn *turn)
{
    const struct assay_json_limits limits = {
            ASSAY_TRAJECTORY_BYTES_MAX, ASSAY_TRAJECTORY_DEPTH_MAX};
    struct assay_json *json = NULL;
    const char *command = NULL;

    if (turn->tool == NULL || turn->arguments == NULL || assay_tool_find(turn->tool) != NULL ||
            assay_json_parse(&json, turn->arguments, strlen(turn->arguments), limits, "", 1,
                    NULL) != ASSAY_OK)
        return;
    command = assay_json_text(assay_json_get(json, "command"));
    if (command != NULL)
        assay_trajectory_command(r, turn, command, strlen(command), false);
    assay_json_free(json);
}

static void read_assistant(
        struct assay_trajectory_reader *r, const struct assay_json *message, uint32_t number)
{
    const struct assay_json *calls = assay_json_get(message, "tool_calls");
    const struct assay_json *call = calls != NULL && assay_json_type(calls) == ASSAY_JSON_ARRAY
            ? assay_json_first(calls)
            : NULL;

    for (bool first = true; first || call != NULL; first = false) {
        const struct assay_json *function = assay_json_get(call, "function");
        struct assay_turn *turn = assay_trajectory_turn(r, number);

        if (turn == NULL)
            return; // out of memory: told at the end
        if (first)
            turn->text = assay_trajectory_copy(
                    r, assay_trajectory_content(r, assay_json_get(message, "content")));
        if (call == NULL)
            return;
        turn->call_id = assay_trajectory_copy(r, assay_json_text(assay_json_get(call, "id")));
        turn->tool = assay_trajectory_copy(r, assay_json_text(assay_json_get(function, "name")));
        if (turn->tool != NULL)
            turn->arguments = arguments_of(r, assay_json_get(function, "arguments"));
        read_foreign(r, turn);
        call = assay_json_next(call);
    }
}

// Whose result a message is, among the turns from `first`: the call that it names, or the next that
// waits for one; of what a user says, a message that called nothing.
static struct assay_turn *turn_of(
        const struct assay_trajectory *t, size_t first, const struct assay_json *message)
{
    const char *id = assay_json_text(assay_json_get(message, "tool_call_id"));
    const char *role = assay_json_text(assay_json_get(message, "role"));
    const bool of_call = role != NULL && strcmp(role, "tool") == 0;

    for (size_t i = first; i < t->count && i - first < CALLS_MAX; i++) {
        struct assay_turn *turn = &t->turns[i];

        if (id != NULL ? turn->call_id != NULL && strcmp(turn->call_id, id) == 0
                       : turn->observation.len == 0 && (turn->tool != NULL) == of_call)
            return turn;
    }
    return NULL;
}

static void read_conversation(struct assay_trajectory_reader *r, const struct assay_json *messages)
{
    uint32_t number = 0;
    size_t first = 0;

    for (const struct assay_json *message = assay_json_first(messages); message != NULL;
            message = assay_json_next(message)) {
        struct assay_turn *turn = NULL;

        if (is_assistant(message)) {
            first = r->out->count;
            read_assistant(r, message, ++number);
            continue;
        }
        turn = number > 0 ? turn_of(r->out, first, message) : NULL;
        if (turn != NULL)
            assay_trajectory_observation(
                    r, turn, assay_trajectory_content(r, assay_json_get(message, "content")));
    }
}

static const char *text_of(
        struct assay_trajectory_reader *r, const struct assay_json *document, const char *key)
{
    const char *text = assay_json_text(assay_json_get(document, key));

    return assay_trajectory_copy(r, text != NULL ? text : "");
}

void assay_messages_read(struct assay_trajectory_reader *r, const struct assay_json *document)
{
    const char *submission = text_of(r, document, "submission");

    read_conversation(r, assay_json_get(document, "messages"));
    r->out->model = text_of(r, document, "actor");
    r->out->exit_status = text_of(r, document, "exit_status");
    r->out->instance_id = text_of(r, document, "instance_id");
    if (submission != NULL)
        r->out->submission = (struct assay_bytes){submission, strlen(submission)};
    if (r->out->exit_status != NULL)
        r->out->cause = assay_trajectory_cause(r->out->exit_status);
}
