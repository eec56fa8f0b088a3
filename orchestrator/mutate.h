// SPDX-License-Identifier: MIT
// mutate.h - repair tasks out of programs whose tests pass: the fixed trees of a suite, each broken
// in one place.
//
// Of each instance the files that gold changes are broken (rewards/mutants.h), one place at a time,
// and the instance's own tests are run on the result like any model patch, in a box. A mutant is
// kept if its run came to its end and a listed test failed: those tests are FAIL_TO_PASS, the
// others PASS_TO_PASS, and gold undoes the mutation. First gold itself is run: an instance whose
// gold does not resolve has no passing tests to build on. Whether a kept task is sound is for
// `suite certify` to say.
#ifndef ASSAY_ORCHESTRATOR_MUTATE_H
#define ASSAY_ORCHESTRATOR_MUTATE_H

#include "orchestrator/context.h"
#include "tasks/suite.h"

struct assay_mutate_options {
    const struct assay_suite *suite; // loaded; trees in the depot
    const char *const *instance_ids; // only these; count 0: all repairs
    size_t instance_count;
    const char *dir;  // of the new suite
    const char *name; // NULL: "<suite>-mutants"
    size_t count;     // kept of an instance, at most
    size_t tries;     // runs of an instance, at most
    uint64_t seed;
    size_t threads;
};

// What became of one instance, in the order of the suite.
struct assay_mutate_result {
    const char *instance_id;
    size_t made, tried, kept;
    size_t survived;    // mutants that no listed test tells from gold
    size_t spoiled;     // that would not build, hung, died, or whose run is not believed
    const char *reason; // why nothing was tried; NULL
};

// Strings in the arena. A partial folder stays when this fails; ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_mutate(struct assay_mutate_result **out, size_t *count,
        struct assay_context *context, const struct assay_mutate_options *options,
        struct assay_arena *arena, struct assay_error *err);

#endif
