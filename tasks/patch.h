// SPDX-License-Identifier: MIT
// patch.h - unified diffs as data: what a patch says, before anybody applies it.
//
// Parsing is pure. It tolerates what models write (prose and fences around the
// diff, wrong hunk counts, missing `diff --git` lines, timestamps, a missing
// final newline, stripped blank context lines, a UTF-8 BOM, CRLF line ends in
// the patch itself) and records each tolerance; it refuses what could escape
// (absolute paths, "..", ".git", gitlinks, NUL in a path). Applying is envs/.
#ifndef ASSAY_TASKS_PATCH_H
#define ASSAY_TASKS_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

enum assay_patch_op {
    ASSAY_PATCH_MODIFY,
    ASSAY_PATCH_ADD,
    ASSAY_PATCH_DELETE,
    ASSAY_PATCH_RENAME, // with or without hunks
    ASSAY_PATCH_COPY,
};

enum assay_patch_line_kind { ASSAY_LINE_CONTEXT = ' ', ASSAY_LINE_ADD = '+', ASSAY_LINE_DELETE = '-' };

struct assay_patch_line {
    enum assay_patch_line_kind kind;
    struct assay_bytes text; // with its line end, as it stands in the patch; without if none
    bool no_newline;         // "\ No newline at end of file" follows
};

struct assay_patch_hunk {
    size_t old_start, old_count, new_start, new_count; // as written; 0 counts when the header is bare "@@"
    bool bare;           // no numbers in the header
    bool recounted;      // the counts in the header were wrong; these are the real ones
    struct assay_patch_line *lines;
    size_t line_count;
    size_t patch_line;   // line in the patch text, from 1
};

struct assay_patch_file {
    enum assay_patch_op op;
    const char *old_path, *new_path; // plain relative paths, prefixes stripped; equal for MODIFY;
                                     // old NULL for ADD, new NULL for DELETE
    uint32_t old_mode, new_mode;     // 0: not told; 0100644, 0100755, 0120000
    bool binary;                     // "GIT binary patch": forward data in `binary_data`
    bool binary_delta;               // delta against the old content, else the whole new content
    struct assay_bytes binary_data;  // inflated
    size_t binary_size;              // declared size of binary_data
    char old_blob[65], new_blob[65]; // from the index line, lower-case hex, maybe abbreviated; "" if none
    struct assay_patch_hunk *hunks;
    size_t hunk_count;
    size_t patch_line;
};

struct assay_patch {
    struct assay_patch_file *files;
    size_t file_count;
    bool crlf;       // every diff line of the patch ends in CRLF
    bool fenced;     // text before or after the diff was dropped
    size_t bytes;
};

struct assay_patch_bounds {
    size_t files_max, hunks_max, lines_max;
};

// Parse into the arena. Errors are ASSAY_EPATCH with "line N: reason". A text
// without any diff is ASSAY_EPATCH ("no diff found").
ASSAY_MUST_USE enum assay_status assay_patch_parse(struct assay_patch **out,
        const char *text, size_t len, struct assay_arena *arena, struct assay_error *err);

// May this path be written by a patch? Plain relative, no ".git" component in any case
// (".GIT", ".git.", "git~1"), no control bytes, at most 4,096 bytes.
bool assay_patch_path_allowed(const char *path);

#endif
