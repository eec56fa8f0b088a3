// SPDX-License-Identifier: MIT
// train.h - a training run: warm start on demonstrations, then rollouts, rewards, updates.
//
// Positions: a training is a row of steps, those of sft (ASSAY_SFT_STEP_UPDATES updates each) and
// then those of rl (one batch of rollouts each). Everything that a step draws follows from the seed
// and its position, so a run that goes on from a checkpoint is the run that was never stopped, bit
// for bit on one host, whatever the threads.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_H
#define ASSAY_ORCHESTRATOR_TRAIN_H

#include "base/json.h"
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
    uint32_t world;          // of a plan: ranks; 0 is 1
    const char *source_hash; // of what its tasks come from; NULL: of nothing but settings
    bool again;
    const char *command_line;
    // The context was opened with `cancel` as its interrupt; training sets it when the user asks to
    // stop (`interrupted`), when what its boxes do takes too long (rl.wait_s_max), and when it ends
    // while they are busy. It is false again when training returns.
    volatile bool *cancel;
    const volatile bool *interrupted; // NULL: nobody asks
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
// same command goes on), ASSAY_ECONFLICT (another process is at it), ASSAY_ETIMEOUT (a wait or a
// rank that was too long, by name), ASSAY_EINVAL (settings that do not fit each other, a number
// that is none, a sampler and a trainer that disagree), of the source, ASSAY_EIO (a rank that is
// gone, too).
ASSAY_MUST_USE enum assay_status assay_train(struct assay_train_result *out,
        struct assay_context *context, const struct assay_train_options *options,
        struct assay_arena *arena, struct assay_error *err);

// What a run of these settings would take.
struct assay_train_plan {
    const char *device;
    uint64_t parameters, layers;
    bool on_gpu; // then memory is the device's, and compared with nothing
    // Bytes: weights, gradients and moments; one pass of each; the weights that sampling ahead has.
    uint32_t world; // ranks; bytes of memory are of each of them
    uint64_t shards;
    double moments_bytes; // of the state
    double state_bytes, train_pass_bytes, sample_pass_bytes, ahead_bytes;
    double memory_bytes, ram_bytes; // of all these; of this host
    // One checkpoint; all that stay, one more while it is written, final/, reference/; free at
    // home.
    double checkpoint_bytes, disk_bytes, free_bytes;
    uint64_t sft_steps, rl_steps, evaluations;
    uint64_t rollouts, rollouts_max; // of a step: trained on, sampled
    // Of the newest run of these settings in the store; NULL: there is none, nothing is known.
    const char *measured_in;
    double sft_ms, rl_ms, eval_ms; // of one each; NAN: not measured
};

// No memory is taken for weights, nothing is written. Texts are in the arena. Errors: of a device
// or a model that is not there, of the store.
ASSAY_MUST_USE enum assay_status assay_train_plan_make(struct assay_train_plan *out,
        struct assay_context *context, const struct assay_train_options *options,
        struct assay_arena *arena, struct assay_error *err);
// As lines of text, and as members of the object that is open.
void assay_train_plan_print(const struct assay_train_plan *plan,
        const struct assay_train_config *config, struct assay_buf *out);
void assay_train_plan_put(const struct assay_train_plan *plan, struct assay_json_writer *w);

#endif
