// SPDX-License-Identifier: MIT
#include "orchestrator/rollouts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "orchestrator/claims.h"
#include "orchestrator/drive.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "rewards/judge.h"
#include "tasks/predictions.h"

struct rollouts {
    struct assay_context *context;
    const struct assay_rollouts_options *options;
    struct assay_arena *arena;
    struct assay_rollouts_result *result;
    const struct assay_instance **selected;
    const char **selected_ids;
    size_t count;
    const char **run_ids; // of each sample's evaluations
    struct assay_progress *progress;
    pthread_mutex_t lock; // around on_rollout and result
};

// One sample under way.
struct sample {
    struct rollouts *r;
    const struct assay_instance *instance;
    unsigned number; // from 1
    uint64_t seed;
    struct assay_arena *arena;
    struct assay_episode_handle handle;
    struct assay_episode_row row; // once it is over
    struct assay_verdict verdict;
};

// --- what is run ---------------------------------------------------------------------------------

static enum assay_status select_instances(struct rollouts *r, struct assay_error *err)
{
    const struct assay_rollouts_options *o = r->options;
    const size_t room = o->suite->instance_count;

    r->selected = assay_arena_array(r->arena, room, sizeof(struct assay_instance *));
    r->selected_ids = assay_arena_array(r->arena, room, sizeof(*r->selected_ids));
    r->run_ids = assay_arena_array(r->arena, o->samples, sizeof(*r->run_ids));
    if (r->selected == NULL || r->selected_ids == NULL || r->run_ids == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < o->instance_count; i++) {
        if (assay_suite_find(o->suite, o->instance_ids[i]) == NULL)
            return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s'", o->suite->name,
                    o->instance_ids[i]);
    }
    for (size_t i = 0; i < room; i++) {
        const struct assay_instance *instance = &o->suite->instances[i];
        bool wanted = o->instance_count == 0;

        for (size_t k = 0; k < o->instance_count && !wanted; k++)
            wanted = strcmp(o->instance_ids[k], instance->instance_id) == 0;
        if (!wanted)
            continue;
        r->selected_ids[r->count] = instance->instance_id;
        r->selected[r->count++] = instance;
    }
    return ASSAY_OK;
}

// What makes two commands the same run.
static enum assay_status make_identity(
        const struct rollouts *r, unsigned sample, char hex[65], struct assay_error *err)
{
    const struct assay_rollouts_options *o = r->options;
    const struct assay_actor *actor = o->actor;
    const uint64_t numbers[] = {sample, o->samples, o->seed, o->tokens_max, o->episode.fresh,
            o->episode.limits.turns_max, o->episode.limits.wall_ms_max,
            o->episode.limits.cpu_ms_max, o->episode.limits.command_ms_max,
            o->episode.limits.observation_bytes_max};
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay episodes " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, o->suite->name);
    assay_sha256_field_text(sha, actor->name);
    assay_sha256_field_text(
            sha, actor->kind->digest != NULL ? actor->kind->digest(actor->config) : NULL);
    assay_sha256_field(sha, numbers, sizeof(numbers));
    assay_sha256_field_text(
            sha, assay_tier_name(assay_sandbox_tier(assay_context_sandbox(r->context))));
    for (size_t i = 0; i < r->count && status == ASSAY_OK; i++) {
        char instance_hash[65] = "";

        status = assay_instance_hash(instance_hash, o->suite, r->selected[i], err);
        assay_sha256_field_text(sha, instance_hash);
    }
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return status;
}

static enum assay_status open_run(
        struct rollouts *r, unsigned sample, const char *run_id, struct assay_error *err)
{
    const struct assay_rollouts_options *o = r->options;
    char identity[65];
    const struct assay_run wanted = {.run_id = run_id,
            .suite = o->suite->name,
            .identity = identity,
            .model = o->actor->name,
            .command = o->command_line};
    struct assay_run run;
    bool resumed = false;
    enum assay_status status = make_identity(r, sample, identity, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_store_open_run(assay_context_store(r->context), &wanted, r->selected_ids,
            r->count, o->again && sample == 1, r->arena, &run, &resumed, err);
    if (status != ASSAY_OK)
        return status;
    r->run_ids[sample - 1] = run.run_id;
    if (sample == 1)
        r->result->resumed = resumed;
    return ASSAY_OK;
}

static enum assay_status open_runs(struct rollouts *r, struct assay_error *err)
{
    enum assay_status status = open_run(r, 1, r->options->run_id, err);

    for (unsigned k = 2; k <= r->options->samples && status == ASSAY_OK; k++) {
        const char *run_id = assay_arena_printf(r->arena, "%s.%u", r->run_ids[0], k);

        status = run_id != NULL ? open_run(r, k, run_id, err)
                                : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK)
        r->result->run_id = r->run_ids[0];
    return status;
}

// --- one episode ---------------------------------------------------------------------------------

static uint64_t seed_of(uint64_t seed, const char *instance_id, unsigned sample)
{
    char text[300];
    const int len =
            snprintf(text, sizeof(text), "%" PRIu64 "/%.200s/%u", seed, instance_id, sample);

    return assay_hash64(text, (size_t)len);
}

static enum assay_status drive_once(struct sample *s, struct assay_drive_result *result,
        uint64_t *generation, struct assay_error *err)
{
    const struct assay_rollouts_options *o = s->r->options;
    const struct assay_drive_request request = {.suite = o->suite,
            .instance = s->instance,
            .actor = o->actor,
            .options = o->episode,
            .tokens_max = o->tokens_max,
            .sample = s->number,
            .seed = s->seed,
            .handle = &s->handle};
    enum assay_status status;

    *generation = assay_context_enter(s->r->context);
    status = assay_drive(result, s->r->context, &request, err);
    assay_context_leave(s->r->context);
    return status;
}

static enum assay_status begin(struct sample *s, bool *finished, struct assay_error *err)
{
    const struct rollouts *r = s->r;
    char seed[24];
    const struct assay_episode_begin wanted = {.run_id = r->run_ids[0],
            .instance_id = s->instance->instance_id,
            .sample = s->number,
            .graded_in = r->run_ids[s->number - 1],
            .actor = r->options->actor->name,
            .seed = seed,
            .retry_infra = r->options->retry_infra,
            .options = r->options->episode,
            .tokens_max = r->options->tokens_max};

    snprintf(seed, sizeof(seed), "%" PRIu64, s->seed);
    return assay_store_begin_episode(
            assay_context_store(r->context), &wanted, &s->handle, finished, err);
}

static enum assay_status end(
        struct sample *s, const struct assay_drive_result *result, struct assay_error *err)
{
    const struct assay_bytes answer = {result->answer.data, result->answer.len};

    return assay_store_end_episode(assay_context_store(s->r->context), &s->handle, result->cause,
            result->reason, result->turn_count, answer, err);
}

// Until it is over, with trouble of ours tried again.
static enum assay_status live(struct sample *s, struct assay_error *err)
{
    struct rollouts *r = s->r;

    for (unsigned tries = 1;; tries++) {
        struct assay_drive_result result;
        uint64_t generation = 0;
        bool finished = false, over = false;
        enum assay_status status = begin(s, &finished, err);

        if (status != ASSAY_OK || finished)
            return status;
        status = drive_once(s, &result, &generation, err);
        if (status != ASSAY_OK)
            return status;
        over = result.cause != ASSAY_EPISODE_INFRA_ERROR || tries == ASSAY_GRADE_TRIES;
        if (over)
            status = end(s, &result, err);
        else
            assay_log(assay_context_log(r->context), ASSAY_LOG_WARN, "orchestrator",
                    "episode spoiled", "instance", s->instance->instance_id, "reason",
                    result.reason, NULL);
        assay_drive_release(&result);
        if (status == ASSAY_OK && over) {
            pthread_mutex_lock(&r->lock);
            r->result->executed++;
            pthread_mutex_unlock(&r->lock);
        }
        if (status != ASSAY_OK || over)
            return status;
        status = assay_context_mend(r->context, generation, err);
        if (status != ASSAY_OK)
            return status;
    }
}

// --- its verdict ---------------------------------------------------------------------------------

enum assay_status assay_rollout_grade(struct assay_verdict *out, struct assay_context *context,
        const struct assay_suite *suite, const struct assay_instance *instance, const char *run_id,
        const struct assay_episode_row *episode, bool no_cache, bool retry,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_grade_request request = {.suite = suite,
            .instance = instance,
            .candidate = episode->answer.len == 0                       ? ASSAY_CANDIDATE_EMPTY
                    : episode->answer.len > ASSAY_MODEL_PATCH_BYTES_MAX ? ASSAY_CANDIDATE_TOO_BIG
                                                                        : ASSAY_CANDIDATE_PATCH,
            .patch = episode->answer,
            .run_id = run_id,
            .no_cache = no_cache};
    struct assay_grade grade = {.claim = 0};
    struct assay_evaluation evaluation = {.verdict = &grade.verdict, .retry = retry};
    enum assay_status status = ASSAY_OK;

    if (episode->cause == ASSAY_EPISODE_INFRA_ERROR) {
        grade.verdict.run_id = run_id;
        grade.verdict.instance_id = instance->instance_id;
        grade.verdict.kind = instance->task;
        grade.verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(context)));
        assay_judge_unrun(&grade.verdict, instance, ASSAY_CAUSE_INFRA_ERROR, episode->reason);
    } else {
        status = assay_grade(&grade, context, &request, arena, err);
    }
    if (status != ASSAY_OK)
        return status;
    evaluation.outcome = grade.outcome.count ? &grade.outcome : NULL;
    evaluation.log_path = grade.log_path;
    evaluation.evidence = grade.evidence;
    evaluation.evidence_count = grade.evidence_count;
    evaluation.claim = grade.claim;
    evaluation.cacheable = grade.cacheable;
    if (request.candidate == ASSAY_CANDIDATE_PATCH)
        evaluation.model_patch = request.patch;
    status = assay_store_put_verdict(assay_context_store(context), &evaluation, err);
    assay_grade_release(context, &grade, status == ASSAY_OK);
    *out = grade.verdict;
    return status;
}

// Is there a verdict that counts? Then s->verdict and s->row are it.
static bool is_done(struct sample *s)
{
    const struct rollouts *r = s->r;
    struct assay_store *store = assay_context_store(r->context);
    bool finished = false;

    if (assay_store_get_verdict(store, r->run_ids[s->number - 1], s->instance->instance_id,
                s->arena, &s->verdict, NULL) != ASSAY_OK ||
            (!s->verdict.scored && r->options->retry_infra))
        return false;
    return begin(s, &finished, NULL) == ASSAY_OK && finished &&
            assay_store_get_episode(store, s->handle.number, s->arena, &s->row, NULL) == ASSAY_OK;
}

// Under the claim of this sample: nobody else works on it.
static enum assay_status work(struct sample *s, struct assay_error *err)
{
    const struct rollouts *r = s->r;
    enum assay_status status = live(s, err);

    if (status == ASSAY_OK)
        status = assay_store_get_episode(
                assay_context_store(r->context), s->handle.number, s->arena, &s->row, err);
    if (status == ASSAY_OK)
        status = assay_rollout_grade(&s->verdict, r->context, r->options->suite, s->instance,
                r->run_ids[s->number - 1], &s->row, r->options->no_cache, r->options->retry_infra,
                s->arena, err);
    return status;
}

// One process at a time works on a sample; who waited finds it done.
static enum assay_status reach(struct sample *s, struct assay_error *err)
{
    const struct rollouts *r = s->r;
    struct assay_claims *claims = assay_context_claims(r->context);
    const char *key = assay_arena_printf(
            s->arena, "episode %s %s %u", r->run_ids[0], s->instance->instance_id, s->number);
    uint64_t claim = 0;
    enum assay_status status = ASSAY_OK;

    if (key == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    while (!is_done(s)) {
        status = assay_claims_take(claims, key, assay_context_interrupted(r->context), &claim, err);
        if (status != ASSAY_OK)
            return status;
        if (claim == 0)
            continue;
        if (!is_done(s))
            status = work(s, err);
        assay_claims_end(claims, key, claim, false);
        return status;
    }
    return ASSAY_OK;
}

static enum assay_status tell(struct sample *s, struct assay_error *err)
{
    const struct assay_rollouts_options *o = s->r->options;
    const struct assay_rollout rollout = {.episode = s->row.number,
            .sample = s->number,
            .cause = s->row.cause,
            .reason = s->row.reason,
            .turn_count = s->row.turn_count,
            .verdict = &s->verdict};
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&s->r->lock);
    if (o->on_rollout != NULL)
        status = o->on_rollout(o->user, &rollout, err);
    pthread_mutex_unlock(&s->r->lock);
    return status;
}

static enum assay_status roll_one(void *user, size_t index, struct assay_error *err)
{
    struct rollouts *r = user;
    // Instances take turns: a slow one holds up no other's first samples.
    struct sample s = {.r = r,
            .instance = r->selected[index % r->count],
            .number = (unsigned)(index / r->count) + 1};
    enum assay_status status = assay_arena_create(&s.arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    s.seed = seed_of(r->options->seed, s.instance->instance_id, s.number);
    assay_progress_begin(r->progress);
    status = reach(&s, err);
    if (status == ASSAY_OK)
        assay_progress_end(r->progress, s.verdict.resolved, s.verdict.scored);
    else
        assay_progress_drop(r->progress);
    if (status == ASSAY_OK)
        status = tell(&s, err);
    assay_arena_destroy(s.arena);
    return status;
}

static enum assay_status work_through(struct rollouts *r, struct assay_error *err)
{
    const struct assay_rollouts_options *o = r->options;
    const size_t total = r->count * o->samples;
    char label[128];
    enum assay_status status;

    snprintf(label, sizeof(label), "run %.100s", o->suite->name);
    status = assay_progress_start(&r->progress, label, "resolved", total, 0, 0, err);
    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(r->context, assay_progress_around, r->progress);
    status = assay_jobs_run(
            o->threads, total, roll_one, r, assay_context_interrupted(r->context), err);
    assay_context_log_around(r->context, NULL, NULL);
    assay_progress_stop(r->progress);
    for (unsigned k = 0; k < o->samples && status == ASSAY_OK; k++)
        status = assay_store_finish_run(assay_context_store(r->context), r->run_ids[k], err);
    return status;
}

enum assay_status assay_rollouts(struct assay_rollouts_result *out, struct assay_context *context,
        const struct assay_rollouts_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct rollouts r = {.context = context, .options = options, .arena = arena, .result = out};
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    pthread_mutex_init(&r.lock, NULL);
    status = select_instances(&r, err);
    if (status == ASSAY_OK)
        status = open_runs(&r, err);
    if (status == ASSAY_OK)
        status = work_through(&r, err);
    pthread_mutex_destroy(&r.lock);
    return status;
}
