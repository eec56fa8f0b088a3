// SPDX-License-Identifier: MIT
// tree_patch.h - what a box changed in a tree, as a git patch: a walk of its frozen uppers against
// the base.
//
// Only what the uppers hold is looked at, so the cost is that of the changes, whatever the size of
// the tree. The rules are overlayfs's: a character device 0:0 takes away what lies below it, a
// directory with user.overlay.opaque shows nothing of what lies below it, a directory joins those
// below it, anything else hides them. Times mean nothing.
//
// All content is foreign. Nothing is followed, everything is bounded, and what a patch cannot
// say, or the patch engine (apply.h) would refuse, is left out and told: FIFOs, sockets, devices,
// names with control bytes, ".git" in any spelling, paths over 4096 bytes, links that lead out of
// the tree, files over the bound, what cannot be read. Empty directories do not show, as in git.
#ifndef ASSAY_ENVS_TREE_PATCH_H
#define ASSAY_ENVS_TREE_PATCH_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_TREE_LAYERS_MAX 128
#define ASSAY_TREE_SKIPS_MAX 64

// Directories, topmost first; borrowed. The base is the lowers together, the tree is the uppers
// over them. Nobody may write to any of them meanwhile.
struct assay_tree_layers {
    const int *upper_fds;
    size_t upper_count;
    const int *lower_fds;
    size_t lower_count;
};

struct assay_tree_patch_options {
    // Globs of what is left out, with all below it; one without '/' is for a name at any depth.
    struct assay_strings excludes;
    size_t file_bytes_max;  // a larger file is left out; 0: 64 MiB, which is what can be applied
    size_t total_bytes_max; // sum of contents read; 0: 512 MiB
    size_t entry_count_max; // names looked at; 0: 1,000,000
};

struct assay_tree_patch_skip {
    const char *path; // quoted where git would
    const char *reason;
};

struct assay_tree_patch_report {
    size_t changed_count;                                     // paths in the patch
    size_t skipped_count;                                     // paths left out but for `excludes`
    struct assay_tree_patch_skip skips[ASSAY_TREE_SKIPS_MAX]; // the first of them, in the arena
};

// Appended to `out`, sorted by path: the same layers give the same bytes. A rename is a removal and
// an addition. ASSAY_EREFUSED: more entries or bytes than the bounds; ASSAY_ENOMEM: a patch larger
// than `out` may be; ASSAY_EINVAL: no base, or more than ASSAY_TREE_LAYERS_MAX layers.
ASSAY_MUST_USE enum assay_status assay_tree_patch(struct assay_buf *out,
        const struct assay_tree_layers *layers, const struct assay_tree_patch_options *options,
        struct assay_tree_patch_report *report, struct assay_arena *arena, struct assay_error *err);

#endif
