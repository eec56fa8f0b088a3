// SPDX-License-Identifier: MIT
// collective_tcp.h - connections of a group, inside kernels/: who has one (collective_meet.c), and
// what goes over them (collective_tcp.c).
#ifndef ASSAY_KERNELS_COLLECTIVE_TCP_H
#define ASSAY_KERNELS_COLLECTIVE_TCP_H

#include "kernels/collective_parts.h"

struct assay_star {
    struct assay_ranks ranks;
    int fds[ASSAY_RANKS_MAX]; // rank 0: of each other rank; else fds[0]: of rank 0; -1: none
    char *own, *theirs;       // [world][ASSAY_PIECE_BYTES]
};

// Move all bytes over the connection to `at`: `from` out, or in to `to`, the other one being NULL.
// *fault: whose it is that it failed. Errors: ASSAY_EIO
// (a connection has ended), ASSAY_ETIMEOUT.
struct assay_transfer {
    uint32_t at;
    bool watches; // that another connection has ended is an error, too
    uint64_t deadline_ms;
};
ASSAY_MUST_USE enum assay_status assay_star_move(const struct assay_star *star,
        const struct assay_transfer *transfer, void *to, const void *from, size_t size,
        uint32_t *fault);

// Connect to rank 0, or let all others in. Errors: as assay_collective_create().
ASSAY_MUST_USE enum assay_status assay_star_meet(struct assay_star *star,
        const struct assay_collective_options *options, struct assay_error *err);

#endif
