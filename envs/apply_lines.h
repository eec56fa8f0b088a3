// SPDX-License-Identifier: MIT
// apply_lines.h - a file cut into lines, and where a run of lines stands in it. For envs/apply*.c.
//
// An image is a file while hunks are being placed in it. Its own lines are never
// moved: a placed hunk marks the lines it replaced, and a Fenwick tree keeps how
// many lines stand before each one by now. So a hunk costs the length of its own
// text and a logarithm, however large the file and however many the hunks.
#ifndef ASSAY_ENVS_APPLY_LINES_H
#define ASSAY_ENVS_APPLY_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/patch.h"

// When are two lines the same?
enum lines_level {
    LINES_BYTES,  // every byte
    LINES_ENDS,   // "\n", "\r\n" or nothing at their end
    LINES_SPACE,  // also runs of blanks and tabs, and those at the end
    LINES_LEVELS, // as many have an index; those below are for lines_same() and lines_match_at()
    LINES_TRAILING = LINES_LEVELS, // all but blanks at the end
    LINES_TRIMMED,                 // all but blanks at both ends
    LINES_UNICODE,                 // also typographic dashes, quotes and blanks are plain ones
};

enum lines_flag {
    LINES_PATCHED = 1,         // a hunk put its text in the place of this line
    LINES_INSERTED_BEFORE = 2, // a hunk put text right before this line
};

struct lines_index; // lines by content, made when it is first needed

struct lines_image {
    struct assay_bytes text;
    uint32_t *starts; // [count + 1] offset of each line; the last is text.len
    uint32_t count;
    uint8_t *flags;  // [count + 1] enum lines_flag
    int32_t *shifts; // [count + 1] Fenwick tree: lines added and removed, by line
    struct lines_index *indexes[LINES_LEVELS];
    struct assay_arena *arena;
    uint64_t *steps_left; // line comparisons that are still allowed; shared by all files
};

// A run of lines to be found.
struct lines_pattern {
    const struct assay_bytes *lines;
    uint32_t count;
    uint32_t *classes; // [count] scratch for the search
};

#define LINES_NOWHERE UINT32_MAX
enum { LINES_FOUND_MAX = 4 };

// All the places where a pattern stands, as far as they fit.
struct lines_found {
    uint32_t at[LINES_FOUND_MAX];
    uint32_t count;
};

ASSAY_MUST_USE enum assay_status lines_image_init(struct lines_image *image,
        struct assay_bytes text, struct assay_arena *arena, uint64_t *steps_left,
        struct assay_error *err);

struct assay_bytes lines_at(const struct lines_image *image, uint32_t line);

// Where line `line` of the original stands by now, from 0; lines_position(count) is the length.
int64_t lines_position(const struct lines_image *image, uint32_t line);

// Lines [begin, end) have been replaced by `added` lines.
void lines_replace(struct lines_image *image, uint32_t begin, uint32_t end, uint32_t added);

// Where git places the pattern: the nearest match to `position`, the later one of
// two equally near. at_begin, at_end: only at the first or the last line.
// LINES_NOWHERE when there is none; ASSAY_EPATCH when the search was too long.
ASSAY_MUST_USE enum assay_status lines_find_nearest(struct lines_image *image,
        const struct lines_pattern *pattern, int64_t position, bool at_begin, bool at_end,
        uint32_t *found, struct assay_error *err);

ASSAY_MUST_USE enum assay_status lines_find_all(struct lines_image *image,
        const struct lines_pattern *pattern, enum lines_level level, struct lines_found *found,
        struct assay_error *err);

// Does the pattern stand exactly at this line of the original?
bool lines_match_at(const struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, uint32_t line);

bool lines_same(enum lines_level level, struct assay_bytes a, struct assay_bytes b);
size_t lines_length_without_end(struct assay_bytes line);

#endif
