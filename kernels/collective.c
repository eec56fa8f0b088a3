// SPDX-License-Identifier: MIT
// collective.c - exchanges, in pieces over what joins the ranks, or by a library of collectives.
#include "kernels/collective.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/collective_parts.h"
#include "kernels/gpu.h"

struct assay_collective {
    struct assay_ranks ranks;
    uint64_t deadline_ms;
    const struct assay_join *join;
    void *joined;
    uint64_t calls; // of the caller's, for errors
    float *sum;     // [ASSAY_PIECE_BYTES]
    const struct assay_bulk *bulk;
    void *bulk_group;
};

// --- life ---------------------------------------------------------------------------------------

enum assay_status assay_collective_create(struct assay_collective **out,
        const struct assay_collective_options *options, struct assay_error *err)
{
    struct assay_collective *c = calloc(1, sizeof(*c));
    enum assay_status status = ASSAY_OK;

    assert(options->ranks.world > 0 && options->ranks.world <= ASSAY_RANKS_MAX &&
            options->ranks.rank < options->ranks.world);
    if (!c)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    c->ranks = options->ranks;
    c->deadline_ms = options->deadline_ms;
    c->sum = malloc(ASSAY_PIECE_BYTES);
    if (!c->sum)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = options->board ? assay_join_board(&c->join, &c->joined, options, err)
                                : assay_join_tcp(&c->join, &c->joined, options, err);
    if (status == ASSAY_OK)
        *out = c;
    else
        assay_collective_destroy(c);
    return status;
}

void assay_collective_destroy(struct assay_collective *collective)
{
    struct assay_collective *c = collective;

    if (!c)
        return;
    if (c->bulk_group)
        c->bulk->close(c->bulk_group);
    if (c->join)
        c->join->close(c->joined);
    free(c->sum);
    free(c);
}

struct assay_ranks assay_collective_ranks(const struct assay_collective *collective)
{
    return collective->ranks;
}

static struct assay_step step_of(const struct assay_collective *c, const char *what)
{
    return (struct assay_step){what, c->calls, c->deadline_ms};
}

// --- host memory
// ----------------------------------------------------------------------------------

static uint64_t longest(const struct assay_collective *c, const uint64_t *bounds)
{
    uint64_t most = 0;

    for (uint32_t r = 0; r < c->ranks.world; r++)
        most = bounds[r + 1] - bounds[r] > most ? bounds[r + 1] - bounds[r] : most;
    return most;
}

// Elements of rank r's range in the step that begins `at` elements into every range.
static size_t piece_of(const uint64_t *bounds, uint32_t r, uint64_t at, size_t piece)
{
    const uint64_t count = bounds[r + 1] - bounds[r];

    if (at >= count)
        return 0;
    return count - at < piece ? (size_t)(count - at) : piece;
}

enum assay_status assay_collective_gather(struct assay_collective *collective, void *all,
        const uint64_t *bounds, struct assay_error *err)
{
    struct assay_collective *c = collective;
    const uint32_t me = c->ranks.rank;
    const struct assay_step step = step_of(c, "a gather");
    size_t bytes[ASSAY_RANKS_MAX];
    enum assay_status status = ASSAY_OK;

    c->calls++;
    for (uint64_t at = 0; at < longest(c, bounds) && status == ASSAY_OK; at += ASSAY_PIECE_BYTES) {
        for (uint32_t r = 0; r < c->ranks.world; r++)
            bytes[r] = piece_of(bounds, r, at, ASSAY_PIECE_BYTES);
        memcpy(c->join->out(c->joined, 0), (const char *)all + bounds[me] + at, bytes[me]);
        status = c->join->gather(c->joined, bytes, &step, err);
        for (uint32_t r = 0; r < c->ranks.world && status == ASSAY_OK; r++)
            if (r != me && bytes[r] > 0)
                memcpy((char *)all + bounds[r] + at, c->join->in(c->joined, r), bytes[r]);
        if (status == ASSAY_OK)
            status = c->join->done(c->joined, &step, err);
    }
    return status;
}

enum assay_status assay_collective_share(struct assay_collective *collective, void *all,
        const void *mine, size_t bytes, struct assay_error *err)
{
    const struct assay_ranks ranks = collective->ranks;
    uint64_t bounds[ASSAY_RANKS_MAX + 1];

    for (uint32_t r = 0; r <= ranks.world; r++)
        bounds[r] = r * bytes;
    memcpy((char *)all + ranks.rank * bytes, mine, bytes);
    return assay_collective_gather(collective, all, bounds, err);
}

// --- device memory
// --------------------------------------------------------------------------------

enum assay_status assay_collective_use_nccl(
        struct assay_collective *collective, struct assay_stream *stream, struct assay_error *err)
{
    struct assay_collective *c = collective;
    const struct assay_bulk *bulk = NULL;
    uint64_t bounds[ASSAY_RANKS_MAX + 1] = {0}; // all of it is rank 0's
    struct {
        char id[ASSAY_BULK_ID_BYTES];
        uint32_t status; // of an enum assay_status: rank 0's, which all are told
    } told = {.status = ASSAY_OK};
    enum assay_status status = assay_gpu_bulk(&bulk, err), made = ASSAY_OK;

    for (uint32_t r = 1; r <= c->ranks.world; r++)
        bounds[r] = sizeof(told);
    if (status == ASSAY_OK && c->ranks.rank == 0)
        made = bulk->id(told.id, err);
    told.status = (uint32_t)made;
    if (status == ASSAY_OK)
        status = assay_collective_gather(c, &told, bounds, err);
    if (status == ASSAY_OK && told.status != ASSAY_OK)
        return made != ASSAY_OK
                ? made
                : assay_fail(err, (enum assay_status)told.status, "rank 0 has no NCCL");
    if (status == ASSAY_OK)
        status = bulk->open(&c->bulk_group, told.id, c->ranks, stream, err);
    if (status == ASSAY_OK)
        c->bulk = bulk;
    return status;
}

// Everybody is there: who stays away is named before the library waits for it.
static enum assay_status meet(struct assay_collective *c, struct assay_error *err)
{
    char all[ASSAY_RANKS_MAX] = {0};
    const char mine = 0;

    return assay_collective_share(c, all, &mine, sizeof(mine), err);
}

static enum assay_status reduce_in_steps(struct assay_collective *c, const struct assay_ops *ops,
        const struct assay_sum *args, struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_step step = step_of(c, "a sum");
    const uint64_t *bounds = args->bounds;
    const size_t piece = ASSAY_PIECE_BYTES / sizeof(float);
    const uint32_t me = c->ranks.rank;
    size_t counts[ASSAY_RANKS_MAX];
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < longest(c, bounds) && status == ASSAY_OK; at += piece) {
        for (uint32_t r = 0; r < c->ranks.world; r++) {
            counts[r] = piece_of(bounds, r, at, piece);
            ops->device.download(stream, c->join->out(c->joined, r), args->data + bounds[r] + at,
                    counts[r] * sizeof(float));
        }
        if (args->onto)
            ops->device.download(stream, c->sum, args->onto + at, counts[me] * sizeof(float));
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = c->join->sum(c->joined, c->sum, args->onto != NULL, counts, &step, err);
        if (status != ASSAY_OK)
            break;
        ops->device.upload(
                stream, args->data + bounds[me] + at, c->sum, counts[me] * sizeof(float));
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = c->join->done(c->joined, &step, err);
    }
    return status;
}

static enum assay_status reduce_by_library(struct assay_collective *c, const struct assay_ops *ops,
        const struct assay_sum *args, struct assay_stream *stream, struct assay_error *err)
{
    float *const own = args->data + args->bounds[c->ranks.rank];
    const uint64_t count = args->bounds[c->ranks.rank + 1] - args->bounds[c->ranks.rank];
    const struct assay_scale_add_args add = {
            .out = own, .a = own, .b = args->onto, .alpha = 1, .beta = 1, .count = (size_t)count};
    enum assay_status status = meet(c, err);

    if (status == ASSAY_OK)
        status = c->bulk->reduce_scatter(c->bulk_group, args->data, args->bounds, stream, err);
    if (status == ASSAY_OK && args->onto && count > 0)
        ops->scale_add(&add, stream);
    return status == ASSAY_OK
            ? c->bulk->wait(c->bulk_group, stream, assay_clock_ms() + c->deadline_ms, err)
            : status;
}

enum assay_status assay_collective_reduce_scatter(struct assay_collective *collective,
        const struct assay_ops *ops, const struct assay_sum *args, struct assay_stream *stream,
        struct assay_error *err)
{
    struct assay_collective *c = collective;

    assert(ops->sum == ASSAY_DTYPE_F32);
    c->calls++;
    return c->bulk_group ? reduce_by_library(c, ops, args, stream, err)
                         : reduce_in_steps(c, ops, args, stream, err);
}

static enum assay_status gather_in_steps(struct assay_collective *c, const struct assay_ops *ops,
        char *data, size_t element_bytes, const uint64_t *bounds, struct assay_stream *stream,
        struct assay_error *err)
{
    const struct assay_step step = step_of(c, "a gather");
    const size_t piece = ASSAY_PIECE_BYTES / element_bytes;
    const uint32_t me = c->ranks.rank;
    size_t bytes[ASSAY_RANKS_MAX];
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < longest(c, bounds) && status == ASSAY_OK; at += piece) {
        for (uint32_t r = 0; r < c->ranks.world; r++)
            bytes[r] = piece_of(bounds, r, at, piece) * element_bytes;
        ops->device.download(stream, c->join->out(c->joined, 0),
                data + (bounds[me] + at) * element_bytes, bytes[me]);
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = c->join->gather(c->joined, bytes, &step, err);
        for (uint32_t r = 0; r < c->ranks.world && status == ASSAY_OK; r++)
            if (r != me)
                ops->device.upload(stream, data + (bounds[r] + at) * element_bytes,
                        c->join->in(c->joined, r), bytes[r]);
        if (status == ASSAY_OK)
            status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = c->join->done(c->joined, &step, err);
    }
    return status;
}

enum assay_status assay_collective_all_gather(struct assay_collective *collective,
        const struct assay_ops *ops, void *data, size_t element_bytes, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_collective *c = collective;
    enum assay_status status;

    c->calls++;
    if (!c->bulk_group)
        return gather_in_steps(c, ops, data, element_bytes, bounds, stream, err);
    status = meet(c, err);
    if (status == ASSAY_OK)
        status = c->bulk->all_gather(c->bulk_group, data, element_bytes, bounds, stream, err);
    return status == ASSAY_OK
            ? c->bulk->wait(c->bulk_group, stream, assay_clock_ms() + c->deadline_ms, err)
            : status;
}
