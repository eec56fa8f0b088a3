// SPDX-License-Identifier: MIT
// train_repair.h - what the two ways to work on a repair task share. Internal to train_repair*.c.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_REPAIR_H
#define ASSAY_ORCHESTRATOR_TRAIN_REPAIR_H

#include "orchestrator/context.h"
#include "orchestrator/rollout_reward.h"
#include "orchestrator/train_tasks.h"

struct repair {
    struct assay_context *context;
    struct assay_repair_table *table;
    struct assay_rewarder *rewarder;
    struct assay_suite *suite; // its recipe
    struct assay_task_repair_options options;
};

// train_repair_turns.c: episodes of a task; their `user` is a struct repair.
extern const struct assay_train_turns repair_turns;
// Prompt, answer and messages of a task that is worked on in turns.
ASSAY_MUST_USE enum assay_status repair_tell_turns(
        struct assay_train_task *out, struct assay_arena *arena, struct assay_error *err);

#endif
