// SPDX-License-Identifier: MIT
// trajectory_write.c - an episode as others write it.
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "envs/tools.h"
#include "orchestrator/chat.h"
#include "orchestrator/trajectory_parts.h"

#define ARGUMENT_BYTES_MAX ((size_t)64 << 20)
#define ARGUMENT_DEPTH_MAX 16

static const char *const names[] = {
        [ASSAY_TRAJECTORY_MESSAGES] = "messages",
        [ASSAY_TRAJECTORY_SWE_AGENT] = "swe-agent",
        [ASSAY_TRAJECTORY_MINI] = "mini-swe-agent",
        [ASSAY_TRAJECTORY_ATIF] = "atif",
};

bool assay_trajectory_format_find(enum assay_trajectory_format *out, const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *out = (enum assay_trajectory_format)i;
        return true;
    }
    return false;
}

const char *assay_trajectory_format_name(enum assay_trajectory_format format)
{
    return names[format];
}

// A command line is what both agents know: that of bash, else the tool and its arguments.
static void add_command(struct assay_buf *out, const struct assay_turn *turn)
{
    const struct assay_json_limits limits = {ARGUMENT_BYTES_MAX, ARGUMENT_DEPTH_MAX};
    const char *arguments = turn->arguments != NULL ? turn->arguments : "";
    struct assay_json *json = NULL;
    const char *command = NULL;

    if (turn->tool == NULL)
        return;
    if (strcmp(turn->tool, "bash") == 0 &&
            assay_json_parse(&json, arguments, strlen(arguments), limits, "", 1, NULL) == ASSAY_OK)
        command = assay_json_text(assay_json_get(json, "command"));
    if (command != NULL)
        assay_buf_adds(out, command);
    else
        assay_buf_addf(out, "%s %s", turn->tool, arguments);
    assay_json_free(json);
}

static void put_command(struct assay_json_writer *w, const char *key, const struct assay_turn *turn)
{
    struct assay_buf command;

    assay_buf_init(&command, ARGUMENT_BYTES_MAX);
    add_command(&command, turn);
    assay_json_put_bytes(w, key, command.data, command.len);
    assay_buf_free(&command);
}

static void put_answer(
        struct assay_json_writer *w, const char *key, const struct assay_episode_row *row)
{
    assay_json_put_bytes(w, key, row->answer.data != NULL ? row->answer.data : "", row->answer.len);
}

static size_t count_messages(const struct assay_turn *turns, size_t count)
{
    return count > 0 ? turns[count - 1].message : 0;
}

// The conversation as a JSON array.
static void write_messages(struct assay_buf *out, const struct assay_turn *turns, size_t count,
        const struct assay_instance *instance, const char *workdir)
{
    struct assay_buf messages;
    size_t number = 1;

    assay_buf_init(&messages, out->max);
    if (instance != NULL)
        assay_chat_begin(&messages, instance, workdir);
    assay_chat_add_turns(&messages, turns, count, &number);
    assay_buf_addc(out, '[');
    assay_buf_add(out, messages.data, messages.len);
    assay_buf_addc(out, ']');
    out->failed |= messages.failed;
    assay_buf_free(&messages);
}

static void write_chat(
        struct assay_json_writer *w, const struct assay_episode_row *row, const char *messages)
{
    assay_json_put_text(w, "instance_id", row->instance_id);
    assay_json_put_text(w, "run_id", row->run_id);
    assay_json_put_u64(w, "sample", row->sample);
    assay_json_put_text(w, "actor", row->actor);
    assay_json_put_text(w, "exit_status", assay_episode_cause_name(row->cause));
    if (row->has_verdict && row->scored)
        assay_json_put_bool(w, "resolved", row->resolved);
    else
        assay_json_put_null(w, "resolved");
    put_answer(w, "submission", row);
    assay_json_put_written(w, "messages", messages);
    assay_tools_write(w, "tools");
}

static void write_swe_agent(struct assay_json_writer *w, const struct assay_episode_row *row,
        const struct assay_turn *turns, size_t count, const char *messages)
{
    assay_json_begin_array(w, "trajectory");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        put_command(w, "action", &turns[i]);
        assay_json_put_bytes(w, "observation", turns[i].observation.data, turns[i].observation.len);
        assay_json_put_text(w, "response", turns[i].text != NULL ? turns[i].text : "");
        assay_json_put_text(w, "thought", turns[i].text != NULL ? turns[i].text : "");
        assay_json_put_double(w, "execution_time", (double)turns[i].step_us / 1e6);
        assay_json_begin_object(w, "state");
        assay_json_end_object(w);
        assay_json_begin_object(w, "extra_info");
        assay_json_end_object(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_put_written(w, "history", messages);
    assay_json_begin_object(w, "info");
    assay_json_put_text(w, "exit_status", assay_episode_cause_name(row->cause));
    put_answer(w, "submission", row);
    assay_json_begin_object(w, "model_stats");
    assay_json_put_double(w, "instance_cost", 0);
    assay_json_put_u64(w, "tokens_sent", row->prompt_tokens);
    assay_json_put_u64(w, "tokens_received", row->answer_tokens);
    assay_json_put_u64(w, "api_calls", count_messages(turns, count));
    assay_json_end_object(w);
    assay_json_end_object(w);
    assay_json_put_text(w, "environment", row->instance_id);
}

static void write_mini_turn(struct assay_json_writer *w, const struct assay_turn *turn)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "role", "assistant");
    assay_json_put_text(w, "content", turn->text != NULL ? turn->text : "");
    assay_json_begin_object(w, "extra");
    assay_json_begin_array(w, "actions");
    if (turn->tool != NULL) {
        assay_json_begin_object(w, NULL);
        put_command(w, "command", turn);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
    assay_json_end_object(w);
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "role", "user");
    assay_json_put_bytes(w, "content", turn->observation.data, turn->observation.len);
    assay_json_begin_object(w, "extra");
    // As Python's subprocess says it; mini-swe-agent's own word for a limit is -1.
    assay_json_put_i64(w, "returncode",
            turn->signal != 0                                                   ? -turn->signal
                    : turn->cause != NULL && strcmp(turn->cause, "exited") != 0 ? -1
                                                                                : turn->exit_code);
    assay_json_end_object(w);
    assay_json_end_object(w);
}

static void write_mini(struct assay_json_writer *w, const struct assay_episode_row *row,
        const struct assay_turn *turns, size_t count, const struct assay_instance *instance)
{
    assay_json_begin_object(w, "info");
    assay_json_begin_object(w, "model_stats");
    assay_json_put_double(w, "instance_cost", 0);
    assay_json_put_u64(w, "api_calls", count_messages(turns, count));
    assay_json_end_object(w);
    assay_json_put_text(w, "exit_status",
            row->cause == ASSAY_EPISODE_SUBMITTED ? "Submitted"
                                                  : assay_episode_cause_name(row->cause));
    put_answer(w, "submission", row);
    assay_json_end_object(w);
    assay_json_begin_array(w, "messages");
    if (instance != NULL) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "role", "user");
        assay_json_put_bytes(w, "content",
                instance->problem.data != NULL ? instance->problem.data : "",
                instance->problem.len);
        assay_json_end_object(w);
    }
    for (size_t i = 0; i < count; i++)
        write_mini_turn(w, &turns[i]);
    assay_json_end_array(w);
    assay_json_put_text(w, "trajectory_format", "mini-swe-agent-1.1");
}

void assay_trajectory_write(struct assay_buf *out, enum assay_trajectory_format format,
        const struct assay_episode_row *row, const struct assay_turn *turns, size_t count,
        const struct assay_instance *instance, const char *workdir)
{
    struct assay_json_writer w;
    struct assay_buf messages;

    if (row->source != NULL && strcmp(row->source_format, names[format]) == 0) {
        assay_buf_adds(out, row->source);
        return;
    }
    assay_buf_init(&messages, out->max);
    if (format == ASSAY_TRAJECTORY_MESSAGES || format == ASSAY_TRAJECTORY_SWE_AGENT)
        write_messages(&messages, turns, count, instance, workdir);
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    switch (format) {
    case ASSAY_TRAJECTORY_MESSAGES:
        write_chat(&w, row, messages.data);
        break;
    case ASSAY_TRAJECTORY_SWE_AGENT:
        write_swe_agent(&w, row, turns, count, messages.data);
        break;
    case ASSAY_TRAJECTORY_MINI:
        write_mini(&w, row, turns, count, instance);
        break;
    case ASSAY_TRAJECTORY_ATIF:
        assay_atif_write(&w, row, turns, count, instance, workdir);
        break;
    }
    assay_json_end_object(&w);
    out->failed |= messages.failed;
    assay_buf_free(&messages);
}
