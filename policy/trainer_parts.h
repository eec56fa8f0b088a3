// SPDX-License-Identifier: MIT
// trainer_parts.h - the trainer, inside: what its files share.
#ifndef ASSAY_POLICY_TRAINER_PARTS_H
#define ASSAY_POLICY_TRAINER_PARTS_H

#include "policy/pass.h"
#include "policy/shares.h"
#include "policy/trainer.h"

struct assay_trainer {
    struct assay_model *model;
    struct assay_trainer_options options;
    struct assay_stream *stream;
    struct assay_pass *pass;
    struct assay_batch *batch;
    struct assay_shares shares;
    struct assay_trainer_counts counts;
    // Of the trajectories at hand: which stand side by side, and N of each.
    const struct assay_trajectory **order; // [capacity]
    double *norms;                         // [capacity]
    size_t capacity;
    double *host; // [rows_max or sequences_max] numbers on their way
    void *raw;    // the same in the device's type
    // Device memory.
    // Of the elements that this process updates: moments, and the weights in S where W is not S.
    void *first, *second, *master;                // [until - from] S
    void *logp_old, *logp_ref, *advantage, *norm; // [rows_max] x 2, [sequences_max] x 2, S
    void *dlogp, *dentropy;                       // [rows_max] S
    int32_t *token_rows;                          // [rows_max]
    struct assay_span *token_spans;               // [sequences_max]
    struct assay_loss_metrics *metrics;           // [1]
    double *sumsq;                                // [1]
    void *scale, *grad_norm;                      // [1] S
};

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// AdamW on the elements that this process updates. Queued.
void assay_trainer_apply(struct assay_trainer *trainer, const void *gradients, double lr);

#endif
