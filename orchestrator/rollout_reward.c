// SPDX-License-Identifier: MIT
#include "orchestrator/rollout_reward.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "tasks/store_reward.h"
#include "tasks/suite.h"
#include "tasks/verdict.h"

#define CALL_ARENA_BYTES ((size_t)4 << 30)
#define RUN_ID "rollouts"
#define WALL_MS_DEFAULT 10000u
#define REMEMBERED_MAX ((size_t)1 << 16) // verdicts; then it begins anew
#define SLOTS (2 * REMEMBERED_MAX)       // a power of two

struct remembered {
    char key[ASSAY_SHA256_HEX_BYTES]; // "": free
    struct assay_rollout_verdict verdict;
};

struct assay_rewarder {
    struct assay_context *context; // borrowed
    struct assay_rewarder_options options;
    struct assay_suite *suite; // owned: the recipe, no instances
    struct remembered *slots;  // [SLOTS], open addressing; NULL: no memory
    size_t remembered_count;
    char scope[ASSAY_SHA256_HEX_BYTES]; // of what the store keeps; "" until it was asked
    struct assay_rewarder_counts counts;
    _Atomic uint64_t ended; // executions
};

// --- what is remembered -------------------------------------------------------------------------

static struct remembered *slot_of(struct assay_rewarder *r, const char *key)
{
    size_t at = (size_t)assay_hash64(key, strlen(key)) & (SLOTS - 1);

    while (r->slots[at].key[0] && strcmp(r->slots[at].key, key) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &r->slots[at];
}

static bool recall(struct assay_rewarder *r, const char *key, struct assay_rollout_verdict *out)
{
    const struct remembered *slot = r->slots ? slot_of(r, key) : NULL;

    if (!slot || !slot->key[0])
        return false;
    *out = slot->verdict;
    out->source = ASSAY_ROLLOUT_REMEMBERED;
    return true;
}

static void remember(
        struct assay_rewarder *r, const char *key, const struct assay_rollout_verdict *verdict)
{
    struct remembered *slot;

    if (!r->slots || !verdict->scored)
        return;
    if (r->remembered_count == REMEMBERED_MAX) {
        memset(r->slots, 0, SLOTS * sizeof(*r->slots));
        r->remembered_count = 0;
    }
    slot = slot_of(r, key);
    r->remembered_count += !slot->key[0];
    memcpy(slot->key, key, sizeof(slot->key));
    slot->verdict = *verdict;
}

// What every verdict depends on beside task and patch: who judges, and where.
static enum assay_status make_scope(struct assay_rewarder *r, struct assay_error *err)
{
    const enum assay_tier tier = assay_sandbox_tier(assay_context_sandbox(r->context));
    const struct assay_environment *environment = NULL;
    struct assay_sha256 *sha = NULL;
    enum assay_status status =
            assay_context_environment(r->context, &r->suite->recipes[0], &environment, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, assay_tier_name(tier));
    assay_sha256_field_text(sha, environment->key);
    assay_sha256_field(sha, &r->options.wall_ms, sizeof(r->options.wall_ms));
    assay_sha256_hex(sha, r->scope);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// Once, with the first answers: what trainings before this one found out.
static enum assay_status ask_store(struct assay_rewarder *r, struct assay_error *err)
{
    struct assay_reward_row *rows = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0;
    enum assay_status status = make_scope(r, err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, CALL_ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_store_kept_rewards(assay_context_store(r->context), r->scope, REMEMBERED_MAX,
                arena, &rows, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_rollout_verdict verdict = {.scored = true,
                .resolved = rows[i].resolved,
                .reward = rows[i].resolved,
                .cause = rows[i].cause,
                .source = ASSAY_ROLLOUT_EXECUTED,
                .passed = rows[i].passed,
                .failed = rows[i].failed};

        remember(r, rows[i].key, &verdict);
    }
    assay_arena_destroy(arena);
    return status;
}

// --- one call -----------------------------------------------------------------------------------

struct grading_task {
    const struct assay_repair_task *task;
    struct assay_instance instance;
    bool wanted; // something of it is executed
};

// A patch of a task that is to be executed.
struct execution {
    size_t task;
    struct assay_bytes patch;
    char key[ASSAY_SHA256_HEX_BYTES];
    struct assay_rollout_verdict verdict;
};

struct call {
    struct assay_rewarder *r;
    struct assay_arena *arena; // of the calling thread alone
    struct grading_task *tasks;
    size_t task_count;
    struct execution *executions;
    size_t execution_count;
    size_t *chosen; // per rollout: its execution, or SIZE_MAX
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static size_t task_of(struct call *call, const struct assay_repair_task *task)
{
    size_t i = call->task_count;

    // A group's answers stand together.
    while (i > 0 && call->tasks[i - 1].task != task)
        i--;
    if (i > 0)
        return i - 1;
    call->tasks[call->task_count].task = task;
    return call->task_count++;
}

// Equal bytes of all that a verdict can depend on.
static enum assay_status make_key(char key[ASSAY_SHA256_HEX_BYTES],
        const struct assay_repair_task *task, struct assay_bytes patch, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field(sha, task->broken.data, task->broken.len);
    assay_sha256_field(sha, task->gold.data, task->gold.len);
    assay_sha256_field(sha, task->tests.data, task->tests.len);
    assay_sha256_field_text(sha, task->path);
    assay_sha256_field_text(sha, task->test_path);
    assay_sha256_field(sha, patch.data, patch.len);
    assay_sha256_hex(sha, key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static void judge_form(struct assay_rollout_verdict *out, const struct assay_answer *answer)
{
    const bool nothing =
            answer->fault == ASSAY_ANSWER_EMPTY || answer->fault == ASSAY_ANSWER_NO_CHANGE;

    *out = (struct assay_rollout_verdict){.scored = true,
            .cause = nothing ? ASSAY_CAUSE_EMPTY_PATCH : ASSAY_CAUSE_PATCH_REJECTED,
            .fault = answer->fault,
            .source = ASSAY_ROLLOUT_UNRUN};
    (void)snprintf(out->reason, sizeof(out->reason), "%s", answer->reason);
}

// A new execution, or the one that an equal patch has.
static enum assay_status add_execution(struct call *call, const struct assay_rollout *rollout,
        struct assay_bytes patch, struct assay_rollout_verdict *verdict, size_t *chosen,
        struct assay_error *err)
{
    struct execution *e = &call->executions[call->execution_count];
    const enum assay_status status = make_key(e->key, rollout->task, patch, err);

    if (status != ASSAY_OK || recall(call->r, e->key, verdict))
        return status;
    for (size_t i = call->execution_count; i > 0; i--) {
        if (strcmp(call->executions[i - 1].key, e->key) == 0) {
            verdict->source = ASSAY_ROLLOUT_JOINED;
            *chosen = i - 1;
            return ASSAY_OK;
        }
    }
    e->task = task_of(call, rollout->task);
    e->patch = patch;
    call->tasks[e->task].wanted = true;
    verdict->source = ASSAY_ROLLOUT_EXECUTED;
    *chosen = call->execution_count++;
    return ASSAY_OK;
}

static enum assay_status sort_out(struct call *call, struct assay_rollout_verdict *verdicts,
        const struct assay_rollout *rollouts, size_t count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_repair_task *task = rollouts[i].task;
        struct assay_answer answer = {ASSAY_ANSWER_FINE, NULL, rollouts[i].answer};

        call->chosen[i] = SIZE_MAX;
        if (!rollouts[i].is_patch)
            status = assay_answer_read(
                    &answer, task->path, task->broken, rollouts[i].answer, call->arena, err);
        else if (answer.patch.len == 0)
            answer = (struct assay_answer){
                    .fault = ASSAY_ANSWER_NO_CHANGE, .reason = "the file is as it was"};
        if (status == ASSAY_OK && answer.fault != ASSAY_ANSWER_FINE)
            judge_form(&verdicts[i], &answer);
        else if (status == ASSAY_OK)
            status = add_execution(
                    call, &rollouts[i], answer.patch, &verdicts[i], &call->chosen[i], err);
    }
    return status;
}

// --- work of the threads ------------------------------------------------------------------------

static enum assay_status import_task(void *user, size_t index, struct assay_error *err)
{
    struct call *call = user;
    struct grading_task *t = &call->tasks[index];
    const struct assay_depot_file file = {t->task->path, t->task->broken, false};

    return t->wanted ? assay_depot_add_files(assay_context_depot(call->r->context), &file, 1,
                               t->instance.tree, err)
                     : ASSAY_OK;
}

static void take_verdict(struct assay_rollout_verdict *out, const struct assay_verdict *verdict)
{
    *out = (struct assay_rollout_verdict){.scored = verdict->scored,
            .resolved = verdict->scored && verdict->resolved,
            .reward = verdict->scored ? verdict->reward : 0,
            .cause = verdict->cause,
            .source = ASSAY_ROLLOUT_EXECUTED,
            .passed = (uint32_t)(verdict->f2p_success.count + verdict->p2p_success.count),
            .failed = (uint32_t)(verdict->f2p_failure.count + verdict->p2p_failure.count)};
    (void)snprintf(out->reason, sizeof(out->reason), "%s", verdict->reason ? verdict->reason : "");
}

static enum assay_status execute(void *user, size_t index, struct assay_error *err)
{
    struct call *call = user;
    struct execution *e = &call->executions[index];
    const struct assay_grade_request request = {.suite = call->r->suite,
            .instance = &call->tasks[e->task].instance,
            .candidate = ASSAY_CANDIDATE_PATCH,
            .patch = e->patch,
            .run_id = RUN_ID,
            .wall_ms_max = call->r->options.wall_ms,
            .no_cache = true,
            .no_log = true};
    struct assay_grade graded;
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_grade(&graded, call->r->context, &request, arena, err);
    if (status == ASSAY_OK) {
        take_verdict(&e->verdict, &graded.verdict);
        assay_grade_release(call->r->context, &graded, false);
    }
    assay_arena_destroy(arena);
    atomic_fetch_add(&call->r->ended, 1);
    return status;
}

static enum assay_status run_all(struct call *call, struct assay_error *err)
{
    const volatile bool *stop = assay_context_interrupted(call->r->context);
    const size_t threads = call->r->options.threads;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < call->task_count && status == ASSAY_OK; i++)
        if (call->tasks[i].wanted)
            status = assay_repair_instance(
                    &call->tasks[i].instance, call->tasks[i].task, call->arena, err);
    if (status == ASSAY_OK && call->task_count > 0)
        status = assay_jobs_run(threads, call->task_count, import_task, call, stop, err);
    if (status == ASSAY_OK && call->execution_count > 0)
        status = assay_jobs_run(threads, call->execution_count, execute, call, stop, err);
    return status;
}

static void count_verdict(
        struct assay_rewarder_counts *counts, const struct assay_rollout_verdict *v)
{
    counts->answers++;
    counts->unrun += v->source == ASSAY_ROLLOUT_UNRUN;
    counts->executed += v->source == ASSAY_ROLLOUT_EXECUTED;
    counts->joined += v->source == ASSAY_ROLLOUT_JOINED;
    counts->remembered += v->source == ASSAY_ROLLOUT_REMEMBERED;
    counts->unscored += !v->scored;
}

// What was executed, for the trainings after this one.
static enum assay_status tell_store(struct call *call, struct assay_error *err)
{
    struct assay_reward_row *rows =
            assay_arena_array(call->arena, call->execution_count + 1, sizeof(*rows));
    size_t count = 0;

    if (!rows)
        return no_memory(err);
    for (size_t i = 0; i < call->execution_count; i++) {
        const struct execution *e = &call->executions[i];

        if (e->verdict.scored)
            rows[count++] = (struct assay_reward_row){e->key, e->verdict.cause, e->verdict.resolved,
                    e->verdict.passed, e->verdict.failed};
    }
    return assay_store_keep_rewards(
            assay_context_store(call->r->context), call->r->scope, rows, count, err);
}

static enum assay_status open_call(
        struct call *call, struct assay_rewarder *r, size_t rollouts, struct assay_error *err)
{
    enum assay_status status;

    *call = (struct call){.r = r};
    status = assay_arena_create(&call->arena, CALL_ARENA_BYTES, err);
    if (status != ASSAY_OK)
        return status;
    call->tasks = assay_arena_array(call->arena, rollouts + 1, sizeof(*call->tasks));
    call->executions = assay_arena_array(call->arena, rollouts + 1, sizeof(*call->executions));
    call->chosen = assay_arena_array(call->arena, rollouts + 1, sizeof(*call->chosen));
    return call->tasks && call->executions && call->chosen ? ASSAY_OK : no_memory(err);
}

enum assay_status assay_rewarder_grade(struct assay_rewarder *r,
        struct assay_rollout_verdict *verdicts, const struct assay_rollout *rollouts,
        size_t rollout_count, struct assay_error *err)
{
    const uint64_t before_us = assay_clock_us();
    struct call call;
    enum assay_status status = open_call(&call, r, rollout_count, err);

    if (status == ASSAY_OK && r->options.keep && !r->scope[0])
        status = ask_store(r, err);
    if (status == ASSAY_OK)
        status = sort_out(&call, verdicts, rollouts, rollout_count, err);
    if (status == ASSAY_OK)
        status = run_all(&call, err);
    if (status == ASSAY_OK && r->options.keep)
        status = tell_store(&call, err);
    for (size_t i = 0; i < rollout_count && status == ASSAY_OK; i++) {
        if (call.chosen[i] != SIZE_MAX) {
            const enum assay_rollout_source source = verdicts[i].source;

            verdicts[i] = call.executions[call.chosen[i]].verdict;
            verdicts[i].source = source;
        }
        count_verdict(&r->counts, &verdicts[i]);
    }
    for (size_t i = 0; i < call.execution_count && status == ASSAY_OK; i++)
        remember(r, call.executions[i].key, &call.executions[i].verdict);
    r->counts.wall_us += assay_clock_us() - before_us;
    assay_arena_destroy(call.arena);
    return status;
}

// --- life ---------------------------------------------------------------------------------------

enum assay_status assay_rewarder_create(struct assay_rewarder **out, struct assay_context *context,
        const struct assay_rewarder_options *options, struct assay_error *err)
{
    struct assay_rewarder *r = calloc(1, sizeof(*r));
    enum assay_status status = r ? assay_suite_create(&r->suite, "repair", err) : no_memory(err);

    if (status == ASSAY_OK)
        status = assay_repair_recipe(r->suite, err);
    if (status == ASSAY_OK && !options->no_memory) {
        r->slots = calloc(SLOTS, sizeof(*r->slots));
        status = r->slots ? ASSAY_OK : no_memory(err);
    }
    if (status != ASSAY_OK) {
        assay_rewarder_destroy(r);
        return status;
    }
    r->context = context;
    r->options = *options;
    if (r->options.threads == 0)
        r->options.threads = assay_jobs_default_threads() + 1; // one waits for the kernel
    if (r->options.wall_ms == 0)
        r->options.wall_ms = WALL_MS_DEFAULT;
    *out = r;
    return ASSAY_OK;
}

void assay_rewarder_destroy(struct assay_rewarder *r)
{
    if (!r)
        return;
    assay_suite_free(r->suite);
    free(r->slots);
    free(r);
}

uint64_t assay_rewarder_progress(const struct assay_rewarder *r)
{
    return atomic_load(&r->ended);
}

struct assay_rewarder_counts assay_rewarder_counts(const struct assay_rewarder *r)
{
    return r->counts;
}
