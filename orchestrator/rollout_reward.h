// SPDX-License-Identifier: MIT
// rollout_reward.h - rewards of rollouts: answers to repair tasks, graded in boxes, many at once.
//
// Every reward is a verdict of assay_grade(): a fresh box from a zygote with all isolation,
// canaries, counter-runs. In this process equal patches of one task are run once: within a call
// they are joined, and between calls they are remembered, with `keep` by the store. Each verdict
// says which of the three it was, so that rates can count what was executed.
//
// Life: create over a context that was opened with a sandbox -> grade() per batch of rollouts ->
// destroy before the context. One grade() at a time.
#ifndef ASSAY_ORCHESTRATOR_ROLLOUT_REWARD_H
#define ASSAY_ORCHESTRATOR_ROLLOUT_REWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/outcome.h"
#include "tasks/repair.h"
#include "tasks/repair_prompt.h"

#define ASSAY_ROLLOUT_REASON_BYTES 160

struct assay_rewarder_options {
    size_t threads;   // boxes at once; 0: one more than the CPUs this process may use
    uint64_t wall_ms; // of one run; 0: 10,000
    bool no_memory;   // remember nothing between calls (benches)
    bool keep;        // remember in the store, too: for other processes, and after a stop
};

// One answer. `task` is borrowed for the call; the same pointer for all answers of a group.
struct assay_rollout {
    const struct assay_repair_task *task;
    struct assay_bytes answer; // as decoded, without the stop token
    bool is_patch;             // a unified diff; empty: nothing was changed
};

struct assay_rollout_verdict {
    double reward; // 1 or 0
    // A wrong answer's is patch_rejected (empty_patch: no change, empty).
    enum assay_cause cause;
    enum assay_answer_fault fault;
    enum assay_rollout_source {
        ASSAY_ROLLOUT_UNRUN, // decided by the answer's form
        ASSAY_ROLLOUT_EXECUTED,
        ASSAY_ROLLOUT_JOINED,     // an equal patch of the same call was executed
        ASSAY_ROLLOUT_REMEMBERED, // an equal patch of an earlier call was
    } source;
    uint32_t passed, failed; // of the instance's listed tests; 0, 0: unrun
    bool scored;             // false: trouble of ours; there is no reward
    bool resolved;
    char reason[ASSAY_ROLLOUT_REASON_BYTES];
};

struct assay_rewarder_counts { // since it was created
    uint64_t answers, unrun, executed, joined, remembered, unscored;
    uint64_t wall_us; // inside grade()
};

struct assay_rewarder; // opaque; owned by whoever called assay_rewarder_create()

// *context is borrowed and was opened with a sandbox. Where there are no zygotes (docs/sandbox.md)
// all is as here, but ten times slower.
ASSAY_MUST_USE enum assay_status assay_rewarder_create(struct assay_rewarder **out,
        struct assay_context *context, const struct assay_rewarder_options *options,
        struct assay_error *err);
void assay_rewarder_destroy(struct assay_rewarder *rewarder); // NULL is allowed

// A verdict for each rollout, in their order. Errors: ASSAY_EINTERRUPTED, ASSAY_ENOMEM, ASSAY_EIO
// (the depot cannot be written); no verdict is set then.
ASSAY_MUST_USE enum assay_status assay_rewarder_grade(struct assay_rewarder *rewarder,
        struct assay_rollout_verdict *verdicts, const struct assay_rollout *rollouts, size_t count,
        struct assay_error *err);

// Runs that have ended since it was created; by any thread, while grade() is at it.
uint64_t assay_rewarder_progress(const struct assay_rewarder *rewarder);

struct assay_rewarder_counts assay_rewarder_counts(const struct assay_rewarder *rewarder);

#endif
