// SPDX-License-Identifier: MIT
// collective.h - what several processes that train one model do together.
//
// A process is a rank of a group. All ranks make the same calls in the same order; a call returns
// when this rank has its part of the result. A rank that does not come, or whose process is gone,
// ends the call of every other one at the deadline, or at once, with an error that names it; after
// an error the group is of no use any more.
//
// Ranks meet in a file that all of them map: the board. It holds how far each rank has come, and,
// in the local filling, what they exchange: sums are made in rank order, so they do not depend on
// who is fast. With a GPU each, large exchanges go through NCCL (assay_collective_use_nccl) and the
// board still tells who is late. Ranks of one host; several hosts need another board.
#ifndef ASSAY_KERNELS_COLLECTIVE_H
#define ASSAY_KERNELS_COLLECTIVE_H

#include <stdint.h>

#include "kernels/ops.h"

enum { ASSAY_RANKS_MAX = 64, ASSAY_SHARE_BYTES_MAX = 65536 };

struct assay_ranks {
    uint32_t rank, world; // rank < world
};

// This process's place, from the first pair of variables that is set: ASSAY_RANK and ASSAY_WORLD,
// SLURM_PROCID and SLURM_NTASKS, OMPI_COMM_WORLD_RANK and _SIZE, PMIX_RANK and PMIX_SIZE (PMI_RANK,
// PMI_SIZE), JOB_COMPLETION_INDEX and JOB_COMPLETIONS, RANK and WORLD_SIZE; none: rank 0 of 1.
// `look` is getenv() or a test's. ASSAY_EINVAL: one of a pair is missing, or they are no such
// numbers.
ASSAY_MUST_USE enum assay_status assay_ranks_find(struct assay_ranks *out,
        const char *(*look)(void *user, const char *name), void *user, struct assay_error *err);

struct assay_collective;

struct assay_collective_options {
    struct assay_ranks ranks;
    const char *board;    // path of a file that no earlier group has used; made if it is not there
    uint64_t deadline_ms; // of each call
};

// Waits until all ranks have come. Errors: ASSAY_EINVAL (the board is another group's, or this rank
// is there already), ASSAY_EIO, ASSAY_ENOMEM, ASSAY_ETIMEOUT (names a rank).
ASSAY_MUST_USE enum assay_status assay_collective_create(struct assay_collective **out,
        const struct assay_collective_options *options, struct assay_error *err);
// NULL is allowed. The file stays: whoever made its folder removes it.
void assay_collective_destroy(struct assay_collective *collective);

// From now on sums and gathers of device memory go through NCCL; `stream` is of a cuda table, and
// no other rank works on its GPU. NVLink multicast is switched off for this process. Errors:
// ASSAY_ENOTFOUND (no libnccl.so.2, no cuda filling), ASSAY_ECUDA, ASSAY_ETIMEOUT.
ASSAY_MUST_USE enum assay_status assay_collective_use_nccl(
        struct assay_collective *collective, struct assay_stream *stream, struct assay_error *err);

struct assay_ranks assay_collective_ranks(const struct assay_collective *collective);

// Ranges: rank r has elements [bounds[r], bounds[r + 1]), bounds [world + 1] rising from 0.
//
// data [bounds[world]] float, device memory of `ops`: this rank's range becomes the sum of all
// ranks' data there, in rank order (NCCL: in its own); the other ranges are undefined.
ASSAY_MUST_USE enum assay_status assay_collective_reduce_scatter(
        struct assay_collective *collective, const struct assay_ops *ops, float *data,
        const uint64_t *bounds, struct assay_stream *stream, struct assay_error *err);
// data [bounds[world]] of `element_bytes`: this rank's range goes to all, theirs come here.
ASSAY_MUST_USE enum assay_status assay_collective_all_gather(struct assay_collective *collective,
        const struct assay_ops *ops, void *data, size_t element_bytes, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err);
// all [world * bytes]: every rank's `mine`, by rank; host memory, at most ASSAY_SHARE_BYTES_MAX.
ASSAY_MUST_USE enum assay_status assay_collective_share(struct assay_collective *collective,
        void *all, const void *mine, size_t bytes, struct assay_error *err);

// --- inside kernels/ ----------------------------------------------------------------------------

// What a library of collectives is to this one; kernels/cuda/nccl.cu has one. Calls queue on the
// stream; `wait` returns ASSAY_ETIMEOUT when they are not done by the deadline, and gives up.
#define ASSAY_BULK_ID_BYTES 128
struct assay_bulk {
    enum assay_status (*id)(char *id, struct assay_error *err); // [ASSAY_BULK_ID_BYTES] out
    enum assay_status (*open)(void **out, const char *id, struct assay_ranks ranks,
            struct assay_stream *stream, struct assay_error *err);
    void (*close)(void *bulk);
    enum assay_status (*reduce_scatter)(void *bulk, float *data, const uint64_t *bounds,
            struct assay_stream *stream, struct assay_error *err);
    enum assay_status (*all_gather)(void *bulk, void *data, size_t element_bytes,
            const uint64_t *bounds, struct assay_stream *stream, struct assay_error *err);
    enum assay_status (*wait)(
            void *bulk, struct assay_stream *stream, uint64_t deadline_ms, struct assay_error *err);
};

#endif
