// SPDX-License-Identifier: MIT
#include "orchestrator/workers.h"

#include <pthread.h>
#include <stdlib.h>

struct item {
    void (*work)(void *user);
    void *user;
    struct item *next;
};

struct assay_workers {
    pthread_mutex_t lock; // around what follows
    pthread_cond_t change;
    struct item *first, **last;
    size_t waiting, waiting_max;
    bool ending;
    size_t thread_count;
    pthread_t threads[];
};

static void *take_turns(void *user)
{
    struct assay_workers *w = user;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct item *item = w->first;

        if (item == NULL && w->ending)
            break;
        if (item == NULL) {
            pthread_cond_wait(&w->change, &w->lock);
            continue;
        }
        w->first = item->next;
        if (w->first == NULL)
            w->last = &w->first;
        w->waiting--;
        pthread_mutex_unlock(&w->lock);
        item->work(item->user);
        free(item);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum assay_status assay_workers_create(
        struct assay_workers **out, size_t threads, size_t queue_max, struct assay_error *err)
{
    struct assay_workers *w = calloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));

    if (w == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    w->last = &w->first;
    w->waiting_max = queue_max;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->change, NULL);
    while (w->thread_count < threads &&
            pthread_create(&w->threads[w->thread_count], NULL, take_turns, w) == 0)
        w->thread_count++;
    if (w->thread_count < threads) {
        assay_workers_destroy(w);
        return assay_fail(err, ASSAY_EIO, "no more threads");
    }
    *out = w;
    return ASSAY_OK;
}

void assay_workers_end(struct assay_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    pthread_cond_broadcast(&workers->change);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    workers->thread_count = 0;
}

void assay_workers_destroy(struct assay_workers *workers)
{
    if (workers == NULL)
        return;
    assay_workers_end(workers);
    pthread_cond_destroy(&workers->change);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

bool assay_workers_add(struct assay_workers *workers, void (*work)(void *user), void *user)
{
    struct item *item = malloc(sizeof(*item));
    bool added = false;

    if (item == NULL)
        return false;
    *item = (struct item){work, user, NULL};
    pthread_mutex_lock(&workers->lock);
    if (workers->waiting < workers->waiting_max && !workers->ending) {
        *workers->last = item;
        workers->last = &item->next;
        workers->waiting++;
        added = true;
        pthread_cond_signal(&workers->change);
    }
    pthread_mutex_unlock(&workers->lock);
    if (!added)
        free(item);
    return added;
}

size_t assay_workers_waiting(struct assay_workers *workers)
{
    size_t waiting;

    pthread_mutex_lock(&workers->lock);
    waiting = workers->waiting;
    pthread_mutex_unlock(&workers->lock);
    return waiting;
}
