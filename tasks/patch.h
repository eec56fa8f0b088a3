// SPDX-License-Identifier: MIT
// patch.h - unified diffs as data: what a patch says, before anybody applies it.
//
// Parsing is pure, and reads the text twice at most. The first reading follows
// the grammar of `git apply` to the letter. Where it fails, or would silently
// drop lines that look like the rest of a hunk, a second reading tolerates what
// models write (prose and fences around the diff, wrong hunk counts, bare "@@",
// missing `diff --git` lines, a missing final newline, blank context lines cut
// to nothing, a UTF-8 BOM, CRLF line ends) and records each tolerance. Both
// refuse what could escape (absolute paths, "..", ".git", gitlinks, NUL in a
// path). Applying is envs/.
#ifndef ASSAY_TASKS_PATCH_H
#define ASSAY_TASKS_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

// More than this is ASSAY_EPATCH.
#define ASSAY_PATCH_BYTES_MAX ((size_t)64 << 20)
#define ASSAY_PATCH_LINES_MAX ((size_t)2 << 20)
#define ASSAY_PATCH_HUNKS_MAX ((size_t)512 << 10)
#define ASSAY_PATCH_FILES_MAX ((size_t)32 << 10)
#define ASSAY_PATCH_BINARY_BYTES_MAX ((size_t)64 << 20) // inflated, all files together
#define ASSAY_PATH_BYTES_MAX ((size_t)4096)

enum assay_patch_op {
    ASSAY_PATCH_MODIFY,
    ASSAY_PATCH_ADD,
    ASSAY_PATCH_DELETE,
    ASSAY_PATCH_RENAME, // with or without hunks
    ASSAY_PATCH_COPY,
};

enum assay_patch_line_kind {
    ASSAY_LINE_CONTEXT = ' ',
    ASSAY_LINE_ADD = '+',
    ASSAY_LINE_DELETE = '-',
};

struct assay_patch_line {
    enum assay_patch_line_kind kind;
    bool no_newline;         // "\ No newline at end of file" follows
    struct assay_bytes text; // with its line end, as it stands in the patch; without if none
};

struct assay_patch_hunk {
    size_t old_start, old_count, new_start, new_count; // starts as written, counts as they are;
                                                       // starts are 0 when `bare`
    bool bare;                                         // no usable numbers in the header
    bool recounted;                                    // the counts in the header were wrong
    struct assay_patch_line *lines;
    size_t line_count;
    size_t leading, trailing; // context lines before the first and after the last change
    size_t patch_line;        // line in the patch text, from 1
};

struct assay_patch_file {
    enum assay_patch_op op;
    const char *old_path, *new_path; // plain relative paths, prefixes stripped; equal for MODIFY;
                                     // old NULL for ADD, new NULL for DELETE
    const char *old_raw, *new_raw;   // as written, unquoted, nothing stripped; NULL when not known
    uint32_t old_mode, new_mode;     // 0: not told; else 0100644, 0100755, 0120000
    bool implied;      // RENAME that no "rename" line tells of: the two names just differ
    bool may_create;   // MODIFY whose old side is empty: it creates the file if there is none
    bool binary;       // changes bytes, not lines: see binary_data
    bool binary_delta; // git delta against the old content, else the new content
    struct assay_bytes binary_data;  // inflated; .data is NULL for "Binary files ... differ"
    char old_blob[65], new_blob[65]; // from the index line, lower-case hex, maybe abbreviated; ""
    struct assay_patch_hunk *hunks;
    size_t hunk_count;
    size_t patch_line;
};

struct assay_patch {
    struct assay_patch_file *files;
    size_t file_count;
    bool crlf;   // every line of every hunk ends in CRLF
    bool fenced; // text that is no diff was dropped
    size_t bytes;
    // How `git apply` reads the same text: the patch itself, another reading, or
    // NULL when git refuses it, for the reason in exact_refusal ("line N: reason").
    const struct assay_patch *exact;
    const char *exact_refusal;
};

// Parse into the arena. Errors are ASSAY_EPATCH with "line N: reason". A text
// without any diff is ASSAY_EPATCH ("no diff found"). `text` need not end in NUL
// and must live as long as the arena: hunk lines point into it.
ASSAY_MUST_USE enum assay_status assay_patch_parse(struct assay_patch **out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

// May this path be written by a patch? Plain relative, no ".git" component in any case or
// disguise (".GIT", ".git.", ".git::$DATA", "git~1", zero-width characters), no control bytes,
// at most 4,096 bytes.
bool assay_patch_path_allowed(const char *path);

#endif
