// SPDX-License-Identifier: MIT
// rules.h - what an instance's rules ask for beside its two lists (tasks/instance.h). Pure.
//
//   ALL_PASSED   SWE-rebench, SWE-bench Pro: each listed test passed. Skipped is not passed, and
//                neither is a failure that the suite expects.
//   WHOLE_MAP    R2E-Gym: the tests that passed, failed or were in error are the listed ones, each
//                with its status, and no others. Tests that were skipped are not looked at.
//   THREE_STAGE  Multi-SWE-bench: as ALL_PASSED, and no test fails that passed before the fix.
#ifndef ASSAY_REWARDS_RULES_H
#define ASSAY_REWARDS_RULES_H

#include "base/arena.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

// The results under the names by which the rules know them: WHOLE_MAP leaves out the file of
// "t.py::A::b" and joins the rest to "A.b"; what was skipped is left out. Other rules: *from.
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_rules_outcome(struct assay_outcome *out,
        const struct assay_outcome *from, enum assay_rules rules, struct assay_arena *arena,
        struct assay_error *err);

// Did a listed test do what its list says? `f2p`: of FAIL_TO_PASS, else of PASS_TO_PASS.
bool assay_rules_success(
        const struct assay_instance *instance, bool f2p, enum assay_test_status status);

// What the rules ask for beside those lists and is not so: a sentence in the arena, "" when all of
// it is, NULL when memory ran out. `named` is of assay_rules_outcome().
const char *assay_rules_broken(const struct assay_instance *instance,
        const struct assay_outcome *named, struct assay_arena *arena);

// One id as WHOLE_MAP knows it, in the arena; NULL when memory ran out.
const char *assay_rules_map_name(struct assay_arena *arena, const char *id);

#endif
