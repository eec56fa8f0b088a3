// SPDX-License-Identifier: MIT
// judge.h - from evidence to verdict. Pure.
//
// Rules (facts: SWE-bench's, made sound): passed is PASSED or XFAIL; a
// FAIL_TO_PASS test that is missing, failed, in error or skipped is a failure;
// a PASS_TO_PASS test that is skipped is maintained, missing is a failure. FULL:
// all of both; PARTIAL: some but not all of FAIL_TO_PASS and all of
// PASS_TO_PASS; else NO. Empty lists never resolve. resolved = FULL and evidence that agrees.
#ifndef ASSAY_REWARDS_JUDGE_H
#define ASSAY_REWARDS_JUDGE_H

#include "rewards/framework.h"
#include "tasks/verdict.h"

// Status that counts for each expected id, after the evidence was combined.
struct assay_judgement {
    struct assay_outcome outcome; // every test that was seen, combined status
    size_t seen;
};

// Fill cause, scored, resolved, reward, reason, resolution, the four test
// lists, tamper and evidence of *verdict; leave its other fields alone.
ASSAY_MUST_USE enum assay_status assay_judge(struct assay_verdict *verdict,
        struct assay_judgement *judgement, const struct assay_instance *instance,
        const struct assay_framework *framework, const struct assay_evidence *evidence,
        struct assay_arena *arena, struct assay_error *err);

// Only the counting: FULL, PARTIAL or NO from the statuses of both lists.
enum assay_resolution assay_judge_lists(const enum assay_test_status *fail_to_pass, size_t f2p_count,
        const enum assay_test_status *pass_to_pass, size_t p2p_count, bool fail_only);

// For runs that never came to tests: patch_rejected, empty_patch, setup_failed, infra_error.
void assay_judge_unrun(struct assay_verdict *verdict, const struct assay_instance *instance,
        enum assay_cause cause, const char *reason);

#endif
