// SPDX-License-Identifier: MIT
// What must hold: when a box is over everything in it is dead, whoever of us died first, and
// nothing is left on the host.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/sandbox/boxes.h"

static void assert_nothing_is_left(void)
{
    const uint64_t deadline_ms = assay_clock_ms() + 5000; // sanitizers, and a busy host

    // One good look is enough: the leak check of a spawner that exits starts a process of its own.
    while (boxes_count_processes() > 0 || boxes_count_groups() > 0) {
        if (assay_clock_left_ms(deadline_ms) == 0) {
            boxes_describe_processes();
            fail_msg("%u groups are left", boxes_count_groups());
        }
        (void)usleep(5000);
    }
}

static void a_daemon_does_not_outlive_its_parent(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(
            &result, "daemon; exit 0"); // its wall limit would end a wait for the daemon's pipe
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    assert_nothing_is_left();
}

static void bombs_stop_at_the_process_limit_and_die(void **state)
{
    static const char *const kinds[] = {"bomb", "zombies"};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, NULL);
        plan.argv[0] = "pids";
        plan.argv[1] = kinds[i];
        plan.argv[2] = NULL;
        plan.plan.limits.wall_ms_max = 700;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_WALL_LIMIT, 0);
        if (result.usage.pids_peak > 0)
            assert_in_range(result.usage.pids_peak, 2, 128);
        assert_true(result.usage.teardown_us < 2000000);
        assay_box_result_release(&result);
    }
    assert_nothing_is_left();
}

static void a_stopped_and_deaf_herd_is_reaped_in_half_a_second(void **state)
{
    const bool soak = secure_getenv("ASSAY_SOAK") != NULL;
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, soak ? "herd 2000" : "herd 500");
    plan.plan.limits.process_count_max = 2100;
    plan.plan.limits.memory_bytes_max = (uint64_t)2 << 30;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, soak ? "2000\n" : "500\n");
    assert_true(result.usage.teardown_us < 500000);
    print_message("dead and reaped in %lu us\n", (unsigned long)result.usage.teardown_us);
    assay_box_result_release(&result);
    assert_nothing_is_left();
}

static void the_init_cannot_be_killed_from_inside(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "exec pids kill");
    boxes_assert(&result, ASSAY_BOX_EXITED, 6);
    boxes_assert_text(&result, "");
    assay_box_result_release(&result);
}

// --- deaths of ours ------------------------------------------------------------------------------

static void *kill_spawner_soon(void *unused)
{
    (void)unused;
    (void)usleep(200000);
    (void)kill(assay_sandbox_spawner_pid(boxes_sandbox), SIGKILL);
    return NULL;
}

static void a_killed_spawner_is_an_infra_error_and_can_be_restarted(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err;
    pthread_t thread;

    (void)state;
    boxes_plan_init(&plan, "daemon; echo alive; sleep 60");
    assert_int_equal(pthread_create(&thread, NULL, kill_spawner_soon, NULL), 0);
    boxes_run(&result, &plan);
    assert_int_equal(pthread_join(thread, NULL), 0);
    boxes_assert(&result, ASSAY_BOX_INFRA_ERROR, 0);
    assay_box_result_release(&result);

    // For a moment a request may still reach the dying spawner's socket, and be lost there.
    for (int i = 0; assay_box_run(boxes_sandbox, &plan.plan, &result, &err) != ASSAY_EIO; i++) {
        boxes_assert(&result, ASSAY_BOX_INFRA_ERROR, 0);
        assay_box_result_release(&result);
        assert_true(i < 100);
    }
    assert_int_equal(assay_sandbox_restart(boxes_sandbox, &err), ASSAY_OK);
    boxes_note_spawner(assay_sandbox_spawner_pid(boxes_sandbox));
    assert_nothing_is_left();
    boxes_script(&result, "echo again");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "again\n");
    assay_box_result_release(&result);
}

// A caller of its own, in a process that is killed: its spawner and boxes must follow.
static void be_caller(int ready_fd)
{
    struct assay_sandbox_options options;
    struct boxes_plan plan;
    struct assay_box_result result;

    boxes_options(&options);
    if (assay_sandbox_start(&boxes_sandbox, &options, NULL) != ASSAY_OK)
        _exit(1);
    const pid_t spawner = assay_sandbox_spawner_pid(boxes_sandbox);

    if (write(ready_fd, &spawner, sizeof(spawner)) != (ssize_t)sizeof(spawner))
        _exit(1);
    boxes_plan_init(&plan, "daemon; sleep 60");
    (void)!assay_box_run(boxes_sandbox, &plan.plan, &result, NULL);
    _exit(0);
}

static void boxes_die_with_a_killed_caller(void **state)
{
    const uint64_t deadline_ms = assay_clock_ms() + 5000;
    int ends[2];
    pid_t spawner = 0;
    unsigned alive = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();

    if (pid == 0)
        be_caller(ends[1]);
    assert_int_equal(read(ends[0], &spawner, sizeof(spawner)), sizeof(spawner));
    boxes_note_spawner(spawner);
    close(ends[0]);
    close(ends[1]);
    // Init, shell, daemon and sleep; one sample, since processes come and go until then.
    while ((alive = boxes_count_processes()) < 4 && assay_clock_left_ms(deadline_ms) > 0)
        (void)usleep(5000);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(alive >= 4);
    assert_nothing_is_left();
}

// The init of the only box.
static void *kill_init_soon(void *unused)
{
    (void)unused;
    (void)usleep(300000);
    assert_int_equal(boxes_kill_children("assay-init"), 1);
    return NULL;
}

static void a_killed_init_is_an_infra_error(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    pthread_t thread;

    (void)state;
    boxes_plan_init(&plan, "sleep 10");
    assert_int_equal(pthread_create(&thread, NULL, kill_init_soon, NULL), 0);
    boxes_run(&result, &plan);
    assert_int_equal(pthread_join(thread, NULL), 0);
    boxes_assert(&result, ASSAY_BOX_INFRA_ERROR, 0);
    assay_box_result_release(&result);
    assert_nothing_is_left();
}

static unsigned count_spawner_fds(void)
{
    char path[64];
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d",
                (int)assay_sandbox_spawner_pid(boxes_sandbox), fd);
        struct stat stat;

        count += lstat(path, &stat) == 0;
    }
    return count;
}

// The spawner keeps one for each uid that it ever used; it may have used a few more at once.
#define UIDS 8

static void many_boxes_leave_nothing_behind(void **state)
{
    char before[262144];
    char after[262144];
    unsigned fds = 0;

    const int count = secure_getenv("ASSAY_SOAK") != NULL ? 10000 : 60;

    (void)state;
    for (int i = 0; i < count; i++) {
        struct assay_box_result result;

        boxes_script(&result, i % 3 == 0 ? "daemon" : "true");
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assay_box_result_release(&result);
        if (i == 0) {
            boxes_wait_for_the_pool();
            boxes_read(before, sizeof(before), "/proc/self/mountinfo");
            fds = count_spawner_fds();
        }
    }
    assert_nothing_is_left();
    boxes_read(after, sizeof(after), "/proc/self/mountinfo");
    assert_string_equal(before, after);
    // A result is told before its box is put away: either count may be a moment early.
    boxes_wait_for_the_pool();
    for (int i = 0; i < 200 && count_spawner_fds() > fds + UIDS; i++)
        (void)usleep(5000);
    assert_true(count_spawner_fds() <= fds + UIDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_daemon_does_not_outlive_its_parent),
            cmocka_unit_test(bombs_stop_at_the_process_limit_and_die),
            cmocka_unit_test(a_stopped_and_deaf_herd_is_reaped_in_half_a_second),
            cmocka_unit_test(the_init_cannot_be_killed_from_inside),
            cmocka_unit_test(a_killed_spawner_is_an_infra_error_and_can_be_restarted),
            cmocka_unit_test(boxes_die_with_a_killed_caller),
            cmocka_unit_test(a_killed_init_is_an_infra_error),
            cmocka_unit_test(many_boxes_leave_nothing_behind),
    };

    return boxes_main("death", tests, sizeof(tests) / sizeof(tests[0]));
}
