// SPDX-License-Identifier: MIT
// train.h - a training run: warm start on demonstrations, then rollouts, rewards, updates.
//
// Positions: a training is a row of steps, those of sft (ASSAY_SFT_STEP_UPDATES updates each) and
// then those of rl (one batch of rollouts each). Everything that a step draws follows from the seed
// and its position, so a run that goes on from a checkpoint is the run that was never stopped, bit
// for bit on one host, whatever the threads.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_H
#define ASSAY_ORCHESTRATOR_TRAIN_H

#include "orchestrator/context.h"
#include "orchestrator/train_config.h"
#include "orchestrator/train_log.h"
#include "orchestrator/train_tasks.h"

#define ASSAY_SFT_STEP_UPDATES 10

struct assay_train_options {
    const struct assay_train_settings *settings;
    struct assay_task_source *source; // borrowed
    // Of a training of several processes, borrowed: all ranks call with the same settings, and rank
    // 0 alone has the run. NULL: alone. `local`: which of this host's processes this is.
    struct assay_collective *collective;
    struct assay_collective *ahead; // with rl.staleness: the same ranks, for what samples ahead
    uint32_t local;
    const char *source_hash; // of what its tasks come from; NULL: of nothing but settings
    bool again;
    const char *command_line;
    // Told of every step and evaluation as it ends, with the steps done by then; NULL: nobody.
    // False stops the run there, as an interruption would.
    bool (*on_step)(
            void *user, const char *phase, uint64_t position, const struct assay_metrics *metrics);
    void *user;
};

struct assay_train_result {
    const char *run_id, *dir; // absolute; `dir`/final is the model
    bool resumed;
    bool was_finished;        // nothing was left to do
    uint64_t position, total; // steps
    struct assay_train_rate {
        size_t solved, count;
    } before[2], after[2]; // first and last evaluation: seeds, families; count 0: none
};

// Run it to its end, or go on with the one that the same settings began. What the result points to
// is in the arena; a rank but 0 is told of run and steps alone. Errors: ASSAY_EINTERRUPTED (the
// same command goes on), ASSAY_ECONFLICT (another process is at it), ASSAY_EIO or ASSAY_ETIMEOUT of
// a rank that is gone or late, ASSAY_EINVAL (settings that do not fit each other, a number that is
// none, a sampler and a trainer that disagree), of the source, ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_train(struct assay_train_result *out,
        struct assay_context *context, const struct assay_train_options *options,
        struct assay_arena *arena, struct assay_error *err);

// What a run of these settings would take with `world` ranks, as lines of text: parameters, memory
// of a rank, disk, steps.
ASSAY_MUST_USE enum assay_status assay_train_plan(const struct assay_train_settings *settings,
        uint32_t world, struct assay_buf *out, struct assay_error *err);

#endif
