// SPDX-License-Identifier: MIT
// evaluate.h - a run: many gradings of one suite, durable, resumable, each counted once.
#ifndef ASSAY_ORCHESTRATOR_EVALUATE_H
#define ASSAY_ORCHESTRATOR_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "orchestrator/grade.h"
#include "orchestrator/shape.h"
#include "tasks/predictions.h"
#include "tasks/suite.h"

struct assay_evaluate_options {
    const struct assay_suite *suite;
    enum assay_candidate candidate; // GOLD, NONE, or PATCH with `predictions`
    const struct assay_predictions *predictions;
    const char *predictions_path;    // for messages
    const char *const *instance_ids; // NULL: all that the candidate covers
    size_t instance_count;
    size_t threads;                 // >= 1
    uint64_t wall_ms_max;           // 0: each instance's own
    struct assay_patch_options how; // model patches are read and applied
    const char *run_id;             // NULL: a new one, or that of the same command
    bool again, no_cache;
    bool retry_infra;                  // also run again what ended without a verdict
    const struct assay_shaper *shaper; // what is told beside each verdict
    enum assay_compat compat;          // whose rules judge
    const char *command_line;
    // Called under a lock with each verdict as it becomes known; may be NULL. Its failure stops the
    // run, which the same command continues.
    enum assay_status (*on_verdict)(
            void *user, const struct assay_verdict *verdict, struct assay_error *err);
    void *user;
};

struct assay_evaluate_result {
    const char *run_id;
    bool resumed;
    size_t selected;       // the denominator: instances of the suite that the command covers
    size_t submitted;      // of these, with a prediction
    size_t executed;       // gradings whose tests ran in a box now
    const char **problems; // bad rows, unknown ids
    size_t problem_count;
};

// ASSAY_EINTERRUPTED: stopped by the user; the same command goes on later.
ASSAY_MUST_USE enum assay_status assay_evaluate(struct assay_evaluate_result *out,
        struct assay_context *context, const struct assay_evaluate_options *options,
        struct assay_arena *arena, struct assay_error *err);

#endif
