// SPDX-License-Identifier: MIT
// grading.h - one grading in its parts: key (grade_key.c), canaries
// (grade_plant.c), runs (grade_run.c). Internal to grade*.c.
#ifndef ASSAY_ORCHESTRATOR_GRADING_H
#define ASSAY_ORCHESTRATOR_GRADING_H

#include "envs/workspace.h"
#include "orchestrator/grade.h"
#include "rewards/canary.h"
#include "rewards/framework.h"

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
};

// The instance's limits, as the request changes them.
struct assay_instance_limits assay_grading_limits(const struct assay_grade_request *request);

// verdict->key, once the workspace is made and verdict->tier is set.
ASSAY_MUST_USE enum assay_status assay_grading_key(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err);

// Draw the canaries of the next run, and lay them into the workspace.
ASSAY_MUST_USE enum assay_status assay_grading_plant(
        struct assay_grading *g, struct assay_error *err);

// Run the tests and judge what they left. Trouble of ours is tried again; what stays spoiled is a
// verdict with scored = false. ASSAY_EINTERRUPTED: the user asked to stop.
ASSAY_MUST_USE enum assay_status assay_grading_run(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err);

// A verdict against the patch becomes trouble of ours where what the box was made of has not
// stayed as it was made.
ASSAY_MUST_USE enum assay_status assay_grading_doubt(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err);

#endif
