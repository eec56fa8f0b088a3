// SPDX-License-Identifier: MIT
// grade_run.c - a grading's runs: the box's job, the evidence it leaves, trouble tried again.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "envs/runner.h"
#include "orchestrator/evidence.h"
#include "orchestrator/grading.h"
#include "rewards/counter.h"

#define BACKOFF_MS UINT64_C(250) // after the first try; four times as long after each

// runs/<run id>/<instance id>/test_output[.attempt].txt below the home.
static enum assay_status make_log_path(struct assay_grading *g, struct assay_error *err)
{
    const struct assay_grade_request *r = g->request;
    enum assay_status status = ASSAY_OK;
    char *dir = assay_arena_printf(g->arena, "runs/%s/%s", r->run_id, r->instance->instance_id);
    int home_fd;

    g->log_path = dir
            ? assay_arena_printf(g->arena, "%s/test_output%s%s%s.txt", dir, r->attempt ? "." : "",
                      r->attempt ? r->attempt : "", g->doubted ? ".again" : "")
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
    const char **env =
            assay_arena_array(g->arena, count + 3 + ASSAY_VARIATION_VARIABLES_MAX, sizeof(*env));

    if (!env)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        env[i] = g->framework->env[i];
    env[count] = assay_arena_printf(g->arena, "ASSAY_REPORT_FD=%d", ASSAY_REPORT_FD);
    env[count + 1] = "ASSAY_OUT_DIR=" ASSAY_OUT_DIR;
    assay_grading_vary_env(g, env + count + 2);
    *out = env;
    return env[count] ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// The suite's own command with its canaries, as the framework needs it and a certification's check
// changes it.
static enum assay_status make_command(struct assay_grading *g, const struct assay_strings *suite,
        struct assay_strings *out, struct assay_error *err)
{
    struct assay_strings argv = *suite;
    enum assay_status status = assay_grading_vary_order(g, &argv, err);

    if (status == ASSAY_OK && g->framework->command)
        status = g->framework->command(&argv, &argv, g->arena, err);
    if (status == ASSAY_OK)
        status = assay_grading_vary_command(g, &argv, err);
    *out = argv;
    return status;
}

static struct assay_strings list_env(const char *const *env)
{
    struct assay_strings list = {env, 0};

    while (env[list.count])
        list.count++;
    return list;
}

enum assay_status assay_grading_box(struct assay_grading *g,
        const struct assay_workspace *workspace, const struct assay_strings *argv,
        const char *log_path, struct assay_run_evidence *evidence, struct assay_box_result *result,
        struct assay_buf *refused, struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct assay_instance limited = *instance;
    struct assay_runner_job job = {.instance = &limited,
            .recipe = g->recipe,
            .environment = g->environment,
            .workspace = workspace,
            .trusted_dir = assay_context_trusted_dir(g->context),
            .report_fd = ASSAY_REPORT_FD,
            .out_dir = ASSAY_OUT_DIR,
            .log_path = log_path,
            .access = assay_context_access(g->context),
            .refused = refused,
            .cancel = assay_context_interrupted(g->context),
            .warm = g->request->no_zygote || g->request->variation ? NULL
                                                                   : assay_context_warm(g->context),
            .warm_number = &g->warm_number};
    enum assay_status status = make_env(g, &job.env, err);

    limited.limits = assay_grading_limits(g->request);
    if (status == ASSAY_OK)
        status = make_command(g, argv, &job.argv, err);
    if (status == ASSAY_OK && g->framework->warm)
        status = g->framework->warm(&job.argv, g->recipe->workdir, &job.warm_argv, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    evidence->command = job.argv;
    evidence->env = list_env(job.env);
    if (g->request->variation && g->request->variation->no_network)
        job.access = NULL;
    return assay_runner_run(assay_context_sandbox(g->context), &job, result, err);
}

// The run itself, with its canaries.
static enum assay_status run_box(struct assay_grading *g, struct assay_run_evidence *evidence,
        struct assay_box_result *result, struct assay_buf *refused, struct assay_error *err)
{
    const char *log_path = NULL;
    enum assay_status status = g->request->no_log ? ASSAY_OK : make_log_path(g, err);

    if (status == ASSAY_OK)
        status = assay_grading_plant(g, err);
    if (status != ASSAY_OK)
        return status;
    if (g->request->no_log)
        return assay_grading_box(
                g, &g->workspace, &g->canaries.argv, NULL, evidence, result, refused, err);
    log_path = assay_arena_printf(
            g->arena, "%s/%s", assay_depot_home(assay_context_depot(g->context)), g->log_path);
    if (!log_path)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return assay_grading_box(
            g, &g->workspace, &g->canaries.argv, log_path, evidence, result, refused, err);
}

// What speaks for the patch is put to the test once more where canaries alone would not do.
static bool wants_counter(const struct assay_grading *g, const struct assay_verdict *verdict)
{
    return verdict->resolved && g->request->candidate == ASSAY_CANDIDATE_PATCH &&
            !g->request->variation && g->request->compat == ASSAY_COMPAT_NONE &&
            g->request->instance->gold_patch.data && assay_counter_due(g->request->instance);
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

// Judge the evidence of the newest run. Only what speaks against the patch is doubted: a test that
// passed is there, whatever is not.
static enum assay_status judge(struct assay_grading *g, struct assay_run_evidence *evidence,
        struct assay_verdict *verdict, struct assay_outcome *outcome, struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct assay_error trouble = {0};
    enum assay_status status = assay_evidence_judge(
            verdict, outcome, evidence, instance, g->framework, g->request->compat, g->arena, err);

    if (status != ASSAY_OK || !verdict->scored || verdict->resolved ||
            assay_grading_is_sound(g, &trouble))
        return status;
    g->unsound = true;
    evidence->judged.box_cause = ASSAY_CAUSE_INFRA_ERROR;
    evidence->trouble = assay_arena_strdup(g->arena, trouble.message);
    if (!evidence->trouble)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return assay_evidence_judge(
            verdict, outcome, evidence, instance, g->framework, g->request->compat, g->arena, err);
}

// Nobody is accused by a copy that gold passes, too.
static enum assay_status hear_copies(struct assay_grading *g, struct assay_run_evidence *evidence,
        size_t at, struct assay_error *err)
{
    bool again = false;
    enum assay_status status = assay_grading_copies(g, evidence, &g->verdicts[at], &again, err);

    if (status == ASSAY_OK && again)
        status = judge(g, evidence, &g->verdicts[at], &g->outcomes[at], err);
    return status;
}

// What a run left, or why there was none, becomes the next of the grading's runs.
static enum assay_status add_run(struct assay_grading *g, struct assay_grade *out,
        struct assay_run_evidence *evidence, struct assay_error *err)
{
    const size_t at = g->run_count;
    enum assay_status status;

    memcpy(evidence->run_key, g->run_key, sizeof(evidence->run_key));
    evidence->role = g->role;
    status = assay_evidence_run_hash(
            evidence->run_hash, g->request->suite, g->request->instance, err);
    if (status != ASSAY_OK)
        return status;
    g->verdicts[at] = out->verdict;
    status = judge(g, evidence, &g->verdicts[at], &g->outcomes[at], err);
    if (status == ASSAY_OK)
        status = hear_copies(g, evidence, at, err);
    if (status == ASSAY_OK && wants_counter(g, &g->verdicts[at])) {
        status = assay_grading_counter(g, &g->outcomes[at], err);
        if (status == ASSAY_OK &&
                (g->canaries.unmoved.count > 0 || g->canaries.counter_fault != NULL ||
                        g->canaries.counter_silent))
            status = judge(g, evidence, &g->verdicts[at], &g->outcomes[at], err);
    }
    if (status == ASSAY_OK)
        status = assay_evidence_pack(&g->evidence[at], evidence, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    g->log_paths[at] = g->log_path;
    g->run_count++;
    return ASSAY_OK;
}

// One run in a fresh box.
static enum assay_status run_once(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct assay_run_evidence evidence = {0};
    struct assay_box_result result = {.out_dir_fd = -1};
    struct assay_buf refused;
    enum assay_status status;

    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    g->warm_number = 0;
    status = run_box(g, &evidence, &result, &refused, err);
    if (status != ASSAY_OK)
        goto out;
    if (result.cause == ASSAY_BOX_CANCELLED) {
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        goto out;
    }
    status = assay_evidence_take(&evidence, &result, &refused, g->framework, g->arena, err);
    evidence.judged.canaries = &g->canaries;
    if (status == ASSAY_OK)
        status = add_run(g, out, &evidence, err);
    if (status == ASSAY_OK)
        note_zygote(g, &g->verdicts[g->run_count - 1]);
    out->executed |=
            result.cause != ASSAY_BOX_SETUP_FAILED && result.cause != ASSAY_BOX_INFRA_ERROR;

out:
    assay_box_result_release(&result);
    assay_buf_free(&refused);
    return status;
}

// A run that could not even be begun: its evidence is that nothing was seen.
static enum assay_status add_spoiled_run(struct assay_grading *g, struct assay_grade *out,
        const struct assay_error *trouble, struct assay_error *err)
{
    struct assay_run_evidence evidence = {.judged = {.box_cause = ASSAY_CAUSE_INFRA_ERROR},
            .trouble = assay_arena_strdup(g->arena, trouble->message),
            .tier = out->verdict.tier};

    if (!evidence.trouble)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return add_run(g, out, &evidence, err);
}

// Between two tries; whatever is short (memory, descriptors, a busy disk) may come back. False:
// interrupted.
static bool back_off(struct assay_grading *g, unsigned tries)
{
    const uint64_t deadline_ms = assay_clock_ms() + (BACKOFF_MS << (2 * tries));
    const struct timespec moment = {.tv_nsec = 10L * 1000 * 1000};

    while (assay_clock_left_ms(deadline_ms) > 0 && !*assay_context_interrupted(g->context))
        nanosleep(&moment, NULL);
    return !*assay_context_interrupted(g->context);
}

// One run that counts. Trouble of ours is tried again, with a new spawner if the old one is dead.
static enum assay_status run_with_retries(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    for (unsigned tries = 0; tries < ASSAY_GRADE_TRIES; tries++) {
        const uint64_t generation = assay_context_enter(g->context);
        struct assay_error trouble = {0};
        enum assay_status status = run_once(g, out, &trouble);

        assay_context_leave(g->context);
        if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(g->context))
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        if (status != ASSAY_OK)
            status = add_spoiled_run(g, out, &trouble, err);
        if (status != ASSAY_OK)
            return status;
        if (g->verdicts[g->run_count - 1].scored || g->unsound)
            return ASSAY_OK;
        assay_log(assay_context_log(g->context), ASSAY_LOG_WARN, "orchestrator", "run spoiled",
                "instance", g->request->instance->instance_id, "reason",
                g->verdicts[g->run_count - 1].reason, NULL);
        status = assay_context_mend(g->context, generation, err);
        if (status != ASSAY_OK)
            return status;
        if (tries + 1 < ASSAY_GRADE_TRIES && !back_off(g, tries))
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    return ASSAY_OK;
}

enum assay_status assay_grading_run(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct assay_frame *frames;
    size_t chosen = 0;
    enum assay_status status = run_with_retries(g, out, err);

    if (status == ASSAY_OK && !g->request->once &&
            assay_grading_is_doubtful(g, &g->verdicts[g->run_count - 1])) {
        assay_log(assay_context_log(g->context), ASSAY_LOG_INFO, "orchestrator",
                "run again: it disagrees with the certificate", "instance",
                g->request->instance->instance_id, NULL);
        g->doubted = true;
        status = run_with_retries(g, out, err);
    }
    if (status == ASSAY_OK)
        status = assay_evidence_decide(
                &out->verdict, &chosen, g->verdicts, g->run_count, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    out->outcome = g->outcomes[chosen];
    out->log_path = g->log_paths[chosen];
    frames = assay_arena_array(g->arena, g->run_count, sizeof(*frames));
    if (!frames)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(frames, g->evidence, g->run_count * sizeof(*frames));
    out->evidence = frames;
    out->evidence_count = g->run_count;
    return ASSAY_OK;
}

bool assay_grading_is_sound(const struct assay_grading *g, struct assay_error *trouble)
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
