// SPDX-License-Identifier: MIT
// narrow.h - pytest's test command, of some files only. Pure.
#ifndef ASSAY_REWARDS_NARROW_H
#define ASSAY_REWARDS_NARROW_H

#include <stdbool.h>

#include "base/arena.h"
#include "tasks/instance.h"

// argv that runs the tests of `files` (paths from where it starts) and of no others, under the ids
// that they have in the whole. *possible false: the command is not `python -m pytest`, names single
// tests, or has an option of which it is not known whether a word belongs to it. In the arena;
// false: out of memory.
bool assay_narrow_pytest(struct assay_strings *out, bool *possible,
        const struct assay_strings *argv, const struct assay_strings *files,
        struct assay_arena *arena);

#endif
