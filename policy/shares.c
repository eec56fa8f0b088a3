// SPDX-License-Identifier: MIT
#include "policy/shares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED = 16 }; // elements, as tensors begin

// Has a process more than one of the shards?
static bool has_several(const struct assay_shares *s)
{
    return s->count > s->ranks.world;
}

static void lay_out(struct assay_shares *s, uint64_t element_count)
{
    const uint64_t units = (element_count + ALIGNED - 1) / ALIGNED;
    const uint32_t each = s->count / s->ranks.world;

    for (uint32_t i = 0; i <= s->count; i++) {
        const uint64_t at = units * i / s->count * ALIGNED;

        s->bounds[i] = at < element_count ? at : element_count;
    }
    for (uint32_t r = 0; r <= s->ranks.world; r++)
        s->owners[r] = s->bounds[(size_t)r * each];
    s->from = s->owners[s->ranks.rank];
    s->until = s->owners[s->ranks.rank + 1];
}

enum assay_status assay_shares_open(struct assay_shares *out, const struct assay_ops *ops,
        struct assay_stream *stream, struct assay_collective *collective, uint32_t shards,
        uint64_t element_count, struct assay_error *err)
{
    struct assay_shares s = {.ops = ops,
            .stream = stream,
            .collective = collective,
            .ranks = collective ? assay_collective_ranks(collective)
                                : (struct assay_ranks){.rank = 0, .world = 1}};
    void *memory = NULL;
    enum assay_status status = ASSAY_OK;

    s.count = shards > 0 ? shards : s.ranks.world;
    if (s.count > ASSAY_RANKS_MAX || s.count % s.ranks.world != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "%u shards of an update for %u ranks", s.count, s.ranks.world);
    if ((s.count > 1 && ops->sum != ASSAY_DTYPE_F32) ||
            (has_several(&s) && ops->activation != ops->sum))
        return assay_fail(err, ASSAY_EINVAL,
                "%s adds no shards: it is for float activations, or as many ranks", ops->name);
    lay_out(&s, element_count);
    status = ops->device.alloc(&memory, sizeof(*s.sumsq), err);
    s.sumsq = status == ASSAY_OK ? memory : NULL;
    if (status == ASSAY_OK && has_several(&s)) {
        status = ops->device.alloc(&memory, (size_t)(s.until - s.from) * sizeof(float), err);
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

// Each range gets the shards' sum so far from its owner's, who keeps it for the next ones.
static enum assay_status add_in_group(
        struct assay_shares *s, bool first, float *gradients, struct assay_error *err)
{
    const struct assay_sum sum = {
            .data = gradients, .onto = first ? NULL : s->sum, .bounds = s->owners};
    enum assay_status status =
            assay_collective_reduce_scatter(s->collective, s->ops, &sum, s->stream, err);

    if (status != ASSAY_OK || !s->sum)
        return status;
    s->ops->device.copy(s->stream, s->sum, gradients + s->from,
            (size_t)(s->until - s->from) * sizeof(*gradients));
    return s->ops->device.sync(s->stream, err);
}

enum assay_status assay_shares_add(
        struct assay_shares *shares, uint32_t shard, void *gradients, struct assay_error *err)
{
    struct assay_shares *s = shares;
    const size_t count = (size_t)s->bounds[s->count];
    const struct assay_scale_add_args add = {
            .out = s->sum, .a = s->sum, .b = gradients, .alpha = 1, .beta = 1, .count = count};

    if (s->collective)
        return add_in_group(s, shard < s->ranks.world, gradients, err);
    if (!s->sum)
        return ASSAY_OK;
    if (shard == 0)
        s->ops->device.copy(s->stream, s->sum, gradients, count * sizeof(float));
    else
        s->ops->scale_add(&add, s->stream);
    return ASSAY_OK;
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
    const uint32_t each = s->count / s->ranks.world, first = s->ranks.rank * each;
    // In a group, add() has left the sums where the gradients of the last shard were.
    void *const sums = s->sum && !s->collective ? s->sum : gradients;
    double mine[ASSAY_RANKS_MAX] = {0}, all[ASSAY_RANKS_MAX] = {0}, total = 0;
    enum assay_status status = ASSAY_OK;

    for (uint32_t i = 0; i < each && status == ASSAY_OK; i++)
        status = squares_of(s, &mine[i], sums, first + i, err);
    if (status == ASSAY_OK && s->collective)
        status = assay_collective_share(s->collective, all, mine, each * sizeof(*mine), err);
    else
        memcpy(all, mine, each * sizeof(*mine));
    if (status != ASSAY_OK)
        return status;
    for (uint32_t i = 0; i < s->count; i++)
        total += all[i];
    *out = sums;
    *squares = total;
    return ASSAY_OK;
}

enum assay_status assay_shares_join(struct assay_shares *shares, void *all, const void *mine,
        size_t bytes, struct assay_error *err)
{
    const uint32_t world = shares->ranks.world, each = shares->count / world;
    char *by_rank = NULL;
    enum assay_status status;

    if (!shares->collective) {
        memcpy(all, mine, shares->count * bytes);
        return ASSAY_OK;
    }
    by_rank = malloc(shares->count * bytes);
    if (!by_rank)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_collective_share(shares->collective, by_rank, mine, each * bytes, err);
    for (uint32_t i = 0; i < shares->count && status == ASSAY_OK; i++)
        memcpy((char *)all + i * bytes, by_rank + ((i % world) * each + i / world) * bytes, bytes);
    free(by_rank);
    return status;
}

enum assay_status assay_shares_give(
        struct assay_shares *shares, void *weights, struct assay_error *err)
{
    const struct assay_ops *ops = shares->ops;

    if (!shares->collective)
        return ops->device.sync(shares->stream, err);
    return assay_collective_all_gather(shares->collective, ops, weights,
            assay_dtype_bytes(ops->weight), shares->owners, shares->stream, err);
}

enum assay_status assay_shares_collect(struct assay_shares *shares, void *host, const void *own,
        void *scratch, struct assay_error *err)
{
    const struct assay_shares *s = shares;
    const struct assay_device *device = &s->ops->device;
    const size_t bytes = assay_dtype_bytes(s->ops->sum);
    const void *whole = own;
    enum assay_status status = ASSAY_OK;

    if (s->collective) {
        device->copy(s->stream, (char *)scratch + (size_t)s->from * bytes, own,
                (size_t)(s->until - s->from) * bytes);
        status = assay_collective_all_gather(
                s->collective, s->ops, scratch, bytes, s->owners, s->stream, err);
        whole = scratch;
    }
    if (status != ASSAY_OK)
        return status;
    device->download(s->stream, host, whole, (size_t)s->bounds[s->count] * bytes);
    return device->sync(s->stream, err);
}

enum assay_status assay_shares_spread(
        struct assay_shares *shares, void *own, void *host, struct assay_error *err)
{
    const struct assay_shares *s = shares;
    const struct assay_device *device = &s->ops->device;
    const size_t bytes = assay_dtype_bytes(s->ops->sum);
    uint64_t bounds[ASSAY_RANKS_MAX + 1] = {0}; // all of it is rank 0's
    enum assay_status status = ASSAY_OK;

    for (uint32_t r = 1; r <= s->ranks.world; r++)
        bounds[r] = s->bounds[s->count] * bytes;
    if (s->collective)
        status = assay_collective_gather(s->collective, host, bounds, err);
    if (status != ASSAY_OK)
        return status;
    device->upload(s->stream, own, (const char *)host + (size_t)s->from * bytes,
            (size_t)(s->until - s->from) * bytes);
    return device->sync(s->stream, err);
}
