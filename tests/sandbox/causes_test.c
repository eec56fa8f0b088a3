// SPDX-License-Identifier: MIT
// What must hold: a box ends for exactly one cause, and it is the true one.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

static void a_command_ends_with_its_own_code_or_signal(void **state)
{
    static const struct {
        const char *script;
        enum assay_box_cause cause;
        int exit_code, signal_number;
    } rows[] = {
            {"exit 0", ASSAY_BOX_EXITED, 0, 0},
            {"exit 7", ASSAY_BOX_EXITED, 7, 0},
            {"exit 255", ASSAY_BOX_EXITED, 255, 0},
            {"kill -9 $$", ASSAY_BOX_SIGNALLED, 0, SIGKILL},
            {"kill -SEGV $$", ASSAY_BOX_SIGNALLED, 0, SIGSEGV},
            {"exec no-such-program-here", ASSAY_BOX_EXITED, 127, 0},
            {"exec calls i386", ASSAY_BOX_SYSCALL_DENIED, 0, SIGSYS},
            {"exec calls x32", ASSAY_BOX_SYSCALL_DENIED, 0, SIGSYS},
            {"kill -XFSZ $$", ASSAY_BOX_DISK_LIMIT, 0, SIGXFSZ},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_box_result result;

        print_message("row %zu: %s\n", i, rows[i].script);
        boxes_script(&result, rows[i].script);
        boxes_assert(&result, rows[i].cause, rows[i].exit_code);
        assert_int_equal(result.signal, rows[i].signal_number);
        assay_box_result_release(&result);
    }
}

static void a_command_that_cannot_be_executed_is_its_own_fault(void **state)
{
    static const struct {
        const char *program, *cwd;
        int exit_code;
        const char *line;
    } rows[] = {
            {"no-such-program", "/", 127, "assay: no-such-program: not found\n"},
            {"/nowhere/at/all", "/", 127, "assay: /nowhere/at/all: not found\n"},
            {"/etc/passwd", "/", 126, "assay: /etc/passwd: Permission denied\n"},
            {"/tmp", "/", 126, "assay: /tmp: Permission denied\n"},
            {"true", "/not/there", 127, "assay: /not/there: not found\n"},
            {"true", "/etc/passwd", 126, "assay: /etc/passwd: Not a directory\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        print_message("row %zu\n", i);
        boxes_plan_init(&plan, NULL);
        plan.argv[0] = rows[i].program;
        plan.argv[1] = NULL;
        plan.plan.cwd = rows[i].cwd;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_EXITED, rows[i].exit_code);
        boxes_assert_text(&result, rows[i].line);
        assay_box_result_release(&result);
    }
}

// How exactly limits are kept is measured by bench/sandbox/limits.c.
static void wall_time_runs_out_whatever_the_command_does(void **state)
{
    static const char *const scripts[] = {"sleep 60", "kill -STOP $$", "mkfifo /tmp/f; cat /tmp/f"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, scripts[i]);
        plan.plan.limits.wall_ms_max = 300;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_WALL_LIMIT, 0);
        assert_true(result.usage.wall_ms >= 299);
        assay_box_result_release(&result);
    }
}

static void cpu_time_is_kept_over_threads_and_children(void **state)
{
    static const char *const scripts[] = {"exec spin self", "exec spin threads 8",
            "spin children 4 & spin children 4", "exec spin ignored"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        print_message("row %zu\n", i);
        boxes_plan_init(&plan, scripts[i]);
        plan.plan.limits.cpu_ms_max = 500;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_CPU_LIMIT, 0);
        assert_true(result.usage.cpu_user_us + result.usage.cpu_system_us > 500000);
        assay_box_result_release(&result);
    }
}

static void silence_is_idle_and_output_is_not(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "echo one; sleep 30");
    plan.plan.limits.idle_ms_max = 200;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_IDLE_LIMIT, 0);
    boxes_assert_text(&result, "one\n");
    assert_true(result.usage.wall_ms >= 199);
    assay_box_result_release(&result);

    boxes_plan_init(&plan, "for i in $(seq 27); do echo $i; sleep 0.1; done");
    plan.plan.limits.idle_ms_max = 2500; // a busy machine is slow, not silent
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

static void memory_is_kept_however_it_is_eaten(void **state)
{
    static const struct {
        const char *script;
        enum assay_box_cause cause;
    } rows[] = {
            {"exec eat 400 0", ASSAY_BOX_MEMORY_LIMIT},
            {"exec eat 20 10", ASSAY_BOX_MEMORY_LIMIT}, // each below the limit, together above
            {"exec eat 400 0 shared", ASSAY_BOX_MEMORY_LIMIT},      // no "data" of any process
            {"exec eat 400 0 segments", ASSAY_BOX_MEMORY_LIMIT},    // of no process at all
            {"exec cp /dev/zero /dev/shm/z", ASSAY_BOX_DISK_LIMIT}, // ENOSPC, not an OOM kill
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        print_message("row %zu: %s\n", i, rows[i].script);
        boxes_plan_init(&plan, rows[i].script);
        plan.plan.limits.memory_bytes_max = (uint64_t)96 << 20;
        plan.plan.limits.disk_bytes_max = (uint64_t)512 << 20; // cut to 72 MiB
        boxes_run(&result, &plan);
        boxes_assert(&result, rows[i].cause, 0);
        assay_box_result_release(&result);
    }
}

static void pages_that_forks_share_are_counted_once(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    // 50 MiB in a parent of six children that sleep: 300 MiB if each counted its own.
    boxes_plan_init(&plan,
            "exec /usr/bin/python3 -Sc 'import os, time\nb = b\"x\" * (50 << 20)\n"
            "for i in range(6):\n  if os.fork() == 0: time.sleep(0.5); os._exit(0)\n"
            "for i in range(6): os.wait()'");
    plan.plan.limits.memory_bytes_max = (uint64_t)160 << 20;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

// The command sees EMFILE and decides for itself: there is no cause of that name.
static void too_many_open_files_are_refused(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "exec fds open");
    plan.plan.limits.open_file_count_max = 100;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 9);
    boxes_assert_text(&result, "100, then Too many open files\n");
    assay_box_result_release(&result);
}

static void too_many_processes_are_refused_and_named(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "pids";
    plan.argv[1] = "count";
    plan.argv[2] = NULL;
    plan.plan.limits.process_count_max = 40;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_PIDS_LIMIT, 0);
    boxes_assert_text(&result, "39\n");
    assert_int_equal(result.exit_code, 5);
    assay_box_result_release(&result);
}

static void full_disks_are_refused_and_named(void **state)
{
    static const char *const scripts[] = {"exec fill /tmp/x", "exec fill /home/box/x",
            "exec fill /dev/shm/x", "exec fill /var/tmp/x", "exec fill -inodes /tmp",
            "exec fill /run/out/x"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        print_message("row %zu: %s\n", i, scripts[i]);
        boxes_plan_init(&plan, scripts[i]);
        plan.plan.limits.disk_bytes_max = (uint64_t)16 << 20;
        plan.plan.limits.inodes_max = 2000;
        plan.plan.out_dir = "/run/out";
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_DISK_LIMIT, 0);
        assay_box_result_release(&result);
    }
}

static void a_sparse_file_larger_than_the_disk_cannot_be_made(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "exec truncate -s 1E /tmp/huge");
    boxes_assert(&result, ASSAY_BOX_DISK_LIMIT, 0); // SIGXFSZ
    assay_box_result_release(&result);
}

static void a_failure_without_a_limit_hit_is_no_limit(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "echo x > /tmp/a; false");
    boxes_assert(&result, ASSAY_BOX_EXITED, 1);
    assay_box_result_release(&result);
}

static void too_much_output_ends_the_box(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "exec cat /dev/zero");
    plan.plan.limits.output_bytes_max = 1 << 20;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_OUTPUT_LIMIT, 0);
    assert_true(result.usage.output_bytes > 1 << 20);
    assay_box_result_release(&result);

    // Exactly as much as allowed, and one byte more, from a command that ends at once.
    boxes_plan_init(&plan, "head -c 100000 /dev/zero");
    plan.plan.limits.output_bytes_max = 100000;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    plan.plan.limits.output_bytes_max = 99999;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_OUTPUT_LIMIT, 0);
    assay_box_result_release(&result);
}

static volatile bool cancelled;

static void *cancel_soon(void *unused)
{
    (void)unused;
    (void)usleep(150000);
    cancelled = true;
    return NULL;
}

static void another_thread_can_cancel(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    pthread_t thread;

    (void)state;
    cancelled = false;
    boxes_plan_init(&plan, "echo before; sleep 60");
    plan.plan.cancel = &cancelled;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    boxes_run(&result, &plan);
    assert_int_equal(pthread_join(thread, NULL), 0);
    boxes_assert(&result, ASSAY_BOX_CANCELLED, 0);
    boxes_assert_text(&result, "before\n");
    assay_box_result_release(&result);
}

static void a_failed_step_of_ours_is_setup_failed_with_step_and_errno(void **state)
{
    static const char *const missing[] = {"/nowhere/at/all"};
    struct boxes_plan plan;
    struct assay_box_result result;
    char path[PATH_MAX];
    const char *const file[] = {path};

    (void)state;
    boxes_plan_init(&plan, "true");
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", missing, 1);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_SETUP_FAILED, 0);
    assert_string_equal(result.step, "open lower");
    assert_int_equal(result.sys_errno, ENOENT);
    assay_box_result_release(&result);

    boxes_file(path, "not-a-directory", "x");
    boxes_plan_init(&plan, "true");
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", file, 1);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_SETUP_FAILED, 0);
    assay_box_result_release(&result);
}

static void a_wrong_plan_is_refused_and_leaves_the_result_alone(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    memset(&result, 0x5a, sizeof(result));
    boxes_plan_init(&plan, "true");
    plan.plan.limits.wall_ms_max = 0;
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "limit wall_ms_max is 0, not 1..4294967295");
    assert_int_equal(((unsigned char *)&result)[0], 0x5a);
    assert_int_equal(((unsigned char *)&result)[sizeof(result) - 1], 0x5a);
}

static void usage_is_measured(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "eat 40 2; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_true(result.usage.wall_ms >= 300);
    assert_true(result.usage.cpu_user_us > 10000);
    assert_true(result.usage.setup_us > 0 && result.usage.setup_us < 5000000);
    assert_true(result.usage.memory_bytes_peak > (uint64_t)70 << 20);
    assert_true(result.usage.pids_peak >= 3);
    assert_int_equal(result.tier, assay_sandbox_tier(boxes_sandbox));
    assay_box_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_command_ends_with_its_own_code_or_signal),
            cmocka_unit_test(a_command_that_cannot_be_executed_is_its_own_fault),
            cmocka_unit_test(wall_time_runs_out_whatever_the_command_does),
            cmocka_unit_test(cpu_time_is_kept_over_threads_and_children),
            cmocka_unit_test(silence_is_idle_and_output_is_not),
            cmocka_unit_test(memory_is_kept_however_it_is_eaten),
            cmocka_unit_test(pages_that_forks_share_are_counted_once),
            cmocka_unit_test(too_many_open_files_are_refused),
            cmocka_unit_test(too_many_processes_are_refused_and_named),
            cmocka_unit_test(full_disks_are_refused_and_named),
            cmocka_unit_test(a_sparse_file_larger_than_the_disk_cannot_be_made),
            cmocka_unit_test(a_failure_without_a_limit_hit_is_no_limit),
            cmocka_unit_test(too_much_output_ends_the_box),
            cmocka_unit_test(another_thread_can_cancel),
            cmocka_unit_test(a_failed_step_of_ours_is_setup_failed_with_step_and_errno),
            cmocka_unit_test(a_wrong_plan_is_refused_and_leaves_the_result_alone),
            cmocka_unit_test(usage_is_measured),
    };

    return boxes_main("causes", tests, sizeof(tests) / sizeof(tests[0]));
}
