// SPDX-License-Identifier: MIT
// shares.h - an update cut into shards: which trajectories and which weights are whose.
//
// The gradients of each shard are summed by themselves, then the shards' in their order, whoever
// sums them: one process does one after another, the ranks of a group one each at a time. With as
// many shards as ranks, or a multiple, the bits are those of one process (NCCL sums in an order of
// its own). ZeRO-1: a rank gets the sum of its range of the weights, updates them with moments that
// it alone has, and gives them to the others.
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
    struct assay_collective *collective; // borrowed; NULL: alone
    struct assay_ranks ranks;
    uint32_t count;                       // of shards; this process has rank, rank + world, ...
    uint64_t bounds[ASSAY_RANKS_MAX + 1]; // [count + 1] of the weights' layout, a range a shard
    uint64_t owners[ASSAY_RANKS_MAX + 1]; // [world + 1]: ranges, one after another, of a rank
    uint64_t from, until;                 // the elements that this process updates
    // Of the shards before: alone [element_count], in a group [until - from]; NULL: one shard a
    // rank. Device memory.
    float *sum;
    double *sumsq; // [1] device
};

// shards 0: one for each rank, one alone. Errors: ASSAY_EINVAL (ranks do not divide shards; more
// than one a process where gradients are not float as activations are), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_shares_open(struct assay_shares *out,
        const struct assay_ops *ops, struct assay_stream *stream,
        struct assay_collective *collective, uint32_t shards, uint64_t element_count,
        struct assay_error *err);
void assay_shares_close(struct assay_shares *shares); // zeros are allowed

// The first trajectory of a shard, of `count`; of shard `shares->count`: count.
size_t assay_shares_begin(const struct assay_shares *shares, uint32_t shard, size_t count);

// A shard's gradients [element_count] are there: they are added to those before. Every process does
// it for each of its shards, in their order. In a group it waits for the others.
ASSAY_MUST_USE enum assay_status assay_shares_add(
        struct assay_shares *shares, uint32_t shard, void *gradients, struct assay_error *err);
// All shards' sums where [from, until) is, and the sum of their squares over all ranges; *out is
// `gradients` or a buffer of the same layout, until the next update. Waits.
ASSAY_MUST_USE enum assay_status assay_shares_sum(struct assay_shares *shares, void **out,
        double *squares, void *gradients, struct assay_error *err);
// All shards' records in their order, all [count][bytes]; mine [count / world][bytes].
ASSAY_MUST_USE enum assay_status assay_shares_join(struct assay_shares *shares, void *all,
        const void *mine, size_t bytes, struct assay_error *err);
// Updated weights go to all. Waits.
ASSAY_MUST_USE enum assay_status assay_shares_give(
        struct assay_shares *shares, void *weights, struct assay_error *err);
// A whole buffer [element_count] of S in host memory from the ranges [until - from] of S that the
// ranks have, and back: then rank 0's `host` counts, and is written over the others'. `scratch`
// [element_count] of S: device memory that is not needed. Waits.
ASSAY_MUST_USE enum assay_status assay_shares_collect(struct assay_shares *shares, void *host,
        const void *own, void *scratch, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_shares_spread(
        struct assay_shares *shares, void *own, void *host, struct assay_error *err);

#endif
