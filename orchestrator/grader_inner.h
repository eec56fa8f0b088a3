// SPDX-License-Identifier: MIT
// grader_inner.h - a grader in its parts: jobs under way and their threads (grader.c), submissions
// (grader_submit.c), one job (grader_job.c). Internal to grader*.c.
#ifndef ASSAY_ORCHESTRATOR_GRADER_INNER_H
#define ASSAY_ORCHESTRATOR_GRADER_INNER_H

#include <pthread.h>

#include "base/arena.h"
#include "orchestrator/grader.h"
#include "tasks/store_job.h"
#include "tasks/verdict.h"

#define ASSAY_GRADER_BUCKETS 4096

struct assay_grader_waiter {
    assay_graded_tell tell;
    void *user;
    size_t index;
    uint64_t deadline_ms;
    struct assay_grader_waiter *next;
};

// A job under way. Held by the table until it is told, and by each submission that looks at it.
struct assay_grader_live {
    char key[65], job_id[ASSAY_ID_BYTES];
    const struct assay_served *task;
    enum assay_grader_state {
        ASSAY_LIVE_ACCEPTING,
        ASSAY_LIVE_QUEUED,
        ASSAY_LIVE_RUNNING,
        ASSAY_LIVE_OVER
    } state;
    bool listed; // in the table
    unsigned holders;
    struct assay_grader_waiter *waiters;
    struct assay_grader_live *chain; // of its bucket
    struct assay_grader_live *next;  // of the queue
};

struct assay_grader {
    struct assay_grader_options options;
    struct assay_context *context;
    pthread_mutex_t lock; // around what follows
    pthread_cond_t change;
    struct assay_grader_live *table[ASSAY_GRADER_BUCKETS];
    struct assay_grader_live *first, **last; // queued
    size_t live_count;
    bool draining, ending;
    struct assay_grader_counts counts;
    pthread_t clock;
    bool has_clock;
    size_t thread_count;
    pthread_t threads[];
};

// The table and the queue (grader.c), for a submission (grader_submit.c). The lock is held.
struct assay_grader_live *assay_grader_find(struct assay_grader *grader, const char *key);
struct assay_grader_live *assay_grader_begin(struct assay_grader *grader, const char *key,
        const struct assay_served *task); // NULL: no memory
void assay_grader_unlist(struct assay_grader *grader, struct assay_grader_live *live);
void assay_grader_enqueue(struct assay_grader *grader, struct assay_grader_live *live);
void assay_grader_let_go(struct assay_grader_live *live);
// The lock is not held: the job, which the caller holds, is over for all who wait.
void assay_grader_finish(struct assay_grader *grader, struct assay_grader_live *live,
        const struct assay_graded *graded);

// Likewise: whose deadline has come hears that there is nothing yet.
void assay_grader_expire(struct assay_grader *grader);

// What a submission's verdict is asked with: the job's key.
ASSAY_MUST_USE enum assay_status assay_grader_key(
        char key[65], const struct assay_submission *submission, struct assay_error *err);
// The settings of its row; NULL: no memory.
const char *assay_grader_settings(
        const struct assay_submission *submission, struct assay_arena *arena);

// Grade a job that is queued, record its verdict, finish it. `executed`: tests ran now. Trouble is
// a verdict that is not scored; ASSAY_EINTERRUPTED: there is none, and the job stays queued.
ASSAY_MUST_USE enum assay_status assay_grader_work(struct assay_verdict *out, bool *executed,
        struct assay_context *context, const struct assay_served *task, const char *job_id,
        struct assay_arena *arena, struct assay_error *err);

// A verdict as whoever asked is told it, its text in the arena. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_grader_tell_verdict(struct assay_graded *out,
        const struct assay_verdict *verdict, struct assay_arena *arena, struct assay_error *err);

#endif
