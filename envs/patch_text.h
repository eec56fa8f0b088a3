// SPDX-License-Identifier: MIT
// patch_text.h - one changed file as git writes it in a patch. Inside this room.
//
// Contents come in, text goes out: "diff --git", modes, full blob hashes, hunks or a binary patch.
// libgit2 finds the hunks and the deltas; it never sees a tree.
#ifndef ASSAY_ENVS_PATCH_TEXT_H
#define ASSAY_ENVS_PATCH_TEXT_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"

// What stands at a path on one side of a difference.
struct assay_patch_side {
    mode_t mode;              // as git writes it: 0100644, 0100755, 0120000; 0: nothing
    struct assay_buf content; // of a link its target
};

// The three modes that git knows, of a regular file or a link.
mode_t assay_patch_mode(const struct stat *st);

// Append how `path` changes from one side to the other; nothing when it does not. A change
// of kind (file to link) is a removal and an addition. One of the sides is there.
ASSAY_MUST_USE enum assay_status assay_patch_text_add(struct assay_buf *out, const char *path,
        const struct assay_patch_side *old_side, const struct assay_patch_side *new_side,
        struct assay_error *err);

// A path as git writes it: quoted when it holds what a line, a reader or a JSON string would
// trip over; other bytes than ASCII are octal.
void assay_patch_text_path(struct assay_buf *out, const char *prefix, const char *path);

#endif
