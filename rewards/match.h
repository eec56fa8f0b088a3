// SPDX-License-Identifier: MIT
// match.h - which result an expected id of an instance means.
//
// Native rules: the id itself. SWE-bench's rules also read ids as its data
// wrote them: "name (module.Class)" for unittest's module.Class.name, an id cut
// at its first space, an id cut inside "[...]" (676 ids of Verified). A cut id
// counts only if every result that it may mean says the same. R2E-Gym's ids leave out the file and
// have dots for "::".
#ifndef ASSAY_REWARDS_MATCH_H
#define ASSAY_REWARDS_MATCH_H

#include <stdbool.h>

#include "base/arena.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

// `outcome` is finished (sorted). MISSING when no result, or no one result, is meant.
enum assay_test_status assay_match_id(
        const struct assay_outcome *outcome, const char *id, enum assay_rules rules);

// "name (module.Class)", as unittest prints it, as the id module.Class.name. NULL: not of that
// shape, or the arena is full.
const char *assay_match_unittest_id(struct assay_arena *arena, const char *id);

// PASSED or XFAIL.
bool assay_status_passes(enum assay_test_status status);

#endif
