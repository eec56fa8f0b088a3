// SPDX-License-Identifier: MIT
// What must hold: a session's shell stays and keeps what a shell keeps; however a line ends it, or
// itself, or the shell, the result says so, nothing hangs, and the next line runs.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sandbox/sessions.h"

static void a_shell_keeps_everything(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    assert_true(sessions_line(SHELL, session,
            "f() { echo \"f $1\"; }; alias hi='echo hi'; x=1; cd /tmp; "
            "set -o pipefail; a=(1 2)",
            0, "")
                        .shell_new);
    assert_false(sessions_line(
            SHELL, session, "f $x; hi; pwd; echo ${a[1]}; false | true", 1, "f 1\nhi\n/tmp\n2\n")
                         .shell_new);
    (void)sessions_line(SHELL, session, "echo $?", 0, "1\n");
    (void)sessions_line(SHELL, session, "(exit 7)", 7, "");
    (void)sessions_line(SHELL, session, "echo $? $0; echo err >&2; printf 'a\\0b' | tr '\\0' z", 0,
            "7 bash\nerr\nazb");
    sessions_stop(session);
}

static void shell_and_processes_share_directory_and_exports(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    assert_true(sessions_line(SHELL, session, "cd /usr; export S=1; hidden=1", 0, "").state_taken);
    assert_string_equal(assay_session_cwd(session), "/usr");
    (void)sessions_line(
            PROCESS, session, "pwd; echo $S$hidden; cd /tmp; export P=2", 0, "/usr\n1\n");
    (void)sessions_line(SHELL, session, "pwd; echo $S$P", 0, "/usr\n1\n");
    (void)sessions_line(PROCESS, session, "sleep 1000 & true", 0, "");
    (void)sessions_line_ends(PROCESS, session, "sleep 1000", 200, ASSAY_BOX_WALL_LIMIT);
    assert_false(sessions_line(SHELL, session, "echo $hidden", 0, "1\n").shell_new);
    sessions_stop(session);
}

// Lines that would upset a shell's loop, and do not.
static void odd_lines_end_and_the_shell_stays(void **state)
{
    static const struct {
        const char *line;
        int exit_code;
        const char *output; // NULL: any
    } rows[] = {
            {"", 0, ""},
            {"\n\n# nothing\n", 0, ""},
            {"echo \"no end", 2, NULL},
            {"echo 'no end", 2, NULL},
            {"if true; then", 2, NULL},
            {"done", 2, NULL},
            {"cat <<END\nno end", 0, NULL},
            {"echo $((1 +))", 1, NULL},
            {"echo ${!}", 0, NULL},
            {"break", 0, NULL},
            {"continue", 0, NULL},
            {"return 3", 2, NULL},
            {"no_such_command", 127, "bash: line 1: no_such_command: command not found\n"},
            {"cat", 0, ""},
            {"read x; echo \"$x.$?\"", 0, ".1\n"},
            {"set -x; echo a", 0, NULL},
            {"echo b", 0, "++ echo b\nb\n"},
            {"set +x", 0, NULL},
            {"set -v; echo a; set +v", 0, NULL},
            {"set -u; true; set +u", 0, ""},
            {"set -e; true; set +e", 0, ""},
            {"set -f; IFS=x; unset PATH; echo $-", 0, NULL},
            {"PATH=/usr/bin:/bin; set +f; unset IFS; ls -d /usr", 0, "/usr\n"},
            {"shopt -s extglob nullglob failglob; set -o noclobber", 0, ""},
            {"trap 'echo trapped' USR1; kill -USR1 $$; echo after", 0, "trapped\nafter\n"},
            {"trap 'echo dbg' DEBUG; :", 0, NULL},
            {"trap - DEBUG", 0, NULL},
            {"trap 'echo err' ERR; false", 1, "err\n"},
            {"trap - ERR; true", 0, ""},
            {"echo secret >&9", 1, NULL},
            {"exec 3>&1; echo via three >&3; exec 3>&-", 0, "via three\n"},
            {"set -o posix", 0, ""},
            {"echo still", 0, "still\n"},
            {"set +o posix; export LC_ALL=en_US.UTF-8", 0, NULL},
            {"echo \xc3\xa9\xff", 0, "\xc3\xa9\xff\n"},
            {"export LC_ALL=C; enable -n echo; enable echo", 0, ""},
    };
    struct assay_session *session = sessions_start();

    (void)state;
    (void)sessions_line(SHELL, session, "mark=1", 0, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu: %s\n", i, rows[i].line);
        const struct assay_command_result result =
                sessions_line(SHELL, session, rows[i].line, rows[i].exit_code, rows[i].output);

        assert_false(result.shell_new || result.shell_over);
    }
    (void)sessions_line(SHELL, session, "echo $mark", 0, "1\n");
    sessions_stop(session);
}

static void a_long_line_is_a_line(void **state)
{
    const size_t len = ASSAY_SESSION_LINE_BYTES_MAX;
    char *line = malloc(len + 2);
    struct assay_session *session = sessions_start();
    struct assay_command command = {.line = line};
    struct assay_command_result result;

    (void)state;
    assert_non_null(line);
    memset(line, 'x', len);
    memcpy(line, "echo ${#v}; v=", 14);
    line[len] = '\0';
    (void)sessions_line(SHELL, session, line, 0, "0\n");
    (void)sessions_line(SHELL, session, "echo ${#v}", 0, "1048562\n");
    line[len] = 'x';
    line[len + 1] = '\0';
    assert_int_equal(assay_session_shell(session, &command, &result, NULL), ASSAY_EINVAL);
    sessions_stop(session);
    free(line);
}

// Lines after which there is no shell any more: the next one gets a new shell, with the
// directory and the exports that were last known.
static void a_shell_that_ends_is_replaced(void **state)
{
    static const struct {
        const char *line;
        uint64_t wall_ms_max; // 0: it ends by itself
        enum assay_box_cause cause;
        int exit_code, signal;
    } rows[] = {
            {"exit 3", 0, ASSAY_BOX_EXITED, 3, 0},
            {"f() { exit 4; }; f", 0, ASSAY_BOX_EXITED, 4, 0},
            {"exec true", 0, ASSAY_BOX_EXITED, 0, 0},
            {"exec /bin/sh -c 'exit 9'", 0, ASSAY_BOX_EXITED, 9, 0},
            {"exec no-such-program", 0, ASSAY_BOX_EXITED, 127, 0},
            {"set -e; false; true", 0, ASSAY_BOX_EXITED, 1, 0},
            {"set -u; echo $nope", 0, ASSAY_BOX_EXITED, 127, 0},
            {"kill -9 $$", 0, ASSAY_BOX_SIGNALLED, 0, 9},
            {"kill -SEGV $$", 0, ASSAY_BOX_SIGNALLED, 0, 11},
            {"trap - EXIT; exit 0", 0, ASSAY_BOX_EXITED, 0, 0},
            {"break 99; true", 0, ASSAY_BOX_EXITED, 0, 0},
            {"exec sleep 1000", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"sleep 1000", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"while :; do sleep 0.01; done", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"while :; do :; done", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"kill -STOP $$", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"trap '' TERM INT HUP QUIT; sleep 1000", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"set -n", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"readonly __assay_c=x", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"builtin() { :; }", 300, ASSAY_BOX_WALL_LIMIT, 0, 9},
            {"(setsid sleep 1000 &); sleep 1000 & :(){ :|:& };: ; wait; sleep 1000", 300,
                    ASSAY_BOX_WALL_LIMIT, 0, 9},
    };
    struct assay_session *session = sessions_start();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_command command = {
                .line = rows[i].line, .wall_ms_max = rows[i].wall_ms_max};
        struct assay_command_result result;

        print_message("row %zu: %s\n", i, rows[i].line);
        (void)sessions_line(SHELL, session, "cd /tmp; export KEPT=1; gone=1", 0, "");
        sessions_run(SHELL, session, &command, &result);
        // What spoils the loop itself may show in the line, or only in the next.
        if (!result.shell_over) {
            assay_command_result_release(&result);
            sessions_run(SHELL, session, &command, &result);
        } else {
            sessions_check(&result, rows[i].line, rows[i].cause, rows[i].exit_code, NULL);
            assert_int_equal(result.signal, rows[i].signal);
        }
        assert_true(result.shell_over);
        assay_command_result_release(&result);
        sessions_assert_alone(session, false);
        assert_true(
                sessions_line(SHELL, session, "pwd; echo $KEPT$gone", 0, "/tmp\n1\n").shell_new);
    }
    sessions_stop(session);
}

// What was exported in the very line that ends the shell is known too, where the shell could tell.
static void an_exit_tells_its_state(void **state)
{
    struct assay_session *session = sessions_start();

    (void)state;
    assert_true(sessions_line(SHELL, session, "cd /usr; export LAST=1; exit 2", 2, "").state_taken);
    (void)sessions_line(SHELL, session, "pwd; echo $LAST", 0, "/usr\n1\n");
    assert_true(sessions_line(SHELL, session, "f() { cd /tmp; exit; }; f", 0, "").state_taken);
    assert_string_equal(assay_session_cwd(session), "/tmp");
    sessions_stop(session);
}

static void closed_descriptors_hang_nothing(void **state)
{
    static const char *const lines[] = {
            "exec 0<&-",
            "exec 1>&-",
            "exec 2>&-",
            "exec 0<&- 1>&- 2>&-",
            "exec 9>&-",
            "exec 10>&-",
            "for i in 3 4 5 6 7 8 9 10 11 12 13 14 15; do eval \"exec $i>&-\"; done",
            "exec >/dev/null 2>&1",
            "exec 9</dev/null",
            "exec 10</dev/zero",
            "exec 10>/dev/null",
            "ulimit -n 3",
            "ulimit -f 0",
            "ulimit -v 1000",
    };
    struct assay_session *session = sessions_start();

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct assay_command command = {.line = lines[i], .wall_ms_max = 1000};
        struct assay_command_result result;

        for (int again = 0; again < 3; again++) {
            sessions_run(SHELL, session, &command, &result);
            print_message("%s: %s %d, over %d\n", command.line, assay_box_cause_name(result.cause),
                    result.exit_code, result.shell_over);
            assert_false(result.session_over);
            assay_command_result_release(&result);
            command.line = "echo x";
        }
        // Whatever it did to itself ends with it.
        sessions_run(SHELL, session, &(struct assay_command){.line = "kill -9 $$"}, &result);
        assay_command_result_release(&result);
        (void)sessions_line(SHELL, session, "echo fine", 0, "fine\n");
    }
    sessions_stop(session);
}

// A payload can lie about itself, but not about another line, and never so that it hangs.
static void forged_answers_go_by(void **state)
{
    static const char *const lines[] = {
            "printf '0000000000000000 0\\0/forged\\0\\0' >&10",
            "printf 'x\\0y\\0z\\0' >&10",
            "head -c 100000 /dev/urandom >&10",
            "(sleep 0.2; printf '0000000000000000 0\\0/forged\\0\\0' >&10) &",
            "head -c 8000000 /dev/zero | tr '\\0' x >&10",
            "z() { head -c $1 /dev/zero | tr '\\0' y; }; export BIG=$(z 130000) BIG2=$(z 131070)",
            "cat <&10 & sleep 0.1",
            "PWD=../../forged",
    };
    struct assay_session *session = sessions_start();

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct assay_command command = {.line = lines[i],
                .wall_ms_max = 2000,
                .background = i % 2 == 1 ? ASSAY_BACKGROUND_KEEP : ASSAY_BACKGROUND_KILL};
        struct assay_command_result result;

        sessions_run(SHELL, session, &command, &result);
        print_message("%.60s: %s %d, over %d, taken %d\n", lines[i],
                assay_box_cause_name(result.cause), result.exit_code, result.shell_over,
                result.state_taken);
        assert_false(result.session_over);
        assay_command_result_release(&result);
        sessions_run(SHELL, session, &(struct assay_command){.line = "exit 5"}, &result);
        assay_command_result_release(&result);
        (void)sessions_line(SHELL, session, "cd /tmp; unset BIG BIG2; echo fine", 0, "fine\n");
        assert_string_equal(assay_session_cwd(session), "/tmp");
    }
    sessions_stop(session);
}

static void background_of_a_shell_is_killed_or_kept(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_command command = {
            .line = "sleep 1000 & (setsid sleep 1000 >/dev/null 2>&1 &); echo started"};
    struct assay_command_result result;

    (void)state;
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "kill", ASSAY_BOX_EXITED, 0, "started\n");
    assert_int_equal(result.background, 2);
    assert_false(result.shell_over);
    assay_command_result_release(&result);
    (void)sessions_line(
            SHELL, session, "jobs; echo none", 0, "none\n"); // nor a word of their death
    sessions_assert_alone(session, true);

    command.background = ASSAY_BACKGROUND_KEEP;
    command.line = "(until [ -e /tmp/go ]; do sleep 0.01; done; echo late; exit 3) & job=$!";
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "keep", ASSAY_BOX_EXITED, 0, "");
    assert_true(result.background >= 1);
    assay_command_result_release(&result);
    (void)sessions_line(PROCESS, session, "sleep 1000 & touch /tmp/go", 0, NULL);
    command.line = "wait $job";
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "wait", ASSAY_BOX_EXITED, 3, NULL);
    assay_command_result_release(&result);
    sessions_assert_alone(session, true);
    sessions_stop(session);
}

static void a_shell_that_dies_between_two_lines_is_replaced(void **state)
{
    struct assay_session *session = sessions_start();
    const struct assay_command command = {
            .line = "(until [ -e /tmp/go ]; do :; done; kill -9 $$) & a=1",
            .background = ASSAY_BACKGROUND_KEEP};
    struct assay_command_result result;

    (void)state;
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "killer", ASSAY_BOX_EXITED, 0, "");
    assay_command_result_release(&result);
    (void)sessions_line(PROCESS, session,
            "touch /tmp/go; while set -- /proc/[0-9]*; [ $# -gt 2 ]; do sleep 0.01; done", 0, "");
    assert_true(sessions_line(SHELL, session, "echo ${a-new}", 0, "new\n").shell_new);
    sessions_stop(session);
}

static void output_limits_hold_for_a_line(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_command command = {.line = "yes", .output_bytes_max = 1000000};
    struct assay_command_result result;

    (void)state;
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "yes", ASSAY_BOX_OUTPUT_LIMIT, 0, NULL);
    assert_true(result.shell_over);
    assay_command_result_release(&result);
    command = (struct assay_command){.line = "echo one; sleep 1000", .idle_ms_max = 300};
    sessions_run(SHELL, session, &command, &result);
    sessions_check(&result, "idle", ASSAY_BOX_IDLE_LIMIT, 0, "one\n");
    assay_command_result_release(&result);
    sessions_stop(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_shell_keeps_everything),
            cmocka_unit_test(shell_and_processes_share_directory_and_exports),
            cmocka_unit_test(odd_lines_end_and_the_shell_stays),
            cmocka_unit_test(a_long_line_is_a_line),
            cmocka_unit_test(a_shell_that_ends_is_replaced),
            cmocka_unit_test(an_exit_tells_its_state),
            cmocka_unit_test(closed_descriptors_hang_nothing),
            cmocka_unit_test(forged_answers_go_by),
            cmocka_unit_test(background_of_a_shell_is_killed_or_kept),
            cmocka_unit_test(a_shell_that_dies_between_two_lines_is_replaced),
            cmocka_unit_test(output_limits_hold_for_a_line),
    };

    return boxes_main("session_shell", tests, sizeof(tests) / sizeof(tests[0]));
}
