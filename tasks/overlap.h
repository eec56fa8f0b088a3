// SPDX-License-Identifier: MIT
// overlap.h - do two suites hold the same task under two names? What one was trained on, the other
// must not measure.
//
// Two instances overlap when their base trees are the same, or when their gold patches are nearly:
// of the lines that either adds or takes away, without blanks and without lines that say nothing
// (fewer than three letters or digits), at least `similar` are the other's too (Jaccard's index of
// the two sets). Paths do not count: a fork may have moved the file.
#ifndef ASSAY_TASKS_OVERLAP_H
#define ASSAY_TASKS_OVERLAP_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/suite.h"

struct assay_overlap {
    const struct assay_instance *left, *right; // borrowed, of the two suites
    bool same_tree;
    double similarity; // of the gold patches, 0 to 1
};

#define ASSAY_OVERLAP_SIMILAR 0.8

// In the arena, in the order of `left` and then `right`. A suite with itself: each two different
// instances once, and only by their patches, since many tasks of one tree are no harm there.
ASSAY_MUST_USE enum assay_status assay_overlaps(struct assay_overlap **out, size_t *count,
        const struct assay_suite *left, const struct assay_suite *right, double similar,
        struct assay_arena *arena, struct assay_error *err);

#endif
