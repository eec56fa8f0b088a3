// SPDX-License-Identifier: MIT
#include "orchestrator/evaluate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

// One instance to be graded, and what the model said of it.
struct selection {
    const struct assay_instance *instance;
    const struct assay_prediction *prediction; // NULL: gold, or the tree as it is
};

struct evaluation {
    struct assay_context *context;
    const struct assay_evaluate_options *options;
    struct assay_arena *arena;
    const char *run_id;
    struct selection *selected; // in the order of the predictions, or of the suite
    size_t count;
    const char **selected_ids; // all of the suite that the command covers, predicted or not
    size_t selected_count;
    struct selection *pending; // of these, what has no verdict yet
    struct assay_progress *progress;
    pthread_mutex_t lock; // around on_verdict
    struct assay_evaluate_result *result;
};

static enum assay_status add_problem(struct evaluation *e, const char *text)
{
    enum { STEP = 64 };
    struct assay_evaluate_result *r = e->result;

    if (r->problem_count % STEP == 0) {
        const char **grown =
                assay_arena_array(e->arena, r->problem_count + STEP, sizeof(*r->problems));

        if (!grown)
            return ASSAY_ENOMEM;
        if (r->problem_count)
            memcpy(grown, r->problems, r->problem_count * sizeof(*grown));
        r->problems = grown;
    }
    r->problems[r->problem_count++] = text;
    return text ? ASSAY_OK : ASSAY_ENOMEM;
}

static bool wanted(const struct evaluation *e, const char *instance_id)
{
    const struct assay_evaluate_options *o = e->options;

    if (!o->instance_ids || o->instance_count == 0)
        return true;
    for (size_t i = 0; i < o->instance_count; i++) {
        if (strcmp(o->instance_ids[i], instance_id) == 0)
            return true;
    }
    return false;
}

static enum assay_status check_wanted_ids(struct evaluation *e, struct assay_error *err)
{
    const struct assay_evaluate_options *o = e->options;

    for (size_t i = 0; o->instance_ids && i < o->instance_count; i++) {
        if (!assay_suite_find(o->suite, o->instance_ids[i]))
            return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s'", o->suite->name,
                    o->instance_ids[i]);
    }
    return ASSAY_OK;
}

// SWE-bench's denominator: every instance of the suite counts, whether or not it
// was predicted; what was not is incomplete and not run.
static enum assay_status select_predictions(struct evaluation *e, struct assay_error *err)
{
    const struct assay_evaluate_options *o = e->options;
    size_t known = 0; // rows that name an instance of the suite

    for (size_t i = 0; i < o->predictions->count; i++) {
        const struct assay_prediction *p = &o->predictions->items[i];
        const struct assay_instance *instance =
                p->instance_id ? assay_suite_find(o->suite, p->instance_id) : NULL;
        enum assay_status status = ASSAY_OK;

        if (p->state == ASSAY_PREDICTION_BAD_ROW)
            status = add_problem(e, p->error);
        else if (!instance)
            status = add_problem(e,
                    assay_arena_printf(e->arena, "%s:%zu: suite %s has no instance '%s'",
                            o->predictions_path, p->line, o->suite->name, p->instance_id));
        else if (wanted(e, p->instance_id)) {
            e->selected[e->count++] = (struct selection){instance, p};
        }
        if (status != ASSAY_OK)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        known += instance && p->state != ASSAY_PREDICTION_BAD_ROW;
    }
    if (known > 0)
        return ASSAY_OK;
    // Nothing to evaluate is a wrong file, not a rate of 0.
    return assay_fail(err, ASSAY_EINVAL, "%s: no prediction for suite %s%s%s", o->predictions_path,
            o->suite->name, e->result->problem_count ? ": " : "",
            e->result->problem_count ? e->result->problems[0] : "");
}

static enum assay_status select_instances(struct evaluation *e, struct assay_error *err)
{
    const struct assay_evaluate_options *o = e->options;
    const size_t room = o->predictions ? o->predictions->count : o->suite->instance_count;
    enum assay_status status = check_wanted_ids(e, err);

    if (status != ASSAY_OK)
        return status;
    e->selected = assay_arena_array(e->arena, room, sizeof(*e->selected));
    e->pending = assay_arena_array(e->arena, room, sizeof(*e->pending));
    e->selected_ids =
            assay_arena_array(e->arena, o->suite->instance_count, sizeof(*e->selected_ids));
    if (!e->selected || !e->pending || !e->selected_ids)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < o->suite->instance_count; i++) {
        if (!wanted(e, o->suite->instances[i].instance_id))
            continue;
        e->selected_ids[e->selected_count++] = o->suite->instances[i].instance_id;
        if (!o->predictions)
            e->selected[e->count++].instance = &o->suite->instances[i];
    }
    return o->predictions ? select_predictions(e, err) : ASSAY_OK;
}

static const char *model_of(const struct assay_evaluate_options *o)
{
    if (o->candidate == ASSAY_CANDIDATE_GOLD)
        return "gold";
    if (o->candidate == ASSAY_CANDIDATE_NONE)
        return "empty";
    for (size_t i = 0; i < o->predictions->count; i++) {
        if (o->predictions->items[i].model && o->predictions->items[i].model[0])
            return o->predictions->items[i].model;
    }
    return "unknown";
}

// What makes two commands the same run: suite content, what is judged, and how.
static enum assay_status make_identity(struct evaluation *e, char hex[65], struct assay_error *err)
{
    const struct assay_evaluate_options *o = e->options;
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay run " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, o->suite->name);
    assay_sha256_field(sha, &o->candidate, sizeof(o->candidate));
    assay_sha256_field_text(sha, o->predictions ? o->predictions->sha256 : NULL);
    assay_sha256_field(sha, &o->wall_ms_max, sizeof(o->wall_ms_max));
    if (o->compat != ASSAY_COMPAT_NONE)
        assay_sha256_field_text(sha, assay_compat_name(o->compat));
    if (o->how.mode != ASSAY_APPLY_TOLERANT || o->how.format != ASSAY_FORMAT_AUTO)
        assay_sha256_field(sha, &o->how, sizeof(o->how));
    assay_sha256_field_text(
            sha, assay_tier_name(assay_sandbox_tier(assay_context_sandbox(e->context))));
    for (size_t i = 0; i < e->selected_count; i++) {
        char instance_hash[65];

        status = assay_instance_hash(
                instance_hash, o->suite, assay_suite_find(o->suite, e->selected_ids[i]), err);
        if (status != ASSAY_OK)
            break;
        assay_sha256_field_text(sha, instance_hash);
    }
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return status;
}

static enum assay_status open_run(struct evaluation *e, struct assay_error *err)
{
    const struct assay_evaluate_options *o = e->options;
    char identity[65];
    struct assay_run wanted_run = {.run_id = o->run_id,
            .suite = o->suite->name,
            .identity = identity,
            .model = model_of(o),
            .command = o->command_line};
    struct assay_run run;
    enum assay_status status = make_identity(e, identity, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_store_open_run(assay_context_store(e->context), &wanted_run, e->selected_ids,
            e->selected_count, o->again, e->arena, &run, &e->result->resumed, err);
    if (status == ASSAY_OK)
        e->run_id = e->result->run_id = run.run_id;
    return status;
}

static size_t index_of(const struct evaluation *e, const char *instance_id)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->selected[i].instance->instance_id, instance_id) == 0)
            return i;
    }
    return e->count;
}

static enum assay_status tell(
        struct evaluation *e, const struct assay_verdict *verdict, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&e->lock);
    if (e->options->on_verdict)
        status = e->options->on_verdict(e->options->user, verdict, err);
    pthread_mutex_unlock(&e->lock);
    return status;
}

static struct assay_grade_request make_request(
        const struct evaluation *e, const struct selection *selection)
{
    const struct assay_prediction *p = selection->prediction;
    struct assay_grade_request request = {.suite = e->options->suite,
            .instance = selection->instance,
            .candidate = e->options->candidate,
            .how = e->options->how,
            .run_id = e->run_id,
            .wall_ms_max = e->options->wall_ms_max,
            .no_cache = e->options->no_cache,
            .compat = e->options->compat};

    if (p) {
        request.patch = p->patch;
        if (p->state == ASSAY_PREDICTION_EMPTY)
            request.candidate = ASSAY_CANDIDATE_EMPTY;
        else if (p->state == ASSAY_PREDICTION_TOO_BIG)
            request.candidate = ASSAY_CANDIDATE_TOO_BIG;
    }
    return request;
}

// A verdict that was recorded before, with the shaping that is asked for now.
static enum assay_status tell_again(struct evaluation *e, const struct selection *selection,
        struct assay_verdict *verdict, struct assay_error *err)
{
    const struct assay_grade_request request = make_request(e, selection);
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_shaper_apply(e->options->shaper, e->context, &request, verdict, arena, err);
    if (status == ASSAY_OK)
        status = tell(e, verdict, err);
    assay_arena_destroy(arena);
    return status;
}

// pending[] = what has no verdict yet, and, when asked, what ended as null.
static enum assay_status find_pending(
        struct evaluation *e, size_t *count, size_t *good, struct assay_error *err)
{
    struct assay_evaluation_row *rows = NULL;
    size_t row_count = 0;
    enum assay_status status = assay_store_run_rows(
            assay_context_store(e->context), e->run_id, e->arena, &rows, &row_count, err);

    *count = *good = 0;
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < row_count; i++) {
        const size_t index = index_of(e, rows[i].instance_id);
        const bool again = e->options->retry_infra && !rows[i].verdict.scored;

        if (rows[i].has_verdict && !again) {
            *good += rows[i].verdict.resolved;
            status = index < e->count ? tell_again(e, &e->selected[index], &rows[i].verdict, err)
                                      : tell(e, &rows[i].verdict, err);
            if (status != ASSAY_OK)
                return status;
            continue;
        }
        if (index == e->count)
            continue; // selected, but not predicted
        e->pending[(*count)++] = e->selected[index];
    }
    return ASSAY_OK;
}

static enum assay_status record(struct evaluation *e, const struct assay_grade_request *request,
        const struct assay_grade *grade, struct assay_error *err)
{
    struct assay_evaluation evaluation = {.verdict = &grade->verdict,
            .outcome = grade->outcome.count ? &grade->outcome : NULL,
            .log_path = grade->log_path,
            .evidence = grade->evidence,
            .evidence_count = grade->evidence_count,
            .claim = grade->claim,
            .cacheable = grade->cacheable,
            .retry = e->options->retry_infra};

    if (request->candidate == ASSAY_CANDIDATE_PATCH)
        evaluation.model_patch = request->patch;
    else if (request->candidate == ASSAY_CANDIDATE_GOLD)
        evaluation.model_patch = request->instance->gold_patch;
    return assay_store_put_verdict(assay_context_store(e->context), &evaluation, err);
}

// The verdict that another process working on the same run recorded in the meantime, if any.
static bool done_by_another(struct evaluation *e, const char *instance_id,
        struct assay_verdict *out, struct assay_arena *arena)
{
    return assay_store_get_verdict(assay_context_store(e->context), e->run_id, instance_id, arena,
                   out, NULL) == ASSAY_OK &&
            (out->scored || !e->options->retry_infra);
}

// *out: the one verdict of this instance in this run, whoever came to it.
static enum assay_status reach_verdict(struct evaluation *e,
        const struct assay_grade_request *request, struct assay_verdict *out,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *instance_id = request->instance->instance_id;
    struct assay_grade grade;
    enum assay_status status;

    if (done_by_another(e, instance_id, out, arena))
        return ASSAY_OK;
    status = assay_grade(&grade, e->context, request, arena, err);
    if (status == ASSAY_OK)
        status = assay_shaper_apply(
                e->options->shaper, e->context, request, &grade.verdict, arena, err);
    if (status != ASSAY_OK)
        return status;
    if (grade.executed) {
        pthread_mutex_lock(&e->lock);
        e->result->executed++;
        pthread_mutex_unlock(&e->lock);
    }
    status = record(e, request, &grade, err);
    assay_grade_release(e->context, &grade, status == ASSAY_OK);
    if (status == ASSAY_ECONFLICT && done_by_another(e, instance_id, out, arena))
        return ASSAY_OK;
    *out = grade.verdict;
    return status;
}

static enum assay_status evaluate_one(void *user, size_t index, struct assay_error *err)
{
    struct evaluation *e = user;
    const struct assay_grade_request request = make_request(e, &e->pending[index]);
    struct assay_arena *arena = NULL;
    struct assay_verdict verdict = {0};
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_progress_begin(e->progress);
    status = reach_verdict(e, &request, &verdict, arena, err);
    if (status == ASSAY_OK)
        assay_progress_end(e->progress, verdict.resolved, verdict.scored);
    else
        assay_progress_drop(e->progress);
    if (status == ASSAY_OK)
        status = tell(e, &verdict, err);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status work_through(struct evaluation *e, struct assay_error *err)
{
    size_t count = 0, good = 0;
    char label[128];
    enum assay_status status = find_pending(e, &count, &good, err);

    if (status != ASSAY_OK)
        return status;
    if (count > 0) {
        snprintf(label, sizeof(label), "eval %.100s", e->options->suite->name);
        status = assay_progress_start(
                &e->progress, label, "resolved", e->count, e->count - count, good, err);
        if (status != ASSAY_OK)
            return status;
        assay_context_log_around(e->context, assay_progress_around, e->progress);
        status = assay_jobs_run(e->options->threads, count, evaluate_one, e,
                assay_context_interrupted(e->context), err);
        assay_context_log_around(e->context, NULL, NULL);
        assay_progress_stop(e->progress);
    }
    if (status == ASSAY_OK)
        status = assay_store_finish_run(assay_context_store(e->context), e->run_id, err);
    return status;
}

enum assay_status assay_evaluate(struct assay_evaluate_result *out, struct assay_context *context,
        const struct assay_evaluate_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct evaluation e = {.context = context, .options = options, .arena = arena, .result = out};
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    pthread_mutex_init(&e.lock, NULL);
    status = select_instances(&e, err);
    out->selected = e.selected_count;
    out->submitted = e.count;
    if (status == ASSAY_OK)
        status = open_run(&e, err);
    if (status == ASSAY_OK)
        status = work_through(&e, err);
    pthread_mutex_destroy(&e.lock);
    return status;
}
