// SPDX-License-Identifier: MIT
// What must hold: every task of a region runs exactly once, whoever is awake; regions follow each
// other safely.
#include "kernels/pool.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "kernels/ops.h"
#include "support/harness.h"

enum { TASK_COUNT_MAX = 300 };

struct tally {
    atomic_int runs[TASK_COUNT_MAX];
    atomic_size_t thread_top;
};

static void count_task(void *context, size_t task, size_t thread)
{
    struct tally *tally = context;

    assert_true(task < TASK_COUNT_MAX);
    atomic_fetch_add(&tally->runs[task], 1);
    if (thread > atomic_load(&tally->thread_top))
        atomic_store(&tally->thread_top, thread);
}

static void every_task_runs_once(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 5; threads += 2) {
        struct assay_pool *pool = NULL;

        assert_int_equal(assay_pool_create(&pool, threads, NULL), ASSAY_OK);
        assert_int_equal(assay_pool_thread_count(pool), threads);
        for (size_t round = 0; round < 400; round++) {
            static struct tally tally;
            const size_t count = round % TASK_COUNT_MAX;

            memset(&tally, 0, sizeof(tally));
            if (round % 100 == 99)
                usleep(2000); // long enough for the others to fall asleep
            assay_pool_run(pool, count, count_task, &tally);
            for (size_t i = 0; i < TASK_COUNT_MAX; i++)
                assert_int_equal(atomic_load(&tally.runs[i]), i < count ? 1 : 0);
            assert_true(atomic_load(&tally.thread_top) < threads);
        }
        assay_pool_destroy(pool);
    }
}

struct ranges {
    atomic_size_t sum, count;
};

static void add_range(void *context, size_t from, size_t to, size_t thread)
{
    struct ranges *ranges = context;

    (void)thread;
    assert_true(from % 7 == 0 && to > from && to - from <= 7);
    atomic_fetch_add(&ranges->sum, to - from);
    atomic_fetch_add(&ranges->count, 1);
}

static void pieces_cover_the_count_and_begin_at_the_grain(void **state)
{
    static const size_t counts[][2] = {{0, 0}, {1, 1}, {7, 1}, {8, 2}, {100, 15}};
    struct assay_pool *pool = NULL;

    (void)state;
    assert_int_equal(assay_pool_create(&pool, 2, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct ranges ranges = {0};

        assay_pool_pieces(pool, counts[i][0], 7, add_range, &ranges);
        assert_int_equal(atomic_load(&ranges.sum), counts[i][0]);
        assert_int_equal(atomic_load(&ranges.count), counts[i][1]);
    }
    assay_pool_destroy(pool);
    assay_pool_destroy(NULL);
}

static void pools_are_made_and_destroyed_without_work(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct assay_pool *pool = NULL;

        assert_int_equal(assay_pool_create(&pool, 0, NULL), ASSAY_OK);
        assert_true(assay_pool_thread_count(pool) >= 1);
        assay_pool_destroy(pool);
    }
}

// The first failure of a stream sticks until sync() hands it out, once.
static void a_stream_keeps_its_first_failure(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)state;
    ASSAY_SKIP("a sanitizer ends the program where malloc would return NULL");
#else
    const struct assay_ops *ops = assay_ops_cpu(NULL);
    const struct assay_stream_options options = {.thread_count = 2};
    struct assay_stream *stream = NULL;
    struct assay_error err;
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    struct assay_matmul_args args = {.y = y, .x = x, .w = x, .M = 2, .N = 2, .K = 2};
    struct assay_sumsq_args huge = {.count = SIZE_MAX / 4};

    (void)state;
    assert_int_equal(ops->device.stream_create(&stream, &options, NULL), ASSAY_OK);
    ops->sumsq(&huge, stream); // its scratch cannot be had
    ops->matmul_forward(&args, stream);
    assert_int_equal(ops->device.sync(stream, &err), ASSAY_ENOMEM);
    assert_non_null(strstr(err.message, "no memory for"));
    ops->matmul_forward(&args, stream);
    assert_int_equal(ops->device.sync(stream, &err), ASSAY_OK);
    assert_true(y[0] == 5 && y[1] == 11 && y[3] == 25);
    ops->device.stream_destroy(stream);
    ops->device.stream_destroy(NULL);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_task_runs_once),
            cmocka_unit_test(pieces_cover_the_count_and_begin_at_the_grain),
            cmocka_unit_test(pools_are_made_and_destroyed_without_work),
            cmocka_unit_test(a_stream_keeps_its_first_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
