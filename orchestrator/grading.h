// SPDX-License-Identifier: MIT
// grading.h - one grading in its parts: key (grade_key.c), canaries
// (grade_plant.c), counter-runs (grade_counter.c), runs (grade_run.c). Internal to grade*.c.
#ifndef ASSAY_ORCHESTRATOR_GRADING_H
#define ASSAY_ORCHESTRATOR_GRADING_H

#include "envs/workspace.h"
#include "orchestrator/evidence.h"
#include "orchestrator/grade.h"
#include "rewards/canary.h"
#include "rewards/framework.h"

#define ASSAY_GRADING_RUNS_MAX (2 * ASSAY_GRADE_TRIES) // in doubt it is run again

// Everything one grading holds; released in one place.
struct assay_grading {
    struct assay_context *context;
    const struct assay_grade_request *request;
    struct assay_arena *arena;
    const struct assay_framework *framework;
    const struct assay_recipe *recipe;
    const struct assay_environment *environment;
    struct assay_workspace workspace;
    struct assay_canary_plan canaries; // of the run that is under way
    const char *log_path;              // relative to the home
    uint64_t warm_number;              // of the zygote that the run came from; 0: none
    char run_key[65];                  // what the runs depend on, but for the instance
    const char *role;                  // of its runs, in a task to write tests; else NULL
    // Of each run so far, in order.
    struct assay_verdict verdicts[ASSAY_GRADING_RUNS_MAX];
    struct assay_outcome outcomes[ASSAY_GRADING_RUNS_MAX];
    struct assay_frame evidence[ASSAY_GRADING_RUNS_MAX];
    size_t run_count;
    const char *log_paths[ASSAY_GRADING_RUNS_MAX]; // relative to the home
    bool doubted;                                  // it is run again because of its certificate
    bool unsound; // what the box was made of has not stayed as it was made
};

// The instance's limits, as the request changes them.
struct assay_instance_limits assay_grading_limits(const struct assay_grade_request *request);

// g->run_key and verdict->key, once the workspace is made and verdict->tier is set.
ASSAY_MUST_USE enum assay_status assay_grading_key(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err);

// Where the files of tests are read. An error that is more than a missing file is kept for close.
struct assay_grading_source {
    struct assay_canary_source canary;
    struct assay_grading *g;
    enum assay_status status;
    struct assay_error err;
};
ASSAY_MUST_USE enum assay_status assay_grading_source_open(
        struct assay_grading_source *out, struct assay_grading *g, struct assay_error *err);
// source->canary.data (grade_data.c); part of the opening.
ASSAY_MUST_USE enum assay_status assay_grading_find_data(
        struct assay_grading_source *source, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_grading_source_close(
        const struct assay_grading_source *source, struct assay_error *err);
// Lay files over a workspace, in place of what was planted there; with them, as they are, all
// others that the test patch writes, and the files of data: what is changed in a run is no newer
// than what is not.
ASSAY_MUST_USE enum assay_status assay_grading_lay(struct assay_grading_source *source,
        struct assay_workspace *workspace, const struct assay_canary_file *files, size_t count,
        struct assay_error *err);

// Draw the canaries of the next run, and lay them into the workspace.
ASSAY_MUST_USE enum assay_status assay_grading_plant(
        struct assay_grading *g, struct assay_error *err);

// One box: the command `argv` (of the suite) over the workspace. Its log goes to log_path; may be
// NULL. The result is the caller's to release.
ASSAY_MUST_USE enum assay_status assay_grading_box(struct assay_grading *g,
        const struct assay_workspace *workspace, const struct assay_strings *argv,
        const char *log_path, struct assay_run_evidence *evidence, struct assay_box_result *result,
        struct assay_buf *refused, struct assay_error *err);

// A run resolved the instance: does it with other expected values, too (rewards/counter.h)? Fills
// g->canaries.unmoved, .counter_fault and .counter_silent. `first`: the run's outcome.
ASSAY_MUST_USE enum assay_status assay_grading_counter(
        struct assay_grading *g, const struct assay_outcome *first, struct assay_error *err);

// A copy that passed speaks against the run of `evidence`: does gold pass it, too? Gold itself is
// not run again. *again: some copies are deaf now (g->canaries), so judge anew (grade_copies.c).
ASSAY_MUST_USE enum assay_status assay_grading_copies(struct assay_grading *g,
        const struct assay_run_evidence *evidence, const struct assay_verdict *verdict, bool *again,
        struct assay_error *err);

// A workspace for this patch (data NULL: none) over the request's instance.
ASSAY_MUST_USE enum assay_status assay_grading_workspace(struct assay_grading *g,
        struct assay_workspace *out, struct assay_bytes text, struct assay_error *err);

// Run the tests and judge what they left, as often as the verdict needs it (docs/verdicts.md), into
// *out: verdict, outcome, evidence. What stays spoiled is a verdict with scored = false.
// ASSAY_EINTERRUPTED: the user asked to stop.
ASSAY_MUST_USE enum assay_status assay_grading_run(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err);

// Does what the box was made of still stand as it was made? If not, a failure may be for our
// reasons: *trouble tells which.
bool assay_grading_is_sound(const struct assay_grading *g, struct assay_error *trouble);

// Does this verdict say otherwise than the instance's certificate, so that the run may have been
// chance (grade_doubt.c)?
bool assay_grading_is_doubtful(const struct assay_grading *g, const struct assay_verdict *verdict);

// How a certification's check changes a run (grade_vary.c); nothing without request->variation.
#define ASSAY_VARIATION_VARIABLES_MAX 4
ASSAY_MUST_USE enum assay_status assay_grading_vary_order(
        struct assay_grading *g, struct assay_strings *argv, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_grading_vary_command(
        struct assay_grading *g, struct assay_strings *argv, struct assay_error *err);
void assay_grading_vary_env(struct assay_grading *g, const char **env); // room for the maximum

// The other kinds of task: their whole verdict. A localization runs nothing and needs no workspace.
ASSAY_MUST_USE enum assay_status assay_grading_localize(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err);
// With the workspace made of the base tree and the model's test files.
ASSAY_MUST_USE enum assay_status assay_grading_write_tests(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err);

#endif
