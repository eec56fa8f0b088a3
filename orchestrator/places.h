// SPDX-License-Identifier: MIT
// places.h - where a model says that a repository must be changed: files, then classes, functions
// and lines in them. Pure.
#ifndef ASSAY_ORCHESTRATOR_PLACES_H
#define ASSAY_ORCHESTRATOR_PLACES_H

#include "orchestrator/sources.h"
#include "rewards/symbols.h"

#define ASSAY_PLACES_MAX 5u        // files
#define ASSAY_PLACE_RANGES_MAX 32u // in a file

struct assay_place {
    const struct assay_source *source; // its text is there
    struct assay_symbols symbols;
    struct {
        size_t first, last; // lines from 1, both in it
        const char *symbol; // NULL: the model said lines
    } ranges[ASSAY_PLACE_RANGES_MAX];
    size_t range_count; // 0: the model said nothing about it
};

struct assay_places {
    struct assay_place items[ASSAY_PLACES_MAX];
    size_t count;
};

// Lines of the answer that are paths of the tree, in its order; where there are none, the first
// sources (ranked) that have a text and score. Symbols in the arena.
ASSAY_MUST_USE enum assay_status assay_places_read_files(struct assay_places *out,
        const struct assay_sources *sources, const char *answer, struct assay_arena *arena,
        struct assay_error *err);

// Below a line with one of the paths: "function: NAME", "class: NAME", "line: N", "lines: N-M".
void assay_places_read_elements(struct assay_places *places, const char *answer);

// Each file's classes and functions with the line that begins them.
void assay_places_outline(struct assay_buf *out, const struct assay_places *places);
// The lines that were said, with ten more on both sides; a file of which nothing was said up to its
// 400th line.
void assay_places_show(struct assay_buf *out, const struct assay_places *places);
// As an answer to a task that asks for places: "path:function" or "path:line", a line each.
void assay_places_answer(struct assay_buf *out, const struct assay_places *places);

#endif
