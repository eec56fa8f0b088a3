// SPDX-License-Identifier: MIT
// grader.c - jobs under way, who waits for them, and the threads that grade them.
#include "orchestrator/grader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/grade.h"
#include "orchestrator/grader_inner.h"

#define LIST_ARENA_BYTES ((size_t)1 << 30)
#define LOOK_MS 50

// --- the table; the lock is held ----------------------------------------------------------------

static struct assay_grader_live **bucket_of(struct assay_grader *g, const char *key)
{
    return &g->table[assay_hash64(key, strlen(key)) % ASSAY_GRADER_BUCKETS];
}

struct assay_grader_live *assay_grader_find(struct assay_grader *g, const char *key)
{
    struct assay_grader_live *live = *bucket_of(g, key);

    while (live != NULL && strcmp(live->key, key) != 0)
        live = live->chain;
    return live;
}

struct assay_grader_live *assay_grader_begin(
        struct assay_grader *g, const char *key, const struct assay_served *task)
{
    struct assay_grader_live *live = calloc(1, sizeof(*live));
    struct assay_grader_live **bucket = bucket_of(g, key);

    if (live == NULL)
        return NULL;
    memcpy(live->key, key, sizeof(live->key));
    live->task = task;
    live->holders = 1;
    live->listed = true;
    live->chain = *bucket;
    *bucket = live;
    g->live_count++;
    return live;
}

void assay_grader_let_go(struct assay_grader_live *live)
{
    if (--live->holders == 0)
        free(live);
}

void assay_grader_unlist(struct assay_grader *g, struct assay_grader_live *live)
{
    struct assay_grader_live **at = bucket_of(g, live->key);

    if (!live->listed)
        return;
    while (*at != live)
        at = &(*at)->chain;
    *at = live->chain;
    live->listed = false;
    g->live_count--;
    assay_grader_let_go(live);
}

void assay_grader_enqueue(struct assay_grader *g, struct assay_grader_live *live)
{
    live->state = ASSAY_LIVE_QUEUED;
    live->next = NULL;
    *g->last = live;
    g->last = &live->next;
    g->counts.queued++;
    pthread_cond_broadcast(&g->change);
}

// --- telling; the lock is not held --------------------------------------------------------------

static void tell_all(struct assay_grader_waiter *waiters, const struct assay_graded *graded)
{
    while (waiters != NULL) {
        struct assay_grader_waiter *waiter = waiters;

        waiters = waiter->next;
        waiter->tell(waiter->user, waiter->index, graded);
        free(waiter);
    }
}

// The job is over for all who wait. `live` is held by the caller.
void assay_grader_finish(
        struct assay_grader *g, struct assay_grader_live *live, const struct assay_graded *graded)
{
    struct assay_grader_waiter *waiters;

    pthread_mutex_lock(&g->lock);
    waiters = live->waiters;
    live->waiters = NULL;
    live->state = ASSAY_LIVE_OVER;
    assay_grader_unlist(g, live);
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
    tell_all(waiters, graded);
}

// Those of a job's waiters whose deadline has come, taken off it. The lock is held.
static struct assay_grader_waiter *take_due(struct assay_grader_live *live, uint64_t now_ms)
{
    struct assay_grader_waiter **at = &live->waiters, *due = NULL;

    while (*at != NULL && live->state != ASSAY_LIVE_ACCEPTING) {
        struct assay_grader_waiter *waiter = *at;

        if (waiter->deadline_ms > now_ms) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->next = due;
        due = waiter;
    }
    return due;
}

// The lock is held, and let go of while somebody is told.
static void expire(struct assay_grader *g, uint64_t now_ms)
{
    for (size_t i = 0; i < ASSAY_GRADER_BUCKETS; i++) {
        struct assay_grader_live *live = g->table[i];

        while (live != NULL) {
            struct assay_graded graded = {.state = ASSAY_GRADED_QUEUED, .task = live->task};
            struct assay_grader_waiter *due = take_due(live, now_ms);

            if (due == NULL) {
                live = live->chain;
                continue;
            }
            live->holders++;
            pthread_mutex_unlock(&g->lock);
            graded.job_id = live->job_id;
            tell_all(due, &graded);
            pthread_mutex_lock(&g->lock);
            assay_grader_let_go(live);
            live = g->table[i]; // it may be another list by now
        }
    }
}

void assay_grader_expire(struct assay_grader *grader)
{
    pthread_mutex_lock(&grader->lock);
    expire(grader, assay_clock_ms());
    pthread_mutex_unlock(&grader->lock);
}

static void *keep_time(void *user)
{
    struct assay_grader *g = user;
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    pthread_mutex_lock(&g->lock);
    while (!g->ending) {
        expire(g, assay_clock_ms());
        pthread_mutex_unlock(&g->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

// --- grading ------------------------------------------------------------------------------------

static void note(struct assay_grader *g, const struct assay_graded *graded, bool executed)
{
    pthread_mutex_lock(&g->lock);
    g->counts.running--;
    if (graded->state == ASSAY_GRADED_DONE) {
        g->counts.graded++;
        g->counts.executed += executed;
        g->counts.unscored += !graded->scored;
        g->counts.resolved += graded->resolved;
        g->counts.wall_us += graded->wall_us;
    }
    pthread_mutex_unlock(&g->lock);
}

// `live` is held by the caller.
static void grade_one(struct assay_grader *g, struct assay_grader_live *live)
{
    const uint64_t start_us = assay_clock_us();
    struct assay_graded graded = {.job_id = live->job_id, .task = live->task};
    struct assay_arena *arena = NULL;
    struct assay_verdict verdict;
    struct assay_error err = {0};
    bool executed = false;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_grader_work(
                &verdict, &executed, g->context, live->task, live->job_id, arena, &err);
    if (status == ASSAY_OK)
        status = assay_grader_tell_verdict(&graded, &verdict, arena, &err);
    if (status != ASSAY_OK) {
        graded.state = status == ASSAY_EINTERRUPTED ? ASSAY_GRADED_STOPPED : ASSAY_GRADED_FAILED;
        graded.reason = err.message;
        assay_log(assay_context_log(g->context), ASSAY_LOG_WARN, "service", "job not graded", "job",
                live->job_id, "reason", err.message, NULL);
    }
    graded.wall_us = assay_clock_us() - start_us;
    note(g, &graded, executed);
    if (status == ASSAY_OK && g->options.on_graded != NULL)
        g->options.on_graded(g->options.user, 0, &graded);
    assay_grader_finish(g, live, &graded);
    assay_arena_destroy(arena);
}

static void *grade_jobs(void *user)
{
    struct assay_grader *g = user;

    pthread_mutex_lock(&g->lock);
    while (!g->draining) {
        struct assay_grader_live *live = g->first;

        if (live == NULL) {
            pthread_cond_wait(&g->change, &g->lock);
            continue;
        }
        g->first = live->next;
        if (g->first == NULL)
            g->last = &g->first;
        g->counts.queued--;
        g->counts.running++;
        live->state = ASSAY_LIVE_RUNNING;
        live->holders++;
        pthread_mutex_unlock(&g->lock);
        grade_one(g, live);
        pthread_mutex_lock(&g->lock);
        assay_grader_let_go(live);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

// --- life ---------------------------------------------------------------------------------------

// What was accepted before this process began.
static enum assay_status take_up(struct assay_grader *g, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_job *jobs = NULL;
    size_t count = 0;
    enum assay_status status = assay_arena_create(&arena, LIST_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status =
                assay_store_queued_jobs(assay_context_store(g->context), arena, &jobs, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_served *task = NULL;
        struct assay_grader_live *live;
        struct assay_error trouble = {0};

        if (assay_served_find(&task, g->options.suites, jobs[i].suite, jobs[i].instance_id,
                    &trouble) != ASSAY_OK) {
            assay_log(assay_context_log(g->context), ASSAY_LOG_WARN, "service", "job left", "job",
                    jobs[i].job_id, "reason", trouble.message, NULL);
            continue;
        }
        pthread_mutex_lock(&g->lock);
        live = assay_grader_begin(g, jobs[i].key, task);
        if (live != NULL) {
            memcpy(live->job_id, jobs[i].job_id, sizeof(live->job_id));
            assay_grader_enqueue(g, live);
        } else {
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        }
        pthread_mutex_unlock(&g->lock);
    }
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status start_threads(struct assay_grader *g, struct assay_error *err)
{
    g->has_clock = pthread_create(&g->clock, NULL, keep_time, g) == 0;
    while (g->has_clock && g->thread_count < g->options.threads &&
            pthread_create(&g->threads[g->thread_count], NULL, grade_jobs, g) == 0)
        g->thread_count++;
    return g->thread_count == g->options.threads ? ASSAY_OK
                                                 : assay_fail(err, ASSAY_EIO, "no more threads");
}

enum assay_status assay_grader_create(struct assay_grader **out,
        const struct assay_grader_options *options, struct assay_error *err)
{
    struct assay_grader *g = calloc(1, sizeof(*g) + options->threads * sizeof(g->threads[0]));
    enum assay_status status;

    if (g == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    g->options = *options;
    g->context = options->context;
    g->last = &g->first;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->change, NULL);
    status = take_up(g, err);
    if (status == ASSAY_OK)
        status = start_threads(g, err);
    if (status == ASSAY_OK)
        *out = g;
    else
        assay_grader_destroy(g);
    return status;
}

bool assay_grader_drain(struct assay_grader *grader, uint64_t deadline_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    bool idle;

    pthread_mutex_lock(&grader->lock);
    grader->draining = true;
    pthread_cond_broadcast(&grader->change);
    while (grader->counts.running > 0 && assay_clock_left_ms(deadline_ms) > 0) {
        pthread_mutex_unlock(&grader->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&grader->lock);
    }
    idle = grader->counts.running == 0;
    pthread_mutex_unlock(&grader->lock);
    return idle;
}

static void tell_stopped(struct assay_grader *g)
{
    for (size_t i = 0; i < ASSAY_GRADER_BUCKETS; i++) {
        while (g->table[i] != NULL) {
            struct assay_grader_live *live = g->table[i];
            const struct assay_graded graded = {.state = ASSAY_GRADED_STOPPED,
                    .job_id = live->job_id,
                    .task = live->task,
                    .reason = "the service stops"};

            live->holders++;
            assay_grader_finish(g, live, &graded);
            assay_grader_let_go(live);
        }
    }
}

void assay_grader_end(struct assay_grader *grader)
{
    pthread_mutex_lock(&grader->lock);
    grader->draining = grader->ending = true;
    pthread_cond_broadcast(&grader->change);
    pthread_mutex_unlock(&grader->lock);
    for (size_t i = 0; i < grader->thread_count; i++)
        pthread_join(grader->threads[i], NULL);
    grader->thread_count = 0;
    if (grader->has_clock)
        pthread_join(grader->clock, NULL);
    grader->has_clock = false;
    tell_stopped(grader);
}

void assay_grader_destroy(struct assay_grader *grader)
{
    if (grader == NULL)
        return;
    assay_grader_end(grader);
    pthread_cond_destroy(&grader->change);
    pthread_mutex_destroy(&grader->lock);
    free(grader);
}

struct assay_grader_counts assay_grader_count(struct assay_grader *grader)
{
    struct assay_grader_counts counts;

    pthread_mutex_lock(&grader->lock);
    counts = grader->counts;
    pthread_mutex_unlock(&grader->lock);
    return counts;
}
