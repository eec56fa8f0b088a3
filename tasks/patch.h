// SPDX-License-Identifier: MIT
// patch.h - patches as data: what a patch says, before anybody applies it.
//
// Unified diffs are read twice at most. The first reading follows the grammar of
// `git apply` to the letter. Where it fails, or would silently drop lines that
// look like the rest of a hunk, a second reading tolerates what models write
// (prose and fences around the diff, wrong hunk counts, bare "@@", missing
// `diff --git` lines, a missing final newline, blank context lines cut to
// nothing, a UTF-8 BOM, CRLF line ends, colour codes, mails in transfer
// encodings) and records each tolerance. Other formats (SEARCH/REPLACE blocks,
// Codex's apply_patch, whole files in fences) become the same record. All refuse
// what could escape (absolute paths, "..", ".git", gitlinks, NUL in a path).
// Parsing is pure. Applying is envs/. docs/patches.md has the rules.
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

enum assay_patch_format {
    ASSAY_FORMAT_AUTO, // never that of a patch that was read
    ASSAY_FORMAT_DIFF,
    ASSAY_FORMAT_SEARCH_REPLACE,       // the text must stand in the file exactly once
    ASSAY_FORMAT_SEARCH_REPLACE_FIRST, // its first place is replaced
    ASSAY_FORMAT_SEARCH_REPLACE_ALL,   // all its places are
    ASSAY_FORMAT_APPLY_PATCH,
    ASSAY_FORMAT_WHOLE_FILE,
};
// "auto", "diff", "search-replace", "search-replace-first", "search-replace-all", "apply-patch",
// "whole-file".
#define ASSAY_PATCH_FORMATS                                                                        \
    "auto, diff, search-replace, search-replace-first, search-replace-all, apply-patch, whole-file"
// False when there is no such format.
bool assay_patch_format_find(enum assay_patch_format *out, const char *name);
const char *assay_patch_format_name(enum assay_patch_format format);

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
    // apply_patch: lines of the file that come before this hunk, in this order; and whether its
    // old lines are the last of the file.
    const struct assay_bytes *anchors;
    size_t anchor_count;
    bool at_end;
};

struct assay_patch_file {
    enum assay_patch_op op;
    const char *old_path, *new_path; // plain relative paths, prefixes stripped; equal for MODIFY;
                                     // old NULL for ADD, new NULL for DELETE
    const char *old_raw, *new_raw;   // as written, unquoted, nothing stripped; NULL when not known
    uint32_t old_mode, new_mode;     // 0: not told; else 0100644, 0100755, 0120000
    bool implied;    // RENAME that no "rename" line tells of: the two names just differ
    bool may_create; // MODIFY whose old side is empty: it creates the file if there is none
    bool whole;      // MODIFY that replaces all the content, or creates the file
    struct assay_bytes content;      // when `whole`
    bool binary;                     // changes bytes, not lines: see binary_data
    bool binary_delta;               // git delta against the old content, else the new content
    struct assay_bytes binary_data;  // inflated; .data is NULL for "Binary files ... differ"
    char old_blob[65], new_blob[65]; // from the index line, lower-case hex, maybe abbreviated; ""
    struct assay_patch_hunk *hunks;
    size_t hunk_count;
    size_t patch_line;
};

struct assay_patch {
    enum assay_patch_format format;
    struct assay_patch_file *files;
    size_t file_count;
    bool crlf;   // every line of every hunk ends in CRLF
    bool fenced; // text that is no diff was dropped
    // The text was not the patch itself: colour codes, mail encodings or <think> were taken off.
    bool unwrapped;
    size_t combined_line; // > 0: git passes over the diff of a merge there; tolerant mode refuses
    size_t bytes;
    struct assay_bytes text; // as it was handed in
    // How `git apply` reads the same text: the patch itself, another reading, or
    // NULL when git refuses it, for the reason in exact_refusal ("line N: reason").
    const struct assay_patch *exact;
    const char *exact_refusal;
    bool exact_refused_by_us; // for a name or a mode that no patch may have, whatever git says
};

// Parse a unified diff into the arena. Errors are ASSAY_EPATCH with "line N: reason". A text
// without any diff is ASSAY_EPATCH ("no diff found"). `text` need not end in NUL
// and must live as long as the arena: hunk lines point into it.
ASSAY_MUST_USE enum assay_status assay_patch_parse(struct assay_patch **out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

// Parse what a model wrote, in `format` or, with AUTO, in the one that its marks tell of:
// "*** Update File:", "<<<<<<< SEARCH", the headers of a diff, fences that name a file, in this
// order. What is wrapped around it is taken off first; line numbers stay those of `text`.
// Otherwise as assay_patch_parse().
ASSAY_MUST_USE enum assay_status assay_patch_read(struct assay_patch **out, const char *text,
        size_t len, enum assay_patch_format format, struct assay_arena *arena,
        struct assay_error *err);

// For a mode that knows no tolerance: git's reading of the text alone. Where git refuses it, the
// patch has no files, .exact is NULL and .exact_refusal says why; that is no error.
ASSAY_MUST_USE enum assay_status assay_patch_read_exact(struct assay_patch **out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

// May this path be written by a patch? Plain relative, no ".git" component in any case or
// disguise (".GIT", ".git.", ".git::$DATA", "git~1", zero-width characters), no control bytes,
// at most 4,096 bytes.
bool assay_patch_path_allowed(const char *path);

#endif
