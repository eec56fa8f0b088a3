// SPDX-License-Identifier: MIT
// What must hold: a session runs command after command, tells the truth about each, keeps what it
// promises to keep, kills what it promises to kill, and returns whatever they do.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/exports.h"
#include "tests/sandbox/sessions.h"

// --- one process per command ---------------------------------------------------------------------

static void a_command_is_argv_and_its_status_is_told(void **state)
{
    static const char *const fails[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    static const char *const dies[] = {"/bin/sh", "-c", "kill -11 $$", NULL};
    static const char *const missing[] = {"no-such-program", NULL};
    static const char *const forbidden[] = {"/etc/passwd", NULL};
    const struct {
        const char *const *argv;
        enum assay_box_cause cause;
        int exit_code, signal;
        const char *output;
    } rows[] = {{fails, ASSAY_BOX_EXITED, 3, 0, "out\nerr\n"},
            {dies, ASSAY_BOX_SIGNALLED, 0, 11, ""}, {missing, ASSAY_BOX_EXITED, 127, 0, NULL},
            {forbidden, ASSAY_BOX_EXITED, 126, 0, NULL}};
    struct assay_session *session = sessions_start();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_command command = {.argv = rows[i].argv};
        struct assay_command_result result;

        sessions_run(PROCESS, session, &command, &result);
        sessions_check(&result, rows[i].argv[0], rows[i].cause, rows[i].exit_code, rows[i].output);
        assert_int_equal(result.signal, rows[i].signal);
        assert_int_equal(result.output_bytes, result.output.len);
        assert_false(result.state_taken || result.session_over || result.cwd_lost);
        assay_command_result_release(&result);
    }
    sessions_stop(session);
}

static void a_wrong_command_is_refused(void **state)
{
    static const char *const argv[] = {"true", NULL};
    static const char *const none[] = {NULL};
    const struct assay_command rows[] = {{0}, {.argv = argv, .line = "true"}, {.argv = none},
            {.argv = argv, .report_fd = 2}, {.argv = argv, .report_fd = 256}};
    struct assay_session *session = sessions_start();
    struct assay_command_result result;
    struct assay_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(assay_session_run(session, &rows[i], &result, &err), ASSAY_EINVAL);
    assert_int_equal(assay_session_shell(session, &rows[1], &result, &err), ASSAY_EINVAL);
    assert_int_equal(assay_session_set_cwd(session, "tmp", &err), ASSAY_EINVAL);
    assert_int_equal(assay_session_set_env(session, argv, &err), ASSAY_EINVAL);
    sessions_stop(session);
}

static void stdin_and_the_report_pipe_are_the_commands_own(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "cat; echo told >&7", NULL};
    struct assay_session *session = sessions_start();
    const struct assay_command command = {
            .argv = argv, .stdin_bytes = "in", .stdin_len = 2, .report_fd = 7};
    struct assay_command_result result;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "cat", ASSAY_BOX_EXITED, 0, "in");
    assert_string_equal(result.report.data, "told\n");
    assay_command_result_release(&result);
    (void)sessions_line(PROCESS, session, "cat; echo x >&7 || echo closed", 0, NULL);
    (void)sessions_line(PROCESS, session, "cat", 0, "");
    sessions_stop(session);
}

// A command finds 0, 1 and 2, and in a line nothing of what tells of its state.
static void a_command_has_no_descriptor_of_ours(void **state)
{
    static const char *const argv[] = {"fds", NULL};
    struct assay_session *session = sessions_start();
    const struct assay_command command = {.argv = argv};
    struct assay_command_result result;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "fds", ASSAY_BOX_EXITED, 0, NULL);
    assay_command_result_release(&result);
    (void)sessions_line(PROCESS, session, "fds", 0, NULL);
    (void)sessions_line(SHELL, session, "fds", 0, NULL);
    sessions_stop(session);
}

// --- what a line leaves behind -------------------------------------------------------------------

static void directory_and_exports_of_a_line_are_kept(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    assert_true(sessions_line(PROCESS, session,
            "cd /tmp; export A='x \"y\"' B=$'l1\\nl2\\001\\\\' C=; local_one=1", 0, "")
                        .state_taken);
    (void)sessions_line(PROCESS, session,
            "pwd; printf '%s|%s|%s|%s' \"$A\" \"$B\" \"${C-unset}\" \"$local_one\"", 0,
            "/tmp\nx \"y\"|l1\nl2\001\\||");
    assert_string_equal(assay_session_cwd(session), "/tmp");
    (void)sessions_line(PROCESS, session, "unset A; exit 4", 4, "");
    (void)sessions_line(PROCESS, session, "f() { cd /usr; exit 5; }; f", 5, "");
    (void)sessions_line(PROCESS, session, "echo \"${A-none}\"; pwd", 0, "none\n/usr\n");
    (void)sessions_line(PROCESS, session, "echo \"no end", 2, NULL);
    (void)sessions_line(PROCESS, session, "pwd", 0, "/usr\n");
    (void)sessions_line(PROCESS, session, "cd /tmp; mkdir $'a\\nb \"c'; cd $'a\\nb \"c'", 0, "");
    assert_string_equal(assay_session_cwd(session), "/tmp/a\nb \"c");
    (void)sessions_line(PROCESS, session, "pwd", 0, "/tmp/a\nb \"c\n");
    sessions_stop(session);
}

// A program and its arguments change neither, and nothing else passes for that.
static void only_a_plain_program_leaves_both_alone(void **state)
{
    static const char *const plain[] = {"/bin/true", "  ls\t-la src/a.c ", "make CC=gcc -j2",
            "python3 -m pytest tests/test_a.py::test_b", "./run", "echoes", "-x"};
    static const char *const others[] = {"", "  ", "cd", "cd /usr", "A=1", "A=1 ls", ". ./x",
            "export A=1", "ls; cd /", "ls\ncd /", "f()", "ls > x", "ls $A", "ls *", "ls ~", "a 'b'",
            "!", "[ -d x ]", "time ls", "ls \\", "%1", "ls #", "{ ls", "ls &", "`ls`", "l?"};
    static const char *const fine[] = {"PATH=/bin", "A=1", NULL};
    static const char *const functions[] = {"BASH_FUNC_ls%%=() {  cd /\n}", NULL};
    struct assay_exports exports = {0};

    (void)state;
    assert_int_equal(assay_exports_set(&exports, "/", fine, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        assert_true(assay_exports_outlive(&exports, plain[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        print_message("%s\n", others[i]);
        assert_false(assay_exports_outlive(&exports, others[i]));
    }
    assert_int_equal(assay_exports_set(&exports, "/", functions, NULL), ASSAY_OK);
    assert_false(assay_exports_outlive(&exports, "ls"));
    assay_exports_free(&exports);
}

// As a shell has it: its words of what it does not find, what a function does that it was handed.
static void a_plain_program_is_run_as_any_line(void **state)
{
    static const char *const with_function[] = {
            "PATH=/usr/bin:/bin", "BASH_FUNC_leave%%=() { cd /tmp; }", NULL};
    struct assay_session *session = sessions_start();

    (void)state;
    (void)sessions_line(PROCESS, session, "cd /usr; export X=1", 0, "");
    assert_true(sessions_line(PROCESS, session, "env -u A pwd", 0, "/usr\n").state_taken);
    (void)sessions_line(PROCESS, session, "printenv X", 0, "1\n");
    (void)sessions_line(
            PROCESS, session, "no-such", 127, "bash: line 1: no-such: command not found\n");
    assert_int_equal(assay_session_set_env(session, with_function, NULL), ASSAY_OK);
    (void)sessions_line(PROCESS, session, "leave", 0, "");
    (void)sessions_line(PROCESS, session, "pwd", 0, "/tmp\n");
    sessions_stop(session);
}

static void what_a_session_begins_with_can_be_set(void **state)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "X=1", "odd.name=kept", NULL};
    struct assay_session *session = sessions_start();

    (void)state;
    assert_int_equal(assay_session_set_env(session, env, NULL), ASSAY_OK);
    assert_int_equal(assay_session_set_cwd(session, "/usr/bin", NULL), ASSAY_OK);
    assert_string_equal(assay_session_env(session)[1], "X=1");
    (void)sessions_line(PROCESS, session, "pwd; echo $X; Y=2; export Y", 0, "/usr/bin\n1\n");
    (void)sessions_line(PROCESS, session, "env | grep -aE '^(X|Y|odd.name)=' | sort", 0,
            "X=1\nY=2\nodd.name=kept\n");
    sessions_stop(session);
}

// Whatever a line does to its report of itself, the session goes on with what it knew.
static void a_hostile_state_is_not_taken(void **state)
{
    static const char *const lines[] = {
            "trap - EXIT; cd /usr",
            "cd /usr; exec true",
            "cd /usr; kill -9 $$",
            "cd /usr; export BIG=$(head -c 200000 /dev/zero | tr '\\0' x)",
            "cd /usr; i=0; while [ $i -lt 9000 ]; do export v$i=1; i=$((i+1)); done",
            "cd /usr; command() { head -c 4000000 /dev/zero; }",
            "cd /usr; command() { echo 'declare -x A=\"unfinished'; }",
            "cd /usr; command() { :; }",
            "cd /usr; PWD=relative",
            "cd /usr; printf 'not/a/dir\\0x\\0' >&10",
    };
    struct assay_session *session = sessions_start();

    (void)state;
    (void)sessions_line(PROCESS, session, "cd /tmp; export KNOWN=1", 0, "");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct assay_command command = {.line = lines[i]};
        struct assay_command_result result;

        sessions_run(PROCESS, session, &command, &result);
        print_message("%s: %s, taken: %d\n", lines[i], assay_box_cause_name(result.cause),
                result.state_taken);
        assert_false(result.state_taken);
        assay_command_result_release(&result);
        (void)sessions_line(PROCESS, session, "pwd; echo $KNOWN", 0, "/tmp\n1\n");
    }
    sessions_stop(session);
}

static void a_directory_that_is_gone_does_not_end_the_session(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    (void)sessions_line(PROCESS, session, "mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone", 0, "");
    assert_true(sessions_line(PROCESS, session, "pwd", 0, "/\n").cwd_lost);
    assert_false(sessions_line(PROCESS, session, "pwd", 0, "/\n").cwd_lost);
    sessions_stop(session);
}

// --- limits --------------------------------------------------------------------------------------

// Everything that a command started, wherever it went, is dead when the result comes.
static void a_limit_kills_all_that_the_command_started(void **state)
{
    static const char *const lines[] = {
            "sleep 1000",
            "sleep 1000 & (setsid sleep 1000 &) ; (setsid setsid sleep 1000 >/dev/null 2>&1 &); wait",
            "trap '' TERM INT HUP; while :; do sleep 1000; done",
            "kill -STOP $$",
            "while :; do :; done",
            ":(){ :|:& };: ; sleep 1000",
    };
    struct assay_session *session = sessions_start();

    (void)state;
    for (int tagged = 0; tagged < 2; tagged++) {
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
            const struct assay_command command = {.line = lines[i],
                    .wall_ms_max = 300,
                    .background = tagged ? ASSAY_BACKGROUND_KEEP : ASSAY_BACKGROUND_KILL};
            struct assay_command_result result;

            sessions_run(PROCESS, session, &command, &result);
            print_message("%s\n", lines[i]);
            sessions_check(&result, lines[i], ASSAY_BOX_WALL_LIMIT, 0, NULL);
            assert_true(result.wall_us >= 200000);
            assay_command_result_release(&result);
            sessions_assert_alone(session, false);
        }
    }
    sessions_stop(session);
}

static void silence_and_floods_have_limits(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_command command = {.line = "echo one; sleep 1000", .idle_ms_max = 300};
    struct assay_command_result result;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "idle", ASSAY_BOX_IDLE_LIMIT, 0, "one\n");
    assay_command_result_release(&result);
    command = (struct assay_command){.line = "yes", .output_bytes_max = 1000000};
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "flood", ASSAY_BOX_OUTPUT_LIMIT, 0, NULL);
    assert_true(result.output_bytes > 1000000);
    assay_command_result_release(&result);
    command = (struct assay_command){
            .line = "seq 1 100000", .head_bytes_max = 10, .tail_bytes_max = 14};
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "seq", ASSAY_BOX_EXITED, 0,
            "1\n2\n3\n4\n5\n\n[assay: 588871 bytes left out]\n\n99999\n100000\n");
    assert_true(result.output_truncated);
    assert_int_equal(result.output_bytes, 588895);
    assay_command_result_release(&result);
    (void)sessions_line(PROCESS, session, "echo fine", 0, "fine\n");
    sessions_stop(session);
}

struct cancel {
    volatile bool now;
};

static void *cancel_soon(void *user)
{
    struct cancel *cancel = user;

    usleep(200000);
    __atomic_store_n(&cancel->now, true, __ATOMIC_RELAXED);
    return NULL;
}

static void a_command_can_be_cancelled(void **state)
{
    struct cancel cancel = {false};
    struct assay_session *session = sessions_start();
    const struct assay_command command = {.line = "sleep 1000", .cancel = &cancel.now};
    struct assay_command_result result;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    sessions_run(PROCESS, session, &command, &result);
    (void)pthread_join(thread, NULL);
    sessions_check(&result, "cancel", ASSAY_BOX_CANCELLED, 0, "");
    assay_command_result_release(&result);
    sessions_assert_alone(session, false);
    sessions_stop(session);
}

static void cpu_time_is_the_commands(void **state)
{
    struct assay_session *session = sessions_start();
    const struct assay_command burn = {.line = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done"};
    const struct assay_command rest = {.line = "sleep 0.2"};

    (void)state;
    for (int kind = PROCESS; kind <= SHELL; kind++) {
        struct assay_command_result result;

        sessions_run((enum kind)kind, session, &burn, &result);
        sessions_check(&result, "burn", ASSAY_BOX_EXITED, 0, "");
        assert_true(result.cpu_user_us + result.cpu_system_us > 50000);
        assert_true(result.cpu_user_us + result.cpu_system_us < result.wall_us * 3 / 2 + 50000);
        assay_command_result_release(&result);
        sessions_run((enum kind)kind, session, &rest, &result);
        assert_true(result.cpu_user_us + result.cpu_system_us < 150000);
        assert_true(result.wall_us >= 200000);
        assay_command_result_release(&result);
    }
    sessions_stop(session);
}

// --- what outlives a command ---------------------------------------------------------------------

static void background_is_killed_or_kept(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_command command = {
            .line = "sleep 1000 & (setsid sleep 1000 >/dev/null &); echo started"};
    struct assay_command_result result;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "kill", ASSAY_BOX_EXITED, 0, "started\n");
    assert_int_equal(result.background, 2);
    assay_command_result_release(&result);
    sessions_assert_alone(session, false);

    command.background = ASSAY_BACKGROUND_KEEP;
    command.line = "(until [ -e /tmp/go ]; do sleep 0.01; done; echo late) & echo started";
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "keep", ASSAY_BOX_EXITED, 0, "started\n");
    assert_true(result.background >= 1);
    assay_command_result_release(&result);
    // One that kills its own, by itself and by a limit, leaves the other alone.
    (void)sessions_line(PROCESS, session, "sleep 1000 & echo own", 0, "own\n");
    (void)sessions_line_ends(PROCESS, session, "sleep 1000", 200, ASSAY_BOX_WALL_LIMIT);
    (void)sessions_line(PROCESS, session,
            "touch /tmp/go; while set -- /proc/[0-9]*; [ $# -gt 2 ]; do sleep 0.01; done", 0,
            "late\n");
    sessions_assert_alone(session, false);
    sessions_stop(session);
}

// Output is never waited for: whoever holds the pipe, the result comes with the command's end.
static void who_holds_the_pipe_holds_up_nothing(void **state)
{
    struct assay_session *session = sessions_start();
    const struct assay_command command = {
            .line = "daemon >/dev/null 2>&1; yes >&1 & sleep 0.05; echo end >&2",
            .background = ASSAY_BACKGROUND_KEEP,
            .output_bytes_max = INT64_MAX,
            .head_bytes_max = 10,
            .tail_bytes_max = 10};
    struct assay_command_result result;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "yes", ASSAY_BOX_EXITED, 0, NULL);
    assay_command_result_release(&result);
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "yes again", ASSAY_BOX_EXITED, 0, NULL);
    assay_command_result_release(&result);
    sessions_stop(session);
}

static void what_lives_on_can_leave_no_room(void **state)
{
    struct boxes_plan plan;
    struct assay_command_result result;
    const struct assay_command command = {
            .line = "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done",
            .background = ASSAY_BACKGROUND_KEEP,
            .wall_ms_max = 1500}; // bash asks again for some 15 s
    const struct assay_command next = {.line = "true"};

    (void)state;
    boxes_plan_init(&plan, NULL);
    plan.plan.limits.process_count_max = 16;
    struct assay_session *session = sessions_start_with(&plan);

    sessions_run(PROCESS, session, &command, &result);
    assay_command_result_release(&result);
    sessions_run(PROCESS, session, &next, &result);
    if (result.cause != ASSAY_BOX_PIDS_LIMIT) // the last to fork gave up, and left one place
        sessions_check(&result, "true", ASSAY_BOX_EXITED, 0, NULL);
    assay_command_result_release(&result);
    assay_session_stop(session, NULL);
}

static void a_pipe_made_non_blocking_is_made_good(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    (void)sessions_line(
            PROCESS, session, "python3 -c 'import os; os.set_blocking(1, False)'", 0, "");
    (void)sessions_line(
            PROCESS, session, "python3 -c 'import os; print(os.get_blocking(1))'", 0, "True\n");
    (void)sessions_line(SHELL, session, "python3 -c 'import os; os.set_blocking(1, False)'", 0, "");
    (void)sessions_line(
            SHELL, session, "python3 -c 'import os; print(os.get_blocking(1))'", 0, "True\n");
    sessions_stop(session);
}

// --- the end of the box --------------------------------------------------------------------------

static void assert_over(struct assay_session *session, enum assay_box_cause cause)
{
    static const char *const argv[] = {"true", NULL};
    const struct assay_command command = {.argv = argv};
    const struct assay_command line = {.line = "true"};
    struct assay_command_result result;
    struct assay_box_result end;
    struct assay_error err;

    for (int kind = PROCESS; kind <= SHELL; kind++) {
        sessions_run((enum kind)kind, session, kind == SHELL ? &line : &command, &result);
        sessions_check(&result, "after the end", cause, 0, "");
        assert_true(result.session_over);
        assay_command_result_release(&result);
    }
    assert_int_equal(assay_session_write(session, "/tmp/x", "x", 1, NULL, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EPIPE);
    assay_session_stop(session, &end);
    assert_int_equal(end.cause, cause);
    assay_box_result_release(&end);
}

static void the_boxs_own_limits_end_the_session(void **state)
{
    struct boxes_plan plan;
    struct assay_command_result result;
    const struct assay_command rest = {.line = "sleep 1000"};
    const struct assay_command spin = {.line = "while :; do :; done"};

    (void)state;
    for (int cpu = 0; cpu < 2; cpu++) {
        boxes_plan_init(&plan, NULL);
        if (cpu)
            plan.plan.limits.cpu_ms_max = 300;
        else
            plan.plan.limits.wall_ms_max = 500;
        struct assay_session *session = sessions_start_with(&plan);

        sessions_run(PROCESS, session, cpu ? &spin : &rest, &result);
        sessions_check(&result, "limit", cpu ? ASSAY_BOX_CPU_LIMIT : ASSAY_BOX_WALL_LIMIT, 0, NULL);
        assert_true(result.session_over);
        assay_command_result_release(&result);
        assert_over(session, cpu ? ASSAY_BOX_CPU_LIMIT : ASSAY_BOX_WALL_LIMIT);
    }
    assert_int_equal(boxes_count_processes(), 0);
}

static void a_dead_spawner_ends_the_session(void **state)
{
    struct assay_sandbox_options options;
    struct assay_sandbox *sandbox = NULL;
    struct assay_session *session = NULL;
    struct boxes_plan plan;
    siginfo_t info;

    (void)state;
    boxes_options(&options);
    assert_int_equal(assay_sandbox_start(&sandbox, &options, NULL), ASSAY_OK);
    boxes_plan_init(&plan, NULL);
    assert_int_equal(assay_session_start(&session, sandbox, &plan.plan, NULL), ASSAY_OK);
    assert_int_equal(kill(assay_sandbox_spawner_pid(sandbox), SIGKILL), 0);
    assert_int_equal(
            waitid(P_PID, (id_t)assay_sandbox_spawner_pid(sandbox), &info, WEXITED | WNOWAIT), 0);
    assert_over(session, ASSAY_BOX_INFRA_ERROR);
    assay_sandbox_stop(sandbox);
}

static void a_session_that_cannot_be_made_names_the_step(void **state)
{
    struct boxes_plan plan;
    struct assay_session *session = NULL;
    struct assay_error err;
    static const char *const lowers[] = {"/no/such/folder"};

    (void)state;
    boxes_plan_init(&plan, NULL);
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    assert_int_equal(assay_session_start(&session, boxes_sandbox, &plan.plan, &err), ASSAY_EIO);
    assert_null(session);
    assert_non_null(strstr(err.message, "setup_failed"));
    plan.mounts[1].target = "not/absolute";
    assert_int_equal(assay_session_start(&session, boxes_sandbox, &plan.plan, &err), ASSAY_EINVAL);
}

static void the_out_dir_comes_with_the_end(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct stat stat;

    (void)state;
    boxes_plan_init(&plan, NULL);
    plan.plan.out_dir = "/out";
    struct assay_session *session = sessions_start_with(&plan);

    (void)sessions_line(PROCESS, session, "echo artefact > /out/a", 0, "");
    assay_session_stop(session, &result);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_true(result.out_dir_fd >= 0);
    assert_int_equal(fstatat(result.out_dir_fd, "a", &stat, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(stat.st_size, 9);
    assert_true(result.usage.wall_ms < 60000);
    assay_box_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_command_is_argv_and_its_status_is_told),
            cmocka_unit_test(a_wrong_command_is_refused),
            cmocka_unit_test(stdin_and_the_report_pipe_are_the_commands_own),
            cmocka_unit_test(a_command_has_no_descriptor_of_ours),
            cmocka_unit_test(directory_and_exports_of_a_line_are_kept),
            cmocka_unit_test(only_a_plain_program_leaves_both_alone),
            cmocka_unit_test(a_plain_program_is_run_as_any_line),
            cmocka_unit_test(what_a_session_begins_with_can_be_set),
            cmocka_unit_test(a_hostile_state_is_not_taken),
            cmocka_unit_test(a_directory_that_is_gone_does_not_end_the_session),
            cmocka_unit_test(a_limit_kills_all_that_the_command_started),
            cmocka_unit_test(silence_and_floods_have_limits),
            cmocka_unit_test(a_command_can_be_cancelled),
            cmocka_unit_test(cpu_time_is_the_commands),
            cmocka_unit_test(background_is_killed_or_kept),
            cmocka_unit_test(who_holds_the_pipe_holds_up_nothing),
            cmocka_unit_test(what_lives_on_can_leave_no_room),
            cmocka_unit_test(a_pipe_made_non_blocking_is_made_good),
            cmocka_unit_test(the_boxs_own_limits_end_the_session),
            cmocka_unit_test(a_dead_spawner_ends_the_session),
            cmocka_unit_test(a_session_that_cannot_be_made_names_the_step),
            cmocka_unit_test(the_out_dir_comes_with_the_end),
    };

    return boxes_main("session", tests, sizeof(tests) / sizeof(tests[0]));
}
