// SPDX-License-Identifier: MIT
// demo_cispo.h - the miniature comparison of docs/cispo.md in minutes: arms x seeds from the
// weights of docs/cispo/start/, every reward from tests in a box.
//
// Runs come seed by seed, so that a demo that time ends has whole seeds. Nothing is concluded here
// that the runs at hand do not show.
#ifndef ASSAY_ORCHESTRATOR_DEMO_CISPO_H
#define ASSAY_ORCHESTRATOR_DEMO_CISPO_H

#include "orchestrator/context.h"
#include "orchestrator/train.h"

#define ASSAY_DEMO_ARMS 3
#define ASSAY_DEMO_SEEDS_MAX 16
#define ASSAY_DEMO_POINTS_MAX 64
#define ASSAY_DEMO_THRESHOLD 0.80 // held-out solve rate

struct assay_demo_plan {
    size_t seeds; // 1 to ASSAY_DEMO_SEEDS_MAX
    uint64_t steps, budget_ms;
    const char *prefix; // of the runs' names
    const char *command_line;
    volatile bool *cancel; // as those of train.h
    const volatile bool *interrupted;
};

struct assay_demo_run {
    const char *arm;
    size_t seed;
    struct assay_demo_point { // an evaluation
        uint64_t step;
        double rate;
    } points[ASSAY_DEMO_POINTS_MAX];
    size_t point_count;
    uint64_t steps, rollouts, wall_ms; // done
    bool finished;
    bool reached; // the threshold; then
    uint64_t reached_step, reached_rollouts, reached_ms;
    // Means over the steps: sampled answers that begin rightly where that is rare; tokens that PPO
    // masks, or would; the share of the gradient that such tokens give.
    double branch_first, branch_last, masked, rescued, entropy_last;
};

struct assay_demo {
    struct assay_demo_run runs[ASSAY_DEMO_SEEDS_MAX * ASSAY_DEMO_ARMS]; // seed by seed
    size_t run_count;                                                   // planned
    double start_rate;                                                  // held out, before rl
    uint64_t wall_ms;
    struct assay_train_counts counts; // of answers
    bool out_of_time;
};
const char *assay_demo_arm(size_t arm); // "grpo", "dapo", "cispo"

// The context was opened with a sandbox. `show` is called whenever something is new. Errors: of
// assay_train() but for running out of time; ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_demo_cispo(struct assay_demo *out,
        struct assay_context *context, const struct assay_demo_plan *plan,
        void (*show)(void *user, const struct assay_demo *demo), void *user,
        struct assay_error *err);

// Two arms, seed by seed, where the seed of both is over, or one of them reached the threshold
// before the other stopped.
struct assay_demo_pair {
    size_t sooner, later, same, unknown; // of the first arm against the second, in steps
};
struct assay_demo_pair assay_demo_compare(const struct assay_demo *demo, size_t arm, size_t with);

#endif
