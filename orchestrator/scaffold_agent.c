// SPDX-License-Identifier: MIT
// scaffold_agent.c - questions and actions in turn, in one conversation that grows.
//
// In the dialect of tools a message's calls are done as they are. In that of bash every message has
// one fenced block of shell, done in a process of its own in the repository; a command whose output
// begins with the line COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT submits (mini-swe-agent's rule).
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/chat.h"
#include "orchestrator/scaffold_parts.h"

#define ARGUMENT_DEPTH_MAX 16

static const char submit_line[] = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
static const char *const shell_marks[] = {"bash", "sh", "shell", "mswea_bash_command", NULL};

static const char bash_text[] =
        "You are a software engineer at work in a repository. You act by commands: every message of "
        "yours says what you are about to do and why, and then has exactly one block\n\n"
        "```bash\nyour command here\n```\n\n"
        "The block is run by sh in the repository's directory, each one in a process of its own: "
        "`cd` and variables do not carry over to the next. You are shown what it printed. Look "
        "before you change, find the cause, make the smallest change that mends it, and run the "
        "tests. Do not change the tests to make them pass: other tests, which you cannot see, "
        "decide. When the work is done, run\n\n"
        "```bash\necho COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n```\n\n"
        "That submits; where the task asks for an answer, it is what the command prints below that "
        "line.";
static const char one_block_text[] =
        "Your message has %s block of shell. Every message has exactly one:\n\n"
        "```bash\nyour command here\n```\n\n"
        "To end, the command is: echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";

struct agent {
    const struct assay_led *led;
    struct assay_buf messages; // elements of the array (chat.h)
    // The calls of the model's last message.
    size_t first_number, call_count;
    size_t block_count; // of shell, in the last message
};

static void close_agent(void *state)
{
    struct agent *a = state;

    assay_buf_free(&a->messages);
    free(a);
}

// --- the beginning -------------------------------------------------------------------------------

// A turn of before as it would have been said in blocks.
static void add_past(struct agent *a, const struct assay_turn *turn)
{
    const struct assay_json_limits limits = {ASSAY_CHAT_BYTES_MAX, ARGUMENT_DEPTH_MAX};
    const char *arguments = turn->arguments != NULL ? turn->arguments : "";
    struct assay_json *json = NULL;
    const char *command = NULL;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    if (assay_json_parse(&json, arguments, strlen(arguments), limits, "", 1, NULL) == ASSAY_OK)
        command = assay_json_text(assay_json_get(json, "command"));
    if (turn->text != NULL)
        assay_buf_adds(&text, turn->text);
    if (turn->tool != NULL && strstr(text.data, "```") == NULL)
        assay_buf_addf(&text, "%s```bash\n%s%s%s\n```", text.len > 0 ? "\n\n" : "",
                command != NULL ? "" : turn->tool, command != NULL ? "" : " ",
                command != NULL ? command : arguments);
    assay_json_free(json);
    assay_chat_add(&a->messages, "assistant", text.data, text.len);
    assay_chat_add(&a->messages, "user", turn->observation.data, turn->observation.len);
    a->messages.failed |= text.failed;
    assay_buf_free(&text);
}

static void begin_in_blocks(struct agent *a)
{
    const struct assay_actor_task *task = a->led->task;
    const struct assay_bytes problem = task->instance->problem;
    struct assay_buf text;

    assay_chat_add(&a->messages, "system", bash_text, strlen(bash_text));
    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_buf_addf(&text, "The repository %s is at %s. %s\n\n", task->instance->repo, task->workdir,
            assay_chat_task(task->instance->task));
    assay_buf_add(&text, problem.data != NULL ? problem.data : "", problem.len);
    assay_chat_add(&a->messages, "user", text.data, text.len);
    a->messages.failed |= text.failed;
    assay_buf_free(&text);
    for (size_t i = 0; i < task->history_count; i++)
        add_past(a, &task->history[i]);
}

static enum assay_status open_agent(
        void **state, const struct assay_led *led, struct assay_error *err)
{
    const struct assay_actor_task *task = led->task;
    struct agent *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "agent: out of memory");
    *a = (struct agent){.led = led, .first_number = 1};
    assay_buf_init(&a->messages, ASSAY_CHAT_BYTES_MAX);
    if (led->dialect == ASSAY_DIALECT_BASH) {
        begin_in_blocks(a);
    } else {
        assay_chat_begin(&a->messages, task->instance, task->workdir);
        assay_chat_add_turns(&a->messages, task->history, task->history_count, &a->first_number);
    }
    *state = a;
    return ASSAY_OK;
}

// --- a turn --------------------------------------------------------------------------------------

static void tell_seen(struct agent *a, const struct assay_actor_seen *seen, size_t seen_count)
{
    for (size_t i = 0; i < seen_count; i++)
        assay_chat_add_result(&a->messages, seen[i].call_id, a->first_number + i,
                a->call_count > 0 ? "" : NULL, seen[i].text);
    a->first_number += a->call_count;
}

// The one block of the message becomes its call; no block, or several, are told so.
static enum assay_status take_block(
        struct agent *a, struct assay_actor_message *out, struct assay_error *err)
{
    struct assay_bytes block = {NULL, 0}, other;
    const char *at = out->text != NULL ? out->text : "";
    const char *line;

    a->block_count = 0;
    out->call_count = 0; // nobody offered it tools
    while (a->block_count < 2 &&
            assay_scaffold_fence(a->block_count == 0 ? &block : &other, &at, shell_marks))
        a->block_count++;
    if (a->block_count != 1) {
        out->calls[0] =
                (struct assay_actor_call){.reply = assay_arena_printf(out->arena, one_block_text,
                                                  a->block_count == 0 ? "no" : "more than one")};
        out->call_count = 1;
        return out->calls[0].reply != NULL ? ASSAY_OK
                                           : assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
    }
    line = assay_arena_memdup(out->arena, block.data, block.len);
    return line != NULL && assay_scaffold_shell(out, line)
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
}

static bool submits(const struct agent *a, const struct assay_actor_seen *seen)
{
    const size_t len = sizeof(submit_line) - 1;

    return a->block_count == 1 && seen->text.len >= len &&
            memcmp(seen->text.data, submit_line, len) == 0 &&
            (seen->text.len == len || seen->text.data[len] == '\n');
}

// What stands below the line is the answer, where a task asks for one.
static enum assay_status submit(const struct agent *a, const struct assay_actor_seen *seen,
        struct assay_actor_message *out, struct assay_error *err)
{
    const bool asks = a->led->task->instance->task == ASSAY_TASK_LOCALIZE;
    const size_t line = sizeof(submit_line) - 1, len = seen->text.len;
    const struct assay_bytes answer = {
            seen->text.data + (len > line ? line + 1 : len), len > line ? len - line - 1 : 0};

    return assay_scaffold_call(out, "submit", asks ? "answer" : NULL, answer)
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "submit: out of memory");
}

static enum assay_status next(void *state, const struct assay_actor_seen *seen, size_t seen_count,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct agent *a = state;
    const bool in_blocks = a->led->dialect == ASSAY_DIALECT_BASH;
    const struct assay_actor_question question = {.messages = &a->messages, .tools = !in_blocks};
    enum assay_status status;

    if (in_blocks && seen_count > 0) {
        if (submits(a, &seen[0]))
            return submit(a, &seen[0], out, err);
        assay_chat_add(&a->messages, "user", seen[0].text.data, seen[0].text.len);
    } else if (!in_blocks) {
        tell_seen(a, seen, seen_count);
    }
    status = a->led->kind->ask(a->led->state, &question, out, err);
    if (status != ASSAY_OK)
        return status;
    if (in_blocks) {
        assay_chat_add(&a->messages, "assistant", out->text != NULL ? out->text : "",
                out->text != NULL ? strlen(out->text) : 0);
        return take_block(a, out, err);
    }
    a->call_count = out->call_count;
    assay_chat_add_answer(&a->messages, out->text, out->calls, out->call_count, a->first_number);
    return ASSAY_OK;
}

const struct assay_scaffold assay_scaffold_agent = {.name = "agent",
        .speaks = {[ASSAY_DIALECT_TOOLS] = true, [ASSAY_DIALECT_BASH] = true},
        .open = open_agent,
        .next = next,
        .close = close_agent};
