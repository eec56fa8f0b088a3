// SPDX-License-Identifier: MIT
// What must hold: a session runs command after command, tells the truth about each, keeps what it
// promises to keep, and returns whatever they do.
#include "sandbox/session.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

#define SECONDS_MAX 30000 // a backstop for what must come at once

// --- helpers -------------------------------------------------------------------------------------

static struct assay_session *start_with(struct boxes_plan *plan)
{
    struct assay_session *session = NULL;
    struct assay_error err = {0};

    plan->plan.limits.wall_ms_max = 120000;
    plan->plan.limits.cpu_ms_max = 120000;
    if (assay_session_start(&session, boxes_sandbox, &plan->plan, &err) != ASSAY_OK)
        fail_msg("start: %s", err.message);
    return session;
}

static struct assay_session *start(void)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, NULL);
    return start_with(&plan);
}

static void stop(struct assay_session *session)
{
    struct assay_box_result result;

    assay_session_stop(session, &result);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

enum kind { PROCESS, SHELL };

static void run(enum kind kind, struct assay_session *session, const struct assay_command *command,
        struct assay_command_result *result)
{
    struct assay_error err = {0};
    struct assay_command bounded = *command;

    if (bounded.wall_ms_max == 0)
        bounded.wall_ms_max = SECONDS_MAX;
    if ((kind == SHELL ? assay_session_shell : assay_session_run)(
                session, &bounded, result, &err) != ASSAY_OK)
        fail_msg("run: %s", err.message);
}

static void check(const struct assay_command_result *result, const char *line,
        enum assay_box_cause cause, int exit_code, const char *output)
{
    if (result->cause == cause && (cause != ASSAY_BOX_EXITED || result->exit_code == exit_code) &&
            (output == NULL || strcmp(result->output.data, output) == 0))
        return;
    fail_msg("%s: wanted %s %d \"%s\", got %s %d, signal %d, step \"%s\" errno %d, output \"%s\"",
            line, assay_box_cause_name(cause), exit_code, output == NULL ? "" : output,
            assay_box_cause_name(result->cause), result->exit_code, result->signal, result->step,
            result->sys_errno, result->output.data);
}

// Run a line; the output is compared unless NULL.
static void line_is(enum kind kind, struct assay_session *session, const char *line, int exit_code,
        const char *output)
{
    const struct assay_command command = {.line = line};
    struct assay_command_result result;

    run(kind, session, &command, &result);
    check(&result, line, ASSAY_BOX_EXITED, exit_code, output);
    assay_command_result_release(&result);
}

// --- one process per command ---------------------------------------------------------------------

static void a_command_is_argv_and_its_status_is_told(void **state)
{
    static const char *const fails[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    static const char *const dies[] = {"/bin/sh", "-c", "kill -11 $$", NULL};
    static const char *const missing[] = {"no-such-program", NULL};
    struct assay_session *session = start();
    struct assay_command command = {.argv = fails};
    struct assay_command_result result;

    (void)state;
    run(PROCESS, session, &command, &result);
    check(&result, "fails", ASSAY_BOX_EXITED, 3, "out\nerr\n");
    assert_int_equal(result.output_bytes, 8);
    assert_false(result.state_taken);
    assay_command_result_release(&result);
    command.argv = dies;
    run(PROCESS, session, &command, &result);
    check(&result, "dies", ASSAY_BOX_SIGNALLED, 0, "");
    assert_int_equal(result.signal, 11);
    assay_command_result_release(&result);
    command.argv = missing;
    run(PROCESS, session, &command, &result);
    check(&result, "missing", ASSAY_BOX_EXITED, 127, NULL);
    assay_command_result_release(&result);
    stop(session);
}

static void directory_and_exports_of_a_line_are_kept(void **state)
{
    struct assay_session *session = start();

    (void)state;
    line_is(PROCESS, session, "cd /tmp; export A='x \"y\"' B=$'l1\\nl2\\001\\\\' C; local_one=1", 0,
            "");
    line_is(PROCESS, session, "pwd; printf '%s|%s|%s' \"$A\" \"$B\" \"$local_one\"", 0,
            "/tmp\nx \"y\"|l1\nl2\001\\|");
    assert_string_equal(assay_session_cwd(session), "/tmp");
    line_is(PROCESS, session, "unset A; exit 4", 4, "");
    line_is(PROCESS, session, "f() { cd /usr; exit 5; }; f", 5, "");
    line_is(PROCESS, session, "echo \"${A-none}\"; pwd", 0, "none\n/usr\n");
    stop(session);
}

static void the_shell_keeps_everything(void **state)
{
    struct assay_session *session = start();

    (void)state;
    line_is(SHELL, session,
            "f() { echo \"f $1\"; }; alias hi='echo hi'; x=1; cd /tmp; set -o pipefail", 0, "");
    line_is(SHELL, session, "f $x; hi; pwd; false | true", 1, "f 1\nhi\n/tmp\n");
    line_is(SHELL, session, "echo $?", 0, "1\n");
    assert_string_equal(assay_session_cwd(session), "/tmp");
    stop(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_command_is_argv_and_its_status_is_told),
            cmocka_unit_test(directory_and_exports_of_a_line_are_kept),
            cmocka_unit_test(the_shell_keeps_everything),
    };

    return boxes_main("session", tests, sizeof(tests) / sizeof(tests[0]));
}
