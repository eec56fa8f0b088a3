// SPDX-License-Identifier: MIT
#include "orchestrator/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t lock;
    size_t next, count;
    assay_jobs_work work;
    void *user;
    const volatile bool *stop;
    enum assay_status status;
    struct assay_error error;
};

// The next index, or `count` when there is nothing more to do.
static size_t take(struct pool *pool)
{
    size_t index = pool->count;

    pthread_mutex_lock(&pool->lock);
    if (pool->stop && *pool->stop && pool->status == ASSAY_OK && pool->next < pool->count)
        pool->status = assay_fail(&pool->error, ASSAY_EINTERRUPTED, "interrupted");
    if (pool->status == ASSAY_OK && pool->next < pool->count)
        index = pool->next++;
    pthread_mutex_unlock(&pool->lock);
    return index;
}

static void *run_thread(void *argument)
{
    struct pool *pool = argument;
    size_t index;

    while ((index = take(pool)) < pool->count) {
        struct assay_error error = {0};
        const enum assay_status status = pool->work(pool->user, index, &error);

        if (status == ASSAY_OK)
            continue;
        pthread_mutex_lock(&pool->lock);
        if (pool->status == ASSAY_OK) {
            pool->status = status;
            pool->error = error;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

enum assay_status assay_jobs_run(size_t threads, size_t count, assay_jobs_work work, void *user,
        const volatile bool *stop, struct assay_error *err)
{
    struct pool pool = {.count = count, .work = work, .user = user, .stop = stop};
    pthread_t *ids;
    size_t started = 0;

    if (threads == 0 || threads > ASSAY_POOL_THREADS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%zu threads: expected 1 to %d", threads,
                ASSAY_POOL_THREADS_MAX);
    if (threads > count)
        threads = count;
    ids = calloc(threads ? threads : 1, sizeof(*ids));
    if (!ids)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&pool.lock, NULL);
    while (started < threads && pthread_create(&ids[started], NULL, run_thread, &pool) == 0)
        started++;
    if (started == 0 && count > 0)
        run_thread(&pool); // fewer threads are slower, not an error
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    pthread_mutex_destroy(&pool.lock);
    free(ids);
    if (pool.status != ASSAY_OK && err)
        *err = pool.error;
    return pool.status;
}

size_t assay_jobs_default_threads(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    const int count = CPU_COUNT(&set);

    return count > 0 ? (size_t)count : 1;
}
