// SPDX-License-Identifier: MIT
// sources.h - the texts of an instance's base tree, and which of them a problem is about by its
// words: what a prompt shows of a repository. Nothing is run.
#ifndef ASSAY_ORCHESTRATOR_SOURCES_H
#define ASSAY_ORCHESTRATOR_SOURCES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/instance.h"

#define ASSAY_SOURCES_MAX 20000u // files; a tree with more shows the first ones

struct assay_source {
    const char *path;
    struct assay_bytes text; // data NULL: too large, or binary
    bool test;               // a file of tests by its name
    double score;            // of the last ranking
};

struct assay_sources {
    struct assay_source *items; // by path, or as ranked
    size_t count;
};

// Regular files, without what lies in hidden directories. In the arena.
ASSAY_MUST_USE enum assay_status assay_sources_load(struct assay_sources *out,
        struct assay_context *context, const struct assay_instance *instance,
        struct assay_arena *arena, struct assay_error *err);

// Best first: BM25 (k1 = 1.2, b = 0.75) of the problem's words in path and text, ten times as much
// for a path that the problem names, a third for tests unless `tests`. Equal ones by path.
ASSAY_MUST_USE enum assay_status assay_sources_rank(struct assay_sources *sources,
        struct assay_bytes problem, bool tests, struct assay_error *err);

// NULL: no such file. Also where the sources are ranked.
const struct assay_source *assay_sources_find(
        const struct assay_sources *sources, const char *path, size_t len);

// Lines [first, last] (from 1) of a source under its path, in a fence.
void assay_source_show(
        struct assay_buf *out, const struct assay_source *source, size_t first, size_t last);
size_t assay_source_lines(const struct assay_source *source);

#endif
