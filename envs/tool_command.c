// SPDX-License-Identifier: MIT
// tool_command.c - tools that run commands: bash, run_tests; and think and submit, which run none.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/episode_inner.h"
#include "tasks/patch.h"

#define EFFECT_MS 60000

// --- what a command leaves -----------------------------------------------------------------------

// The box is gone: why, as an episode says it.
static enum assay_episode_cause cause_of_end(enum assay_box_cause cause)
{
    switch (cause) {
    case ASSAY_BOX_CPU_LIMIT:
        return ASSAY_EPISODE_CPU_LIMIT;
    case ASSAY_BOX_WALL_LIMIT:
        return ASSAY_EPISODE_WALL_LIMIT;
    case ASSAY_BOX_MEMORY_LIMIT:
        return ASSAY_EPISODE_MEMORY_LIMIT;
    case ASSAY_BOX_SETUP_FAILED:
    case ASSAY_BOX_INFRA_ERROR:
        return ASSAY_EPISODE_INFRA_ERROR;
    case ASSAY_BOX_EXITED:
    case ASSAY_BOX_SIGNALLED:
    case ASSAY_BOX_SYSCALL_DENIED:
    case ASSAY_BOX_IDLE_LIMIT:
    case ASSAY_BOX_PIDS_LIMIT:
    case ASSAY_BOX_DISK_LIMIT:
    case ASSAY_BOX_OUTPUT_LIMIT:
    case ASSAY_BOX_CANCELLED:
        return ASSAY_EPISODE_BOX_OVER;
    }
    return ASSAY_EPISODE_BOX_OVER;
}

static void describe_end(struct assay_observation *out, const struct assay_command_result *result,
        uint64_t wall_ms_max)
{
    struct assay_buf *text = &out->text;
    const char *name = assay_box_cause_name(result->cause);

    if (text->len > 0 && text->data[text->len - 1] != '\n')
        assay_buf_addc(text, '\n');
    if (result->cause == ASSAY_BOX_WALL_LIMIT)
        assay_buf_addf(text, "[killed after %" PRIu64 " s, with all that it had started]\n",
                wall_ms_max / 1000);
    else if (result->cause == ASSAY_BOX_SIGNALLED)
        assay_buf_addf(text, "[killed by signal %d]\n", result->signal);
    else if (result->cause == ASSAY_BOX_SETUP_FAILED)
        assay_buf_addf(text, "[it could not be started: %s: %s]\n", result->step,
                strerror(result->sys_errno)); // NOLINT(concurrency-mt-unsafe): glibc's is
    else if (result->cause != ASSAY_BOX_EXITED)
        assay_buf_addf(text, "[killed: %s]\n", name);
    else if (result->exit_code != 0)
        assay_buf_addf(text, "[exit code %d]\n", result->exit_code);
    else if (text->len == 0)
        assay_buf_adds(text, "[no output; exit code 0]\n");
    if (result->background > 0 && result->cause == ASSAY_BOX_EXITED)
        assay_buf_adds(text, "[what it had left running was killed]\n");
    if (result->cwd_lost)
        assay_buf_adds(text, "[the working directory was gone: it ran in the repository]\n");
    if (result->shell_over && !result->session_over)
        assay_buf_adds(text, "[the shell has ended; the next command gets a new one]\n");
    if (result->session_over)
        assay_buf_addf(text, "[the box is over: %s]\n", name);
}

// How long a command may take: what it asks for, what the episode allows, what is left of it.
static uint64_t wall_of(const struct assay_episode *e, uint64_t wanted_ms)
{
    const uint64_t command_ms = e->options.limits.command_ms_max;
    const uint64_t left_ms = assay_clock_left_ms(e->start_ms + e->options.limits.wall_ms_max);
    uint64_t ms = wanted_ms == 0 || wanted_ms > command_ms ? command_ms : wanted_ms;

    if (ms > left_ms)
        ms = left_ms;
    return ms == 0 ? 1 : ms;
}

// What becomes of the episode.
static enum assay_status note_result(
        struct assay_episode *e, const struct assay_command_result *result, struct assay_error *err)
{
    e->cpu_us += result->cpu_user_us + result->cpu_system_us;
    if (result->cause == ASSAY_BOX_CANCELLED)
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (result->session_over)
        assay_episode_end(e, cause_of_end(result->cause));
    if (e->cause == ASSAY_EPISODE_INFRA_ERROR)
        return assay_fail(err, ASSAY_EIO, "the box: %s %s", assay_box_cause_name(result->cause),
                result->step);
    return ASSAY_OK;
}

enum assay_status assay_tool_command(struct assay_episode *e, struct assay_command *command,
        struct assay_observation *out, struct assay_error *err)
{
    struct assay_command_result result = {0};
    enum assay_status status;

    command->wall_ms_max = wall_of(e, command->wall_ms_max);
    command->cancel = e->place.cancel;
    if (command->line != NULL && !e->options.fresh) {
        e->shell_used = true;
        status = assay_session_shell(e->session, command, &result, err);
    } else {
        status = assay_session_run(e->session, command, &result, err);
    }
    if (status != ASSAY_OK)
        return status;
    out->ran = true;
    out->box_cause = result.cause;
    out->exit_code = result.exit_code;
    out->signal = result.cause == ASSAY_BOX_SIGNALLED ? result.signal : 0;
    out->wall_us = result.wall_us;
    out->cpu_us = result.cpu_user_us + result.cpu_system_us;
    out->queue_us = result.queue_us;
    assay_buf_add(&out->text, result.output.data, result.output.len);
    out->written_bytes = out->text.len;
    out->written_whole = !result.output_truncated;
    describe_end(out, &result, command->wall_ms_max);
    status = note_result(e, &result, err);
    assay_command_result_release(&result);
    return status;
}

enum assay_status assay_tool_effect(
        struct assay_episode *e, const char *const *argv, bool *done, struct assay_error *err)
{
    const struct assay_command command = {
            .argv = argv, .wall_ms_max = wall_of(e, EFFECT_MS), .cancel = e->place.cancel};
    struct assay_command_result result = {0};
    enum assay_status status = assay_session_run(e->session, &command, &result, err);

    if (status != ASSAY_OK)
        return status;
    *done = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0;
    status = note_result(e, &result, err);
    assay_command_result_release(&result);
    return status;
}

// --- bash ----------------------------------------------------------------------------------------

// A program in the repository's directory, whatever the session's is.
static enum assay_status run_in_repository(struct assay_episode *e, struct assay_command *command,
        struct assay_observation *out, struct assay_error *err)
{
    char *cwd = assay_arena_strdup(e->arena, assay_session_cwd(e->session));
    enum assay_status status;

    if (cwd == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "command: out of memory");
    status = assay_session_set_cwd(e->session, e->place.recipe->workdir, err);
    if (status == ASSAY_OK)
        status = assay_tool_command(e, command, out, err);
    if (status == ASSAY_OK)
        status = assay_session_set_cwd(e->session, cwd, err);
    return status;
}

enum assay_status assay_tool_bash(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    enum { COMMAND, TIMEOUT, APART };
    const char *const argv[] = {"/bin/sh", "-c", values[COMMAND].text, NULL};
    struct assay_command command = {
            .line = values[COMMAND].text, .wall_ms_max = values[TIMEOUT].number * 1000};

    if (strlen(command.line) > ASSAY_SESSION_LINE_BYTES_MAX)
        return assay_observation_refuse(
                out, "the command is longer than 1 MiB: write a file and run that");
    if (command.line[strspn(command.line, " \t\r\n")] == '\0')
        return assay_observation_refuse(out, "the command is empty");
    if (values[APART].flag) {
        command.line = NULL;
        command.argv = argv;
        return run_in_repository(e, &command, out, err);
    }
    return assay_tool_command(e, &command, out, err);
}

// --- run_tests -----------------------------------------------------------------------------------

// Does a word of the test command name a file that only the test patch brings?
static bool is_hidden(const struct assay_patch *patch, const char *word)
{
    const char *end = strstr(word, "::");
    const size_t len = end != NULL ? (size_t)(end - word) : strlen(word);

    for (size_t i = 0; patch != NULL && i < patch->file_count; i++) {
        const struct assay_patch_file *file = &patch->files[i];

        if (file->old_path == NULL && file->new_path != NULL && strlen(file->new_path) == len &&
                strncmp(file->new_path, word, len) == 0)
            return true;
    }
    return false;
}

// The instance's command, without words that would tell of hidden tests.
static const char *const *visible_command(struct assay_episode *e)
{
    if (e->test_argv != NULL)
        return e->test_argv;

    const struct assay_strings *cmd = &e->place.instance->test_cmd;
    const struct assay_bytes text = e->place.instance->test_patch;
    struct assay_patch *patch = NULL;
    const char **argv = assay_arena_array(e->arena, cmd->count + 1, sizeof(*argv));
    size_t count = 0;

    if (argv == NULL)
        return NULL;
    if (text.len > 0 && assay_patch_parse(&patch, text.data, text.len, e->arena, NULL) != ASSAY_OK)
        patch = NULL;
    for (size_t i = 0; i < cmd->count; i++)
        if (!is_hidden(patch, cmd->items[i]))
            argv[count++] = cmd->items[i];
    e->test_argv = argv;
    return argv;
}

enum assay_status assay_tool_run_tests(struct assay_episode *e,
        const struct assay_tool_value *values, struct assay_observation *out,
        struct assay_error *err)
{
    const char *const *argv = visible_command(e);
    struct assay_command command = {.argv = argv, .wall_ms_max = e->place.instance->limits.wall_ms};

    (void)values;
    if (argv == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "run_tests: out of memory");
    return run_in_repository(e, &command, out, err);
}

// --- think and submit ----------------------------------------------------------------------------

enum assay_status assay_tool_think(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    (void)e;
    (void)values;
    (void)err;
    assay_buf_adds(&out->text, "Noted.");
    return ASSAY_OK;
}

enum assay_status assay_tool_submit(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    if (values[0].given) {
        e->answer = strdup(values[0].text);
        if (e->answer == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "submit: out of memory");
    }
    assay_episode_end(e, ASSAY_EPISODE_SUBMITTED);
    assay_buf_adds(&out->text, "Submitted.");
    return ASSAY_OK;
}
