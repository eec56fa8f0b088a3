// SPDX-License-Identifier: MIT
// difflib.h - the matching blocks of Python's difflib.SequenceMatcher(None, a, b), exactly.
//
// Python takes the longest common run of both sequences (of equal ones the first in a, then the
// first in b), and does so again left and right of it. It looks at every pair of equal items;
// here all suffixes are sorted once, and each part of the work is a walk over the ranks of what is
// left. A part costs its length times the logarithm of its longest run, and along any chain of
// parts the runs get shorter, so n items cost at most n * sqrt(n) * log(n) whatever they are.
#ifndef ASSAY_REWARDS_DIFFLIB_H
#define ASSAY_REWARDS_DIFFLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define ASSAY_DIFFLIB_ITEMS_MAX ((size_t)1 << 21) // of both sequences together

// Equal numbers are equal items; every number below ASSAY_DIFFLIB_ITEM_MAX will do.
#define ASSAY_DIFFLIB_ITEM_MAX (UINT32_C(1) << 30)
struct assay_sequence {
    const uint32_t *items;
    size_t len;
};

struct assay_block {
    uint32_t a, b, len; // a[a .. a + len) equals b[b .. b + len)
};

// Sorted, none empty, neighbours that touch on both sides joined: get_matching_blocks() without
// the closing empty block. autojunk: Python's default, by which an item that makes up more than 1 %
// of a b of 200 items or more begins no block. Blocks are in the arena; scratch is not.
// Errors: ASSAY_EREFUSED (more than ASSAY_DIFFLIB_ITEMS_MAX), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_difflib_blocks(struct assay_block **out, size_t *count,
        struct assay_sequence a, struct assay_sequence b, bool autojunk, struct assay_arena *arena,
        struct assay_error *err);

// ratio() with autojunk=False: twice the matched items over all items; 1 when both are empty.
ASSAY_MUST_USE enum assay_status assay_difflib_ratio(
        double *out, struct assay_sequence a, struct assay_sequence b, struct assay_error *err);

#endif
