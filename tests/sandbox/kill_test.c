// SPDX-License-Identifier: MIT
// What must hold: the spawner may be killed at any moment, from its first instruction on. Whoever
// waits for a box of it is told, and no process of it lives on. (Control groups are not looked at.)
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/sandbox/boxes.h"

#define ROUNDS_QUICK 30
#define ROUNDS_SOAK 3000
// From the moment that there is a process: some of what it does is over in microseconds.
#define DELAY_US_MIN 100
#define DELAY_US_MAX 100000
#define BOXES_MAX 200  // in one round
#define HANG_MS 30000  // no wait is that long on any host
#define LINGER_MS 5000 // sanitizers, and a busy host

struct round {
    pthread_t runner;
    _Atomic pid_t runner_id; // its thread id; 0: not yet
    atomic_bool over;
    unsigned infra_errors;
    struct assay_error err;
};

// Starts a spawner and runs boxes until that fails.
static void *run_boxes(void *user)
{
    struct round *round = user;
    enum assay_status status = ASSAY_OK;

    atomic_store(&round->runner_id, gettid());
    status = assay_sandbox_restart(boxes_sandbox, &round->err);
    for (unsigned i = 0; status == ASSAY_OK && i < BOXES_MAX; i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, "true");
        status = assay_box_run(boxes_sandbox, &plan.plan, &result, &round->err);
        if (status != ASSAY_OK)
            break;
        round->infra_errors += result.cause == ASSAY_BOX_INFRA_ERROR;
        if (result.cause != ASSAY_BOX_EXITED)
            status = ASSAY_EIO;
        assay_box_result_release(&result);
    }
    atomic_store(&round->over, true);
    return NULL;
}

// The process that the runner started; 0: none yet.
static pid_t find_spawner(const struct round *round)
{
    char path[64];
    char text[256];

    (void)snprintf(
            path, sizeof(path), "/proc/self/task/%d/children", (int)atomic_load(&round->runner_id));
    boxes_read(text, sizeof(text), path);
    return (pid_t)strtol(text, NULL, 10);
}

static void await_end(struct round *round, unsigned delay_us)
{
    const uint64_t deadline_ms = assay_clock_ms() + HANG_MS;

    while (!atomic_load(&round->over)) {
        if (assay_clock_left_ms(deadline_ms) == 0) {
            boxes_describe_processes();
            fail_msg("killed after %u us, and a run still waits for its spawner", delay_us);
        }
        (void)usleep(1000);
    }
    assert_int_equal(pthread_join(round->runner, NULL), 0);
}

static void assert_all_are_dead(unsigned delay_us)
{
    const uint64_t deadline_ms = assay_clock_ms() + LINGER_MS;

    while (boxes_count_processes() > 0) {
        if (assay_clock_left_ms(deadline_ms) == 0) {
            boxes_describe_processes();
            fail_msg("killed after %u us, and something lives on", delay_us);
        }
        (void)usleep(1000);
    }
}

static void play(unsigned delay_us)
{
    struct round round = {.infra_errors = 0};
    pid_t spawner = 0;

    assert_int_equal(pthread_create(&round.runner, NULL, run_boxes, &round), 0);
    while (atomic_load(&round.runner_id) == 0 || (spawner = find_spawner(&round)) == 0)
        if (atomic_load(&round.over))
            break;
    assert_true(spawner > 0);
    boxes_note_spawner(spawner);
    (void)usleep(delay_us);
    (void)kill(spawner, SIGKILL);
    await_end(&round, delay_us);
    assert_all_are_dead(delay_us);
    boxes_forget_spawner(spawner);
}

static void a_spawner_may_be_killed_at_any_moment(void **state)
{
    const unsigned rounds = secure_getenv("ASSAY_SOAK") != NULL ? ROUNDS_SOAK : ROUNDS_QUICK;
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    for (unsigned i = 0; i < rounds; i++) {
        const unsigned part = (unsigned)((uint64_t)i * 1024 / rounds); // a sweep that ends anywhere
        const unsigned delay_us =
                DELAY_US_MIN + (unsigned)((uint64_t)(DELAY_US_MAX - DELAY_US_MIN) * part / 1024);

        play(delay_us);
    }
    assert_int_equal(assay_sandbox_restart(boxes_sandbox, &err), ASSAY_OK);
    boxes_note_spawner(assay_sandbox_spawner_pid(boxes_sandbox));
    boxes_script(&result, "echo again");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "again\n");
    assay_box_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_spawner_may_be_killed_at_any_moment),
    };

    return boxes_main("kill", tests, sizeof(tests) / sizeof(tests[0]));
}
