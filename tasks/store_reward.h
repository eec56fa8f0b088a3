// SPDX-License-Identifier: MIT
// store_reward.h - what answers to drawn tasks came to, kept for the next training. Rules of
// store.h hold.
#ifndef ASSAY_TASKS_STORE_REWARD_H
#define ASSAY_TASKS_STORE_REWARD_H

#include "tasks/outcome.h"
#include "tasks/store.h"

struct assay_reward_row {
    const char *key; // hash of task and patch
    enum assay_cause cause;
    bool resolved;
    uint32_t passed, failed;
};

// All or none, in one transaction. A key that is kept stays as it was kept first.
ASSAY_MUST_USE enum assay_status assay_store_keep_rewards(struct assay_store *store,
        const char *scope, const struct assay_reward_row *rows, size_t count,
        struct assay_error *err);
// At most `max` of a scope, by key.
ASSAY_MUST_USE enum assay_status assay_store_kept_rewards(struct assay_store *store,
        const char *scope, size_t max, struct assay_arena *arena, struct assay_reward_row **rows,
        size_t *count, struct assay_error *err);

#endif
