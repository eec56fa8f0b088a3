// SPDX-License-Identifier: MIT
// select.h - which instances of a suite are meant: by id, by what they are, by split, in number.
//
// A split never parts what belongs together: all instances of one group are in the same one, in
// every suite and on every host, and a larger suite leaves the old ones where they are. The group
// is the repository, whoever has a copy of it ("pypi/toolz", "debian/python-toolz" and
// "swesmith/pytoolz__toolz.1a2b3c4d" are "toolz"), or the family that a tag "family:NAME" tells.
#ifndef ASSAY_TASKS_SELECT_H
#define ASSAY_TASKS_SELECT_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/suite.h"

enum assay_split { ASSAY_SPLIT_TRAIN, ASSAY_SPLIT_VALIDATION, ASSAY_SPLIT_HELD_OUT };
const char *assay_split_name(enum assay_split split); // "train", "validation", "held-out"
bool assay_split_find(enum assay_split *out, const char *name);
// 8, 1 and 1 of ten groups.
enum assay_split assay_split_of(const struct assay_instance *instance);
#define ASSAY_GROUP_BYTES 256
void assay_split_group(char group[ASSAY_GROUP_BYTES], const struct assay_instance *instance);

// Each step narrows what the one before left, in this order.
struct assay_select {
    struct assay_strings ids; // none: all
    // "KEY=GLOB" or "KEY!=GLOB", all of which hold; without the key, or with a list of which none
    // matches, "=" does not hold and "!=" does. Keys: id, repo, group, framework, recipe, rules,
    // task, version, split, tag, and row.NAME for a field of the row that it was read from.
    struct assay_strings filters;
    bool split_only, rated_only, shuffle, sliced;
    enum assay_split split;
    struct assay_strings rated; // with rated_only: only of these, which are sorted by strcmp
    uint64_t seed;              // of the shuffle
    size_t begin, end;          // of the slice; end may lie behind the last
};

// *ids: in the arena, in suite order or as shuffled. ASSAY_EUSAGE names the filter that is none;
// ASSAY_ENOTFOUND: an id that the suite does not have, or nothing is left.
ASSAY_MUST_USE enum assay_status assay_select(struct assay_strings *ids,
        const struct assay_suite *suite, const struct assay_select *select,
        struct assay_arena *arena, struct assay_error *err);

#endif
