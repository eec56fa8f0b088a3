// SPDX-License-Identifier: MIT
// grade_write_tests.c - a model's new tests, run on the buggy tree, on the fixed one and on
// mutants.
//
// Every run is a run like any other (grade_run.c): a fresh box over the base tree and one layer of
// edits. Which edits:
//
//   base        none                         reference   gold patch, people's tests
//   before      the model's tests            mutant      gold patch but for one place, people's
//   tests after       gold patch, model's tests    kill        gold patch but for one place,
//   model's tests
//
// rewards/write_tests.h says what comes of them.
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "orchestrator/grading.h"
#include "orchestrator/tree_view.h"
#include "rewards/mutants.h"
#include "rewards/write_tests.h"

#define MUTANTS 6
#define LOG_BYTES_MAX ((size_t)16 << 20)
#define MUTANT_WALL_MS_MIN 10000u // a mutant may loop for ever: it gets so long at least,
#define MUTANT_WALL_TIMES 10u     // and so many times what the fixed tree needed

struct writing {
    struct assay_grading *g;    // its workspace is `before`
    struct assay_grade *out;    // its verdict gets what the runs say together
    struct assay_instance bare; // the instance without lists: a run is told, not judged by them
    struct assay_tree_view view;
    struct assay_edits *tests, *gold, *reference;       // NULL: none
    struct assay_edits *buggy_respaced, *gold_respaced; // the files of gold in other bytes
    struct assay_write_tests_runs runs;
    struct assay_write_tests_score *score;
    struct assay_verdict after; // of the first run on the fixed tree
    const char *spoiled;        // why a run has no verdict; NULL: all have
    const char *fault;          // what speaks against the tests
    enum assay_cause cause;
    struct assay_usage usage;
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

// What a run says, for whoever compares.
static enum assay_status take_run(struct writing *w, const struct assay_grade *grade,
        struct assay_tests_run *run, struct assay_error *err)
{
    struct assay_outcome *outcome = assay_arena_alloc(w->g->arena, sizeof(*outcome));

    if (!outcome)
        return no_memory(err);
    *outcome = grade->outcome;
    add_usage(&w->usage, &grade->verdict.usage);
    w->out->executed |= grade->executed;
    if (!grade->verdict.scored && !w->spoiled)
        w->spoiled = grade->verdict.reason;
    *run = (struct assay_tests_run){
            .cause = grade->verdict.cause, .reason = grade->verdict.reason, .outcome = outcome};
    return ASSAY_OK;
}

// One run over the base tree with these edits. grade: what came of it.
static enum assay_status run_edits(struct writing *w, struct assay_edits *edits,
        const char *attempt, uint64_t wall_ms_max, struct assay_grade *grade,
        struct assay_error *err)
{
    struct assay_grade_request request = *w->g->request;
    struct assay_grading g = {.context = w->g->context,
            .request = &request,
            .arena = w->g->arena,
            .framework = w->g->framework,
            .recipe = w->g->recipe,
            .environment = w->g->environment};
    struct assay_depot *depot = assay_context_depot(g.context);
    enum assay_status status;

    request.instance = &w->bare;
    request.once = true; // what may be chance is run again here
    request.attempt = w->g->request->attempt
            ? assay_arena_printf(g.arena, "%s.%s", w->g->request->attempt, attempt)
            : attempt;
    if (wall_ms_max)
        request.wall_ms_max = wall_ms_max;
    memset(grade, 0, sizeof(*grade));
    grade->verdict.run_id = request.run_id;
    grade->verdict.instance_id = w->bare.instance_id;
    if (!request.attempt)
        return no_memory(err);
    status = assay_workspace_make_edited(&g.workspace, depot, &w->bare, edits, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_grading_run(&g, grade, err);
    assay_workspace_release(&g.workspace, depot);
    return status;
}

static enum assay_status run_tests(struct writing *w, const struct assay_edits *under,
        const struct assay_edits *over, const char *attempt, uint64_t wall_ms_max,
        struct assay_tests_run *run, struct assay_grade *grade, struct assay_error *err)
{
    struct assay_edits *edits = NULL;
    enum assay_status status = assay_edits_merge(&edits, under, over, w->g->arena, err);

    if (status == ASSAY_OK)
        status = run_edits(w, edits, attempt, wall_ms_max, grade, err);
    return status == ASSAY_OK ? take_run(w, grade, run, err) : status;
}

// What the run printed. It only adds reasons against a test, so no log is no error.
static enum assay_status read_log(struct writing *w, const struct assay_grade *grade,
        struct assay_tests_run *run, struct assay_error *err)
{
    char path[PATH_MAX];
    struct assay_buf log;

    if (!grade->log_path)
        return ASSAY_OK;
    (void)snprintf(path, sizeof(path), "%s/%s",
            assay_depot_home(assay_context_depot(w->g->context)), grade->log_path);
    assay_buf_init(&log, LOG_BYTES_MAX);
    if (assay_fs_read_file(&log, path, NULL) == ASSAY_OK || log.failed) {
        run->log =
                (struct assay_bytes){assay_arena_memdup(w->g->arena, log.data, log.len), log.len};
        if (!run->log.data) {
            assay_buf_free(&log);
            return no_memory(err);
        }
    }
    assay_buf_free(&log);
    return ASSAY_OK;
}

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

static enum assay_status compare(struct writing *w, struct assay_error *err)
{
    return assay_write_tests_compare(w->score, &w->fault, &w->cause, &w->runs, w->g->arena, err);
}

// Both trees twice, until something speaks against the tests.
static enum assay_status run_rounds(struct writing *w, struct assay_error *err)
{
    static const char *const befores[] = {"before.1", "before.2"};
    static const char *const afters[] = {"after.1", "after.2"};
    struct assay_grade grade;
    enum assay_status status = run_tests(w, NULL, NULL, "base", 0, &w->runs.base, &grade, err);

    for (size_t i = 0; i < ASSAY_WRITE_TESTS_ROUNDS && status == ASSAY_OK; i++) {
        // A fault of the first round may be chance: the second one looks at it again.
        if (w->spoiled || (w->fault && w->cause != ASSAY_CAUSE_TESTS_FAILED))
            return ASSAY_OK;
        status = run_tests(w, i ? w->gold_respaced : w->gold, w->tests, afters[i], 0,
                &w->runs.after[i], &grade, err);
        if (status == ASSAY_OK && i == 0) {
            w->after = grade.verdict;
            w->out->outcome = *w->runs.after[i].outcome;
            w->out->log_path = grade.log_path;
        }
        if (status == ASSAY_OK && !w->spoiled)
            status = run_tests(w, i ? w->buggy_respaced : NULL, w->tests, befores[i], 0,
                    &w->runs.before[i], &grade, err);
        if (status == ASSAY_OK && i == 0)
            status = read_log(w, &grade, &w->runs.before[i], err);
        if (status == ASSAY_OK && !w->spoiled)
            status = compare(w, err);
    }
    return status;
}

// --- mutants -------------------------------------------------------------------------------------

// The gold patch's files before and after it.
static enum assay_status make_mutants(
        struct writing *w, struct assay_mutant **mutants, struct assay_error *err)
{
    struct assay_mutant_source *sources =
            assay_arena_array(w->g->arena, w->gold->count, sizeof(*sources));
    const struct assay_bytes *seed = &w->bare.gold_patch;
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
    return assay_mutants_make(mutants, &w->score->mutants_made, sources, count,
            ASSAY_MUTANTS_OF_FIX, assay_hash64(seed->data, seed->len), MUTANTS, w->g->arena, err);
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

// The same for every answer to this instance, but for the kill.
static enum assay_status try_mutant(struct writing *w, size_t index,
        const struct assay_mutant *mutant, const struct assay_tests_run *reference,
        uint64_t wall_ms_max, size_t *killed_by_reference, struct assay_error *err)
{
    struct assay_tests_run run = {0};
    struct assay_edits *wrong = NULL;
    struct assay_grade grade;
    char attempt[32], *name;
    bool killed = false;
    enum assay_status status = wrong_fix(w, mutant, &wrong, err);

    if (status != ASSAY_OK)
        return status;
    (void)snprintf(attempt, sizeof(attempt), "mutant%zu.reference", index + 1);
    name = assay_arena_strdup(w->g->arena, attempt);
    status = name ? run_tests(w, wrong, w->reference, name, wall_ms_max, &run, &grade, err)
                  : no_memory(err);
    if (status != ASSAY_OK || w->spoiled ||
            !assay_write_tests_mutant_valid(reference, &run, &killed))
        return status;
    w->score->mutants_valid++;
    *killed_by_reference += killed;
    (void)snprintf(attempt, sizeof(attempt), "mutant%zu", index + 1);
    name = assay_arena_strdup(w->g->arena, attempt);
    status = name ? run_tests(w, wrong, w->tests, name, wall_ms_max, &run, &grade, err)
                  : no_memory(err);
    if (status == ASSAY_OK && !w->spoiled) {
        killed = assay_write_tests_kills(w->score, &run);
        w->score->mutants_killed += killed;
        assay_log(assay_context_log(w->g->context), ASSAY_LOG_DEBUG, "orchestrator",
                killed ? "mutant killed" : "mutant survives", "instance", w->bare.instance_id,
                "mutant", mutant->about, NULL);
    }
    return status;
}

static uint64_t mutant_wall_ms(const struct writing *w)
{
    const uint64_t limit = assay_grading_limits(w->g->request).wall_ms;
    uint64_t wall_ms = w->after.usage.wall_ms * MUTANT_WALL_TIMES;

    if (wall_ms < MUTANT_WALL_MS_MIN)
        wall_ms = MUTANT_WALL_MS_MIN;
    return wall_ms < limit ? wall_ms : limit;
}

static enum assay_status run_mutants(struct writing *w, struct assay_error *err)
{
    struct assay_tests_run reference = {0};
    struct assay_mutant *mutants = NULL;
    struct assay_grade grade;
    size_t killed_by_reference = 0;
    enum assay_status status = make_mutants(w, &mutants, err);

    if (status == ASSAY_OK)
        status = run_tests(w, w->gold, w->reference, "reference", 0, &reference, &grade, err);
    for (size_t i = 0; i < w->score->mutants_made && status == ASSAY_OK && !w->spoiled; i++)
        status = try_mutant(
                w, i, &mutants[i], &reference, mutant_wall_ms(w), &killed_by_reference, err);
    w->score->mutants_needed =
            assay_write_tests_needed(w->score->mutants_valid, killed_by_reference);
    return status;
}

// --- verdict -------------------------------------------------------------------------------------

static const char *reason_of(const struct writing *w, bool resolved)
{
    const struct assay_write_tests_score *s = w->score;

    if (w->fault)
        return w->fault;
    if (s->mutants_valid == 0)
        return "there is no mutant of the fix to try the tests on";
    return assay_arena_printf(w->g->arena,
            "%zu new tests tell the buggy tree from the fixed one, and kill %zu of %zu mutants%s",
            s->fails_before.count, s->mutants_killed, s->mutants_valid,
            resolved ? "" : ", which is too few");
}

static enum assay_status conclude(struct writing *w, struct assay_error *err)
{
    const bool resolved = !w->fault && w->score->mutants_killed >= w->score->mutants_needed;
    struct assay_verdict *v = &w->out->verdict;
    struct assay_error trouble = {0};

    v->usage = w->usage;
    if (w->spoiled) {
        assay_judge_unrun(v, &w->bare, ASSAY_CAUSE_INFRA_ERROR, w->spoiled);
        return ASSAY_OK;
    }
    v->scored = true;
    v->resolved = resolved;
    v->reward = resolved ? 1.0 : 0.0;
    v->cause = resolved ? ASSAY_CAUSE_OK : w->fault ? w->cause : ASSAY_CAUSE_TESTS_FAILED;
    v->resolution = resolved ? ASSAY_RESOLUTION_FULL
            : w->fault       ? ASSAY_RESOLUTION_NO
                             : ASSAY_RESOLUTION_PARTIAL;
    v->evidence = w->after.evidence;
    v->tamper = w->after.tamper;
    v->denied = w->after.denied;
    v->write_tests = w->score;
    v->reason = reason_of(w, resolved);
    if (!v->reason)
        return no_memory(err);
    if (!resolved && !assay_grading_is_sound(w->g, &trouble)) {
        w->spoiled = assay_arena_strdup(w->g->arena, trouble.message);
        if (!w->spoiled)
            return no_memory(err);
        assay_judge_unrun(v, &w->bare, ASSAY_CAUSE_INFRA_ERROR, w->spoiled);
    }
    return ASSAY_OK;
}

static enum assay_status open_writing(struct writing *w, struct assay_error *err)
{
    const struct assay_instance *instance = w->g->request->instance;
    enum assay_status status;

    w->bare = *instance;
    w->bare.fail_to_pass = w->bare.pass_to_pass = (struct assay_strings){NULL, 0};
    w->tests = w->g->workspace.model_edits;
    w->score = assay_arena_alloc(w->g->arena, sizeof(*w->score));
    if (!w->score)
        return no_memory(err);
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
    assay_judge_unrun(&w->out->verdict, &w->bare, ASSAY_CAUSE_SETUP_FAILED, reason);
    return ASSAY_OK;
}

enum assay_status assay_grading_write_tests(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct writing w = {.g = g, .out = out, .view = {.fd = -1}, .cause = ASSAY_CAUSE_TESTS_FAILED};
    struct assay_error trouble = {0};
    enum assay_status status = open_writing(&w, &trouble);

    if (status == ASSAY_OK && (!w.tests || w.tests->count == 0)) {
        w.fault = "the answer changes no test file";
        w.cause = w.tests ? ASSAY_CAUSE_PATCH_REJECTED : ASSAY_CAUSE_TESTS_FAILED;
    } else if (status == ASSAY_OK) {
        status = run_rounds(&w, &trouble);
    }
    if (status == ASSAY_OK && !w.spoiled && !w.fault)
        status = run_mutants(&w, &trouble);
    if (status == ASSAY_OK)
        status = conclude(&w, &trouble);
    assay_tree_view_close(&w.view);
    return status == ASSAY_OK ? ASSAY_OK : explain(&w, status, &trouble, err);
}
