// SPDX-License-Identifier: MIT
// The ticket holds (region << 32 | next task). A thread reads the region's fields, then takes a
// task by compare and swap: when that succeeds, the region is still open, so the fields were its
// own.
#include "kernels/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// Spins before a thread sleeps: some 20 us, longer than the gap between two layers' kernels.
enum { SPIN_COUNT = 2000 };

struct assay_pool {
    _Atomic uint64_t ticket;
    _Atomic(assay_pool_task *) task;
    _Atomic(void *) context;
    _Atomic size_t task_count, done_count, sleeper_count;
    atomic_bool stopping;
    size_t thread_count; // the caller among them
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct worker {
        struct assay_pool *pool;
        pthread_t thread;
        size_t index;
    } * workers; // thread_count - 1
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint64_t region_of(uint64_t ticket)
{
    return ticket >> 32;
}

// Take tasks of the region that is open until there are none.
static void work(struct assay_pool *pool, size_t thread_index)
{
    for (;;) {
        uint64_t ticket = atomic_load(&pool->ticket);
        assay_pool_task *task = atomic_load(&pool->task);
        void *context = atomic_load(&pool->context);
        const size_t count = atomic_load(&pool->task_count);
        const size_t index = ticket & UINT32_MAX;

        if (index >= count)
            return;
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1))
            continue;
        task(context, index, thread_index);
        atomic_fetch_add(&pool->done_count, 1);
    }
}

static void sleep_until(struct assay_pool *pool, uint64_t region)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeper_count, 1);
    while (region_of(atomic_load(&pool->ticket)) == region && !atomic_load(&pool->stopping))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleeper_count, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument)
{
    const struct worker *worker = argument;
    struct assay_pool *pool = worker->pool;
    uint64_t region = 0;

    while (!atomic_load(&pool->stopping)) {
        for (int i = 0; i < SPIN_COUNT && region_of(atomic_load(&pool->ticket)) == region; i++)
            relax();
        if (region_of(atomic_load(&pool->ticket)) == region)
            sleep_until(pool, region);
        region = region_of(atomic_load(&pool->ticket));
        work(pool, worker->index);
    }
    return NULL;
}

static void wake_all(struct assay_pool *pool)
{
    if (atomic_load(&pool->sleeper_count) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static size_t usable_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return (size_t)CPU_COUNT(&set);
}

enum assay_status assay_pool_create(
        struct assay_pool **out, size_t thread_count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_pool *pool = calloc(1, sizeof(*pool));
    size_t want = thread_count > 0 ? thread_count : usable_cpus();

    if (pool == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->thread_count = 1;
    pool->workers = calloc(want, sizeof(*pool->workers));
    if (pool->workers == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 1; i < want; i++) {
        struct worker *worker = &pool->workers[i - 1];
        int rc = 0;

        worker->pool = pool;
        worker->index = i;
        rc = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (rc != 0) {
            status = assay_fail_errno(err, rc, "start thread %zu of %zu", i, want);
            goto out;
        }
        pool->thread_count++;
    }
    *out = pool;
    pool = NULL;

out:
    assay_pool_destroy(pool);
    return status;
}

void assay_pool_destroy(struct assay_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    // A spinning worker sees `stopping` when its spins are over.
    for (size_t i = 0; i + 1 < pool->thread_count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

size_t assay_pool_thread_count(const struct assay_pool *pool)
{
    return pool->thread_count;
}

void assay_pool_run(
        struct assay_pool *pool, size_t task_count, assay_pool_task *task, void *context)
{
    const uint64_t region = (region_of(atomic_load(&pool->ticket)) + 1) & UINT32_MAX;

    assert(task_count < UINT32_MAX);
    if (task_count == 0)
        return;
    if (task_count == 1 || pool->thread_count == 1) {
        for (size_t i = 0; i < task_count; i++)
            task(context, i, 0);
        return;
    }
    // Shut the old region first: a late thread that holds its last ticket and reads the new fields
    // fails to swap.
    atomic_store(&pool->ticket, atomic_load(&pool->ticket) | UINT32_MAX);
    atomic_store(&pool->done_count, 0);
    atomic_store(&pool->task, task);
    atomic_store(&pool->context, context);
    atomic_store(&pool->task_count, task_count);
    atomic_store(&pool->ticket, region << 32);
    wake_all(pool);
    work(pool, 0);
    for (size_t spins = 0; atomic_load(&pool->done_count) < task_count; spins++) {
        if (spins < SPIN_COUNT)
            relax();
        else
            sched_yield(); // its thread may be waiting for this CPU
    }
}

struct pieces {
    assay_pool_piece *piece;
    void *context;
    size_t count, grain;
};

static void run_piece(void *context, size_t task_index, size_t thread_index)
{
    const struct pieces *pieces = context;
    const size_t from = task_index * pieces->grain, left = pieces->count - from;

    pieces->piece(pieces->context, from, from + (left < pieces->grain ? left : pieces->grain),
            thread_index);
}

void assay_pool_pieces(
        struct assay_pool *pool, size_t count, size_t grain, assay_pool_piece *piece, void *context)
{
    struct pieces pieces = {.piece = piece, .context = context, .count = count, .grain = grain};

    assert(grain > 0);
    assay_pool_run(pool, (count + grain - 1) / grain, run_piece, &pieces);
}
