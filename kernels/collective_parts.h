// SPDX-License-Identifier: MIT
// collective_parts.h - how ranks are joined, inside kernels/: the board, or connections.
#ifndef ASSAY_KERNELS_COLLECTIVE_PARTS_H
#define ASSAY_KERNELS_COLLECTIVE_PARTS_H

#include <stdbool.h>

#include "kernels/collective.h"

enum { ASSAY_PIECE_BYTES = 262144 }; // what a rank gives another one in a step, at most

// A step of an exchange, for errors. All ranks make the same ones.
struct assay_step {
    const char *what; // "a sum"
    uint64_t call;    // of the caller's
    uint64_t wait_ms;
};

// One way to be joined. A step is: write to out(), sum() or gather(), read in(), done().
struct assay_join {
    // Where this rank leaves what is for rank `to` in a sum, and to = 0 for all in a gather.
    // [ASSAY_PIECE_BYTES]
    char *(*out)(void *joined, uint32_t to);
    // counts [world] floats of each rank's piece. sum [counts[own rank]]: what all left for this
    // rank, in rank order; with `onto` it is added to what stands in `sum`.
    enum assay_status (*sum)(void *joined, float *sum, bool onto, const size_t *counts,
            const struct assay_step *step, struct assay_error *err);
    // bytes [world]: what each left for all is where in() says, until done().
    enum assay_status (*gather)(void *joined, const size_t *bytes, const struct assay_step *step,
            struct assay_error *err);
    const char *(*in)(void *joined, uint32_t from);
    enum assay_status (*done)(void *joined, const struct assay_step *step, struct assay_error *err);
    void (*close)(void *joined); // NULL is allowed
};

ASSAY_MUST_USE enum assay_status assay_join_board(const struct assay_join **out, void **joined,
        const struct assay_collective_options *options, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_join_tcp(const struct assay_join **out, void **joined,
        const struct assay_collective_options *options, struct assay_error *err);

// to[i] += from[i]
static inline void assay_floats_add(float *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

#endif
