// SPDX-License-Identifier: MIT
// localize.h - where the fault is: what a model answered against what the gold patch changes. Pure.
//
// An answer is a ranked list of locations, the likeliest first, as JSON or as plain lines:
//
//     src/ring.c                      a file
//     src/ring.c:ring_free            a function of it ("Class.method", "Class::method" too)
//     src/ring.c:22                   a line
//     src/ring.c:20-24                lines
//
//     [{"path": "src/ring.c", "function": "ring_free", "lines": [20, 24]}, "src/ring.c:22"]
//
// Plain lines may be list items ("- ", "1. ") or stand in backquotes or fences; a line that is no
// location is passed over. JSON may be {"locations": [...]}, and a location may say "file" for
// "path" and "line" for "lines".
#ifndef ASSAY_REWARDS_LOCALIZE_H
#define ASSAY_REWARDS_LOCALIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/verdict.h"

#define ASSAY_LOCATIONS_MAX 1000
#define ASSAY_LOCATION_LINES_MAX 10000 // of one range

struct assay_location {
    const char *path;
    const char *function; // NULL: not named
    size_t first, last;   // lines from 1; 0: not named
};

struct assay_locations {
    struct assay_location *items; // as ranked
    size_t count;
};

// ASSAY_EPATCH: no location in it, more than ASSAY_LOCATIONS_MAX, a range that is too wide, JSON
// that is none ("line N: reason"). Everything is copied into the arena.
ASSAY_MUST_USE enum assay_status assay_locations_read(struct assay_locations *out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

// A file of the base tree that the gold patch changes or the answer names.
struct assay_localize_file {
    const char *path;
    bool in_base, changed;         // is it there; does the gold patch touch it
    struct assay_bytes base, gold; // its text before and after; empty where it is not there
};

// The gold patch's own answer: every function, or else every run of lines, that it changes.
ASSAY_MUST_USE enum assay_status assay_localize_gold(struct assay_locations *out,
        const struct assay_localize_file *files, size_t count, struct assay_arena *arena,
        struct assay_error *err);

// Found: every changed file, and every changed function (where there is none, a changed line),
// with at least half of the files and half of the functions that the answer names being right.
// Files that the gold patch makes cannot be named and do not count, unless it does nothing else.
struct assay_localize_result {
    struct assay_localize_score score;
    bool found;
    const char *reason; // one sentence
};
#define ASSAY_LOCALIZE_PRECISION_MIN 0.5
ASSAY_MUST_USE enum assay_status assay_localize_judge(struct assay_localize_result *out,
        const struct assay_locations *answer, const struct assay_localize_file *files, size_t count,
        struct assay_arena *arena, struct assay_error *err);

#endif
