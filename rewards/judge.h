// SPDX-License-Identifier: MIT
// judge.h - from evidence to verdict. Pure.
//
// Rules (facts: SWE-bench's, made sound): passed is PASSED or XFAIL; a
// FAIL_TO_PASS test that is missing, failed, in error or skipped is a failure;
// a PASS_TO_PASS test that is skipped is maintained, missing is a failure. FULL:
// all of both; PARTIAL: some but not all of FAIL_TO_PASS and all of
// PASS_TO_PASS; else NO. An empty FAIL_TO_PASS never resolves. resolved = FULL
// and evidence that agrees.
//
// Evidence that disagrees is the cause `inconsistent`, reward 0, and `tamper`
// says what differed; docs/verdicts.md lists every way. Limits and signals come first:
// a box that was killed has no honest exit status to compare.
#ifndef ASSAY_REWARDS_JUDGE_H
#define ASSAY_REWARDS_JUDGE_H

#include "rewards/canary.h"
#include "rewards/framework.h"
#include "tasks/verdict.h"

// For evidence (log, report and files together) of so many bytes.
#define ASSAY_JUDGE_ARENA_BYTES(evidence_bytes)                                                    \
    (((size_t)256 << 20) + (size_t)16 * (evidence_bytes))

// Every test that was seen, with the status that counts.
struct assay_judgement {
    struct assay_outcome outcome; // sorted
};

// Fill cause, scored, resolved, reward, reason, resolution, the four test
// lists, tamper and evidence of *verdict; leave its other fields alone. What
// they point to is in the arena or the instance's. An error (ASSAY_ENOMEM) is
// trouble of ours: an arena of ASSAY_JUDGE_ARENA_BYTES() is enough whatever a run wrote.
ASSAY_MUST_USE enum assay_status assay_judge(struct assay_verdict *verdict,
        struct assay_judgement *judgement, const struct assay_instance *instance,
        const struct assay_framework *framework, const struct assay_evidence *evidence,
        struct assay_arena *arena, struct assay_error *err);

// How the copies among the canaries came out in a run whose canaries are known; none without.
// Errors: as assay_judge().
ASSAY_MUST_USE enum assay_status assay_judge_copies(struct assay_copies *out,
        const struct assay_instance *instance, const struct assay_framework *framework,
        const struct assay_evidence *evidence, struct assay_arena *arena, struct assay_error *err);

// Only the counting: FULL, PARTIAL or NO from the statuses of both of the instance's lists, by its
// rules (rewards/rules.h). fail_only: what is not an explicit failure (failed or error) counts as
// passed.
enum assay_resolution assay_judge_lists(const struct assay_instance *instance,
        const enum assay_test_status *fail_to_pass, const enum assay_test_status *pass_to_pass);

// For runs that never came to tests: patch_rejected, empty_patch, setup_failed, infra_error. All
// expected tests are failures; with an infrastructure cause the lists are empty and nothing is
// scored. `reason` is borrowed for the verdict's life.
void assay_judge_unrun(struct assay_verdict *verdict, const struct assay_instance *instance,
        enum assay_cause cause, const char *reason);

#endif
