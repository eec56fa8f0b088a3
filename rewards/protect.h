// SPDX-License-Identifier: MIT
// protect.h - files that decide what the tests are and how they run: the suite's, not the model's.
//
// A model patch that changes one of them could rewrite results from inside the
// runner, or run other tests. Its changes there are dropped and shown; an instance whose gold patch
// needs such a file names it in protected_allowed. Pure.
#ifndef ASSAY_REWARDS_PROTECT_H
#define ASSAY_REWARDS_PROTECT_H

#include <stdbool.h>

#include "base/arena.h"
#include "tasks/instance.h"

// Globs (tasks/instance.h).
struct assay_protection {
    // Whole files: what the framework loads by itself, modules that could stand for the
    // framework's own, files that hold expected tests, files that the test command names. Of the
    // last two those are left out that the gold patch changes.
    struct assay_strings globs;
    // Files that hold more than the runner's settings: assay_protect_change() decides.
    struct assay_strings partly;
};

// The lists are in the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_protection_make(struct assay_protection *out,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err);

// May the model change this file, which `partly` matches, from `before` to `after`? Only if what
// concerns a test runner stays byte for byte (docs/verdicts.md). A file made or removed (data NULL)
// may not.
bool assay_protect_change(const char *path, struct assay_bytes before, struct assay_bytes after);

#endif
