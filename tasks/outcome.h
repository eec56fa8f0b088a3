// SPDX-License-Identifier: MIT
// outcome.h - per-test statuses of one run, and why a run ended.
#ifndef ASSAY_TASKS_OUTCOME_H
#define ASSAY_TASKS_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum assay_test_status {
    ASSAY_TEST_MISSING = 0, // no positive evidence that it ran to its end
    ASSAY_TEST_PASSED,
    ASSAY_TEST_FAILED,
    ASSAY_TEST_ERROR,
    ASSAY_TEST_SKIPPED,
    ASSAY_TEST_XFAIL, // failed as the suite said it would
    ASSAY_TEST_XPASS, // passed though the suite said it would fail
};
const char *assay_test_status_name(enum assay_test_status status); // "passed", ...
bool assay_test_status_from_name(enum assay_test_status *out, const char *name);

struct assay_test_result {
    const char *id; // in the arena
    enum assay_test_status status;
};

// A set of results; the worst status wins when an id is reported twice
// (failed and error before skipped before xfail before passed).
struct assay_outcome {
    struct assay_test_result *results; // sorted by id after assay_outcome_finish()
    size_t count, capacity;
    struct assay_arena *arena; // borrowed
    bool failed;               // memory ran out: the outcome must not be used
};
#define ASSAY_OUTCOME_TESTS_MAX ((size_t)1 << 20)

void assay_outcome_init(struct assay_outcome *outcome, struct assay_arena *arena);
void assay_outcome_add(struct assay_outcome *outcome, const char *id, size_t id_len,
        enum assay_test_status status);
// Sort, merge duplicates. ASSAY_ENOMEM if anything did not fit.
ASSAY_MUST_USE enum assay_status assay_outcome_finish(
        struct assay_outcome *outcome, struct assay_error *err);
// MISSING when the id is not there. After assay_outcome_finish() only.
enum assay_test_status assay_outcome_find(const struct assay_outcome *outcome, const char *id);

// Why a run ended: exactly one per verdict (DESIGN section 4). Only the last two are no reward.
enum assay_cause {
    ASSAY_CAUSE_OK,
    ASSAY_CAUSE_TESTS_FAILED,
    ASSAY_CAUSE_PATCH_REJECTED,
    ASSAY_CAUSE_EMPTY_PATCH,
    ASSAY_CAUSE_BUILD_FAILED,
    ASSAY_CAUSE_NONE_COLLECTED,
    ASSAY_CAUSE_CPU_LIMIT,
    ASSAY_CAUSE_WALL_LIMIT,
    ASSAY_CAUSE_IDLE_LIMIT,
    ASSAY_CAUSE_MEMORY_LIMIT,
    ASSAY_CAUSE_PIDS_LIMIT,
    ASSAY_CAUSE_DISK_LIMIT,
    ASSAY_CAUSE_OUTPUT_LIMIT,
    ASSAY_CAUSE_SIGNALLED,
    ASSAY_CAUSE_SYSCALL_DENIED,
    ASSAY_CAUSE_TAMPERED,
    ASSAY_CAUSE_INCONSISTENT,
    ASSAY_CAUSE_SETUP_FAILED,
    ASSAY_CAUSE_INFRA_ERROR,
};
const char *assay_cause_name(enum assay_cause cause);
bool assay_cause_from_name(enum assay_cause *out, const char *name);
bool assay_cause_is_infra(enum assay_cause cause); // setup_failed, infra_error

enum assay_resolution { ASSAY_RESOLUTION_NO, ASSAY_RESOLUTION_PARTIAL, ASSAY_RESOLUTION_FULL };
enum assay_evidence_kind { ASSAY_EVIDENCE_WEAK, ASSAY_EVIDENCE_STRONG };

#endif
