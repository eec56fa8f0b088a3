// SPDX-License-Identifier: MIT
// grade_counter.c - a resolved instance's tests once more, with other expected values.
#include <string.h>

#include "orchestrator/grading.h"
#include "rewards/counter.h"

#define SEED_OF_COUNTER UINT64_C(0x9e3779b97f4a7c15) // apart from what canaries draw
#define DRAWS 3                                      // until something comes out of one
#define GOLD_RUNS 2 // before a patch is accused: a test that fails by chance fails for gold, too

// A counter-run: the changed files with canaries of its own among their tests. Without those, code
// could tell it from a first run.
struct counter_run {
    struct assay_grading_source source;
    struct assay_canary_source changed; // the source, as the changed files have it
    struct assay_canary_file *files;    // changed, and of the canaries; in the arena
    size_t changed_count, count;
    struct assay_canary_plan plan; // its own canaries
};

// What one came to.
struct counter_result {
    struct assay_outcome outcome; // without the canaries
    const char *fault;            // of its canaries; NULL: none
};

static bool read_changed(void *user, const char *path, struct assay_canary_file *out)
{
    const struct counter_run *run = user;

    for (size_t i = 0; i < run->changed_count; i++)
        if (strcmp(run->files[i].path, path) == 0) {
            *out = run->files[i];
            return true;
        }
    return run->source.canary.read(run->source.canary.user, path, out);
}

// The canaries' files take the place of those that are merely changed.
static enum assay_status merge(
        struct counter_run *run, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_canary_plan *plan = &run->plan;
    struct assay_canary_file *files =
            assay_arena_array(arena, run->changed_count + plan->file_count, sizeof(*files));
    size_t count = 0;

    if (files == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a counter-run");
    for (size_t i = 0; i < plan->file_count; i++)
        files[count++] = plan->files[i];
    for (size_t i = 0; i < run->changed_count; i++) {
        size_t at = 0;

        while (at < plan->file_count && strcmp(plan->files[at].path, run->files[i].path) != 0)
            at++;
        if (at == plan->file_count)
            files[count++] = run->files[i];
    }
    run->files = files;
    run->count = count;
    return ASSAY_OK;
}

// run->changed_count is 0 when there is nothing to change.
static enum assay_status draw(struct counter_run *run, struct assay_grading *g,
        enum assay_counter_part part, unsigned draws, struct assay_error *err)
{
    const struct assay_counter_how how = {.part = part,
            .seed = g->canaries.seed ^ (SEED_OF_COUNTER * (part * DRAWS + draws + 1)),
            .one = draws > 0};
    enum assay_status status = assay_grading_source_open(&run->source, g, err);

    if (status == ASSAY_OK)
        status = assay_counter_draw(&run->files, &run->changed_count, g->request->instance,
                &run->source.canary, &how, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    run->changed = run->source.canary;
    run->changed.read = read_changed;
    run->changed.read_base = NULL;
    run->changed.user = run;
    status = assay_canary_draw(
            &run->plan, g->request->instance, &run->changed, how.seed, g->arena, err);
    if (status == ASSAY_OK)
        status = assay_grading_source_close(&run->source, err);
    return status == ASSAY_OK ? merge(run, g->arena, err) : status;
}

// One run over a workspace whose tests are changed: what came out of it.
static enum assay_status run_changed(struct counter_run *run, struct assay_grading *g,
        struct assay_workspace *workspace, struct counter_result *out, struct assay_error *err)
{
    struct assay_run_evidence evidence = {0};
    struct assay_box_result result = {.out_dir_fd = -1};
    struct assay_verdict verdict = {0};
    struct assay_buf refused;
    enum assay_status status;

    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    status = assay_grading_lay(&run->source, workspace, run->files, run->count, err);
    if (status == ASSAY_OK)
        status = assay_grading_box(
                g, workspace, &run->plan.argv, NULL, &evidence, &result, &refused, err);
    if (status != ASSAY_OK)
        goto out;
    if (result.cause == ASSAY_BOX_CANCELLED) {
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        goto out;
    }
    status = assay_evidence_take(&evidence, &result, &refused, g->framework, g->arena, err);
    evidence.judged.canaries = &run->plan;
    if (status == ASSAY_OK)
        status = assay_evidence_judge(&verdict, &out->outcome, &evidence, g->request->instance,
                g->framework, ASSAY_COMPAT_NONE, g->arena, err);
    // Without this run nothing speaks for the patch: the whole is tried again.
    if (status == ASSAY_OK && !verdict.scored)
        status = assay_fail(err, ASSAY_EIO, "counter-run: %.150s", verdict.reason);
    out->fault = status == ASSAY_OK && verdict.cause == ASSAY_CAUSE_TAMPERED
            ? verdict.tamper.items[0]
            : NULL;

out:
    assay_box_result_release(&result);
    assay_buf_free(&refused);
    return status;
}

// What did the patch come to that the gold patch never does, on the same changed tests?
static enum assay_status ask_gold(struct counter_run *run, struct assay_grading *g,
        struct assay_strings passed, const char *fault, struct assay_error *err)
{
    struct assay_workspace workspace = {0};
    enum assay_status status =
            assay_grading_workspace(g, &workspace, g->request->instance->gold_patch, err);

    if (status != ASSAY_OK)
        return status;
    for (unsigned i = 0; i < GOLD_RUNS && (passed.count > 0 || fault != NULL); i++) {
        struct counter_result gold = {.fault = NULL};

        status = run_changed(run, g, &workspace, &gold, err);
        if (status == ASSAY_OK)
            status = assay_counter_unmoved(
                    &passed, &passed, g->request->instance, &gold.outcome, g->arena, err);
        if (status != ASSAY_OK)
            break;
        fault = gold.fault == NULL ? fault : NULL;
    }
    assay_workspace_release(&workspace, assay_context_depot(g->context));
    if (status != ASSAY_OK)
        return status;
    g->canaries.unmoved = passed;
    g->canaries.counter_fault = fault;
    return ASSAY_OK;
}

static bool is_accused(const struct assay_grading *g)
{
    return g->canaries.unmoved.count > 0 || g->canaries.counter_fault != NULL;
}

// Counter-runs of one part, until something comes out of one. *moved is left alone where that is
// no failure.
static enum assay_status run_part(struct assay_grading *g, enum assay_counter_part part,
        const struct assay_outcome *first, bool *moved, struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct counter_run run = {0};
    struct counter_result result = {.fault = NULL};
    struct assay_strings passed = {NULL, 0};
    uint64_t zygote = 0;
    bool spoke = false;
    enum assay_status status = ASSAY_OK;

    // What was changed may be no expected value, and keep the suite from being built.
    for (unsigned draws = 0; draws < DRAWS && !spoke; draws++) {
        status = draw(&run, g, part, draws, err);
        if (status != ASSAY_OK || run.changed_count == 0)
            return status;
        status = run_changed(&run, g, &g->workspace, &result, err);
        if (status != ASSAY_OK)
            return status;
        spoke = assay_counter_spoke(instance, &result.outcome);
        zygote = g->warm_number;
    }
    *moved = *moved || assay_counter_moved(instance, &result.outcome);
    status = assay_counter_passed(&passed, instance, first, &result.outcome, g->arena, err);
    if (status != ASSAY_OK || (passed.count == 0 && result.fault == NULL))
        return status;
    status = ask_gold(&run, g, passed, result.fault, err);
    // It may have been deceived as well as that of the first run.
    if (status == ASSAY_OK && is_accused(g) && zygote)
        assay_warm_distrust(assay_context_warm(g->context), zygote);
    return status;
}

enum assay_status assay_grading_counter(
        struct assay_grading *g, const struct assay_outcome *first, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const uint64_t zygote = g->warm_number; // of the run that is judged
    bool moved = false;

    for (unsigned part = 0; part < ASSAY_COUNTER_PARTS && status == ASSAY_OK && !is_accused(g);
            part++)
        status = run_part(g, (enum assay_counter_part)part, first, &moved, err);
    g->warm_number = zygote;
    g->canaries.counter_silent =
            !moved && !assay_counter_all_copied(&g->canaries, g->request->instance);
    return status;
}
