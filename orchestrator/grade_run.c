// SPDX-License-Identifier: MIT
// grade_run.c - a grading's runs: the box's job, the evidence it leaves, trouble tried again.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/runner.h"
#include "orchestrator/evidence.h"
#include "orchestrator/grading.h"

// runs/<run id>/<instance id>/test_output[.attempt].txt below the home.
static enum assay_status make_log_path(struct assay_grading *g, struct assay_error *err)
{
    const struct assay_grade_request *r = g->request;
    enum assay_status status = ASSAY_OK;
    char *dir = assay_arena_printf(g->arena, "runs/%s/%s", r->run_id, r->instance->instance_id);
    int home_fd;

    g->log_path = dir ? assay_arena_printf(g->arena, "%s/test_output%s%s.txt", dir,
                                r->attempt ? "." : "", r->attempt ? r->attempt : "")
                      : NULL;
    if (!g->log_path)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    home_fd = open(
            assay_depot_home(assay_context_depot(g->context)), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (home_fd < 0)
        return assay_fail_errno(err, errno, "open the home");
    status = assay_fs_mkdirs(home_fd, dir, 0755, err);
    close(home_fd);
    return status;
}

// The framework's variables, and where its report goes.
static enum assay_status make_env(
        struct assay_grading *g, const char *const **out, struct assay_error *err)
{
    size_t count = 0;

    while (g->framework->env && g->framework->env[count])
        count++;
    const char **env = assay_arena_array(g->arena, count + 3, sizeof(*env));

    if (!env)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        env[i] = g->framework->env[i];
    env[count] = assay_arena_printf(g->arena, "ASSAY_REPORT_FD=%d", ASSAY_REPORT_FD);
    env[count + 1] = "ASSAY_OUT_DIR=" ASSAY_OUT_DIR;
    *out = env;
    return env[count] ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status run_box(struct assay_grading *g, struct assay_box_result *result,
        struct assay_buf *refused, struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct assay_instance limited = *instance;
    struct assay_runner_job job = {.instance = &limited,
            .recipe = g->recipe,
            .environment = g->environment,
            .workspace = &g->workspace,
            .trusted_dir = assay_context_trusted_dir(g->context),
            .report_fd = ASSAY_REPORT_FD,
            .out_dir = ASSAY_OUT_DIR,
            .access = assay_context_access(g->context),
            .refused = refused,
            .cancel = assay_context_interrupted(g->context),
            .warm = g->request->no_zygote ? NULL : assay_context_warm(g->context),
            .warm_number = &g->warm_number};
    enum assay_status status = make_log_path(g, err);

    if (status == ASSAY_OK)
        status = assay_grading_plant(g, err);
    job.argv = g->canaries.argv;
    limited.limits = assay_grading_limits(g->request);
    if (status == ASSAY_OK)
        status = make_env(g, &job.env, err);
    if (status == ASSAY_OK && g->framework->command)
        status = g->framework->command(&g->canaries.argv, &job.argv, g->arena, err);
    if (status == ASSAY_OK && g->framework->warm)
        status = g->framework->warm(&job.argv, g->recipe->workdir, &job.warm_argv, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    job.log_path = assay_arena_printf(
            g->arena, "%s/%s", assay_depot_home(assay_context_depot(g->context)), g->log_path);
    if (!job.log_path)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return assay_runner_run(assay_context_sandbox(g->context), &job, result, err);
}

static enum assay_status judge_result(struct assay_grading *g, struct assay_grade *out,
        const struct assay_box_result *result, const struct assay_buf *refused,
        struct assay_error *err)
{
    struct assay_run_evidence evidence;
    const enum assay_status status =
            assay_evidence_take(&evidence, result, refused, g->framework, g->arena, err);

    if (status != ASSAY_OK)
        return status;
    evidence.judged.canaries = &g->canaries;
    return assay_evidence_judge(&out->verdict, &out->outcome, &evidence, g->request->instance,
            g->framework, g->request->compat, g->arena, err);
}

// A zygote whose run tried to deceive us serves no other.
static void note_zygote(const struct assay_grading *g, const struct assay_verdict *verdict)
{
    if (!g->warm_number)
        return;
    assay_log(assay_context_log(g->context), ASSAY_LOG_DEBUG, "orchestrator", "run from a zygote",
            "instance", g->request->instance->instance_id, NULL);
    if (verdict->cause == ASSAY_CAUSE_TAMPERED || verdict->cause == ASSAY_CAUSE_INCONSISTENT)
        assay_warm_distrust(assay_context_warm(g->context), g->warm_number);
}

// One run in a fresh box. A verdict with scored = false asks to be tried again.
static enum assay_status run_and_judge(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct assay_box_result result = {.out_dir_fd = -1};
    struct assay_buf refused;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    g->warm_number = 0;
    status = run_box(g, &result, &refused, err);
    if (status != ASSAY_OK) {
        assay_buf_free(&refused);
        return status;
    }
    if (result.cause == ASSAY_BOX_CANCELLED)
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    else
        status = judge_result(g, out, &result, &refused, err);
    note_zygote(g, &out->verdict);
    out->executed |=
            result.cause != ASSAY_BOX_SETUP_FAILED && result.cause != ASSAY_BOX_INFRA_ERROR;
    assay_box_result_release(&result);
    assay_buf_free(&refused);
    return status;
}

// Trouble of ours is tried again, with a new spawner if the old one is dead.
enum assay_status assay_grading_run(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (unsigned tries = 0; tries < ASSAY_GRADE_TRIES; tries++) {
        const uint64_t generation = assay_context_enter(g->context);
        struct assay_error trouble = {0};

        status = run_and_judge(g, out, &trouble);
        assay_context_leave(g->context);
        if (status == ASSAY_OK && out->verdict.scored)
            break;
        if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(g->context))
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        if (status != ASSAY_OK)
            assay_judge_unrun(&out->verdict, g->request->instance, ASSAY_CAUSE_INFRA_ERROR,
                    assay_arena_strdup(g->arena, trouble.message));
        assay_log(assay_context_log(g->context), ASSAY_LOG_WARN, "orchestrator", "run spoiled",
                "instance", g->request->instance->instance_id, "reason", out->verdict.reason, NULL);
        status = assay_context_mend(g->context, generation, err);
        if (status != ASSAY_OK)
            return status;
    }
    out->log_path = g->log_path;
    return ASSAY_OK;
}

// What the box was made of must still stand as it was made. If it does not, the tests may have
// failed for our reasons: that is no verdict. *trouble tells.
static bool ground_is_sound(const struct assay_grading *g, struct assay_error *trouble)
{
    const char *dirs[8];
    size_t count = 0;
    struct stat st;

    dirs[count++] = assay_context_trusted_dir(g->context);
    if (g->environment->layer[0])
        dirs[count++] = g->environment->layer;
    for (size_t i = 0; i < g->workspace.lower_count; i++)
        dirs[count++] = g->workspace.lowers[i];
    for (size_t i = 0; i < count; i++) {
        if (stat(dirs[i], &st) != 0) {
            (void)assay_fail_errno(trouble, errno, "%.150s", dirs[i]);
            return false;
        }
    }
    return assay_depot_check_tree(assay_context_depot(g->context), g->request->instance->tree,
                   trouble) == ASSAY_OK;
}

// Only what speaks against the patch is doubted: a test that passed is there, whatever is not.
enum assay_status assay_grading_doubt(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err)
{
    struct assay_error trouble = {0};
    const char *reason;

    if (!verdict->scored || verdict->resolved || ground_is_sound(g, &trouble))
        return ASSAY_OK;
    reason = assay_arena_strdup(g->arena, trouble.message);
    if (!reason)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_judge_unrun(verdict, g->request->instance, ASSAY_CAUSE_INFRA_ERROR, reason);
    return ASSAY_OK;
}
