// SPDX-License-Identifier: MIT
// box_fixture.h - a sandbox for a test program, and a depot whose files its boxes may read.
#ifndef ASSAY_TESTS_ENVS_BOX_FIXTURE_H
#define ASSAY_TESTS_ENVS_BOX_FIXTURE_H

#include "envs/fixture.h"
#include "sandbox/box.h"

// Start the program's sandbox before any thread; false (and a note why) where boxes cannot be had.
bool box_fixture_start(struct assay_sandbox **out);

// As fixture_setup(), the depot belonging to the store's ids.
int box_fixture_setup(void **state);

#endif
