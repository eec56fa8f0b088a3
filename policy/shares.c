// SPDX-License-Identifier: MIT
#include "policy/shares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED = 16 }; // elements, as tensors begin

static bool is_sharded(const struct assay_shares *s)
{
    return s->count > 1;
}

static void lay_out(struct assay_shares *s, uint64_t element_count)
{
    const uint64_t units = (element_count + ALIGNED - 1) / ALIGNED;

    for (uint32_t i = 0; i <= s->count; i++) {
        const uint64_t at = units * i / s->count * ALIGNED;

        s->bounds[i] = at < element_count ? at : element_count;
    }
    s->from = s->collective ? s->bounds[s->first] : 0;
    s->until = s->collective ? s->bounds[s->end] : element_count;
}

enum assay_status assay_shares_open(struct assay_shares *out, const struct assay_ops *ops,
        struct assay_stream *stream, struct assay_collective *collective, uint32_t shards,
        uint64_t element_count, struct assay_error *err)
{
    const struct assay_ranks ranks = collective ? assay_collective_ranks(collective)
                                                : (struct assay_ranks){.rank = 0, .world = 1};
    struct assay_shares s = {.ops = ops,
            .stream = stream,
            .collective = collective,
            .count = shards > 0 ? shards : ranks.world};
    void *memory = NULL;
    enum assay_status status = ASSAY_OK;

    if (s.count > ASSAY_RANKS_MAX || (collective && s.count != ranks.world))
        return assay_fail(
                err, ASSAY_EINVAL, "%u shards of an update for %u ranks", s.count, ranks.world);
    if (is_sharded(&s) &&
            (ops->sum != ASSAY_DTYPE_F32 || (!collective && ops->activation != ops->sum)))
        return assay_fail(err, ASSAY_EINVAL, "%s adds no shards: alone it is for float activations",
                ops->name);
    s.first = ranks.rank;
    s.end = collective ? ranks.rank + 1 : s.count;
    lay_out(&s, element_count);
    status = ops->device.alloc(&memory, sizeof(*s.sumsq), err);
    s.sumsq = status == ASSAY_OK ? memory : NULL;
    if (status == ASSAY_OK && is_sharded(&s) && !collective) {
        status = ops->device.alloc(&memory, (size_t)element_count * sizeof(float), err);
        s.sum = status == ASSAY_OK ? memory : NULL;
    }
    if (status == ASSAY_OK)
        *out = s;
    else
        assay_shares_close(&s);
    return status;
}

void assay_shares_close(struct assay_shares *shares)
{
    if (!shares->ops)
        return;
    shares->ops->device.release(shares->sum);
    shares->ops->device.release(shares->sumsq);
    *shares = (struct assay_shares){0};
}

size_t assay_shares_begin(const struct assay_shares *shares, uint32_t shard, size_t count)
{
    return count * shard / shares->count;
}

void assay_shares_add(struct assay_shares *shares, uint32_t shard, const void *gradients)
{
    struct assay_shares *s = shares;
    const size_t count = (size_t)s->bounds[s->count];
    const struct assay_scale_add_args add = {
            .out = s->sum, .a = s->sum, .b = gradients, .alpha = 1, .beta = 1, .count = count};

    if (!s->sum)
        return;
    if (shard == 0)
        s->ops->device.copy(s->stream, s->sum, gradients, count * sizeof(float));
    else
        s->ops->scale_add(&add, s->stream);
}

static enum assay_status squares_of(struct assay_shares *s, double *out, const void *gradients,
        uint32_t range, struct assay_error *err)
{
    const size_t bytes = assay_dtype_bytes(s->ops->sum);
    const struct assay_sumsq_args args = {.sum = s->sumsq,
            .x = (const char *)gradients + (size_t)s->bounds[range] * bytes,
            .count = (size_t)(s->bounds[range + 1] - s->bounds[range])};

    s->ops->device.zero(s->stream, s->sumsq, sizeof(*s->sumsq));
    s->ops->sumsq(&args, s->stream);
    s->ops->device.download(s->stream, out, s->sumsq, sizeof(*out));
    return s->ops->device.sync(s->stream, err);
}

enum assay_status assay_shares_sum(struct assay_shares *shares, void **out, double *squares,
        void *gradients, struct assay_error *err)
{
    struct assay_shares *s = shares;
    void *const sums = s->sum ? s->sum : gradients;
    double each[ASSAY_RANKS_MAX] = {0}, mine = 0, all = 0;
    enum assay_status status = ASSAY_OK;

    if (s->collective) {
        status = assay_collective_reduce_scatter(
                s->collective, s->ops, gradients, s->bounds, s->stream, err);
        if (status == ASSAY_OK)
            status = squares_of(s, &mine, sums, s->first, err);
        if (status == ASSAY_OK)
            status = assay_collective_share(s->collective, each, &mine, sizeof(mine), err);
    } else {
        for (uint32_t i = 0; i < s->count && status == ASSAY_OK; i++)
            status = squares_of(s, &each[i], sums, i, err);
    }
    if (status != ASSAY_OK)
        return status;
    for (uint32_t i = 0; i < s->count; i++)
        all += each[i];
    *out = sums;
    *squares = all;
    return ASSAY_OK;
}

enum assay_status assay_shares_join(struct assay_shares *shares, struct assay_share *total,
        const struct assay_share *mine, struct assay_error *err)
{
    struct assay_share all[ASSAY_RANKS_MAX], sum = {0};
    enum assay_status status = ASSAY_OK;

    if (shares->collective)
        status = assay_collective_share(shares->collective, all, mine, sizeof(*mine), err);
    else
        memcpy(all, mine, shares->count * sizeof(*mine));
    if (status != ASSAY_OK)
        return status;
    for (uint32_t i = 0; i < shares->count; i++) {
        assay_loss_metrics_add(&sum.metrics, &all[i].metrics);
        sum.aux_loss += all[i].aux_loss;
        sum.row_count += all[i].row_count;
    }
    *total = sum;
    return ASSAY_OK;
}

enum assay_status assay_shares_give(
        struct assay_shares *shares, void *weights, struct assay_error *err)
{
    const struct assay_ops *ops = shares->ops;

    if (!shares->collective)
        return ops->device.sync(shares->stream, err);
    return assay_collective_all_gather(shares->collective, ops, weights,
            assay_dtype_bytes(ops->weight), shares->bounds, shares->stream, err);
}
