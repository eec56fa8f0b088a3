// SPDX-License-Identifier: MIT
#include "orchestrator/grade.h"

#include <string.h>

#include "orchestrator/claims.h"
#include "orchestrator/grading.h"
#include "rewards/protect.h"
#include "rewards/test_files.h"

#define MODEL_PATCH "model patch" // how a message begins that is about it (envs/workspace.c, too)

// The patch that the candidate stands for; data is NULL when there is none.
static struct assay_bytes candidate_patch(const struct assay_grade_request *request)
{
    // Gold of a task to write tests is the tests that people wrote.
    if (request->candidate == ASSAY_CANDIDATE_GOLD)
        return request->instance->task == ASSAY_TASK_WRITE_TESTS ? request->instance->test_patch
                                                                 : request->instance->gold_patch;
    if (request->candidate == ASSAY_CANDIDATE_PATCH)
        return request->patch;
    return (struct assay_bytes){NULL, 0};
}

enum assay_status assay_grading_workspace(struct assay_grading *g, struct assay_workspace *out,
        struct assay_bytes text, struct assay_error *err)
{
    const bool writes_tests = g->request->instance->task == ASSAY_TASK_WRITE_TESTS;
    struct assay_workspace_options options = {.with_test_patch = !writes_tests,
            .wanted = writes_tests ? assay_is_test_file : NULL,
            .mode = g->request->how.mode,
            .may_change = assay_protect_change};
    struct assay_protection protection;
    struct assay_patch *patch = NULL;
    enum assay_status status =
            assay_protection_make(&protection, g->request->instance, g->arena, err);

    if (status != ASSAY_OK)
        return status;
    if (g->request->compat == ASSAY_COMPAT_NONE) {
        options.protected_globs = protection.globs;
        options.partly_globs = protection.partly;
        if (!writes_tests) // there they are what is asked for
            options.test_globs = protection.tests;
        options.test_exempt = protection.exempt;
    }
    if (text.data) {
        status = assay_patch_options_parse(&patch, &g->request->how, text, g->arena, err);
        if (status != ASSAY_OK)
            return assay_wrap(err, MODEL_PATCH);
        options.model_patch = patch;
    }
    return assay_workspace_make(
            out, assay_context_depot(g->context), g->request->instance, &options, g->arena, err);
}

static void describe_patch(struct assay_grading *g, struct assay_verdict *verdict)
{
    const struct assay_edits *edits = g->workspace.model_edits;

    if (!edits)
        return;
    verdict->patch_applied = true;
    verdict->patch_dropped = edits->dropped;
    verdict->hunks = edits->hunks;
    verdict->hunk_count = edits->hunk_count;
}

static void copy_cached(struct assay_verdict *verdict, const struct assay_verdict *cached)
{
    const struct assay_verdict mine = *verdict;

    *verdict = *cached;
    verdict->kind = mine.kind;
    verdict->run_id = mine.run_id;
    verdict->instance_id = mine.instance_id;
    memcpy(verdict->key, mine.key, sizeof(verdict->key));
    verdict->cached = true;
    // The same edits, but perhaps another text: how this one was applied is its own.
    verdict->patch_applied = mine.patch_applied;
    verdict->patch_dropped = mine.patch_dropped;
    verdict->hunks = mine.hunks;
    verdict->hunk_count = mine.hunk_count;
}

static bool look_up(struct assay_grading *g, struct assay_verdict *verdict)
{
    struct assay_verdict cached = {0};

    if (assay_store_cached_verdict(
                assay_context_store(g->context), verdict->key, g->arena, &cached, NULL) != ASSAY_OK)
        return false;
    copy_cached(verdict, &cached);
    return true;
}

// The stored verdict of this key, or the claim to make it. Looked up again under the claim: its
// last owner may have been faster than we were.
static enum assay_status look_up_or_claim(
        struct assay_grading *g, struct assay_grade *out, bool *known, struct assay_error *err)
{
    struct assay_claims *claims = assay_context_claims(g->context);

    *known = look_up(g, &out->verdict);
    while (!*known && out->claim == 0) {
        const enum assay_status status = assay_claims_take(
                claims, out->verdict.key, assay_context_interrupted(g->context), &out->claim, err);

        if (status != ASSAY_OK)
            return status;
        *known = look_up(g, &out->verdict);
    }
    if (*known && out->claim != 0) {
        assay_claims_end(claims, out->verdict.key, out->claim, false);
        out->claim = 0;
    }
    return ASSAY_OK;
}

static enum assay_status grade_prepared(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    bool known = false;
    enum assay_status status;

    describe_patch(g, &out->verdict);
    out->verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(g->context)));
    status = assay_grading_key(g, &out->verdict, err);
    if (status == ASSAY_OK && !g->request->no_cache)
        status = look_up_or_claim(g, out, &known, err);
    if (status != ASSAY_OK || known)
        return status;
    status = g->request->instance->task == ASSAY_TASK_WRITE_TESTS
            ? assay_grading_write_tests(g, out, err)
            : assay_grading_run(g, out, err);
    if (status != ASSAY_OK)
        assay_grade_release(g->context, out, false);
    out->cacheable = status == ASSAY_OK && out->verdict.scored && !g->request->no_cache;
    return status;
}

void assay_grade_release(
        struct assay_context *context, const struct assay_grade *grade, bool recorded)
{
    if (grade->claim != 0)
        assay_claims_end(assay_context_claims(context), grade->verdict.key, grade->claim, recorded);
}

// Candidates that are decided without a box; true when this was one.
static bool decide_unrun(struct assay_grading *g, struct assay_verdict *verdict)
{
    if (g->request->candidate == ASSAY_CANDIDATE_EMPTY)
        assay_judge_unrun(verdict, g->request->instance, ASSAY_CAUSE_EMPTY_PATCH,
                "the prediction has no patch");
    else if (g->request->candidate == ASSAY_CANDIDATE_TOO_BIG)
        assay_judge_unrun(verdict, g->request->instance, ASSAY_CAUSE_PATCH_REJECTED,
                "the patch is larger than 4 MiB");
    else
        return false;
    return true;
}

// No environment or no workspace: the model's doing only when its own patch is what failed.
static enum assay_status explain_unprepared(struct assay_grading *g, struct assay_verdict *verdict,
        enum assay_status status, const struct assay_error *trouble, struct assay_error *err)
{
    const bool rejected = status == ASSAY_EPATCH &&
            strncmp(trouble->message, MODEL_PATCH, strlen(MODEL_PATCH)) == 0;
    struct assay_error ground = {0};
    const bool sound = !rejected || assay_grading_is_sound(g, &ground);
    const char *reason = assay_arena_strdup(g->arena, sound ? trouble->message : ground.message);

    if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(g->context))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (!reason)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_judge_unrun(verdict, g->request->instance,
            !rejected       ? ASSAY_CAUSE_SETUP_FAILED
                    : sound ? ASSAY_CAUSE_PATCH_REJECTED
                            : ASSAY_CAUSE_INFRA_ERROR,
            reason);
    return ASSAY_OK;
}

enum assay_status assay_compat_option(
        enum assay_compat *out, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *name = assay_cli_value(invocation, "compat");

    *out = ASSAY_COMPAT_NONE;
    if (name == NULL || assay_compat_from_name(out, name))
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE,
            "--compat: '%s' is not swebench, swesmith, r2e, pro or rebench", name);
}

// The field's graders cannot read every framework: then they have no verdict. True: it is decided.
static bool decide_unreadable(const struct assay_grading *g, struct assay_verdict *verdict)
{
    const struct assay_instance *instance = g->request->instance;
    const enum assay_compat compat = g->request->compat;
    const char *reason;

    if (compat == ASSAY_COMPAT_NONE)
        return false;
    if (instance->task == ASSAY_TASK_REPAIR && assay_compat_applies(compat, instance, g->framework))
        return false;
    reason = assay_arena_printf(g->arena, "compat %s: no parser for what %s prints%s",
            assay_compat_name(compat), instance->framework,
            instance->task == ASSAY_TASK_REPAIR ? "" : ", and no rules for this kind of task");
    assay_judge_unrun(
            verdict, instance, ASSAY_CAUSE_SETUP_FAILED, reason != NULL ? reason : "out of memory");
    verdict->compat = assay_compat_name(compat);
    verdict->evidence = ASSAY_EVIDENCE_WEAK;
    return true;
}

enum assay_status assay_grade(struct assay_grade *out, struct assay_context *context,
        const struct assay_grade_request *request, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_grading g = {.context = context, .request = request, .arena = arena};
    const struct assay_instance *instance = request->instance;
    struct assay_error trouble = {0};
    enum assay_status status = ASSAY_OK;

    memset(out, 0, sizeof(*out));
    out->verdict.run_id = request->run_id;
    out->verdict.instance_id = instance->instance_id;
    out->verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(context)));
    out->verdict.kind = instance->task;
    if (decide_unrun(&g, &out->verdict))
        return ASSAY_OK;
    if (instance->task == ASSAY_TASK_LOCALIZE && request->compat == ASSAY_COMPAT_NONE)
        return assay_grading_localize(&g, out, err);
    g.framework = assay_framework_find(instance->framework);
    g.recipe = assay_suite_recipe(request->suite, instance->recipe);
    if (!g.framework || !g.recipe)
        return assay_fail(err, ASSAY_EINVAL, "%s: framework '%s' or recipe '%s' is unknown",
                instance->instance_id, instance->framework, instance->recipe);
    if (decide_unreadable(&g, &out->verdict))
        return ASSAY_OK;

    status = assay_depot_room(assay_context_depot(context), err);
    if (status != ASSAY_OK)
        return status;
    status = assay_context_environment(context, g.recipe, &g.environment, &trouble);
    if (status == ASSAY_OK)
        status = assay_grading_workspace(&g, &g.workspace, candidate_patch(request), &trouble);
    if (status != ASSAY_OK)
        return explain_unprepared(&g, &out->verdict, status, &trouble, err);
    status = grade_prepared(&g, out, err);
    assay_workspace_release(&g.workspace, assay_context_depot(context));
    return status;
}
