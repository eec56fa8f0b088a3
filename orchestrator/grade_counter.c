// SPDX-License-Identifier: MIT
// grade_counter.c - a resolved instance's tests once more, with other expected values.
#include "orchestrator/grading.h"
#include "rewards/counter.h"

#define SEED_OF_COUNTER UINT64_C(0x9e3779b97f4a7c15) // apart from what canaries draw

// One run over a workspace whose tests are changed: what came out of it.
static enum assay_status run_changed(struct assay_grading *g,
        const struct assay_workspace *workspace, struct assay_outcome *outcome,
        struct assay_error *err)
{
    struct assay_run_evidence evidence = {0};
    struct assay_box_result result = {.out_dir_fd = -1};
    struct assay_verdict verdict = {0};
    struct assay_buf refused;
    enum assay_status status;

    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    status = assay_grading_box(g, workspace, &g->request->instance->test_cmd, NULL, &evidence,
            &result, &refused, err);
    if (status != ASSAY_OK)
        goto out;
    if (result.cause == ASSAY_BOX_CANCELLED) {
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        goto out;
    }
    status = assay_evidence_take(&evidence, &result, &refused, g->framework, g->arena, err);
    if (status == ASSAY_OK)
        status = assay_evidence_judge(&verdict, outcome, &evidence, g->request->instance,
                g->framework, g->arena, err);
    // Without this run nothing speaks for the patch: the whole is tried again.
    if (status == ASSAY_OK && !verdict.scored)
        status = assay_fail(err, ASSAY_EIO, "counter-run: %.150s", verdict.reason);

out:
    assay_box_result_release(&result);
    assay_buf_free(&refused);
    return status;
}

// Which of `passed` does the gold patch fail, on the same changed tests?
static enum assay_status ask_gold(struct assay_grading *g, const struct assay_canary_file *files,
        size_t count, const struct assay_strings *passed, struct assay_error *err)
{
    struct assay_workspace workspace = {0};
    struct assay_outcome outcome;
    enum assay_status status = assay_grading_workspace(
            g, &workspace, g->request->instance->gold_patch, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_grading_lay(g, &workspace, files, count, err);
    if (status == ASSAY_OK)
        status = run_changed(g, &workspace, &outcome, err);
    if (status == ASSAY_OK)
        status = assay_counter_unmoved(
                &g->canaries.unmoved, passed, g->request->instance, &outcome, g->arena, err);
    assay_workspace_release(&workspace, assay_context_depot(g->context));
    return status;
}

enum assay_status assay_grading_counter(
        struct assay_grading *g, const struct assay_outcome *first, struct assay_error *err)
{
    struct assay_grading_source source;
    struct assay_canary_file *files = NULL;
    struct assay_strings passed = {NULL, 0};
    struct assay_outcome outcome;
    size_t count = 0;
    enum assay_status status = assay_grading_source_open(&source, g, err);

    if (status == ASSAY_OK)
        status = assay_counter_draw(&files, &count, g->request->instance, &source.canary,
                g->canaries.seed ^ SEED_OF_COUNTER, g->arena, err);
    if (status == ASSAY_OK)
        status = assay_grading_source_close(&source, err);
    if (status != ASSAY_OK || count == 0)
        return status;
    status = assay_grading_lay(g, &g->workspace, files, count, err);
    if (status == ASSAY_OK)
        status = run_changed(g, &g->workspace, &outcome, err);
    if (status == ASSAY_OK)
        status = assay_counter_passed(
                &passed, g->request->instance, first, &outcome, g->arena, err);
    if (status != ASSAY_OK || passed.count == 0)
        return status;
    return ask_gold(g, files, count, &passed, err);
}
