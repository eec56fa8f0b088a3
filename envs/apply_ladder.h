// SPDX-License-Identifier: MIT
// apply_ladder.h - the rungs that modes are made of. For envs/apply*.c.
#ifndef ASSAY_ENVS_APPLY_LADDER_H
#define ASSAY_ENVS_APPLY_LADDER_H

#include "envs/apply.h"
#include "tasks/patch_gnu.h"

enum {
    FILE_BYTES_DEFAULT = 64 << 20,
    TOTAL_BYTES_DEFAULT = 256 << 20,
    STEPS_MAX = 60 * 1000 * 1000, // line comparisons: a fraction of a second
    MODE_TYPE = 0170000,
    MODE_LINK = 0120000,
    MODE_REGULAR = 0100644,
    MODE_EXECUTABLE = 0100755,
};

// apply.c: as assay_patch_apply(), by our rules or by git's. The patch is read as it is.
ASSAY_MUST_USE enum assay_status apply_once(struct assay_edits **out,
        const struct assay_patch *patch, bool tolerant, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err);

// apply_gnu.c: the edits of `patch --batch --forward --fuzz=5 -p1`, where that exits 0. What we
// refuse, and it does not: paths that a patch may not write, a patch that changes nothing.
ASSAY_MUST_USE enum assay_status gnu_apply(struct assay_edits **out,
        const struct assay_gnu_patch *patch, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err);

// apply_gnu_hunk.c: one file's hunks.
struct gnu_job {
    const struct assay_gnu_file *file;
    const char *path; // for messages and records
    struct assay_bytes text;
    size_t bytes_max;
    uint64_t *steps_left;
    struct assay_hunk_record *records; // [file->hunk_count] out
    struct assay_arena *arena;
};
ASSAY_MUST_USE enum assay_status gnu_hunks_apply(
        struct assay_bytes *out, const struct gnu_job *job, struct assay_error *err);

#endif
