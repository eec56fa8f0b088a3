// SPDX-License-Identifier: MIT
// grader.h - answers that are accepted and graded to their end: what the service does for trainers.
//
// An answer is a job of the store (tasks/store_job.h) before anybody hears that it was accepted, so
// that a grader which is killed goes on with it when it is created again. Equal answers, asked with
// equal settings, are one job: whoever asks again while it is graded waits for the same verdict,
// and later has it at once. A job that came to no verdict is tried again when it is asked for
// again.
//
//     absent -> accepting [submit: the row is written] -> queued -> graded -> told
//
// Thread-safe. Callbacks come from threads of the grader, or from inside assay_grader_submit().
#ifndef ASSAY_ORCHESTRATOR_GRADER_H
#define ASSAY_ORCHESTRATOR_GRADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/rng.h"
#include "orchestrator/context.h"
#include "orchestrator/patch_options.h"
#include "orchestrator/serve_suites.h"

struct assay_grader; // opaque; owned by whoever called assay_grader_create()

// What became of a submission. Everything is borrowed for the call.
struct assay_graded {
    enum assay_graded_state {
        ASSAY_GRADED_QUEUED,  // not yet: the deadline came first
        ASSAY_GRADED_DONE,    // `verdict` is there
        ASSAY_GRADED_STOPPED, // the grader ends; the job is kept
        ASSAY_GRADED_FAILED,  // trouble of ours with its record; `reason`
    } state;
    const char *job_id; // "" when FAILED before it had one
    const struct assay_served *task;
    // Of DONE.
    const char *verdict; // the verdict object
    bool scored, resolved;
    double reward;
    const char *cause, *reason;
    uint64_t wall_us; // that its grading took now; 0: it was known
};
typedef void (*assay_graded_tell)(void *user, size_t index, const struct assay_graded *graded);

struct assay_grader_options {
    struct assay_context *context;
    struct assay_served_suites *suites;
    size_t threads;   // gradings at once, >= 1
    size_t queue_max; // jobs that wait or are graded
    // Called with each job that was graded; may be NULL.
    assay_graded_tell on_graded;
    void *user;
};

// Takes up what the store still has queued. Its suites must be there: what cannot be found is
// logged and left.
ASSAY_MUST_USE enum assay_status assay_grader_create(struct assay_grader **out,
        const struct assay_grader_options *options, struct assay_error *err);
// Nothing new is begun; returns when nothing is being graded any more, or at the deadline
// (assay_clock_ms()). False: something still is.
bool assay_grader_drain(struct assay_grader *grader, uint64_t deadline_ms);
// After the context's interrupt, or a drain: its threads end, and whoever waits is told STOPPED.
void assay_grader_end(struct assay_grader *grader);
void assay_grader_destroy(struct assay_grader *grader); // ends it first; NULL is allowed

struct assay_submission {
    const struct assay_served *task;
    struct assay_bytes answer; // as a model wrote it
    struct assay_patch_options how;
    uint64_t wall_ms_max; // 0: the instance's own
    bool no_cache;        // a job of its own, whatever was graded before
    const char *model;    // NULL: not known
    const char *episode;  // the job is this episode's, by its id; NULL: it is none's
};

// Accept them, all or none, and tell each once, now or later: when it is graded, or at the deadline
// (assay_clock_ms(); UINT64_MAX: none). ids[i] is the job's; "" where it could not be recorded,
// which is told, too. `tell` NULL: nobody waits, and that is an error. On an error nothing is told.
// ASSAY_EREFUSED: the queue is full, or the grader ends.
ASSAY_MUST_USE enum assay_status assay_grader_submit(struct assay_grader *grader,
        const struct assay_submission *submissions, size_t count, uint64_t deadline_ms,
        assay_graded_tell tell, void *user, char (*ids)[ASSAY_ID_BYTES], struct assay_error *err);

struct assay_grader_counts {
    uint64_t queued, running; // now
    // Since it was created.
    uint64_t accepted, joined, remembered; // new jobs; submissions that found one under way, done
    uint64_t graded, executed, unscored;   // of the jobs; ran tests; came to no verdict
    uint64_t resolved;
    uint64_t wall_us; // of all gradings
};
struct assay_grader_counts assay_grader_count(struct assay_grader *grader);

#endif
