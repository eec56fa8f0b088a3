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
    unsigned runs; // certified mutants: of the instances' own certification
    bool newest;   // only the last instance of each repository
};

// What became of one instance, in the order of the suite.
struct assay_mutate_result {
    const char *instance_id;
    size_t made, tried, kept;
    size_t survived; // mutants that no listed test tells from gold
    size_t spoiled;  // that would not build, hung, died, or whose run is not believed
    // Certified mutants only: those that break most tests, that fail as another one does, that a
    // second run did not bear out, that were kept and then were not borne out; mixed runs; all that
    // were kept, by earlier commands too.
    size_t gross, twins, unsteady, withdrawn, mixed;
    uint64_t wall_ms, cpu_ms; // since the command was typed; cpu_ms: of boxes
    const char *reason;       // why nothing was tried, or no more; NULL
    char trouble[160];        // what reason points to where trouble of ours ended a package
};

// Strings in the arena. A partial folder stays when this fails; ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_mutate(struct assay_mutate_result **out, size_t *count,
        struct assay_context *context, const struct assay_mutate_options *options,
        struct assay_arena *arena, struct assay_error *err);

// The same with all source files of the fixed tree and all its tests, certified as it goes:
//   - the instances themselves are certified, with every check;
//   - a mutant has one run of the whole suite; if a test tells it, two more of the files that hold
//     the failing tests; one in twenty has gold and itself run again whole, in other orders. If
//     that disagrees once, every task of the package has it, and those that it does not bear out
//     go;
//   - no two of a package have the same text, or the same line and the same failing tests; none
//     breaks most tests; half of the functions that fail are not in the base tree.
// DIR holds the tasks, their fixed trees below .base, and .mutated.jsonl: the same command goes on
// where it was. Certificates are in the store; the suite is not yet (assay_suite_add()).
// ASSAY_ECONFLICT: the folder was made with another suite or seed.
ASSAY_MUST_USE enum assay_status assay_mutate_certified(struct assay_mutate_result **out,
        size_t *count, struct assay_context *context, const struct assay_mutate_options *options,
        struct assay_arena *arena, struct assay_error *err);

// Which instances are meant, in suite order. In the arena. ASSAY_EINVAL: none.
ASSAY_MUST_USE enum assay_status assay_mutate_choose(const struct assay_instance ***out,
        size_t *count, const struct assay_mutate_options *options, struct assay_arena *arena,
        struct assay_error *err);

#endif
