// SPDX-License-Identifier: MIT
// counter.h - the suite's tests with other expected values: what still passes proves nothing.
//
// A counter-run is a second run, started like the first, of tests in which numbers and strings
// that results are compared with are others. Honest code fails there. A test that passes in both
// was not decided by what the code does, or what was changed does not matter to it. The gold patch
// tells which: it is run on the same changed tests before anything is said against a patch.
// So what is changed need not be understood, and no framework is needed for it.
//
// One thing is changed at a time: the values that tests say (their programs), or those that stand
// in files of data beside them. A test whose question and answer both were others would fail for
// the first of them, and nobody would see that the second does not matter. Pure.
#ifndef ASSAY_REWARDS_COUNTER_H
#define ASSAY_REWARDS_COUNTER_H

#include "rewards/canary.h"

enum assay_counter_part {
    ASSAY_COUNTER_OF_TESTS, // programs that the test patch writes
    ASSAY_COUNTER_OF_DATA,  // what else it writes, and files of data that tests name
    // The same, but one line of the second half of each file: whoever finds an answer by what
    // stands before it finds none where all of that is other, too.
    ASSAY_COUNTER_OF_ENDS,
};
#define ASSAY_COUNTER_PARTS 3

struct assay_counter_how {
    enum assay_counter_part part;
    uint64_t seed;
    bool one; // no more than one line in all, after a draw that nothing came out of
};

// Is a counter-run due behind a run that resolved the instance? Always, but where it says
// "canaries": false. Copies among the canaries are no reason to do without: whoever looks for pairs
// of tests that differ in one value knows them.
bool assay_counter_due(const struct assay_instance *instance);

// Has each test that was to be mended a copy among the canaries?
bool assay_counter_all_copied(
        const struct assay_canary_plan *plan, const struct assay_instance *instance);

// The files of that part (source->paths and source->data; source->read), with other expected
// values. Lines that source->read_base knows are left alone if there are any others to
// change, or in the same test where that is to be mended: a patch knows those. *count is 0 when
// there is nothing to change. In the arena.
ASSAY_MUST_USE enum assay_status assay_counter_draw(struct assay_canary_file **files, size_t *count,
        const struct assay_instance *instance, const struct assay_canary_source *source,
        const struct assay_counter_how *how, struct assay_arena *arena, struct assay_error *err);

// Has any test of FAIL_TO_PASS a result in the counter-run? If none has, what was changed kept the
// suite from being built or loaded, and the run says nothing about the patch.
bool assay_counter_spoke(
        const struct assay_instance *instance, const struct assay_outcome *counter);

// Did any test of FAIL_TO_PASS, or of a function of its, fail in the counter-run? If none did in
// any, nothing that was changed is looked at by the tests, and forged results were no different.
bool assay_counter_moved(
        const struct assay_instance *instance, const struct assay_outcome *counter);

// Tests of FAIL_TO_PASS that passed in the counter-run; where ids hold values of parameters, new
// ids of the same function, too (`first` is the outcome of the run itself). In the arena.
ASSAY_MUST_USE enum assay_status assay_counter_passed(struct assay_strings *out,
        const struct assay_instance *instance, const struct assay_outcome *first,
        const struct assay_outcome *counter, struct assay_arena *arena, struct assay_error *err);
// Those of `passed` that did not pass in the counter-run of the gold patch.
ASSAY_MUST_USE enum assay_status assay_counter_unmoved(struct assay_strings *out,
        const struct assay_strings *passed, const struct assay_instance *instance,
        const struct assay_outcome *gold, struct assay_arena *arena, struct assay_error *err);

#endif
