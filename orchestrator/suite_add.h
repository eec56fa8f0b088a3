// SPDX-License-Identifier: MIT
// suite_add.h - from a path to a suite in the store: read, import base trees, all or nothing.
#ifndef ASSAY_ORCHESTRATOR_SUITE_ADD_H
#define ASSAY_ORCHESTRATOR_SUITE_ADD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "orchestrator/releases.h"
#include "tasks/suite.h"

struct assay_suite_add_options {
    const char *path;
    const char *name;   // NULL: the suite's own, or the file's
    const char *format; // NULL: told by what lies there; swebench.family is set for rows
    struct assay_swebench_options swebench;
    bool replace;
    unsigned runs; // releases: measuring and certifying runs
    size_t threads;
};

struct assay_suite_add_result {
    const char *name;
    size_t instance_count, certified_count;
    struct assay_release_loss *losses; // releases only
    size_t loss_count;
};

// Strings in the arena.
ASSAY_MUST_USE enum assay_status assay_suite_add(struct assay_suite_add_result *out,
        struct assay_context *context, const struct assay_suite_add_options *options,
        struct assay_arena *arena, struct assay_error *err);

// The base trees of all instances into the depot, where equal ones meet.
ASSAY_MUST_USE enum assay_status assay_suite_import_trees(struct assay_context *context,
        struct assay_suite *suite, size_t threads, struct assay_error *err);

#endif
