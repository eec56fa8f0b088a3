// SPDX-License-Identifier: MIT
#include "orchestrator/regrade.h"

#include <pthread.h>
#include <string.h>

#include "orchestrator/evidence.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "orchestrator/writing.h"
#include "rewards/framework.h"

#define VERDICT_BYTES_MAX ((size_t)256 << 20)
#define CHANGES_BYTES_MAX 4096

struct regrade {
    struct assay_store *store;
    const struct assay_suite *suite;
    const struct assay_regrade_options *options;
    const struct assay_evaluation_row *stored; // beside rows[]
    struct assay_regrade_row *rows;
    pthread_mutex_t lock; // around the arena
    struct assay_arena *arena;
};

const char *assay_regrade_state_name(enum assay_regrade_state state)
{
    static const char *const names[] = {
            [ASSAY_REGRADE_SAME] = "same",
            [ASSAY_REGRADE_CHANGED] = "changed",
            [ASSAY_REGRADE_NOT_RUN] = "not_run",
            [ASSAY_REGRADE_UNFINISHED] = "unfinished",
            [ASSAY_REGRADE_NO_EVIDENCE] = "no_evidence",
            [ASSAY_REGRADE_FOREIGN] = "foreign",
    };

    return names[state];
}

// --- what changed --------------------------------------------------------------------------------

static void add_change(
        struct assay_buf *out, const char *what, const char *before, const char *after)
{
    if (strcmp(before, after) == 0)
        return;
    assay_buf_addf(out, "%s%s %s -> %s", out->len ? "; " : "", what, before, after);
}

static bool same_strings(const struct assay_strings *a, const struct assay_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static void add_list_change(struct assay_buf *out, const char *what,
        const struct assay_strings *before_good, const struct assay_strings *before_bad,
        const struct assay_strings *good, const struct assay_strings *bad)
{
    if (same_strings(before_good, good) && same_strings(before_bad, bad))
        return;
    assay_buf_addf(out, "%s%s %zu of %zu -> %zu of %zu", out->len ? "; " : "", what,
            before_good->count, before_good->count + before_bad->count, good->count,
            good->count + bad->count);
}

static const char *score_word(const struct assay_verdict *verdict)
{
    return !verdict->scored ? "null" : verdict->resolved ? "true" : "false";
}

static void add_writing_change(struct assay_buf *out, const struct assay_write_tests_score *before,
        const struct assay_write_tests_score *after)
{
    if (!before || !after)
        return;
    if (!same_strings(&before->fails_before, &after->fails_before) ||
            !same_strings(&before->passes_after, &after->passes_after) ||
            !same_strings(&before->flaky, &after->flaky))
        assay_buf_addf(out, "%snew tests that tell %zu -> %zu", out->len ? "; " : "",
                before->fails_before.count, after->fails_before.count);
    if (before->mutants_killed != after->mutants_killed ||
            before->mutants_valid != after->mutants_valid)
        assay_buf_addf(out, "%smutants killed %zu of %zu -> %zu of %zu", out->len ? "; " : "",
                before->mutants_killed, before->mutants_valid, after->mutants_killed,
                after->mutants_valid);
}

// What the two verdicts say differently of the patch. Where and when it ran is not in it, nor is
// the key, which names the grader's version.
static void list_changes(struct assay_buf *out, const struct assay_verdict *before,
        const struct assay_verdict *after)
{
    add_change(out, "resolved", score_word(before), score_word(after));
    add_change(out, "cause", assay_cause_name(before->cause), assay_cause_name(after->cause));
    add_list_change(out, "FAIL_TO_PASS", &before->f2p_success, &before->f2p_failure,
            &after->f2p_success, &after->f2p_failure);
    add_list_change(out, "PASS_TO_PASS", &before->p2p_success, &before->p2p_failure,
            &after->p2p_success, &after->p2p_failure);
    add_writing_change(out, before->write_tests, after->write_tests);
    if (!same_strings(&before->tamper, &after->tamper))
        assay_buf_addf(out, "%stamper %zu -> %zu sentences", out->len ? "; " : "",
                before->tamper.count, after->tamper.count);
    add_change(out, "evidence", before->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak",
            after->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak");
    if (out->len == 0)
        add_change(out, "reason", before->reason, after->reason);
}

// --- one evaluation ------------------------------------------------------------------------------

// What was run, and by what rules it is judged.
struct rerun {
    struct regrade *r;
    const struct assay_evaluation_row *stored;
    const struct assay_instance *instance;
    const struct assay_framework *framework;
    enum assay_compat compat;
    char run_hash[65]; // of the instance as it is now
    struct assay_bytes *runs;
    size_t count;
    struct assay_arena *arena;
};

// One run's evidence. *foreign: it is not of this instance.
static enum assay_status read_run(struct assay_run_evidence *out, const struct rerun *rerun,
        size_t index, bool *foreign, struct assay_error *err)
{
    const struct assay_bytes *run = &rerun->runs[index];
    const enum assay_status status =
            assay_evidence_read(out, run->data, run->len, rerun->arena, err);

    *foreign = status == ASSAY_OK && strcmp(out->run_hash, rerun->run_hash) != 0;
    return status;
}

static enum assay_status judge_repair(const struct rerun *rerun, struct assay_verdict *out,
        struct assay_outcome *outcome, bool *foreign, struct assay_error *err)
{
    struct assay_verdict *verdicts =
            assay_arena_array(rerun->arena, rerun->count, sizeof(*verdicts));
    struct assay_outcome *outcomes =
            assay_arena_array(rerun->arena, rerun->count, sizeof(*outcomes));
    struct assay_run_evidence evidence = {0};
    size_t chosen = 0;
    enum assay_status status = ASSAY_OK;

    if (!verdicts || !outcomes)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < rerun->count && status == ASSAY_OK; i++) {
        verdicts[i] = rerun->stored->verdict;
        verdicts[i].attempts = NULL;
        verdicts[i].attempt_count = 0;
        status = read_run(&evidence, rerun, i, foreign, err);
        if (*foreign)
            return ASSAY_OK;
        if (status == ASSAY_OK)
            status = assay_evidence_judge(&verdicts[i], &outcomes[i], &evidence, rerun->instance,
                    rerun->framework, rerun->compat, rerun->arena, err);
    }
    if (status == ASSAY_OK)
        status = assay_evidence_decide(out, &chosen, verdicts, rerun->count, rerun->arena, err);
    if (status == ASSAY_OK)
        status = assay_verdict_key(
                out->key, rerun->r->suite, rerun->instance, evidence.run_key, err);
    if (status == ASSAY_OK)
        *outcome = outcomes[chosen];
    return status;
}

// The runs of a task to write tests, by their roles.
static enum assay_status judge_writing(const struct rerun *rerun, struct assay_verdict *out,
        struct assay_outcome *outcome, bool *foreign, struct assay_error *err)
{
    struct assay_writing *writing = assay_arena_alloc(rerun->arena, sizeof(*writing));
    enum assay_status status = ASSAY_OK;

    if (!writing)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_writing_init(writing, rerun->instance, rerun->framework, rerun->arena);
    *out = rerun->stored->verdict;
    for (size_t i = 0; i < rerun->count && status == ASSAY_OK; i++) {
        struct assay_run_evidence evidence = {0};
        struct assay_writing_run *run = NULL;

        status = read_run(&evidence, rerun, i, foreign, err);
        if (*foreign)
            return ASSAY_OK;
        if (status == ASSAY_OK)
            status = assay_writing_take(writing, &evidence, &run, err);
        // Other runs may be shared with other answers, and have their key.
        if (status == ASSAY_OK && run == &writing->after[0])
            status = assay_verdict_key(
                    out->key, rerun->r->suite, rerun->instance, evidence.run_key, err);
    }
    if (status == ASSAY_OK)
        status = assay_writing_decide(writing, out, err);
    if (status == ASSAY_OK && writing->after[0].seen.outcome)
        *outcome = *writing->after[0].seen.outcome;
    return status;
}

// Judge all runs of one evaluation. *foreign: the instance is not the one that was run.
static enum assay_status judge_again(struct regrade *r, const struct assay_evaluation_row *stored,
        struct assay_verdict *out, struct assay_outcome *outcome, bool *foreign,
        struct assay_arena *arena, struct assay_error *err)
{
    struct rerun rerun = {.r = r,
            .stored = stored,
            .instance = assay_suite_find(r->suite, stored->instance_id),
            .compat = ASSAY_COMPAT_NONE,
            .arena = arena};
    enum assay_status status = assay_store_get_evidence(r->store, r->options->run_id,
            stored->instance_id, arena, &rerun.runs, &rerun.count, err);

    if (status != ASSAY_OK)
        return status;
    rerun.framework = rerun.instance ? assay_framework_find(rerun.instance->framework) : NULL;
    // By the rules that judged it, which were part of how it ran.
    *foreign = !rerun.framework || rerun.instance->task != stored->verdict.kind ||
            (stored->verdict.compat != NULL &&
                    !assay_compat_from_name(&rerun.compat, stored->verdict.compat));
    if (*foreign)
        return ASSAY_OK;
    status = assay_evidence_run_hash(rerun.run_hash, r->suite, rerun.instance, err);
    if (status != ASSAY_OK)
        return status;
    return rerun.instance->task == ASSAY_TASK_WRITE_TESTS
            ? judge_writing(&rerun, out, outcome, foreign, err)
            : judge_repair(&rerun, out, outcome, foreign, err);
}

// Texts for the row, in the arena that all threads share.
static enum assay_status keep(struct regrade *r, struct assay_regrade_row *row,
        const struct assay_verdict *verdict, const char *changes, struct assay_error *err)
{
    struct assay_buf line;
    enum assay_status status;

    assay_buf_init(&line, VERDICT_BYTES_MAX);
    assay_verdict_write(&line, verdict, 0);
    status = assay_buf_check(&line, "verdict", err);
    if (status == ASSAY_OK) {
        pthread_mutex_lock(&r->lock);
        row->verdict = assay_arena_memdup(r->arena, line.data, line.len);
        row->changes = assay_arena_strdup(r->arena, changes);
        pthread_mutex_unlock(&r->lock);
        if (!row->verdict || !row->changes)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    row->resolved = verdict->scored && verdict->resolved;
    assay_buf_free(&line);
    return status;
}

static enum assay_status write_back(struct regrade *r, const struct assay_verdict *verdict,
        const struct assay_outcome *outcome, struct assay_error *err)
{
    const struct assay_evaluation evaluation = {.verdict = verdict,
            .outcome = outcome->count ? outcome : NULL,
            .cacheable = true,
            .regraded = true};

    return assay_store_put_verdict(r->store, &evaluation, err);
}

// The verdict that stands, because nothing can be judged.
static enum assay_status keep_stored(struct regrade *r, struct assay_regrade_row *row,
        const struct assay_verdict *verdict, enum assay_regrade_state state,
        struct assay_error *err)
{
    static const char *const why[] = {
            [ASSAY_REGRADE_NOT_RUN] = "no test was run",
            [ASSAY_REGRADE_NO_EVIDENCE] = "no evidence is kept",
            [ASSAY_REGRADE_FOREIGN] = "the suite has changed what is run",
            [ASSAY_REGRADE_STATES] = NULL,
    };

    row->state = state;
    return keep(r, row, verdict, why[state], err);
}

static bool ran(const struct assay_verdict *verdict)
{
    // An answer without a test file has run nothing.
    if (verdict->kind == ASSAY_TASK_WRITE_TESTS && verdict->usage.wall_ms == 0)
        return false;
    return verdict->kind != ASSAY_TASK_LOCALIZE && verdict->cause != ASSAY_CAUSE_EMPTY_PATCH &&
            verdict->cause != ASSAY_CAUSE_PATCH_REJECTED && !assay_cause_is_infra(verdict->cause);
}

static enum assay_status regrade_row(
        struct regrade *r, size_t index, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_evaluation_row *stored = &r->stored[index];
    struct assay_regrade_row *row = &r->rows[index];
    struct assay_verdict after = {0};
    struct assay_outcome outcome = {0};
    struct assay_buf changes;
    bool foreign = false;
    enum assay_status status = judge_again(r, stored, &after, &outcome, &foreign, arena, err);

    if (status == ASSAY_ENOTFOUND)
        return keep_stored(r, row, &stored->verdict,
                ran(&stored->verdict) ? ASSAY_REGRADE_NO_EVIDENCE : ASSAY_REGRADE_NOT_RUN, err);
    if (status == ASSAY_OK && foreign)
        return keep_stored(r, row, &stored->verdict, ASSAY_REGRADE_FOREIGN, err);
    if (status != ASSAY_OK)
        return assay_wrap(err, "%.100s", stored->instance_id);
    assay_buf_init(&changes, CHANGES_BYTES_MAX);
    list_changes(&changes, &stored->verdict, &after);
    row->state = changes.len ? ASSAY_REGRADE_CHANGED : ASSAY_REGRADE_SAME;
    status = keep(r, row, &after, changes.data, err);
    if (status == ASSAY_OK && r->options->write &&
            (changes.len || strcmp(after.key, stored->verdict.key) != 0))
        status = write_back(r, &after, &outcome, err);
    assay_buf_free(&changes);
    return status;
}

static enum assay_status regrade_one(void *user, size_t index, struct assay_error *err)
{
    struct regrade *r = user;
    struct assay_arena *arena = NULL;
    enum assay_status status;

    if (!r->stored[index].has_verdict) {
        r->rows[index].state = ASSAY_REGRADE_UNFINISHED;
        r->rows[index].changes = "it has no verdict yet";
        return ASSAY_OK;
    }
    r->rows[index].resolved_before =
            r->stored[index].verdict.scored && r->stored[index].verdict.resolved;
    status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = regrade_row(r, index, arena, err);
    assay_arena_destroy(arena);
    return status;
}

// --- the run -------------------------------------------------------------------------------------

// Only the instances that were asked for, in their order.
static enum assay_status select_rows(struct assay_evaluation_row *rows, size_t *count,
        const struct assay_regrade_options *options, struct assay_error *err)
{
    size_t kept = 0;

    if (options->instance_count == 0)
        return ASSAY_OK;
    for (size_t i = 0; i < *count; i++) {
        bool wanted = false;

        for (size_t k = 0; k < options->instance_count && !wanted; k++)
            wanted = strcmp(options->instance_ids[k], rows[i].instance_id) == 0;
        if (wanted)
            rows[kept++] = rows[i];
    }
    *count = kept;
    if (kept < options->instance_count)
        return assay_fail(
                err, ASSAY_ENOTFOUND, "run %s lacks some of these instances", options->run_id);
    return ASSAY_OK;
}

enum assay_status assay_regrade(struct assay_regrade_row **rows, size_t *count,
        struct assay_store *store, const struct assay_suite *suite,
        const struct assay_regrade_options *options, const volatile bool *interrupted,
        struct assay_arena *arena, struct assay_error *err)
{
    struct regrade r = {.store = store, .suite = suite, .options = options, .arena = arena};
    struct assay_evaluation_row *stored = NULL;
    size_t stored_count = 0;
    enum assay_status status =
            assay_store_run_rows(store, options->run_id, arena, &stored, &stored_count, err);

    if (status == ASSAY_OK)
        status = select_rows(stored, &stored_count, options, err);
    if (status != ASSAY_OK)
        return status;
    r.stored = stored;
    r.rows = assay_arena_array(arena, stored_count, sizeof(*r.rows));
    if (!r.rows)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < stored_count; i++)
        r.rows[i].instance_id = stored[i].instance_id;
    pthread_mutex_init(&r.lock, NULL);
    status = assay_jobs_run(options->threads, stored_count, regrade_one, &r, interrupted, err);
    pthread_mutex_destroy(&r.lock);
    if (status == ASSAY_OK) {
        *rows = r.rows;
        *count = stored_count;
    }
    return status;
}
