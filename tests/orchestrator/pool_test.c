// SPDX-License-Identifier: MIT
// What must hold: every index is worked once, an error or a stop ends the handing out, nothing
// hangs.
#include "orchestrator/pool.h"

#include <stdatomic.h>
#include <string.h>

#include "support/harness.h"

struct counts {
    atomic_uint seen[1000];
    atomic_size_t done;
    size_t fail_at;
    volatile bool stop;
    size_t stop_at;
};

static enum assay_status count_one(void *user, size_t index, struct assay_error *err)
{
    struct counts *counts = user;

    atomic_fetch_add(&counts->seen[index], 1);
    // From there on every job: a thread that is held up after it has taken the one index that
    // fails would let the other one go on for as long.
    if (atomic_fetch_add(&counts->done, 1) + 1 >= counts->stop_at)
        counts->stop = true;
    if (index >= counts->fail_at)
        return assay_fail(err, ASSAY_EIO, "index %zu", index);
    return ASSAY_OK;
}

static void every_index_is_worked_exactly_once(void **state)
{
    static const size_t threads[] = {1, 2, 7, 64};

    (void)state;
    for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
        struct counts counts = {.fail_at = SIZE_MAX, .stop_at = SIZE_MAX};

        assert_int_equal(
                assay_jobs_run(threads[t], 1000, count_one, &counts, NULL, NULL), ASSAY_OK);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(atomic_load(&counts.seen[i]), 1);
    }
}

static void the_first_error_ends_it_and_is_told(void **state)
{
    static const size_t threads[] = {1, 2, 7};

    (void)state;
    for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
        struct counts counts = {.fail_at = 10, .stop_at = SIZE_MAX};
        struct assay_error err = {0};

        assert_int_equal(
                assay_jobs_run(threads[t], 1000, count_one, &counts, NULL, &err), ASSAY_EIO);
        assert_non_null(strstr(err.message, "index 1"));
        assert_true(atomic_load(&counts.done) >= 11);
        assert_true(atomic_load(&counts.done) <= 10 + threads[t]);
    }
}

static void a_stop_from_outside_ends_it_as_interrupted(void **state)
{
    struct counts counts = {.fail_at = SIZE_MAX, .stop_at = 5};
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(
            assay_jobs_run(2, 1000, count_one, &counts, &counts.stop, &err), ASSAY_EINTERRUPTED);
    assert_true(atomic_load(&counts.done) >= 5);
    assert_true(atomic_load(&counts.done) <= 5 + 1);
}

static void an_empty_list_is_done_and_no_threads_is_an_error(void **state)
{
    struct counts counts = {.fail_at = SIZE_MAX, .stop_at = SIZE_MAX};

    (void)state;
    assert_int_equal(assay_jobs_run(4, 0, count_one, &counts, NULL, NULL), ASSAY_OK);
    assert_int_equal(assay_jobs_run(0, 1, count_one, &counts, NULL, NULL), ASSAY_EINVAL);
    assert_true(assay_jobs_default_threads() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_index_is_worked_exactly_once),
            cmocka_unit_test(the_first_error_ends_it_and_is_told),
            cmocka_unit_test(a_stop_from_outside_ends_it_as_interrupted),
            cmocka_unit_test(an_empty_list_is_done_and_no_threads_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
