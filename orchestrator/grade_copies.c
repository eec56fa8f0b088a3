// SPDX-License-Identifier: MIT
// grade_copies.c - a copy that passes where it must fail: is it the patch, or the test?
//
// A copy is made to fail wherever its original passes (rewards/canary.h), but some tests pass
// whatever they expect: an object that is equal to everything, a comparison that nobody comes by.
// That is a fault of the suite. So no patch is accused by a copy that gold passes as well.
#include "orchestrator/grading.h"

// How the same canaries come out for the gold patch.
static enum assay_status run_gold(
        struct assay_grading *g, struct assay_copies *out, struct assay_error *err)
{
    const uint64_t warm_number = g->warm_number;
    const struct assay_instance *instance = g->request->instance;
    struct assay_workspace workspace = {0};
    struct assay_grading_source source;
    struct assay_run_evidence evidence = {0};
    struct assay_box_result result = {.out_dir_fd = -1};
    struct assay_buf refused;
    enum assay_status status = assay_grading_workspace(g, &workspace, instance->gold_patch, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    status = assay_grading_source_open(&source, g, err);
    if (status == ASSAY_OK)
        status = assay_grading_lay(
                &source, &workspace, g->canaries.files, g->canaries.file_count, err);
    if (status == ASSAY_OK)
        status = assay_grading_box(
                g, &workspace, &g->canaries.argv, NULL, &evidence, &result, &refused, err);
    if (status == ASSAY_OK && result.cause == ASSAY_BOX_CANCELLED)
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (status == ASSAY_OK)
        status = assay_evidence_take(&evidence, &result, &refused, g->framework, g->arena, err);
    // Without this run nothing is known about the patch: the whole is tried again.
    if (status == ASSAY_OK && evidence.trouble)
        status = assay_fail(err, ASSAY_EIO, "gold with canaries: %.150s", evidence.trouble);
    evidence.judged.canaries = &g->canaries;
    if (status == ASSAY_OK)
        status = assay_judge_copies(out, instance, g->framework, &evidence.judged, g->arena, err);
    // The zygote of the run that is judged is the one that may have been deceived.
    g->warm_number = warm_number;
    assay_box_result_release(&result);
    assay_buf_free(&refused);
    assay_workspace_release(&workspace, assay_context_depot(g->context));
    return status;
}

enum assay_status assay_grading_copies(struct assay_grading *g,
        const struct assay_run_evidence *evidence, const struct assay_verdict *verdict, bool *again,
        struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct assay_copies copies, gold;
    enum assay_status status;

    *again = false;
    if (verdict->cause != ASSAY_CAUSE_TAMPERED || !instance->gold_patch.data)
        return ASSAY_OK;
    status = assay_judge_copies(&copies, instance, g->framework, &evidence->judged, g->arena, err);
    if (status != ASSAY_OK || copies.passed == 0)
        return status;
    gold = copies;
    if (g->request->candidate != ASSAY_CANDIDATE_GOLD)
        status = run_gold(g, &gold, err);
    if (status != ASSAY_OK || (copies.passed & gold.passed) == 0)
        return status;
    *again = true;
    return assay_canary_deafen(&g->canaries, copies.passed & gold.passed, g->arena, err);
}
