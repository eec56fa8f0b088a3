// SPDX-License-Identifier: MIT
// train_group.h - a training of several processes: what rank 0 tells the others, and what all tell
// each other. Internal to the train_*.c files.
//
// All ranks go through the same steps with the same numbers. Rank 0 alone has the run: its rows,
// its files, its log. Each rank samples and grades whole groups of its own, after which all have
// all rollouts, and works on its shards of an update (policy/shares.h).
#ifndef ASSAY_ORCHESTRATOR_TRAIN_GROUP_H
#define ASSAY_ORCHESTRATOR_TRAIN_GROUP_H

#include "orchestrator/train_parts.h"

// Rank 0's bytes go to all, bytes [size]. Alone nothing happens, here and below. Errors: of the
// collective, here and below.
ASSAY_MUST_USE enum assay_status training_tell(
        struct training *t, void *bytes, size_t size, struct assay_error *err);
// The same of a text of any length: rank 0's `text`; *out is in t's arena.
ASSAY_MUST_USE enum assay_status training_tell_text(
        struct training *t, const char **out, const char *text, struct assay_error *err);
// Do all ranks train the same? ASSAY_EINVAL names one that does not.
ASSAY_MUST_USE enum assay_status training_compare(
        struct training *t, const char identity[65], struct assay_error *err);
// Rank 0's file, which it has, is written at `path` by the others.
ASSAY_MUST_USE enum assay_status training_tell_file(
        struct training *t, const char *path, struct assay_error *err);
// values [count] become sums over all ranks, and those from `maxima` on the largest.
ASSAY_MUST_USE enum assay_status training_sum_counts(
        struct training *t, uint64_t *values, size_t count, size_t maxima, struct assay_error *err);
// *any: somebody says so.
ASSAY_MUST_USE enum assay_status training_ask_all(
        struct training *t, bool *any, struct assay_error *err);

// Whose group is it?
static inline bool training_is_mine(const struct training *t, size_t group)
{
    return group % t->ranks.world == t->ranks.rank;
}
// Rollouts of all groups, of which each rank has sampled its own; the others' are in the arena.
ASSAY_MUST_USE enum assay_status training_exchange(struct training *t, struct group *groups,
        size_t count, struct assay_arena *arena, struct assay_error *err);

#endif
