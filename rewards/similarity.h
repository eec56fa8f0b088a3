// SPDX-License-Identifier: MIT
// similarity.h - how much a model patch looks like the gold patch, by SWE-RL's measure. Pure.
//
// Mean over all files that either patch changes of difflib's ratio (autojunk=False, by character)
// of the two unified diffs of that file; a file that only one of them changes counts 0. Where
// neither changes anything it is 0: the field's own code says 1 there and so pays for nothing.
#ifndef ASSAY_REWARDS_SIMILARITY_H
#define ASSAY_REWARDS_SIMILARITY_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

// A file that at least one patch touches; what does not exist is the empty text.
struct assay_similarity_file {
    struct assay_bytes base, model, gold;
};

#define ASSAY_SIMILARITY_BYTES_MAX ((size_t)16 << 20) // of one file's diff

// SequenceMatcher(None, a, b, autojunk=False).ratio() of two texts, to the last bit.
ASSAY_MUST_USE enum assay_status assay_similarity_texts(
        double *out, struct assay_bytes a, struct assay_bytes b, struct assay_error *err);

// The mean, added up in the order given. ASSAY_EREFUSED or ASSAY_ENOMEM: a file beyond the bounds
// (rewards/difflib.h); there is no number then.
ASSAY_MUST_USE enum assay_status assay_similarity(double *out,
        const struct assay_similarity_file *files, size_t count, struct assay_error *err);

#endif
