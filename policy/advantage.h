// SPDX-License-Identifier: MIT
// advantage.h - rewards of groups to advantages, and which groups teach anything.
//
// A group is the rollouts of one prompt. Rewards are compared by exact equality over the whole
// group: a filter on leave-one-out deviations deletes the single success.
#ifndef ASSAY_POLICY_ADVANTAGE_H
#define ASSAY_POLICY_ADVANTAGE_H

#include "policy/objective.h"

enum assay_group_state {
    ASSAY_GROUP_LIVE,     // rewards differ
    ASSAY_GROUP_CLIFF,    // one reward for different answers
    ASSAY_GROUP_COLLAPSE, // one answer
    ASSAY_GROUP_STATE_COUNT,
};
const char *assay_group_state_name(enum assay_group_state state); // "live", ...

// rewards [count]; answers [count]: a hash of each rollout's sampled tokens. count > 0.
enum assay_group_state assay_group_judge(
        const double *rewards, const uint64_t *answers, size_t count);

// Chance that a group of `count` rollouts with success rate p is dead: p^count + (1 - p)^count.
double assay_group_dead_chance(double p, size_t count);

// Advantages of `group_count` groups, one after another in rewards [sum of counts]. A dead group
// gets 0. counts[g] >= 1; a group of one has no others: its leave-one-out baseline is itself.
void assay_advantages(double *out, const double *rewards, const size_t *counts, size_t group_count,
        const struct assay_objective *objective);

// Soft punishment of overlong answers (DAPO): 0 up to length_max - margin, falling to -1 at
// length_max, -1 beyond. Added to a reward. margin 0: none.
double assay_overlong_penalty(size_t length, size_t length_max, size_t margin);

#endif
