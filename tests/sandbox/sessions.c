// SPDX-License-Identifier: MIT
#include "tests/sandbox/sessions.h"

#include <stdlib.h>
#include <string.h>

#define BACKSTOP_MS 30000

struct assay_session *sessions_start_with(struct boxes_plan *plan)
{
    struct assay_session *session = NULL;
    struct assay_error err = {0};

    if (assay_session_start(&session, boxes_sandbox, &plan->plan, &err) != ASSAY_OK)
        fail_msg("start: %s", err.message);
    return session;
}

struct assay_session *sessions_start(void)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, NULL);
    plan.plan.limits.wall_ms_max = 120000;
    plan.plan.limits.cpu_ms_max = 120000;
    return sessions_start_with(&plan);
}

void sessions_stop(struct assay_session *session)
{
    struct assay_box_result result;

    assay_session_stop(session, &result);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

void sessions_run(enum kind kind, struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result)
{
    struct assay_error err = {0};
    struct assay_command bounded = *command;

    if (bounded.wall_ms_max == 0)
        bounded.wall_ms_max = BACKSTOP_MS;
    if ((kind == SHELL ? assay_session_shell : assay_session_run)(
                session, &bounded, result, &err) != ASSAY_OK)
        fail_msg("run: %s", err.message);
}

void sessions_check(const struct assay_command_result *result, const char *line,
        enum assay_box_cause cause, int exit_code, const char *output)
{
    if (result->cause == cause && (cause != ASSAY_BOX_EXITED || result->exit_code == exit_code) &&
            (output == NULL || strcmp(result->output.data, output) == 0))
        return;
    fail_msg("%.200s: wanted %s %d \"%s\", got %s %d, signal %d, step \"%s\" errno %d, \"%.2000s\"",
            line, assay_box_cause_name(cause), exit_code, output == NULL ? "" : output,
            assay_box_cause_name(result->cause), result->exit_code, result->signal, result->step,
            result->sys_errno, result->output.data);
}

struct assay_command_result sessions_line(enum kind kind, struct assay_session *session,
        const char *line, int exit_code, const char *output)
{
    const struct assay_command command = {.line = line};
    struct assay_command_result result;

    sessions_run(kind, session, &command, &result);
    sessions_check(&result, line, ASSAY_BOX_EXITED, exit_code, output);
    assay_command_result_release(&result);
    return result;
}

struct assay_command_result sessions_line_ends(enum kind kind, struct assay_session *session,
        const char *line, uint64_t wall_ms_max, enum assay_box_cause cause)
{
    const struct assay_command command = {.line = line, .wall_ms_max = wall_ms_max};
    struct assay_command_result result;

    sessions_run(kind, session, &command, &result);
    sessions_check(&result, line, cause, 0, NULL);
    assay_command_result_release(&result);
    return result;
}

void sessions_assert_alone(struct assay_session *session, bool shell_lives)
{
    // The init, the shell that looks, and the session's.
    (void)sessions_line(
            PROCESS, session, "set -- /proc/[0-9]*; echo $#", 0, shell_lives ? "3\n" : "2\n");
}
