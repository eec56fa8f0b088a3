// SPDX-License-Identifier: MIT
// store_view.h - what people look at, a window at a time: runs, attempts, comparisons.
//
// As store.h has it: each call reads one moment. Windows keep a run of 100,000 attempts as quick to
// look at as one of ten. An attempt is one answer to a task of a run; samples of `assay run` are
// attempts of its first run, though each has a run of its own.
#ifndef ASSAY_TASKS_STORE_VIEW_H
#define ASSAY_TASKS_STORE_VIEW_H

#include "tasks/store.h"

// A number that changes when anybody writes to the store.
ASSAY_MUST_USE enum assay_status assay_store_version(
        struct assay_store *store, uint64_t *version, struct assay_error *err);

struct assay_run_view {
    uint64_t number; // grows with each run
    struct assay_run run;
    size_t resolved, unscored; // of run.done
};
// At most `max` before the run of this number (UINT64_MAX: the newest), newest first. Without
// `jobs` those are left out that a service opened for one answer.
ASSAY_MUST_USE enum assay_status assay_store_view_runs(struct assay_store *store, uint64_t before,
        bool jobs, size_t max, struct assay_arena *arena, struct assay_run_view **rows,
        size_t *count, struct assay_error *err);

struct assay_cause_view {
    const char *cause; // of a verdict
    bool scored, resolved;
    size_t count;
};
// All attempts of a run by what they came to, most first.
ASSAY_MUST_USE enum assay_status assay_store_view_causes(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_cause_view **rows,
        size_t *count, struct assay_error *err);

struct assay_attempt_view {
    const char *instance_id;
    unsigned sample;         // from 1
    const char *graded_in;   // run of its verdict
    uint64_t episode_number; // 0: there was none
    const char *episode_cause;
    bool has_verdict, scored, resolved;
    const char *cause; // NULL without a verdict
};
// All attempts at `max` tasks of a run, in order of instance and sample, from the task at `offset`
// on. A run's tasks are run.total of assay_store_get_run().
ASSAY_MUST_USE enum assay_status assay_store_view_attempts(struct assay_store *store,
        const char *run_id, uint64_t offset, size_t max, struct assay_arena *arena,
        struct assay_attempt_view **rows, size_t *count, struct assay_error *err);

struct assay_answer_view {
    const char *suite, *repo, *log_path, *recorded_at; // the last two may be NULL
    const char *verdict; // the verdict object as it was written; NULL: none yet
    struct assay_bytes patch;
};
// ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_store_view_answer(struct assay_store *store,
        const char *run_id, const char *instance_id, struct assay_arena *arena,
        struct assay_answer_view *out, struct assay_error *err);

enum assay_change {      // of a task's verdict, from run a to run b; those that changed come first
    ASSAY_CHANGE_BROKEN, // a resolved it, b did not
    ASSAY_CHANGE_FIXED,
    ASSAY_CHANGE_UNKNOWN, // one of them has no verdict, or a null one
    ASSAY_CHANGE_CAUSE,   // neither resolved it, each for its own reason
    ASSAY_CHANGE_NONE,
    ASSAY_CHANGES,
};
const char *assay_change_name(enum assay_change change); // "broken", "fixed", ...
struct assay_change_view {
    const char *instance_id;
    enum assay_change change;
    const char *cause_a, *cause_b; // NULL: no verdict
    bool resolved_a, resolved_b;
};
struct assay_comparison {
    struct assay_change_view *rows;
    size_t count;
    size_t changes[ASSAY_CHANGES]; // of all tasks that both have
    size_t only_a, only_b;         // tasks that the other has not
};
// ASSAY_ENOTFOUND: no such run.
ASSAY_MUST_USE enum assay_status assay_store_compare(struct assay_store *store, const char *run_a,
        const char *run_b, uint64_t offset, size_t max, struct assay_arena *arena,
        struct assay_comparison *out, struct assay_error *err);

#endif
