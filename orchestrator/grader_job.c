// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/grade.h"
#include "orchestrator/grader_inner.h"
#include "rewards/judge.h"
#include "tasks/predictions.h"

#define SETTINGS_BYTES_MAX 4096
#define VERDICT_BYTES_MAX ((size_t)256 << 20)

// --- asking -------------------------------------------------------------------------------------

enum assay_status assay_grader_key(
        char key[65], const struct assay_submission *submission, struct assay_error *err)
{
    const uint64_t numbers[] = {submission->wall_ms_max, (uint64_t)submission->how.mode,
            (uint64_t)submission->how.format};
    char alone[ASSAY_ID_BYTES];
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status == ASSAY_OK && submission->no_cache)
        status = assay_id_new(alone, err);
    if (status != ASSAY_OK)
        goto out;
    assay_sha256_field_text(sha, "assay job " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, submission->task->suite->name);
    assay_sha256_field_text(sha, submission->task->instance->instance_id);
    assay_sha256_field_text(sha, submission->task->hash);
    assay_sha256_field(sha, numbers, sizeof(numbers));
    assay_sha256_field(sha, submission->answer.data, submission->answer.len);
    assay_sha256_field_text(sha, submission->episode);
    assay_sha256_field_text(sha, submission->no_cache ? alone : NULL);
    assay_sha256_hex(sha, key);

out:
    assay_sha256_destroy(sha);
    return status;
}

const char *assay_grader_settings(
        const struct assay_submission *submission, struct assay_arena *arena)
{
    struct assay_json_writer w;
    struct assay_buf text;
    const char *kept = NULL;

    assay_buf_init(&text, SETTINGS_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "wall_ms_max", submission->wall_ms_max);
    assay_json_put_u64(&w, "mode", (uint64_t)submission->how.mode);
    assay_json_put_u64(&w, "format", (uint64_t)submission->how.format);
    assay_json_put_bool(&w, "no_cache", submission->no_cache);
    assay_json_end_object(&w);
    if (!text.failed)
        kept = assay_arena_strdup(arena, text.data);
    assay_buf_free(&text);
    return kept;
}

static enum assay_status read_settings(
        struct assay_grade_request *request, const char *text, struct assay_error *err)
{
    const struct assay_json_limits limits = {SETTINGS_BYTES_MAX, 2};
    struct assay_json *json = NULL;
    uint64_t mode = 0, format = 0;
    enum assay_status status =
            assay_json_parse(&json, text, strlen(text), limits, "settings", 1, err);

    if (status == ASSAY_OK)
        status = assay_json_read_u64(
                &request->wall_ms_max, json, "wall_ms_max", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(&mode, json, "mode", 0, ASSAY_APPLY_SWEBENCH, err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(&format, json, "format", 0, INT32_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_read_bool(&request->no_cache, json, "no_cache", err);
    request->how.mode = (enum assay_apply_mode)mode;
    request->how.format = (enum assay_patch_format)format;
    assay_json_free(json);
    return status;
}

// --- grading ------------------------------------------------------------------------------------

static enum assay_candidate candidate_of(struct assay_bytes answer)
{
    if (answer.len > ASSAY_MODEL_PATCH_BYTES_MAX)
        return ASSAY_CANDIDATE_TOO_BIG;
    if (answer.len == 0 || strspn(answer.data, " \t\r\n") == answer.len)
        return ASSAY_CANDIDATE_EMPTY;
    return ASSAY_CANDIDATE_PATCH;
}

static enum assay_status record(struct assay_context *context, const struct assay_grade *grade,
        struct assay_bytes answer, struct assay_error *err)
{
    const struct assay_evaluation evaluation = {.verdict = &grade->verdict,
            .outcome = grade->outcome.count > 0 ? &grade->outcome : NULL,
            .log_path = grade->log_path,
            .model_patch = answer,
            .evidence = grade->evidence,
            .evidence_count = grade->evidence_count,
            .claim = grade->claim,
            .cacheable = grade->cacheable,
            .retry = true};
    const enum assay_status status =
            assay_store_put_verdict(assay_context_store(context), &evaluation, err);

    assay_grade_release(context, grade, status == ASSAY_OK);
    return status;
}

// A grading that went wrong in a way that is no verdict is one without a score, not a job that is
// begun again for ever.
static void give_up(struct assay_grade *grade, struct assay_context *context,
        const struct assay_served *task, const char *job_id, const char *reason,
        struct assay_arena *arena)
{
    const char *kept = assay_arena_strdup(arena, reason);

    memset(grade, 0, sizeof(*grade));
    grade->verdict.run_id = job_id;
    grade->verdict.instance_id = task->instance->instance_id;
    grade->verdict.kind = task->instance->task;
    grade->verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(context)));
    assay_judge_unrun(&grade->verdict, task->instance, ASSAY_CAUSE_INFRA_ERROR,
            kept != NULL ? kept : "out of memory");
}

static enum assay_status grade(struct assay_verdict *out, bool *executed,
        struct assay_context *context, const struct assay_served *task, const struct assay_job *job,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_grade_request request = {.suite = task->suite,
            .instance = task->instance,
            .candidate = candidate_of(job->answer),
            .patch = job->answer,
            .run_id = job->job_id};
    struct assay_grade graded = {.claim = 0};
    struct assay_error trouble = {0};
    enum assay_status status = read_settings(&request, job->settings, &trouble);

    if (status == ASSAY_OK)
        status = assay_grade(&graded, context, &request, arena, &trouble);
    if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(context))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (status != ASSAY_OK)
        give_up(&graded, context, task, job->job_id, trouble.message, arena);
    *executed = graded.executed;
    *out = graded.verdict;
    status = record(context, &graded, job->answer, err);
    // Another process on this store came first: its verdict counts.
    if (status == ASSAY_ECONFLICT)
        status = assay_store_get_verdict(assay_context_store(context), job->job_id,
                task->instance->instance_id, arena, out, err);
    return status;
}

enum assay_status assay_grader_work(struct assay_verdict *out, bool *executed,
        struct assay_context *context, const struct assay_served *task, const char *job_id,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(context);
    struct assay_job job;
    enum assay_status status = assay_store_get_job(store, job_id, NULL, arena, &job, err);

    *executed = false;
    if (status != ASSAY_OK)
        return status;
    // It may have been cut off between its verdict and its end.
    if (assay_store_get_verdict(store, job_id, task->instance->instance_id, arena, out, NULL) !=
                    ASSAY_OK ||
            !out->scored)
        status = job.finished ? assay_fail(err, ASSAY_ECONFLICT, "job %s: finished", job_id)
                              : grade(out, executed, context, task, &job, arena, err);
    if (status == ASSAY_OK)
        status = assay_store_finish_job(store, job_id, err);
    return status;
}

enum assay_status assay_grader_tell_verdict(struct assay_graded *out,
        const struct assay_verdict *verdict, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, VERDICT_BYTES_MAX);
    assay_verdict_write(&text, verdict, 0);
    status = assay_buf_check(&text, "verdict", err);
    if (status == ASSAY_OK) {
        *out = (struct assay_graded){.state = ASSAY_GRADED_DONE,
                .job_id = out->job_id,
                .task = out->task,
                .verdict = assay_arena_memdup(arena, text.data, text.len),
                .scored = verdict->scored,
                .resolved = verdict->resolved,
                .reward = verdict->reward,
                .cause = assay_cause_name(verdict->cause),
                .reason = verdict->reason};
        if (out->verdict == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "verdict: out of memory");
    }
    assay_buf_free(&text);
    return status;
}
