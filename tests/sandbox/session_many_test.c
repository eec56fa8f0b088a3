// SPDX-License-Identifier: MIT
// What must hold: many commands of one session leave nothing behind, and sessions side by side do
// not meet.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sandbox/sessions.h"

// The session's init: the spawner's only child while no other box lives. 0: not known.
static int find_init(void)
{
    char path[64];
    char text[256];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
            (int)assay_sandbox_spawner_pid(boxes_sandbox),
            (int)assay_sandbox_spawner_pid(boxes_sandbox));
    boxes_read(text, sizeof(text), path);
    return (int)strtol(text, NULL, 10);
}

static unsigned resident_kib(int pid)
{
    char path[64];
    char text[4096];
    const char *at = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    boxes_read(text, sizeof(text), path);
    at = strstr(text, "VmRSS:");
    return at == NULL ? 0 : (unsigned)strtoul(at + 6, NULL, 10);
}

static void two_hundred_commands_leave_nothing(void **state)
{
    static const char *const lines[] = {"true", "export A=1; cd /tmp", "sleep 1000 & exit 1",
            "echo out; echo err >&2", "kill -9 $$", "head -c 100000 /dev/zero", "exit 3",
            "(setsid sleep 1000 &)"};
    struct assay_session *session = sessions_start();
    char init_fds[64];
    unsigned own = 0;
    unsigned inits = 0;
    unsigned kib = 0;
    int init = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        const struct assay_command command = {.line = lines[i % 8], .wall_ms_max = 30000};
        struct assay_command_result result;

        sessions_run(i % 3 == 0 ? SHELL : PROCESS, session, &command, &result);
        assert_false(result.session_over);
        assay_command_result_release(&result);
        if (i == 40) { // when both kinds have run, and the shell lives
            (void)sessions_line(SHELL, session, "true", 0, NULL);
            init = find_init();
            (void)snprintf(init_fds, sizeof(init_fds), "/proc/%d/fd", init);
            own = boxes_count_fds("/proc/self/fd");
            inits = boxes_count_fds(init_fds);
            kib = resident_kib(init);
        }
    }
    (void)sessions_line(SHELL, session, "true", 0, NULL);
    sessions_assert_alone(session, true);
    // A CPU that was not used before has a lock of its own now.
    assert_in_range(
            boxes_count_fds("/proc/self/fd"), own, own + assay_sandbox_cpu_count(boxes_sandbox));
    assert_int_equal(boxes_count_fds(init_fds), inits);
    assert_true(resident_kib(init) <= kib + 512);
    sessions_stop(session);
    assert_int_equal(boxes_count_processes(), 0);
}

struct worker {
    unsigned number;
    bool failed;
};

static bool run_one(
        struct assay_session *session, enum kind kind, const char *line, const char *output)
{
    const struct assay_command command = {.line = line, .wall_ms_max = 30000};
    struct assay_command_result result = {0};
    bool fine = false;

    if ((kind == SHELL ? assay_session_shell : assay_session_run)(
                session, &command, &result, NULL) != ASSAY_OK)
        return false;
    fine = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0 &&
            strcmp(result.output.data, output) == 0;
    assay_command_result_release(&result);
    return fine;
}

static void *work(void *user)
{
    struct worker *worker = user;
    struct boxes_plan plan;
    struct assay_session *session = NULL;
    char line[64];
    char output[64] = "\n";

    boxes_plan_init(&plan, NULL);
    worker->failed = assay_session_start(&session, boxes_sandbox, &plan.plan, NULL) != ASSAY_OK;
    for (unsigned i = 0; i < 20 && !worker->failed; i++) {
        // Each of the two has its own N: the shell keeps what it was started with.
        (void)snprintf(
                line, sizeof(line), "echo $N; export N=%u; sleep 1000 &", worker->number * 100 + i);
        worker->failed = !run_one(session, i < 10 ? PROCESS : SHELL, line, output);
        (void)snprintf(output, sizeof(output), "%u\n", worker->number * 100 + i);
    }
    assay_session_stop(session, NULL);
    return NULL;
}

static void sessions_live_side_by_side(void **state)
{
    struct worker workers[4] = {{0}};
    pthread_t threads[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        workers[i].number = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_false(workers[i].failed);
    }
    assert_int_equal(boxes_count_processes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(two_hundred_commands_leave_nothing),
            cmocka_unit_test(sessions_live_side_by_side),
    };

    return boxes_main("session_many", tests, sizeof(tests) / sizeof(tests[0]));
}
