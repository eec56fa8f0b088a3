// SPDX-License-Identifier: MIT
// patch_read.h - what the files of the patch parser share. For tasks/patch*.c alone.
//
// patch.c cuts the text into lines and walks over it; patch_header.c reads what
// stands before a file's hunks, patch_name.c the names in it; patch_hunk.c reads
// hunks; patch_binary.c reads "GIT binary patch". patch_format.c tells the formats
// apart; patch_unwrap.c takes off what is wrapped around a patch; patch_block.c,
// patch_codex.c and patch_whole.c read the formats that are no diffs.
#ifndef ASSAY_TASKS_PATCH_READ_H
#define ASSAY_TASKS_PATCH_READ_H

#include "tasks/patch.h"

struct patch_reader {
    const struct assay_bytes *lines; // each with its "\n", which only the last may lack
    size_t line_count;
    const uint32_t *numbers; // [line_count] the line of the given text, from 1; NULL: index + 1
    size_t at;               // index of the next line
    bool tolerant;           // which of the two readings this is
    // Leading components to drop from names, git's -p. A first traditional header whose names
    // have no "/" settles it at 0 for all that follows, as in git.
    unsigned strip;
    bool strip_known;
    size_t hunk_count;
    size_t binary_bytes;
    bool crlf_seen, lf_seen; // line ends of hunk lines
    size_t combined_line;    // a "diff --cc" that git passes over; 0: none
    bool ours;               // what was refused is refused by a rule of ours: git would take it
    bool doubtful;           // strict reading: git takes this for something else than was meant
    struct assay_arena *arena;
    struct assay_error *err;
};

// What stands before the hunks of one file. Starts as PATCH_HEAD_INIT.
struct patch_head {
    const char *default_name;        // of "diff --git", when both of its names are equal
    const char *old_name, *new_name; // stripped
    const char *old_raw, *new_raw;   // not stripped
    int is_new, is_delete;           // 1, 0, or -1: the hunks will tell
    bool is_rename, is_copy;
    uint32_t old_mode, new_mode;
    char old_blob[65], new_blob[65];
    size_t line; // index of its first line
};
#define PATCH_HEAD_INIT                                                                            \
    {                                                                                              \
        .is_new = -1, .is_delete = -1                                                              \
    }

enum patch_found { PATCH_FOUND, PATCH_NOT_FOUND, PATCH_BROKEN }; // BROKEN: reader->err says why

// --- patch.c ---

// The line of the given text that line `index` is, from 1.
size_t patch_line_number(const struct patch_reader *reader, size_t index);
// ASSAY_EPATCH with "line N: " before the reason; `index` is that of the line.
enum assay_status patch_fail(const struct patch_reader *reader, size_t index, const char *fmt, ...)
        ASSAY_PRINTF(3, 4);
bool patch_line_starts(const struct patch_reader *reader, size_t index, const char *prefix);
bool patch_bytes_start(struct assay_bytes text, const char *prefix);
// Is the line empty but for its line end?
bool patch_line_is_blank(const struct patch_reader *reader, size_t index);
// Bytes from the start of line `index` to the end of the text.
size_t patch_bytes_left(const struct patch_reader *reader, size_t index);

// Cut the text into reader->lines.
ASSAY_MUST_USE enum assay_status patch_cut_lines(
        struct patch_reader *reader, struct assay_bytes text);
// The text without a byte-order mark, with a newline at its end.
ASSAY_MUST_USE enum assay_status patch_mend(
        struct assay_bytes *text, struct assay_arena *arena, struct assay_error *err);
// Append to patch->files, growing it by doubling.
ASSAY_MUST_USE enum assay_status patch_add_file(struct patch_reader *reader,
        struct assay_patch *patch, size_t *capacity, const struct assay_patch_file *file);
ASSAY_MUST_USE enum assay_status patch_add_hunk(struct patch_reader *reader,
        struct assay_patch_file *file, size_t *capacity, const struct assay_patch_hunk *hunk);

// A text with what was wrapped around it taken off.
struct patch_text {
    struct assay_bytes text;
    const uint32_t *numbers; // as in struct patch_reader; NULL when nothing was taken off
};

// One tolerant reading of `inner`; `outer` is the text as it was given, which git reads.
ASSAY_MUST_USE enum assay_status patch_read_diff(struct assay_patch **out, struct assay_bytes outer,
        const struct patch_text *inner, struct assay_arena *arena, struct assay_error *err);

// --- patch_name.c ---

enum patch_name_end { PATCH_NAME_TO_LINE_END, PATCH_NAME_TO_TAB };

// The name at the start of `text` without its first `strip` components, in the
// arena; NULL when there is none. `preferred` (may be NULL) wins if the name
// only adds something to it ("x.py.orig").
const char *patch_name_read(struct patch_reader *reader, struct assay_bytes text, unsigned strip,
        enum patch_name_end end, const char *preferred);
// The same for "---" and "+++" without "diff --git": a time stamp after the name is cut off.
const char *patch_name_read_stamped(struct patch_reader *reader, struct assay_bytes text,
        unsigned strip, const char *preferred);
// The name that both sides of a "diff --git" line share; NULL if they differ.
const char *patch_name_read_pair(
        struct patch_reader *reader, struct assay_bytes text, const char **raw);
// The name inside double quotes at the start of text, or NULL. *used is set to
// the bytes up to and with the closing quote.
char *patch_name_unquote(struct patch_reader *reader, struct assay_bytes text, size_t *used);
bool patch_name_is_dev_null(struct assay_bytes text);
// GNU diff gives the missing side of a created or deleted file the time 0.
bool patch_name_has_epoch(struct assay_bytes text);

// --- patch_header.c ---

// Find the next header at or after reader->at and step behind it.
enum patch_found patch_header_find(struct patch_reader *reader, struct patch_head *head);

// --- patch_hunk.c ---

// Does a hunk's header stand at line `index`? Numbers go into *hunk.
bool patch_hunk_header(
        const struct patch_reader *reader, size_t index, struct assay_patch_hunk *hunk);
// Does line `index` begin something that is no part of a hunk?
bool patch_hunk_ends_at(const struct patch_reader *reader, size_t index);
// All hunks from reader->at on, into *file.
enum assay_status patch_hunks_read(struct patch_reader *reader, struct assay_patch_file *file);

// --- patch_binary.c ---

// After the line "GIT binary patch": the forward half into *file; the reverse half is only checked.
enum assay_status patch_binary_read(struct patch_reader *reader, struct assay_patch_file *file);

// --- patch_unwrap.c ---

// Take off <think>, <solution>, colour codes and mail transfer encodings.
ASSAY_MUST_USE enum assay_status patch_unwrap(struct patch_text *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err);

// --- patch_block.c, patch_codex.c, patch_whole.c ---

// A file name as people set it: "### `a/b.py`:" gives a/b.py, in the arena. NULL when the line
// holds none. Of names that nothing marks, only those with an extension or a folder are taken.
const char *patch_block_name(struct patch_reader *reader, struct assay_bytes line);
// The fields of a file that a block format names: one path, checked, on line `index`.
ASSAY_MUST_USE enum assay_status patch_block_file(
        struct patch_reader *reader, size_t index, const char *name, struct assay_patch_file *file);
struct assay_bytes patch_bytes_trim(struct assay_bytes text);

bool patch_block_at(const struct patch_reader *reader, size_t index); // "<<<<<<< SEARCH"
bool patch_codex_at(const struct patch_reader *reader, size_t index); // "*** Update File: ..."
// Does a fence that names a file stand anywhere?
bool patch_whole_any(struct patch_reader *reader);

ASSAY_MUST_USE enum assay_status patch_block_read(
        struct patch_reader *reader, struct assay_patch *patch);
ASSAY_MUST_USE enum assay_status patch_codex_read(
        struct patch_reader *reader, struct assay_patch *patch);
ASSAY_MUST_USE enum assay_status patch_whole_read(
        struct patch_reader *reader, struct assay_patch *patch);

#endif
