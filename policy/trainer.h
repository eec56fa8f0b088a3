// SPDX-License-Identifier: MIT
// trainer.h - one update after another: gradient of the objective, clip, AdamW.
//
// Life: create -> (score, update) ... -> destroy. The model's weights change in place; whoever
// samples from it does so between two updates. Given the same trajectories and state, the same bits
// come out on one host and filling, whatever the threads.
#ifndef ASSAY_POLICY_TRAINER_H
#define ASSAY_POLICY_TRAINER_H

#include "policy/batch.h"
#include "policy/model.h"

struct assay_collective;

enum assay_schedule { ASSAY_SCHEDULE_CONSTANT, ASSAY_SCHEDULE_LINEAR, ASSAY_SCHEDULE_COSINE };
const char *assay_schedule_name(enum assay_schedule schedule);
int assay_schedule_find(const char *name); // -1: none of this name

struct assay_optimizer {
    double lr, beta1, beta2, eps; // MiniMax-M1: 0.9, 0.95, 1e-15
    double weight_decay;          // of matrices; norms and vectors never decay
    double grad_norm_max;         // global clip; 0: none
    double outlier_z;             // skip an update whose norm is so many deviations above the last
                                  // ASSAY_NORM_WINDOW ones, once there are as many; 0: never
    enum assay_schedule schedule; // from lr to lr * lr_floor over `updates`, after the warm-up
    uint64_t warmup, updates;     // updates 0: constant
    double lr_floor;              // share of lr, [0, 1]
};
#define ASSAY_NORM_WINDOW 64
// Learning rate of update `index`, from 0.
double assay_optimizer_lr(const struct assay_optimizer *optimizer, uint64_t index);
// ASSAY_EINVAL names the field that is out of range.
ASSAY_MUST_USE enum assay_status assay_optimizer_check(
        const struct assay_optimizer *optimizer, struct assay_error *err);

struct assay_trainer_options {
    struct assay_objective objective;
    struct assay_optimizer optimizer;
    double temperature;             // that trajectories were sampled at, > 0
    size_t rows_max, sequences_max; // of one micro-batch, > 0; a longer trajectory is refused
    // The group that this process trains with, borrowed; every rank calls update with the same
    // trajectories and works on its shard of them. NULL: alone.
    struct assay_collective *collective;
    uint32_t shards; // that an update is summed in; policy/shares.h
};

// What goes on from update to update beside the moments; plain, saved as it is.
struct assay_trainer_counts {
    uint64_t updates; // applied or skipped: index of the next one
    uint64_t applied; // AdamW's step
    uint64_t skipped;
    double norms[ASSAY_NORM_WINDOW]; // ring of the last ones, by update
};

struct assay_trainer;

// The model is borrowed, and has its weights: where W is not S the trainer keeps them in S, too.
// Errors: ASSAY_EINVAL (options), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_trainer_create(struct assay_trainer **out,
        struct assay_model *model, const struct assay_trainer_options *options,
        struct assay_stream *stream, struct assay_error *err);
void assay_trainer_destroy(struct assay_trainer *trainer); // NULL is allowed

// Log-probabilities under the weights as they are: logp[i][k] of id k of trajectory i where its
// mask is 1 (other places are left alone). Nothing is trained.
ASSAY_MUST_USE enum assay_status assay_trainer_score(struct assay_trainer *trainer,
        const struct assay_trajectory *trajectories, size_t count, double *const *logp,
        struct assay_error *err);

// How far the sampler's record is from what the trainer computes now. Right after sampling on one
// filling everything is 0 and 1: promise 5. In a group each rank looks at its shards.
struct assay_agreement {
    uint64_t token_count, differing_count; // differing in any bit
    double gap_max, gap_mean;              // |logp - logp_old|
    double correlation;                    // of probabilities; 1 when they are all alike
};
ASSAY_MUST_USE enum assay_status assay_trainer_agree(struct assay_agreement *out,
        struct assay_trainer *trainer, const struct assay_trajectory *trajectories, size_t count,
        struct assay_error *err);

struct assay_update {
    struct assay_loss_metrics metrics; // sums over the update's sampled tokens
    double grad_norm;                  // before clipping
    double grad_scale;                 // what clipping multiplied it with
    double lr;
    double aux_loss;      // load balancing, 0 without experts
    size_t row_count;     // that went through the layers
    bool skipped;         // an outlier: weights and moments are as before
    double outlier_score; // deviations above the window's mean; 0 while it fills
};

// One update over all trajectories, in micro-batches of as many as fit. All are checked first.
// Errors: ASSAY_EINVAL (a trajectory, by number; a loss or gradient that is no number: nothing was
// changed then), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_trainer_update(struct assay_trainer *trainer,
        const struct assay_trajectory *trajectories, size_t count, struct assay_update *out,
        struct assay_error *err);

// What a checkpoint keeps of it: moments, the weights before they were rounded to W (where W is not
// S), and the counts; all may be written to between updates. Each is a buffer [element_count] of S
// in host memory, in the layout of the model's weights. In a group the ranks have a range each, and
// all of them call these: collect() gives each the whole; spread() takes rank 0's, and writes it
// over the others'.
enum assay_moment { ASSAY_MOMENT_FIRST, ASSAY_MOMENT_SECOND, ASSAY_MOMENT_MASTER };
bool assay_trainer_has(const struct assay_trainer *trainer, enum assay_moment which);
ASSAY_MUST_USE enum assay_status assay_trainer_collect(struct assay_trainer *trainer,
        enum assay_moment which, void *host, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_trainer_spread(struct assay_trainer *trainer,
        enum assay_moment which, void *host, struct assay_error *err);
// Of a group: weights and counts become those of rank 0. Alone they stay.
ASSAY_MUST_USE enum assay_status assay_trainer_follow(
        struct assay_trainer *trainer, struct assay_error *err);
struct assay_trainer_counts *assay_trainer_counts(struct assay_trainer *trainer);

#endif
