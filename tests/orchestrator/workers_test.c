// SPDX-License-Identifier: MIT
// What must hold: everything that was taken is done once, no more than fits is taken, and nothing
// after the end.
#include "orchestrator/workers.h"

#include <stdatomic.h>
#include <time.h>

#include "support/harness.h"

#define WORK 2000

static atomic_int done;
static atomic_bool held;

static void count(void *user)
{
    (void)user;
    atomic_fetch_add(&done, 1);
}

static void hold(void *user)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    (void)user;
    while (atomic_load(&held))
        nanosleep(&moment, NULL);
    atomic_fetch_add(&done, 1);
}

static void what_is_taken_is_done(void **state)
{
    struct assay_workers *workers = NULL;

    (void)state;
    atomic_store(&done, 0);
    assert_int_equal(assay_workers_create(&workers, 4, WORK, NULL), ASSAY_OK);
    for (int i = 0; i < WORK; i++)
        assert_true(assay_workers_add(workers, count, NULL));
    assay_workers_end(workers);
    assert_int_equal(atomic_load(&done), WORK);
    assert_false(assay_workers_add(workers, count, NULL));
    assay_workers_destroy(workers);
    assert_int_equal(atomic_load(&done), WORK);
}

static void a_full_queue_takes_nothing(void **state)
{
    struct assay_workers *workers = NULL;
    int taken = 0;

    (void)state;
    atomic_store(&done, 0);
    atomic_store(&held, true);
    assert_int_equal(assay_workers_create(&workers, 1, 3, NULL), ASSAY_OK);
    for (int i = 0; i < 10; i++)
        taken += assay_workers_add(workers, hold, NULL);
    // Three wait, and a fourth if the thread had taken one by then.
    assert_in_range(taken, 3, 4);
    atomic_store(&held, false);
    assay_workers_destroy(workers);
    assert_int_equal(atomic_load(&done), taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_taken_is_done),
            cmocka_unit_test(a_full_queue_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
