// SPDX-License-Identifier: MIT
// write_tests.h - what a model's new tests are worth: what they said of the buggy tree, of the
// fixed one, and of wrong fixes. Pure; whoever runs them is orchestrator/grade_write_tests.c.
//
// A test counts as the model's when the tree without the model's files does not have it. What is
// needed, in this order:
//   1. on the fixed tree the run ends, and no new test fails, nor one that passed without them;
//   2. on the buggy tree the run ends, and a new test fails there, for the right reason: it ran,
//   and
//      did not die of a name or a module that is not there;
//   3. both say so twice, the second time over source whose blanks differ (rewards/mutants.h): a
//   test
//      that wavers, or that reads the source instead of running it, counts for nothing;
//   4. enough mutants of the fix are killed: a new test that passes on the fix fails on them.
#ifndef ASSAY_REWARDS_WRITE_TESTS_H
#define ASSAY_REWARDS_WRITE_TESTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/outcome.h"
#include "tasks/verdict.h"

// One run of the tests on one tree, judged without lists (rewards/judge.h).
struct assay_tests_run {
    enum assay_cause cause;
    const char *reason;
    const struct assay_outcome *outcome;
    struct assay_bytes log; // what it printed; of the first run on the buggy tree only
};

enum { ASSAY_WRITE_TESTS_ROUNDS = 2 }; // runs on each of the two trees

struct assay_write_tests_runs {
    struct assay_tests_run base; // the buggy tree without the model's files
    struct assay_tests_run before[ASSAY_WRITE_TESTS_ROUNDS], after[ASSAY_WRITE_TESTS_ROUNDS];
};

// Fill the three lists of *score. *fault: the first thing that speaks against the tests, one
// sentence, or NULL; *cause: the run's own where one did not end as it must, else tests_failed.
// The runs may stop short where one shows a fault: what has no outcome was not run.
ASSAY_MUST_USE enum assay_status assay_write_tests_compare(struct assay_write_tests_score *score,
        const char **fault, enum assay_cause *cause, const struct assay_write_tests_runs *runs,
        struct assay_arena *arena, struct assay_error *err);

// Did this run of the model's tests, on a mutant, kill it? A run that breaks a limit or dies by a
// signal has; one that does not build or contradicts itself has not.
bool assay_write_tests_kills(
        const struct assay_write_tests_score *score, const struct assay_tests_run *run);

// Is a mutant alive at all: do the reference tests run on it, every file of them? `reference` is
// their run on the fixed tree. *killed: they tell it from the fix.
bool assay_write_tests_mutant_valid(const struct assay_tests_run *reference,
        const struct assay_tests_run *mutant, bool *killed);

// Kills that are needed: half of the valid mutants, but no more than the reference tests kill
// (others may do what the fix does), and one at least.
size_t assay_write_tests_needed(size_t valid, size_t killed_by_reference);

#endif
