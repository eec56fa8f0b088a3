// SPDX-License-Identifier: MIT
// patch_read.h - what the files of the patch parser share. For tasks/patch*.c alone.
//
// patch.c cuts the text into lines and walks over it; patch_header.c reads what
// stands before a file's hunks, patch_name.c the names in it; patch_hunk.c reads
// hunks; patch_binary.c reads "GIT binary patch".
#ifndef ASSAY_TASKS_PATCH_READ_H
#define ASSAY_TASKS_PATCH_READ_H

#include "tasks/patch.h"

struct patch_reader {
    const struct assay_bytes *lines; // each with its "\n", which only the last may lack
    size_t line_count;
    size_t at;     // index of the next line
    bool tolerant; // which of the two readings this is
    // Leading components to drop from names, git's -p. A first traditional header whose names
    // have no "/" settles it at 0 for all that follows, as in git.
    unsigned strip;
    bool strip_known;
    size_t hunk_count;
    size_t binary_bytes;
    bool crlf_seen, lf_seen; // line ends of hunk lines
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

// ASSAY_EPATCH with "line N: " before the reason; `index` is that of the line.
enum assay_status patch_fail(const struct patch_reader *reader, size_t index, const char *fmt, ...)
        ASSAY_PRINTF(3, 4);
bool patch_line_starts(const struct patch_reader *reader, size_t index, const char *prefix);
bool patch_bytes_start(struct assay_bytes text, const char *prefix);
// Is the line empty but for its line end?
bool patch_line_is_blank(const struct patch_reader *reader, size_t index);
// Bytes from the start of line `index` to the end of the text.
size_t patch_bytes_left(const struct patch_reader *reader, size_t index);

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

#endif
