// SPDX-License-Identifier: MIT
// patch_gnu.h - a unified diff as GNU patch reads it, the last rung of SWE-bench's ladder.
//
// The command is `patch --batch --forward --fuzz=5 -p1`. Its reader is another
// one than git's: it looks for file names anywhere above a hunk, takes a diff
// that is indented, drops carriage returns when the headers have them, fills in
// blank context lines that were cut off at the end of the text, and leaves to
// the tree which of two names is meant. Written from what the program does, to
// be compared with it (tests/envs/apply_gnu_test.c). Not read, as said in
// docs/patches.md: context diffs, normal diffs, ed scripts, nested digests.
#ifndef ASSAY_TASKS_PATCH_GNU_H
#define ASSAY_TASKS_PATCH_GNU_H

#include "tasks/patch.h"

enum { ASSAY_GNU_OLD, ASSAY_GNU_NEW, ASSAY_GNU_INDEX, ASSAY_GNU_NAMES };

struct assay_gnu_file {
    const char *names[ASSAY_GNU_NAMES]; // stripped; NULL when not told
    unsigned missing[2]; // does the header say that the old, the new side is 1: empty, 2: missing
    uint32_t modes[2];   // 0: not told
    bool git, binary;
    unsigned renames, copies; // 1: "from" was seen, 2: "to"; one of both is neither
    // Lines in the patch's order. old_start is that of the line behind which a hunk without old
    // lines goes, plus 1. leading, trailing: context that fuzz may drop.
    struct assay_patch_hunk *hunks;
    size_t hunk_count;
    size_t patch_line;
};

struct assay_gnu_patch {
    struct assay_gnu_file *files;
    size_t file_count;
};

// ASSAY_EPATCH with "line N: reason" where GNU patch gives up, or where it would
// read what we do not. `text` must live as long as the arena.
ASSAY_MUST_USE enum assay_status assay_patch_read_gnu(struct assay_gnu_patch **out,
        struct assay_bytes text, struct assay_arena *arena, struct assay_error *err);

#endif
