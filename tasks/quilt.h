// SPDX-License-Identifier: MIT
// quilt.h - a Debian source package's series of patches as data: debian/patches/series, and what
// stands in a patch before its diff (DEP-3). Pure.
#ifndef ASSAY_TASKS_QUILT_H
#define ASSAY_TASKS_QUILT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_QUILT_PATCHES_MAX 4096
#define ASSAY_QUILT_STRIP_MAX 9

struct assay_quilt_patch {
    const char *name; // below debian/patches; plain and relative
    unsigned strip;   // folders to take off the names in it: 1 unless the series says -pN (-pab: 1)
};

// In the order in which they are applied; names in the arena. "#" begins a comment. ASSAY_EINVAL
// with the line: a name that leaves the folder, an option that is not known (-R is one), too many.
ASSAY_MUST_USE enum assay_status assay_quilt_series(struct assay_quilt_patch **out, size_t *count,
        struct assay_bytes series, struct assay_arena *arena, struct assay_error *err);

// Append what the patch's header says that it is for, as plain paragraphs: Subject or Description
// and the prose below them, without the other fields and the trailers of a commit. Nothing when it
// says nothing.
void assay_quilt_problem(struct assay_buf *out, struct assay_bytes patch);

// Append the patch with names as git reads them (one folder to take off). Where `strip` is not 1,
// "diff" and "Index:" lines go, and with them what only git's extended headers tell.
void assay_quilt_diff(struct assay_buf *out, struct assay_bytes patch, unsigned strip);

#endif
