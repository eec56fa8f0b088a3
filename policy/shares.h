// SPDX-License-Identifier: MIT
// shares.h - an update cut into shards: which trajectories and which weights are whose.
//
// The gradients of each shard are summed by themselves, then the shards' in their order. Ranks of a
// group have a shard each (ZeRO-1: a rank gets the sum of its range of the weights, updates them
// with moments that it alone has, and gives them to the others); a process alone does all of them
// one after another and gets the same bits.
#ifndef ASSAY_POLICY_SHARES_H
#define ASSAY_POLICY_SHARES_H

#include "kernels/collective.h"
#include "kernels/loss.h"

// What a shard adds to an update besides gradients.
struct assay_share {
    struct assay_loss_metrics metrics;
    double aux_loss;
    uint64_t row_count;
};

struct assay_shares {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_collective *collective;  // borrowed; NULL: alone
    uint32_t count;                       // of shards
    uint32_t first, end;                  // those of this process
    uint64_t bounds[ASSAY_RANKS_MAX + 1]; // [count + 1] of the weights' layout
    uint64_t from, until;                 // the elements that this process updates
    float *sum;    // [element_count] device; NULL: one shard, or each has its rank
    double *sumsq; // [1] device
};

// shards 0: one for each rank, one alone. Errors: ASSAY_EINVAL (ranks and shards that do not match;
// more than one where gradients are not float as activations are and nobody shares them),
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_shares_open(struct assay_shares *out,
        const struct assay_ops *ops, struct assay_stream *stream,
        struct assay_collective *collective, uint32_t shards, uint64_t element_count,
        struct assay_error *err);
void assay_shares_close(struct assay_shares *shares); // zeros are allowed

// The first trajectory of a shard, of `count`; of shard `shares->count`: count.
size_t assay_shares_begin(const struct assay_shares *shares, uint32_t shard, size_t count);

// A shard's gradients [element_count] are there: alone they are added to those before. Queued.
void assay_shares_add(struct assay_shares *shares, uint32_t shard, const void *gradients);
// All shards' sums where [from, until) is, and the sum of their squares over all ranges; *out is
// `gradients` or a buffer of the same layout, until the next update. Waits.
ASSAY_MUST_USE enum assay_status assay_shares_sum(struct assay_shares *shares, void **out,
        double *squares, void *gradients, struct assay_error *err);
// Metrics of all shards, in their order; mine [end - first].
ASSAY_MUST_USE enum assay_status assay_shares_join(struct assay_shares *shares,
        struct assay_share *total, const struct assay_share *mine, struct assay_error *err);
// Updated weights go to all. Waits.
ASSAY_MUST_USE enum assay_status assay_shares_give(
        struct assay_shares *shares, void *weights, struct assay_error *err);

#endif
