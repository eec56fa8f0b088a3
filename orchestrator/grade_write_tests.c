// SPDX-License-Identifier: MIT
// grade_write_tests.c - a model's new tests, run on the buggy tree, on the fixed one and on
// mutants.
//
// Every run is a run like any other (grade_run.c): a fresh box over the base tree and one layer of
// edits. Which edits:
//
//   base        none                         reference         gold patch, people's tests
//   before.N    the model's tests            mutantN.reference a wrong fix, people's tests
//   after.N     gold patch, model's tests    mutantN           a wrong fix, model's tests
//
// base, reference, and people's tests on each mutant are the same for every answer: they are made
// once and kept in the store, by a key of what they depend on. writing.h says what comes of all.
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "orchestrator/claims.h"
#include "orchestrator/grading.h"
#include "orchestrator/tree_view.h"
#include "orchestrator/writing.h"
#include "rewards/mutants.h"

#define MUTANT_WALL_MS_MIN 10000u // a mutant may loop for ever: it gets so long at least,
#define MUTANT_WALL_TIMES 10u     // and so many times what the fixed tree needed

struct writing {
    struct assay_grading *g; // its workspace is `before`
    struct assay_grade *out; // its verdict gets what the runs say together
    struct assay_writing runs;
    struct assay_frame *frames; // of all runs, as they are stored
    size_t frame_count;
    struct assay_tree_view view;
    struct assay_edits *tests, *gold, *reference;       // NULL: none
    struct assay_edits *buggy_respaced, *gold_respaced; // the files of gold in other bytes
    struct assay_usage usage;                           // of what was run now
    char shared_key[65]; // of the runs that every answer shares; "": they are not kept
    char shared_run_key[65];
    struct assay_kept_run *kept;
    size_t kept_count;
    uint64_t claim; // on shared_key
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static void add_usage(struct assay_usage *sum, const struct assay_usage *usage)
{
    sum->wall_ms += usage->wall_ms;
    sum->cpu_ms += usage->cpu_ms;
    if (usage->memory_bytes_peak > sum->memory_bytes_peak)
        sum->memory_bytes_peak = usage->memory_bytes_peak;
    if (usage->pids_peak > sum->pids_peak)
        sum->pids_peak = usage->pids_peak;
}

// One more run, made now or kept: into what is stored, and into what is said.
static enum assay_status take_frame(struct writing *w, const struct assay_frame *frame,
        struct assay_writing_run **run, struct assay_error *err)
{
    if (w->frame_count == ASSAY_EVIDENCE_RUNS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %d runs", ASSAY_EVIDENCE_RUNS_MAX);
    w->frames[w->frame_count++] = *frame;
    return assay_writing_take_frame(&w->runs, frame, run, err);
}

// A run over the base tree with these edits.
struct plan {
    const struct assay_edits *under, *over; // over wins; NULL: none
    const char *role;
    uint64_t wall_ms_max; // 0: the instance's own
    bool shared;          // no edit is the answer's
};

// grade: what came of it.
static enum assay_status run_edits(struct writing *w, const struct plan *plan,
        struct assay_grade *grade, struct assay_error *err)
{
    struct assay_grade_request request = *w->g->request;
    struct assay_grading g = {.context = w->g->context,
            .request = &request,
            .arena = w->g->arena,
            .framework = w->g->framework,
            .recipe = w->g->recipe,
            .environment = w->g->environment,
            .role = plan->role};
    struct assay_depot *depot = assay_context_depot(g.context);
    struct assay_edits *edits = NULL;
    enum assay_status status = assay_edits_merge(&edits, plan->under, plan->over, w->g->arena, err);

    if (status != ASSAY_OK)
        return status;
    memcpy(g.run_key, plan->shared ? w->shared_run_key : w->g->run_key, sizeof(g.run_key));
    request.instance = &w->runs.bare;
    request.once = true; // what may be chance is run again here
    request.attempt = w->g->request->attempt
            ? assay_arena_printf(g.arena, "%s.%s", w->g->request->attempt, plan->role)
            : plan->role;
    if (plan->wall_ms_max)
        request.wall_ms_max = plan->wall_ms_max;
    memset(grade, 0, sizeof(*grade));
    grade->verdict.run_id = request.run_id;
    grade->verdict.instance_id = w->runs.bare.instance_id;
    if (!request.attempt)
        return no_memory(err);
    status = assay_workspace_make_edited(&g.workspace, depot, &w->runs.bare, edits, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_grading_run(&g, grade, err);
    assay_workspace_release(&g.workspace, depot);
    return status;
}

static enum assay_status run_tests(struct writing *w, const struct plan *plan,
        struct assay_writing_run **run, struct assay_error *err)
{
    struct assay_grade grade;
    enum assay_status status = run_edits(w, plan, &grade, err);

    if (status != ASSAY_OK)
        return status;
    add_usage(&w->usage, &grade.verdict.usage);
    w->out->executed |= grade.executed;
    if (grade.evidence_count == 0)
        return assay_fail(err, ASSAY_EIO, "%s: a run without evidence", plan->role);
    for (size_t i = 0; i < grade.evidence_count && status == ASSAY_OK; i++)
        status = take_frame(w, &grade.evidence[i], run, err);
    if (status == ASSAY_OK && *run == &w->runs.after[0]) {
        w->out->outcome = grade.outcome;
        w->out->log_path = grade.log_path;
    }
    return status;
}

// --- runs that every answer shares ---------------------------------------------------------------

// Without the answer's edits.
static enum assay_status make_shared_key(struct writing *w, struct assay_error *err)
{
    struct assay_grading bare = *w->g;
    struct assay_verdict verdict = w->out->verdict;
    enum assay_status status;

    bare.workspace.model_edits = NULL;
    status = assay_grading_key(&bare, &verdict, err);
    if (status != ASSAY_OK)
        return status;
    memcpy(w->shared_run_key, bare.run_key, sizeof(w->shared_run_key));
    if (!w->g->request->no_cache)
        memcpy(w->shared_key, verdict.key, sizeof(w->shared_key));
    return ASSAY_OK;
}

static const struct assay_kept_run *find_kept(const struct writing *w, const char *role)
{
    for (size_t i = 0; i < w->kept_count; i++)
        if (strcmp(w->kept[i].role, role) == 0)
            return &w->kept[i];
    return NULL;
}

static enum assay_status load_kept(struct writing *w, struct assay_error *err)
{
    return assay_store_kept_runs(assay_context_store(w->g->context), w->shared_key, w->g->arena,
            &w->kept, &w->kept_count, err);
}

// From now on nobody else makes them. Whoever had the claim before may have made some.
static enum assay_status claim_shared(struct writing *w, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && w->claim == 0)
        status = assay_claims_take(assay_context_claims(w->g->context), w->shared_key,
                assay_context_interrupted(w->g->context), &w->claim, err);
    return status == ASSAY_OK ? load_kept(w, err) : status;
}

static void end_claim(struct writing *w)
{
    if (w->claim)
        assay_claims_end(assay_context_claims(w->g->context), w->shared_key, w->claim, false);
    w->claim = 0;
}

// Kept from an earlier answer, or made and kept.
static enum assay_status run_shared(struct writing *w, const struct plan *plan,
        struct assay_writing_run **run, struct assay_error *err)
{
    const bool keeps = w->shared_key[0] != '\0';
    const struct assay_kept_run *kept = find_kept(w, plan->role);
    enum assay_status status = ASSAY_OK;

    if (keeps && !kept && !w->claim) {
        status = claim_shared(w, err);
        kept = find_kept(w, plan->role);
    }
    if (status == ASSAY_OK && kept)
        return take_frame(w, &kept->frame, run, err);
    if (status == ASSAY_OK)
        status = run_tests(w, plan, run, err);
    if (status == ASSAY_OK && keeps && (*run)->verdict.scored) {
        const struct assay_kept_run made = {plan->role, w->frames[w->frame_count - 1]};

        status =
                assay_store_keep_run(assay_context_store(w->g->context), w->shared_key, &made, err);
    }
    return status;
}

// --- both trees ----------------------------------------------------------------------------------

static enum assay_status add_respaced(struct writing *w, struct assay_edits *to,
        const struct assay_edit *edit, struct assay_bytes content, struct assay_error *err)
{
    struct assay_edit *respaced = &to->items[to->count++];

    *respaced = *edit;
    respaced->kind = ASSAY_FILE_REGULAR;
    return assay_respace(&respaced->content, edit->path, content, w->g->arena, err);
}

// Both trees with other blanks, where gold changes files.
static enum assay_status respace(struct writing *w, struct assay_error *err)
{
    const size_t count = w->gold->count;
    enum assay_status status =
            assay_edits_merge(&w->gold_respaced, w->gold, NULL, w->g->arena, err);

    if (status != ASSAY_OK)
        return status;
    w->gold_respaced->count = 0;
    w->buggy_respaced = assay_arena_alloc(w->g->arena, sizeof(*w->buggy_respaced));
    if (w->buggy_respaced)
        w->buggy_respaced->items =
                assay_arena_array(w->g->arena, count, sizeof(*w->buggy_respaced->items));
    if (!w->buggy_respaced || !w->buggy_respaced->items)
        return no_memory(err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_edit *edit = &w->gold->items[i];
        struct assay_file base = {0};

        if (edit->kind == ASSAY_FILE_REGULAR)
            status = add_respaced(w, w->gold_respaced, edit, edit->content, err);
        else
            w->gold_respaced->items[w->gold_respaced->count++] = *edit;
        if (status == ASSAY_OK)
            status = assay_tree_view_read(&base, &w->view, edit->path, err);
        if (status == ASSAY_OK && base.kind == ASSAY_FILE_REGULAR)
            status = add_respaced(w, w->buggy_respaced, edit, base.content, err);
        if (status == ASSAY_OK && base.kind == ASSAY_FILE_REGULAR)
            w->buggy_respaced->items[w->buggy_respaced->count - 1].executable = base.executable;
    }
    return status;
}

// Does anything speak against the tests, or against the runs, so that no more are needed? A fault
// of the first round may be chance: the second one looks at it again.
static enum assay_status is_decided(
        const struct writing *w, bool last, bool *decided, struct assay_error *err)
{
    struct assay_write_tests_score score = {0};
    enum assay_cause cause = ASSAY_CAUSE_TESTS_FAILED;
    const char *fault = NULL;
    enum assay_status status;

    *decided = assay_writing_spoiled(&w->runs) != NULL;
    if (*decided)
        return ASSAY_OK;
    status = assay_writing_compare(&w->runs, &score, &fault, &cause, err);
    *decided = fault && (last || cause != ASSAY_CAUSE_TESTS_FAILED);
    return status;
}

// Both trees twice, until something speaks against the tests.
static enum assay_status run_rounds(struct writing *w, bool *decided, struct assay_error *err)
{
    static const char *const befores[] = {"before.1", "before.2"};
    static const char *const afters[] = {"after.1", "after.2"};
    struct assay_writing_run *run = NULL;
    const struct plan base = {.role = "base", .shared = true};
    enum assay_status status = run_shared(w, &base, &run, err);

    end_claim(w);
    *decided = assay_writing_spoiled(&w->runs) != NULL;
    for (size_t i = 0; i < ASSAY_WRITE_TESTS_ROUNDS && status == ASSAY_OK && !*decided; i++) {
        const struct plan after = {
                .under = i ? w->gold_respaced : w->gold, .over = w->tests, .role = afters[i]};
        const struct plan before = {
                .under = i ? w->buggy_respaced : NULL, .over = w->tests, .role = befores[i]};

        status = run_tests(w, &after, &run, err);
        if (status == ASSAY_OK && run->verdict.scored)
            status = run_tests(w, &before, &run, err);
        if (status == ASSAY_OK)
            status = is_decided(w, i + 1 == ASSAY_WRITE_TESTS_ROUNDS, decided, err);
    }
    return status;
}

// --- mutants -------------------------------------------------------------------------------------

// The gold patch's files before and after it.
static enum assay_status make_mutants(struct writing *w, struct assay_mutant **mutants,
        size_t *mutant_count, struct assay_error *err)
{
    struct assay_mutant_source *sources =
            assay_arena_array(w->g->arena, w->gold->count, sizeof(*sources));
    const struct assay_bytes *seed = &w->runs.bare.gold_patch;
    size_t count = 0;

    if (!sources)
        return no_memory(err);
    for (size_t i = 0; i < w->gold->count; i++) {
        const struct assay_edit *edit = &w->gold->items[i];
        struct assay_file base = {0};
        enum assay_status status;

        if (edit->kind != ASSAY_FILE_REGULAR || assay_edits_find(w->reference, edit->path))
            continue;
        status = assay_tree_view_read(&base, &w->view, edit->path, err);
        if (status != ASSAY_OK)
            return status;
        sources[count++] = (struct assay_mutant_source){edit->path, base.content, edit->content};
    }
    return assay_mutants_make(mutants, mutant_count, sources, count, ASSAY_MUTANTS_OF_FIX,
            assay_hash64(seed->data, seed->len), ASSAY_WRITING_MUTANTS_MAX, w->g->arena, err);
}

// The gold patch with one file replaced.
static enum assay_status wrong_fix(struct writing *w, const struct assay_mutant *mutant,
        struct assay_edits **out, struct assay_error *err)
{
    struct assay_edit edit = *assay_edits_find(w->gold, mutant->path);
    const struct assay_edits one = {.items = &edit, .count = 1};

    edit.content = mutant->content;
    return assay_edits_merge(out, w->gold, &one, w->g->arena, err);
}

// So long as people's tests took on the fixed tree, and then some.
static uint64_t mutant_wall_ms(const struct writing *w, const struct assay_writing_run *fixed)
{
    const uint64_t limit = assay_grading_limits(w->g->request).wall_ms;
    uint64_t wall_ms = fixed->verdict.usage.wall_ms * MUTANT_WALL_TIMES;

    if (wall_ms < MUTANT_WALL_MS_MIN)
        wall_ms = MUTANT_WALL_MS_MIN;
    return wall_ms < limit ? wall_ms : limit;
}

static enum assay_status mutant_role(
        struct writing *w, const char **out, size_t index, const char *end, struct assay_error *err)
{
    *out = assay_arena_printf(w->g->arena, "mutant%zu%s", index + 1, end);
    return *out ? ASSAY_OK : no_memory(err);
}

// Which mutants live: the same for every answer to this instance.
static enum assay_status run_references(struct writing *w, const struct assay_mutant *mutants,
        size_t count, struct assay_error *err)
{
    struct assay_writing_run *run = NULL;
    struct plan plan = {
            .under = w->gold, .over = w->reference, .role = "reference", .shared = true};
    struct assay_edits *wrong = NULL;
    enum assay_status status = run_shared(w, &plan, &run, err);

    for (size_t i = 0; i < count && status == ASSAY_OK && run->verdict.scored; i++) {
        plan.wall_ms_max = mutant_wall_ms(w, &w->runs.reference);
        status = wrong_fix(w, &mutants[i], &wrong, err);
        plan.under = wrong;
        if (status == ASSAY_OK)
            status = mutant_role(w, &plan.role, i, ".reference", err);
        if (status == ASSAY_OK)
            status = run_shared(w, &plan, &run, err);
    }
    end_claim(w);
    return status;
}

static enum assay_status run_mutants(struct writing *w, struct assay_error *err)
{
    struct assay_mutant *mutants = NULL;
    size_t count = 0;
    enum assay_status status = make_mutants(w, &mutants, &count, err);

    if (status == ASSAY_OK)
        status = run_references(w, mutants, count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK && !assay_writing_spoiled(&w->runs); i++) {
        struct plan plan = {.over = w->tests, .wall_ms_max = mutant_wall_ms(w, &w->runs.after[0])};
        struct assay_writing_run *run = NULL;
        struct assay_edits *wrong = NULL;
        bool killed = false;

        if (!assay_writing_mutant_valid(&w->runs, i, &killed))
            continue;
        status = wrong_fix(w, &mutants[i], &wrong, err);
        plan.under = wrong;
        if (status == ASSAY_OK)
            status = mutant_role(w, &plan.role, i, "", err);
        if (status == ASSAY_OK)
            status = run_tests(w, &plan, &run, err);
    }
    return status;
}

// --- verdict -------------------------------------------------------------------------------------

static enum assay_status conclude(struct writing *w, struct assay_error *err)
{
    struct assay_verdict *v = &w->out->verdict;
    struct assay_error trouble = {0};
    const char *reason = NULL;
    enum assay_status status = assay_writing_decide(&w->runs, v, err);

    v->usage = w->usage;
    w->out->evidence = w->frames;
    w->out->evidence_count = w->frame_count;
    if (status != ASSAY_OK || !v->scored || v->resolved || assay_grading_is_sound(w->g, &trouble))
        return status;
    reason = assay_arena_strdup(w->g->arena, trouble.message);
    if (!reason)
        return no_memory(err);
    v->write_tests = NULL;
    assay_judge_unrun(v, &w->runs.bare, ASSAY_CAUSE_INFRA_ERROR, reason);
    return ASSAY_OK;
}

// Nothing to run.
static void refuse(struct writing *w)
{
    static const struct assay_write_tests_score nothing;
    struct assay_verdict *v = &w->out->verdict;

    v->write_tests = &nothing;
    assay_judge_unrun(v, &w->runs.bare,
            w->tests ? ASSAY_CAUSE_PATCH_REJECTED : ASSAY_CAUSE_TESTS_FAILED,
            "the answer changes no test file");
}

static enum assay_status open_writing(struct writing *w, struct assay_error *err)
{
    const struct assay_instance *instance = w->g->request->instance;
    enum assay_status status;

    assay_writing_init(&w->runs, instance, w->g->framework, w->g->arena);
    w->tests = w->g->workspace.model_edits;
    w->frames = assay_arena_array(w->g->arena, ASSAY_EVIDENCE_RUNS_MAX, sizeof(*w->frames));
    if (!w->frames)
        return no_memory(err);
    status = make_shared_key(w, err);
    if (status == ASSAY_OK && w->shared_key[0])
        status = load_kept(w, err);
    if (status == ASSAY_OK)
        status = assay_tree_view_open(&w->view, w->g->context, instance, w->g->arena, err);
    if (status == ASSAY_OK)
        status = assay_tree_view_apply(&w->gold, &w->view, instance->gold_patch, NULL, NULL, err);
    if (status == ASSAY_OK && instance->test_patch.len > 0)
        status = assay_tree_view_apply(
                &w->reference, &w->view, instance->test_patch, NULL, NULL, err);
    return status == ASSAY_OK ? respace(w, err) : status;
}

// The gold patch does not apply, a layer cannot be written: ours, and null.
static enum assay_status explain(struct writing *w, enum assay_status status,
        const struct assay_error *trouble, struct assay_error *err)
{
    const char *reason = assay_arena_strdup(w->g->arena, trouble->message);

    if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(w->g->context))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (!reason)
        return no_memory(err);
    assay_judge_unrun(&w->out->verdict, &w->runs.bare, ASSAY_CAUSE_SETUP_FAILED, reason);
    return ASSAY_OK;
}

enum assay_status assay_grading_write_tests(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct writing w = {.g = g, .out = out, .view = {.fd = -1}};
    struct assay_error trouble = {0};
    bool decided = false;
    enum assay_status status = open_writing(&w, &trouble);

    if (status == ASSAY_OK && (!w.tests || w.tests->count == 0)) {
        refuse(&w);
    } else if (status == ASSAY_OK) {
        status = run_rounds(&w, &decided, &trouble);
        if (status == ASSAY_OK && !decided)
            status = run_mutants(&w, &trouble);
        if (status == ASSAY_OK)
            status = conclude(&w, &trouble);
    }
    end_claim(&w);
    assay_tree_view_close(&w.view);
    return status == ASSAY_OK ? ASSAY_OK : explain(&w, status, &trouble, err);
}
