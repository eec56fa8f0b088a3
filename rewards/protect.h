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
    // Whole files: what the framework loads by itself, and modules that could stand for its own.
    struct assay_strings globs;
    // Files that hold more than the runner's settings: assay_protect_change() decides.
    struct assay_strings partly;
    // Whole files: those that hold expected tests, folders of tests that those or files of the
    // test patch are in, files that the test command names.
    struct assay_strings tests;
    struct assay_strings exempt; // paths that `tests` does not mean: the gold patch changes them
};

// The lists are in the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_protection_make(struct assay_protection *out,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err);

// May the model change this file, which `partly` matches, from `before` to `after`? Only if what
// concerns a test runner stays byte for byte (docs/verdicts.md). A file made or removed (data NULL)
// may not.
bool assay_protect_change(const char *path, struct assay_bytes before, struct assay_bytes after);

#endif
