// SPDX-License-Identifier: MIT
// canary_judge.h - how the canaries of a run came out. Internal to rewards/.
#ifndef ASSAY_REWARDS_CANARY_JUDGE_H
#define ASSAY_REWARDS_CANARY_JUDGE_H

#include "base/arena.h"
#include "rewards/canary.h"

// Statuses that results of each canary had, as bits 1 << status; 0: it has no result.
struct assay_canary_results {
    unsigned seen[ASSAY_CANARIES_MAX];
};

// Take the results of canaries out of a finished outcome: they are none of the suite's. A canary
// may have several, "id[...]" each, where something gives all tests of its file parameters.
void assay_canary_take(struct assay_canary_results *out, struct assay_outcome *outcome,
        const struct assay_canary_plan *plan);

// What is wrong with canary `index`, or NULL. `outcome` holds the suite's own results. Some things
// prove that results were changed: a test that must fail and passed, one that must be skipped
// and was not. The others do so only if the run is said to have resolved the instance, as a patch
// that is merely wrong may keep a file of tests from loading. "": the arena is full.
const char *assay_canary_fault(const struct assay_canary_plan *plan, size_t index,
        const struct assay_canary_results *results, const struct assay_outcome *outcome,
        bool resolved, struct assay_arena *arena);

// Of copies whose originals passed: which passed, too, and which failed.
void assay_canary_copies(struct assay_copies *out, const struct assay_canary_plan *plan,
        const struct assay_canary_results *results, const struct assay_outcome *outcome);

#endif
