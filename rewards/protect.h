// SPDX-License-Identifier: MIT
// protect.h - files that a test framework reads as configuration or loads on its own: the suite's,
// not the model's.
//
// A model patch that changes one of them could rewrite results from inside the
// runner. Its changes there are dropped and shown; an instance whose gold patch
// needs such a file names it in protected_allowed.
#ifndef ASSAY_REWARDS_PROTECT_H
#define ASSAY_REWARDS_PROTECT_H

#include "tasks/instance.h"

// Globs (tasks/instance.h) for the framework of that name; none for an unknown one. Static.
struct assay_strings assay_protected_globs(const char *framework);

#endif
