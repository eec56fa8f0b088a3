// SPDX-License-Identifier: MIT
// grader_submit.c - from answers to jobs: joined, remembered, or accepted.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/grade.h"
#include "orchestrator/grader_inner.h"

#define LIST_ARENA_BYTES ((size_t)4 << 30) // a verdict of each may be told

// --- submitting ---------------------------------------------------------------------------------

// One call of assay_grader_submit(): for each submission the job that it came to.
struct submit {
    struct assay_grader *g;
    const struct assay_submission *submissions;
    size_t count;
    struct assay_arena *arena;
    char (*keys)[65];
    struct assay_grader_live **lives;     // held
    struct assay_grader_waiter **waiters; // until they are the jobs'
    size_t *mine;                         // those that this call began
    bool *fresh;                          // of these: a new row, or one that is queued again
    size_t mine_count;
    assay_graded_tell tell;
    void *user;
    uint64_t deadline_ms;
};

static enum assay_status prepare(struct submit *s, struct assay_error *err)
{
    enum assay_status status = assay_arena_create(&s->arena, LIST_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    s->keys = assay_arena_array(s->arena, s->count, sizeof(*s->keys));
    s->lives = assay_arena_array(s->arena, s->count, sizeof(struct assay_grader_live *));
    s->mine = assay_arena_array(s->arena, s->count, sizeof(*s->mine));
    s->waiters = assay_arena_array(s->arena, s->count, sizeof(struct assay_grader_waiter *));
    s->fresh = assay_arena_array(s->arena, s->count, sizeof(*s->fresh));
    if (s->keys == NULL || s->lives == NULL || s->mine == NULL || s->waiters == NULL ||
            s->fresh == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->count && status == ASSAY_OK; i++)
        status = assay_grader_key(s->keys[i], &s->submissions[i], err);
    return status;
}

// Join what is under way, begin the rest. The lock is held.
static enum assay_status look_up(struct submit *s, struct assay_error *err)
{
    struct assay_grader *g = s->g;

    if (g->draining || g->ending)
        return assay_fail(err, ASSAY_EREFUSED, "the service is about to stop");
    for (size_t i = 0; i < s->count; i++) {
        struct assay_grader_live *live = assay_grader_find(g, s->keys[i]);

        if (live == NULL && g->live_count >= g->options.queue_max)
            return assay_fail(err, ASSAY_EREFUSED, "%zu answers wait already", g->live_count);
        if (live != NULL) {
            g->counts.joined++;
        } else {
            live = assay_grader_begin(g, s->keys[i], s->submissions[i].task);
            if (live == NULL)
                return assay_fail(err, ASSAY_ENOMEM, "out of memory");
            s->mine[s->mine_count++] = i;
        }
        live->holders++;
        s->lives[i] = live;
        if (s->tell != NULL && (s->waiters[i] = malloc(sizeof(*s->waiters[i]))) == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return ASSAY_OK;
}

// All or none, while nobody else looks.
static enum assay_status join(struct submit *s, struct assay_error *err)
{
    enum assay_status status;

    pthread_mutex_lock(&s->g->lock);
    status = look_up(s, err);
    for (size_t i = 0; status != ASSAY_OK && i < s->mine_count; i++)
        assay_grader_unlist(s->g, s->lives[s->mine[i]]);
    for (size_t i = 0; i < s->count && s->tell != NULL; i++) {
        struct assay_grader_waiter *waiter = s->waiters[i];

        if (status != ASSAY_OK) {
            free(waiter);
            continue;
        }
        *waiter = (struct assay_grader_waiter){
                s->tell, s->user, i, s->deadline_ms, s->lives[i]->waiters};
        s->lives[i]->waiters = waiter;
    }
    pthread_mutex_unlock(&s->g->lock);
    return status;
}

// What this call began comes to nothing: all who wait for it hear so.
static void abandon(struct submit *s, const char *reason)
{
    const struct assay_graded graded = {
            .state = ASSAY_GRADED_FAILED, .job_id = "", .reason = reason};

    for (size_t i = 0; i < s->mine_count; i++)
        assay_grader_finish(s->g, s->lives[s->mine[i]], &graded);
}

static enum assay_status accept_rows(
        struct submit *s, struct assay_job *rows, struct assay_error *err)
{
    struct assay_job *wanted = assay_arena_array(s->arena, s->mine_count, sizeof(*wanted));
    enum assay_status status = ASSAY_OK;

    if (wanted == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->mine_count && status == ASSAY_OK; i++) {
        const struct assay_submission *from = &s->submissions[s->mine[i]];
        char *id = assay_arena_alloc(s->arena, ASSAY_ID_BYTES);

        wanted[i] = (struct assay_job){.job_id = from->episode != NULL ? from->episode : id,
                .key = s->keys[s->mine[i]],
                .suite = from->task->suite->name,
                .instance_id = from->task->instance->instance_id,
                .settings = assay_grader_settings(from, s->arena),
                .model = from->model,
                .answer = from->answer.data != NULL ? from->answer : (struct assay_bytes){"", 0}};
        if (id == NULL || wanted[i].settings == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        if (from->episode == NULL)
            status = assay_id_new(id, err);
    }
    if (status == ASSAY_OK)
        status = assay_store_accept_jobs(assay_context_store(s->g->context), wanted, s->mine_count,
                s->arena, rows, s->fresh, err);
    return status;
}

// Rows of what this call began: those that are finished are only looked at, so that who asks again
// waits for no disk.
static enum assay_status find_or_accept(
        struct submit *s, struct assay_job *rows, struct assay_error *err)
{
    size_t known = 0;

    while (known < s->mine_count &&
            assay_store_get_job(assay_context_store(s->g->context), NULL, s->keys[s->mine[known]],
                    s->arena, &rows[known], NULL) == ASSAY_OK &&
            rows[known].scored)
        known++;
    return known == s->mine_count ? ASSAY_OK : accept_rows(s, rows, err);
}

static void tell_remembered(struct submit *s, struct assay_grader_live *live)
{
    struct assay_graded graded = {.job_id = live->job_id, .task = live->task};
    struct assay_verdict verdict = {0};
    struct assay_error err = {0};
    enum assay_status status = assay_store_get_verdict(assay_context_store(s->g->context),
            live->job_id, live->task->instance->instance_id, s->arena, &verdict, &err);

    verdict.cached = true;
    if (status == ASSAY_OK)
        status = assay_grader_tell_verdict(&graded, &verdict, s->arena, &err);
    if (status != ASSAY_OK) {
        graded.state = ASSAY_GRADED_FAILED;
        graded.reason = err.message;
    }
    assay_grader_finish(s->g, live, &graded);
}

// What this call began is accepted: queue it, or tell what is known.
static enum assay_status go_on(struct submit *s, struct assay_error *err)
{
    struct assay_job *rows = assay_arena_array(s->arena, s->mine_count, sizeof(*rows));
    enum assay_status status = ASSAY_OK;

    if (rows == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (s->mine_count > 0)
        status = find_or_accept(s, rows, err);
    if (status != ASSAY_OK)
        return status;
    pthread_mutex_lock(&s->g->lock);
    for (size_t i = 0; i < s->mine_count; i++) {
        struct assay_grader_live *live = s->lives[s->mine[i]];

        memcpy(live->job_id, rows[i].job_id, sizeof(live->job_id));
        s->g->counts.accepted += s->fresh[i];
        s->g->counts.remembered += rows[i].scored;
        live->state = ASSAY_LIVE_QUEUED; // it has an id now
        if (!rows[i].scored)
            assay_grader_enqueue(s->g, live);
    }
    pthread_cond_broadcast(&s->g->change);
    pthread_mutex_unlock(&s->g->lock);
    for (size_t i = 0; i < s->mine_count; i++) {
        if (rows[i].scored)
            tell_remembered(s, s->lives[s->mine[i]]);
    }
    return ASSAY_OK;
}

// The ids of all, once those whom others accept have one; "" where there is none.
static void take_ids(struct submit *s, char (*ids)[ASSAY_ID_BYTES])
{
    pthread_mutex_lock(&s->g->lock);
    for (size_t i = 0; i < s->count; i++) {
        while (s->lives[i]->state == ASSAY_LIVE_ACCEPTING)
            pthread_cond_wait(&s->g->change, &s->g->lock);
        memcpy(ids[i], s->lives[i]->job_id, ASSAY_ID_BYTES);
    }
    pthread_mutex_unlock(&s->g->lock);
}

static void let_all_go(struct submit *s)
{
    pthread_mutex_lock(&s->g->lock);
    for (size_t i = 0; s->lives != NULL && i < s->count; i++) {
        if (s->lives[i] != NULL)
            assay_grader_let_go(s->lives[i]);
    }
    pthread_mutex_unlock(&s->g->lock);
}

enum assay_status assay_grader_submit(struct assay_grader *grader,
        const struct assay_submission *submissions, size_t count, uint64_t deadline_ms,
        assay_graded_tell tell, void *user, char (*ids)[ASSAY_ID_BYTES], struct assay_error *err)
{
    struct submit s = {.g = grader,
            .submissions = submissions,
            .count = count,
            .tell = tell,
            .user = user,
            .deadline_ms = deadline_ms};
    struct assay_error trouble = {0};
    enum assay_status status = prepare(&s, err);

    if (status == ASSAY_OK)
        status = join(&s, err);
    if (status != ASSAY_OK)
        goto out;
    if (go_on(&s, &trouble) != ASSAY_OK)
        abandon(&s, trouble.message);
    take_ids(&s, ids);
    if (tell != NULL && assay_clock_left_ms(deadline_ms) == 0)
        assay_grader_expire(grader);
    for (size_t i = 0; i < count && tell == NULL; i++) {
        if (ids[i][0] == '\0')
            status = assay_fail(
                    err, ASSAY_EIO, "a job could not be recorded: %.150s", trouble.message);
    }

out:
    let_all_go(&s);
    assay_arena_destroy(s.arena);
    return status;
}
