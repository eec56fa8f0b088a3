// SPDX-License-Identifier: MIT
// collective.h - what several processes that train one model do together.
//
// A process is a rank of a group. All ranks make the same calls in the same order; a call returns
// when this rank has its part of the result. A rank that does not come, or whose process is gone,
// ends the call of every other one at the deadline, or at once, with an error that names it; after
// an error the group is of no use any more.
//
// Ranks of one host meet in a file that all of them map: the board. Ranks of several hosts, or of
// containers that do not see each other's processes, meet at rank 0, which listens: everything goes
// through it. Either way sums are made in rank order, so they do not depend on who is fast. With a
// GPU each, large exchanges go through NCCL (assay_collective_use_nccl), and what joins the ranks
// still tells who is late.
#ifndef ASSAY_KERNELS_COLLECTIVE_H
#define ASSAY_KERNELS_COLLECTIVE_H

#include <stdint.h>

#include "kernels/ops.h"

enum { ASSAY_RANKS_MAX = 64 };

struct assay_ranks {
    uint32_t rank, world; // rank < world
};

// This process's place, as whoever started it has it in the environment:
//
//     ASSAY_RANK and ASSAY_WORLD, which settle it; else
//     SLURM_PROCID and SLURM_NTASKS, OMPI_COMM_WORLD_RANK and _SIZE, PMI_RANK and PMI_SIZE, RANK
//     and WORLD_SIZE; PMIX_RANK or JOB_COMPLETION_INDEX with PMIX_SIZE, JOB_COMPLETIONS or, since
//     neither launcher says it, ASSAY_WORLD or WORLD_SIZE
//
// mpirun may stand inside Slurm, whose variables are of the node then: where Open MPI's are set,
// Slurm's and PMIx' do not count. None: rank 0 of 1. `look` is getenv() or a test's. Errors:
// ASSAY_EINVAL (half of a pair is missing, they are no such numbers, or two launchers disagree; the
// variables are named).
ASSAY_MUST_USE enum assay_status assay_ranks_find(struct assay_ranks *out,
        const char *(*look)(void *user, const char *name), void *user, struct assay_error *err);

struct assay_collective;

struct assay_collective_options {
    struct assay_ranks ranks;
    const char *board;    // path of a file that no earlier group has used; made if it is not there
    const char *master;   // without a board: "host:port" that rank 0 listens on
    const char *secret;   // with a master: what all ranks know, of ASSAY_SECRET_BYTES_MIN or more
    uint64_t deadline_ms; // of each step of a call
};
#define ASSAY_SECRET_BYTES_MIN 16

// Waits until all ranks have come. Strings are borrowed for the call. Errors: ASSAY_EINVAL (the
// board is another group's, this rank is there already, another secret or size of the group),
// ASSAY_EIO, ASSAY_ENOMEM, ASSAY_ETIMEOUT (names a rank).
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
// ranks' data there, in rank order (NCCL: in its own); the other ranges are undefined. `onto` [own
// range], which either all ranks have or none: what the sum begins with.
struct assay_sum {
    float *data;
    const float *onto; // may be NULL
    const uint64_t *bounds;
};
ASSAY_MUST_USE enum assay_status assay_collective_reduce_scatter(
        struct assay_collective *collective, const struct assay_ops *ops,
        const struct assay_sum *args, struct assay_stream *stream, struct assay_error *err);
// data [bounds[world]] of `element_bytes`: this rank's range goes to all, theirs come here.
ASSAY_MUST_USE enum assay_status assay_collective_all_gather(struct assay_collective *collective,
        const struct assay_ops *ops, void *data, size_t element_bytes, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err);
// Host memory, [bounds[world]] bytes: this rank's range goes to all, theirs come here.
ASSAY_MUST_USE enum assay_status assay_collective_gather(struct assay_collective *collective,
        void *all, const uint64_t *bounds, struct assay_error *err);
// The same with ranges of one length: all [world * bytes] are every rank's `mine`, by rank.
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
