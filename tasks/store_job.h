// SPDX-License-Identifier: MIT
// store_job.h - jobs in the store: answers that a service has accepted, each graded to its end.
//
// As store.h has it: thread-safe, each call one transaction. A job has the id of its run, which is
// opened with it, and its verdict is that run's.
#ifndef ASSAY_TASKS_STORE_JOB_H
#define ASSAY_TASKS_STORE_JOB_H

#include "tasks/store.h"

struct assay_job {
    const char *job_id;
    const char *key; // 64 digits: what the verdict was asked with
    const char *suite, *instance_id;
    const char *settings; // JSON
    const char *model;    // whose answer it is, for people; only when it is accepted
    struct assay_bytes answer;
    // Set by the store.
    bool finished; // there is a verdict, or there was trouble of ours
    bool scored;   // and a verdict
    unsigned tries;
    const char *accepted_at, *finished_at;
};
#define ASSAY_JOBS_MAX 4096 // of one call

// Accept jobs, all or none. For each, *out[i] is the row of its key: the new one; one that was
// accepted before; or one that came to no verdict, queued again with this answer. *fresh[i]: it was
// not queued before this call. Strings of *out are the arena's. A job_id that is another job's is
// ASSAY_ECONFLICT.
ASSAY_MUST_USE enum assay_status assay_store_accept_jobs(struct assay_store *store,
        const struct assay_job *wanted, size_t count, struct assay_arena *arena,
        struct assay_job *out, bool *fresh, struct assay_error *err);
// By its id or, with a NULL id, by its key; with the answer while it is queued. ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_store_get_job(struct assay_store *store, const char *job_id,
        const char *key, struct assay_arena *arena, struct assay_job *out, struct assay_error *err);
// All that are queued, in the order in which they were accepted, without their answers.
ASSAY_MUST_USE enum assay_status assay_store_queued_jobs(struct assay_store *store,
        struct assay_arena *arena, struct assay_job **out, size_t *count, struct assay_error *err);
// Its run's verdict is recorded: the job is finished, and its run.
ASSAY_MUST_USE enum assay_status assay_store_finish_job(
        struct assay_store *store, const char *job_id, struct assay_error *err);

#endif
