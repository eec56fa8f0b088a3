// SPDX-License-Identifier: MIT
// suffixes.h - all suffixes of a sequence of numbers in order, and how far two of them agree.
// For rewards/difflib.c.
#ifndef ASSAY_REWARDS_SUFFIXES_H
#define ASSAY_REWARDS_SUFFIXES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define SUFFIXES_LEVELS 24

struct suffixes {
    uint32_t *at;                      // [count] position of the suffix of each rank
    uint32_t count;                    // of items, and so of suffixes
    uint32_t *common[SUFFIXES_LEVELS]; // [k][rank]: least agreement of ranks rank .. rank + 2^k
};

// items[0..count), count < 2^SUFFIXES_LEVELS. Everything is in the arena: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status suffixes_sort(struct suffixes *out, const uint32_t *items,
        size_t count, struct assay_arena *arena, struct assay_error *err);

// Items at the start of both that are equal; left < right are ranks.
uint32_t suffixes_common(const struct suffixes *suffixes, uint32_t left, uint32_t right);

#endif
