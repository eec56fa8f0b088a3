// SPDX-License-Identifier: MIT
#include "orchestrator/train_watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "orchestrator/train_parts.h"

#define SLICE_MS 50
#define SLICE_MS_MAX ((uint64_t)4 * SLICE_MS)
#define TELL_S 60

struct training_watch {
    const struct training *t; // only what does not change is read by the thread
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    // Under the lock.
    struct training_wait *waits;
    bool over;
    bool late; // a wait was; then `error` says which
    struct assay_error error;
};

static void cancel(const struct training_watch *w)
{
    __atomic_store_n(w->t->options->cancel, true, __ATOMIC_RELAXED);
}

// What a wait has got done; it is late when that does not change.
static uint64_t done_by_now(const struct training *t)
{
    const struct assay_task_source *source = t->options->source;

    return source->progress ? source->progress(source->user) : 0;
}

static void say_late(struct training_watch *w, const struct training_wait *wait)
{
    struct assay_sandbox *sandbox = assay_context_sandbox(w->t->context);
    uint32_t running = 0, waiting = 0;

    if (sandbox)
        assay_sandbox_load(sandbox, &running, &waiting);
    w->late = true;
    (void)assay_fail(&w->error, ASSAY_ETIMEOUT,
            "%s waited %" PRIu64 " s for %s (%zu), the last %" PRIu64
            " s without one; boxes: %u run, %u wait for a slot (rl.wait_s_max)",
            wait->who, (assay_clock_ms() - wait->began_ms) / 1000, wait->what, wait->count,
            wait->idle_ms / 1000, running, waiting);
}

static void look(struct training_watch *w, struct training_wait *wait, uint64_t passed_ms)
{
    const uint64_t done = done_by_now(w->t);
    const uint64_t idle_ms = done != wait->done ? 0 : wait->idle_ms + passed_ms;

    if (done != wait->done)
        wait->told = 0;
    wait->done = done;
    wait->idle_ms = idle_ms;
    if (idle_ms > (uint64_t)(w->t->config->wait_s_max * 1000)) {
        if (!w->late)
            say_late(w, wait);
        cancel(w);
    } else if (idle_ms / 1000 >= (wait->told + 1) * TELL_S) {
        char seconds[24];

        wait->told = idle_ms / 1000 / TELL_S;
        (void)snprintf(seconds, sizeof(seconds), "%" PRIu64, idle_ms / 1000);
        assay_log(assay_context_log(w->t->context), ASSAY_LOG_WARN, "train", "waiting", "who",
                wait->who, "for", wait->what, "seconds", seconds, NULL);
    }
}

static void *watch(void *user)
{
    struct training_watch *w = user;
    const volatile bool *interrupted = w->t->options->interrupted;
    uint64_t last_ms = assay_clock_ms();

    pthread_mutex_lock(&w->lock);
    while (!w->over) {
        uint64_t now_ms, passed_ms;
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SLICE_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
        if (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED))
            cancel(w);
        // A process that stood still waited for nothing.
        now_ms = assay_clock_ms();
        passed_ms = now_ms - last_ms > SLICE_MS_MAX ? SLICE_MS_MAX : now_ms - last_ms;
        last_ms = now_ms;
        for (struct training_wait *wait = w->waits; wait; wait = wait->next)
            look(w, wait, passed_ms);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum assay_status training_watch_start(struct training *t, struct assay_error *err)
{
    struct training_watch *w = calloc(1, sizeof(*w));
    pthread_condattr_t attributes;

    if (!w)
        return assay_fail(err, ASSAY_ENOMEM, "watch: out of memory");
    w->t = t;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&w->thread, NULL, watch, w) != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return assay_fail(err, ASSAY_ENOMEM, "watch: no thread");
    }
    t->watch = w;
    return ASSAY_OK;
}

void training_watch_stop(struct training *t)
{
    struct training_watch *w = t->watch;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    t->watch = NULL;
    __atomic_store_n(t->options->cancel, false, __ATOMIC_RELAXED);
}

void training_watch_begin(struct training *t, struct training_wait *wait)
{
    struct training_watch *w = t->watch;

    wait->began_ms = assay_clock_ms();
    wait->idle_ms = 0;
    wait->done = done_by_now(t);
    wait->told = 0;
    pthread_mutex_lock(&w->lock);
    wait->next = w->waits;
    w->waits = wait;
    pthread_mutex_unlock(&w->lock);
}

void training_watch_end(struct training *t, struct training_wait *wait)
{
    struct training_watch *w = t->watch;
    struct training_wait **link = &w->waits;

    pthread_mutex_lock(&w->lock);
    while (*link != wait)
        link = &(*link)->next;
    *link = wait->next;
    pthread_mutex_unlock(&w->lock);
}

void training_watch_cancel(struct training *t)
{
    if (t->watch)
        cancel(t->watch);
}

enum assay_status training_watch_explain(
        const struct training *t, enum assay_status status, struct assay_error *err)
{
    struct training_watch *w = t->watch;
    bool late = false;

    if (!w || status == ASSAY_OK)
        return status;
    pthread_mutex_lock(&w->lock);
    late = w->late;
    if (late && err)
        *err = w->error;
    pthread_mutex_unlock(&w->lock);
    return late ? ASSAY_ETIMEOUT : status;
}
