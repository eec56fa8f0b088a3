// SPDX-License-Identifier: MIT
// writing.h - the runs of one answer to a task to write tests, and what they say together.
//
// Each run has a role (docs/kinds.md: "base", "after.1", ..., "mutant3"). What it says is always
// read from its evidence: a grading hands in the runs that it has just made (grade_write_tests.c),
// a regrading those that were stored. Not thread-safe; everything is in the arena.
#ifndef ASSAY_ORCHESTRATOR_WRITING_H
#define ASSAY_ORCHESTRATOR_WRITING_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/evidence.h"
#include "rewards/write_tests.h"
#include "tasks/instance.h"
#include "tasks/verdict.h"

#define ASSAY_WRITING_MUTANTS_MAX 6

// One run; what was not made has no outcome.
struct assay_writing_run {
    struct assay_tests_run seen;
    struct assay_verdict verdict;
};

struct assay_writing {
    struct assay_instance bare; // without lists: a run is told, not judged by them
    const struct assay_framework *framework;
    struct assay_arena *arena;
    struct assay_writing_run base, reference;
    struct assay_writing_run before[ASSAY_WRITE_TESTS_ROUNDS], after[ASSAY_WRITE_TESTS_ROUNDS];
    struct {
        struct assay_writing_run reference, answer;
    } mutants[ASSAY_WRITING_MUTANTS_MAX];
};

// With no run yet. The instance is borrowed.
void assay_writing_init(struct assay_writing *out, const struct assay_instance *instance,
        const struct assay_framework *framework, struct assay_arena *arena);

// Take in one more run, in the order in which they were made: a later one of the same role takes
// the place of one that was spoiled. *run: where it stands. ASSAY_EINVAL: no such role.
ASSAY_MUST_USE enum assay_status assay_writing_take(struct assay_writing *w,
        const struct assay_run_evidence *evidence, struct assay_writing_run **run,
        struct assay_error *err);
// The same from evidence as it is packed.
ASSAY_MUST_USE enum assay_status assay_writing_take_frame(struct assay_writing *w,
        const struct assay_frame *frame, struct assay_writing_run **run, struct assay_error *err);

// Does any run say nothing for trouble of ours? Its reason, or NULL.
const char *assay_writing_spoiled(const struct assay_writing *w);

// What the rounds on both trees say so far: rewards/write_tests.h's assay_write_tests_compare().
ASSAY_MUST_USE enum assay_status assay_writing_compare(const struct assay_writing *w,
        struct assay_write_tests_score *score, const char **fault, enum assay_cause *cause,
        struct assay_error *err);

// Is the mutant alive: do people's tests still run on it? *killed: they kill it.
bool assay_writing_mutant_valid(const struct assay_writing *w, size_t index, bool *killed);

// The verdict of all runs: every field but ids, patch, key, tier, usage. Nothing may be missing
// that the runs themselves ask for.
ASSAY_MUST_USE enum assay_status assay_writing_decide(
        const struct assay_writing *w, struct assay_verdict *verdict, struct assay_error *err);

#endif
