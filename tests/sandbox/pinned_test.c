// SPDX-License-Identifier: MIT
// What must hold: a command sees and uses the CPUs that it was given and no others, waits for them
// outside of its wall time, and finds the same world in every run.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/sandbox/boxes.h"

static struct assay_sandbox *narrow; // one command a CPU

static int open_narrow(void **state)
{
    struct assay_sandbox_options options;

    (void)state;
    boxes_options(&options);
    options.boxes_per_cpu = 0;
    options.memory_bytes_budget = 0;
    if (assay_sandbox_start(&narrow, &options, NULL) != ASSAY_OK)
        return -1;
    boxes_note_spawner(assay_sandbox_spawner_pid(narrow));
    return 0;
}

static int close_narrow(void **state)
{
    (void)state;
    assay_sandbox_stop(narrow);
    return 0;
}

static void a_command_has_one_cpu_unless_it_asks(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char all[32];

    (void)state;
    boxes_script(&result, "nproc");
    boxes_assert_text(&result, "1\n");
    assay_box_result_release(&result);

    (void)snprintf(all, sizeof(all), "%u\n", assay_sandbox_cpu_count(boxes_sandbox));
    for (unsigned i = 0; i < 2; i++) {
        boxes_plan_init(&plan, "nproc");
        plan.plan.cpu_count = i == 0 ? ASSAY_CPUS_ALL : 0;
        boxes_run(&result, &plan);
        boxes_assert_text(&result, all);
        assay_box_result_release(&result);
    }
}

// The call says that it worked, and nothing has changed; the box's init is still out of reach.
static void it_cannot_move_to_another_cpu(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "python3";
    plan.argv[1] = "-c";
    plan.argv[2] = "import os\n"
                   "before = os.sched_getaffinity(0)\n"
                   "os.sched_setaffinity(0, range(64))\n"
                   "print(len(before), os.sched_getaffinity(0) == before)\n"
                   "try: os.sched_setaffinity(1, before)\n"
                   "except OSError as e: print(e.errno)\n";
    boxes_run(&result, &plan);
    if (result.exit_code != 127) // no python3 on this host
        boxes_assert_text(&result, "1 True\n1\n");
    assay_box_result_release(&result);
}

static void addresses_are_the_same_when_asked_for(void **state)
{
    char first[64] = "";

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, "grep -F '[stack]' /proc/self/maps | cut -d' ' -f1");
        plan.plan.no_aslr = true;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        if (i == 0)
            (void)snprintf(first, sizeof(first), "%s", result.output.data);
        assert_true(strlen(first) > 8);
        boxes_assert_text(&result, first);
        assay_box_result_release(&result);
    }
}

// --- commands that run at once -------------------------------------------------------------------

struct runner {
    struct boxes_plan plan;
    struct assay_box_result result;
    enum assay_status status;
    volatile bool cancel;
    pthread_t thread;
};

static void *run(void *argument)
{
    struct runner *runner = argument;

    runner->status = assay_box_run(narrow, &runner->plan.plan, &runner->result, NULL);
    return NULL;
}

static void start(struct runner *runner, const char *script)
{
    boxes_plan_init(&runner->plan, script);
    runner->plan.plan.cancel = &runner->cancel;
    runner->cancel = false;
    assert_int_equal(pthread_create(&runner->thread, NULL, run, runner), 0);
}

// Twice as many as there are CPUs, each of which wants a CPU for 200 ms of its wall time of 20 s:
// the second half waits, and what it waited is not in its wall time.
static void who_waits_for_a_cpu_loses_no_wall_time(void **state)
{
    enum { RUNNERS_MAX = 128 };
    static struct runner runners[RUNNERS_MAX];
    const uint32_t count = assay_sandbox_cpu_count(narrow) * 2;
    uint32_t waited = 0;

    (void)state;
    if (count > RUNNERS_MAX)
        ASSAY_SKIP("more CPUs than this test has runners for");
    for (uint32_t i = 0; i < count; i++)
        start(&runners[i], "sleep 0.2");
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(runners[i].thread, NULL);
        assert_int_equal(runners[i].status, ASSAY_OK);
        boxes_assert(&runners[i].result, ASSAY_BOX_EXITED, 0);
        // On a busy host the init sees the exec a little late.
        assert_true(runners[i].result.usage.wall_ms >= 150);
        waited += runners[i].result.usage.queue_ms > 0;
        assay_box_result_release(&runners[i].result);
    }
    assert_true(waited > 0);
}

static void who_waits_can_be_cancelled(void **state)
{
    const struct timespec moment = {.tv_nsec = 50L * 1000 * 1000};
    static struct runner holder, waiter;

    (void)state;
    boxes_plan_init(&holder.plan, "sleep 20");
    holder.plan.plan.cpu_count = ASSAY_CPUS_ALL;
    holder.plan.plan.cancel = &holder.cancel;
    assert_int_equal(pthread_create(&holder.thread, NULL, run, &holder), 0);
    nanosleep(&moment, NULL);
    start(&waiter, "echo ran");
    nanosleep(&moment, NULL);
    waiter.cancel = true;
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, ASSAY_OK);
    boxes_assert(&waiter.result, ASSAY_BOX_CANCELLED, 0);
    assert_int_equal(waiter.result.output.len, 0);
    assay_box_result_release(&waiter.result);
    holder.cancel = true;
    pthread_join(holder.thread, NULL);
    boxes_assert(&holder.result, ASSAY_BOX_CANCELLED, 0);
    assay_box_result_release(&holder.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_command_has_one_cpu_unless_it_asks),
            cmocka_unit_test(it_cannot_move_to_another_cpu),
            cmocka_unit_test(addresses_are_the_same_when_asked_for),
            cmocka_unit_test_setup_teardown(
                    who_waits_for_a_cpu_loses_no_wall_time, open_narrow, close_narrow),
            cmocka_unit_test_setup_teardown(who_waits_can_be_cancelled, open_narrow, close_narrow),
    };

    return boxes_main("pinned", tests, sizeof(tests) / sizeof(tests[0]));
}
