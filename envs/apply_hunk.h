// SPDX-License-Identifier: MIT
// apply_hunk.h - the new content of one file from its old content and its hunks. For envs/apply*.c.
#ifndef ASSAY_ENVS_APPLY_HUNK_H
#define ASSAY_ENVS_APPLY_HUNK_H

#include "envs/apply.h"

// How a hunk came to its place. A record names them all, joined by "+"; "exact" when there are
// none.
enum hunk_mark {
    HUNK_OFFSET = 1 << 0,     // not where its header said
    HUNK_RECOUNT = 1 << 1,    // the header's counts were wrong
    HUNK_BARE = 1 << 2,       // the header had no numbers
    HUNK_ZERO = 1 << 3,       // no context at all: its line numbers were believed
    HUNK_EDGE = 1 << 4,       // short context, yet not at the file's begin or end
    HUNK_NEWLINE = 1 << 5,    // differs in the last line's newline
    HUNK_CRLF = 1 << 6,       // differs in line ends
    HUNK_WHITESPACE = 1 << 7, // differs in white space
    HUNK_FUZZ = 1 << 8,       // context lines at its edges were wrong
    HUNK_STRIP = 1 << 9,      // the path had another prefix
    HUNK_PRESENT = 1 << 10,   // what it would make is there already
    HUNK_RSTRIP = 1 << 11,    // differs in blanks at line ends
    HUNK_TRIM = 1 << 12,      // differs in blanks at both ends of lines
    HUNK_UNICODE = 1 << 13,   // differs in typographic dashes, quotes or blanks
    HUNK_INDENT = 1 << 14,    // all its lines are indented alike by more
    HUNK_UNWRAPPED = 1 << 15, // colour codes, a mail's encoding or tags were taken off the patch
    HUNK_GNU = 1 << 16,       // placed by the rules of GNU patch, after git had refused the patch
};

struct hunk_job {
    const struct assay_patch_file *file;
    const char *path; // for messages and records
    bool tolerant;
    unsigned marks;          // enum hunk_mark that hold for the whole file
    struct assay_bytes text; // old content
    size_t bytes_max;
    uint64_t *steps_left;
    struct assay_hunk_record *records; // [file->hunk_count] out
    struct assay_arena *arena;
};

// ASSAY_EPATCH with "line N: path: reason".
ASSAY_MUST_USE enum assay_status hunks_apply(
        struct assay_bytes *out, const struct hunk_job *job, struct assay_error *err);

// Does the text hold the new side of every hunk already?
bool hunks_are_applied(const struct hunk_job *job);

// Marks as text, in the arena or static; NULL when memory runs out.
const char *hunk_marks_text(unsigned marks, struct assay_arena *arena);

#endif
