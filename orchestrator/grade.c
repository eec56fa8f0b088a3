// SPDX-License-Identifier: MIT
#include "orchestrator/grade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/runner.h"
#include "envs/workspace.h"
#include "rewards/framework.h"
#include "rewards/protect.h"

#define OUT_BYTES_MAX ((size_t)64 << 20) // of all files together
#define OUT_FILES_MAX 4096
#define NETWORK_DENIALS_MAX 128
#define MODEL_PATCH "model patch" // how a message begins that is about it (envs/workspace.c, too)

// Everything one grading holds; released in one place.
struct grading {
    struct assay_context *context;
    const struct assay_grade_request *request;
    struct assay_arena *arena;
    const struct assay_framework *framework;
    const struct assay_recipe *recipe;
    const struct assay_environment *environment;
    struct assay_workspace workspace;
    const char *log_path; // relative to the home
    uint64_t warm_number; // of the zygote that the run came from; 0: none
};

// What a run left in ASSAY_OUT_DIR, in the arena.
struct out_files {
    struct assay_out_file *items;
    size_t count, bytes;
};

static enum assay_cause cause_of_box(const struct assay_box_result *result)
{
    switch (result->cause) {
    case ASSAY_BOX_EXITED:
        return result->exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED;
    case ASSAY_BOX_SIGNALLED:
        return ASSAY_CAUSE_SIGNALLED;
    case ASSAY_BOX_SYSCALL_DENIED:
        return ASSAY_CAUSE_SYSCALL_DENIED;
    case ASSAY_BOX_CPU_LIMIT:
        return ASSAY_CAUSE_CPU_LIMIT;
    case ASSAY_BOX_WALL_LIMIT:
        return ASSAY_CAUSE_WALL_LIMIT;
    case ASSAY_BOX_IDLE_LIMIT:
        return ASSAY_CAUSE_IDLE_LIMIT;
    case ASSAY_BOX_MEMORY_LIMIT:
        return ASSAY_CAUSE_MEMORY_LIMIT;
    case ASSAY_BOX_PIDS_LIMIT:
        return ASSAY_CAUSE_PIDS_LIMIT;
    case ASSAY_BOX_DISK_LIMIT:
        return ASSAY_CAUSE_DISK_LIMIT;
    case ASSAY_BOX_OUTPUT_LIMIT:
        return ASSAY_CAUSE_OUTPUT_LIMIT;
    case ASSAY_BOX_SETUP_FAILED:
        return ASSAY_CAUSE_SETUP_FAILED;
    case ASSAY_BOX_CANCELLED:
    case ASSAY_BOX_INFRA_ERROR:
        break;
    }
    return ASSAY_CAUSE_INFRA_ERROR;
}

// The patch that the candidate stands for; data is NULL when there is none.
static struct assay_bytes candidate_patch(const struct assay_grade_request *request)
{
    if (request->candidate == ASSAY_CANDIDATE_GOLD)
        return request->instance->gold_patch;
    if (request->candidate == ASSAY_CANDIDATE_PATCH)
        return request->patch;
    return (struct assay_bytes){NULL, 0};
}

static enum assay_status make_workspace(struct grading *g, struct assay_error *err)
{
    const struct assay_bytes text = candidate_patch(g->request);
    struct assay_workspace_options options = {.with_test_patch = true,
            .mode = g->request->how.mode,
            .protected_globs = assay_protected_globs(g->request->instance->framework)};
    struct assay_patch *patch = NULL;
    enum assay_status status = ASSAY_OK;

    if (text.data) {
        status = assay_patch_options_parse(&patch, &g->request->how, text, g->arena, err);
        if (status != ASSAY_OK)
            return assay_wrap(err, MODEL_PATCH);
        options.model_patch = patch;
    }
    return assay_workspace_make(&g->workspace, assay_context_depot(g->context),
            g->request->instance, &options, g->arena, err);
}

static struct assay_instance_limits limits_of(const struct assay_grade_request *request)
{
    struct assay_instance_limits limits = request->instance->limits;

    if (request->wall_ms_max)
        limits.wall_ms = request->wall_ms_max;
    return limits;
}

// The instance's own list is in its hash; what the user adds or takes away is not.
static void add_network(struct assay_sha256 *sha, const struct assay_access *access)
{
    assay_sha256_field_text(
            sha, access->network == ASSAY_NETWORK_NONE ? "no network" : "allow-list");
    assay_sha256_field(sha, &access->hosts.count, sizeof(access->hosts.count));
    for (size_t i = 0; i < access->hosts.count; i++)
        assay_sha256_field_text(sha, access->hosts.items[i]);
}

// hash(instance content, what the patch does to the tree, environment, limits,
// network, grader, tier): two texts that make the same edits are one patch.
static enum assay_status make_key(
        struct grading *g, struct assay_verdict *verdict, struct assay_error *err)
{
    const struct assay_edits *edits = g->workspace.model_edits;
    const struct assay_instance_limits limits = limits_of(g->request);
    struct assay_sha256 *sha = NULL;
    char instance_hash[65];
    enum assay_status status =
            assay_instance_hash(instance_hash, g->request->suite, g->request->instance, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay verdict " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, instance_hash);
    assay_sha256_field_text(sha, g->environment->key);
    assay_sha256_field_text(sha, verdict->tier);
    assay_sha256_field(sha, &limits, sizeof(limits));
    if (g->request->instance->network)
        add_network(sha, assay_context_access(g->context));
    for (size_t i = 0; edits && i < edits->count; i++) {
        const struct assay_edit *edit = &edits->items[i];
        const unsigned char kind[2] = {(unsigned char)edit->kind, edit->executable};

        assay_sha256_field_text(sha, edit->path);
        assay_sha256_field(sha, kind, sizeof(kind));
        assay_sha256_field(sha, edit->content.data, edit->content.len);
    }
    assay_sha256_hex(sha, verdict->key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// runs/<run id>/<instance id>/test_output[.attempt].txt below the home.
static enum assay_status make_log_path(struct grading *g, struct assay_error *err)
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
        struct grading *g, const char *const **out, struct assay_error *err)
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

static enum assay_status run_box(struct grading *g, struct assay_box_result *result,
        struct assay_buf *refused, struct assay_error *err)
{
    const struct assay_instance *instance = g->request->instance;
    struct assay_instance limited = *instance;
    struct assay_runner_job job = {.instance = &limited,
            .recipe = g->recipe,
            .environment = g->environment,
            .workspace = &g->workspace,
            .trusted_dir = assay_context_trusted_dir(g->context),
            .argv = instance->test_cmd,
            .report_fd = ASSAY_REPORT_FD,
            .out_dir = ASSAY_OUT_DIR,
            .access = assay_context_access(g->context),
            .refused = refused,
            .cancel = assay_context_interrupted(g->context),
            .warm = g->request->no_zygote ? NULL : assay_context_warm(g->context),
            .warm_number = &g->warm_number};
    enum assay_status status = make_log_path(g, err);

    limited.limits = limits_of(g->request);
    if (status == ASSAY_OK)
        status = make_env(g, &job.env, err);
    if (status == ASSAY_OK && g->framework->command)
        status = g->framework->command(&instance->test_cmd, &job.argv, g->arena, err);
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

// One file that the run left. What cannot be read is no evidence, not an error.
static enum assay_status read_out_file(
        struct grading *g, int dir_fd, const char *name, struct out_files *files)
{
    struct assay_out_file *file = &files->items[files->count];
    const enum assay_status status = assay_runner_read_out(
            dir_fd, name, OUT_BYTES_MAX - files->bytes, g->arena, &file->content, NULL);

    if (status != ASSAY_OK)
        return status == ASSAY_ENOMEM ? status : ASSAY_OK;
    file->name = name;
    files->bytes += file->content.len;
    files->count++;
    return ASSAY_OK;
}

// The files that the framework's row asks for. ASSAY_ENOMEM: more than is read; that is the run's
// doing, as too much output is.
static enum assay_status read_out_files(
        struct grading *g, const struct assay_box_result *result, struct out_files *files)
{
    enum assay_status status = ASSAY_OK;

    files->items = assay_arena_array(g->arena, OUT_FILES_MAX, sizeof(*files->items));
    if (!files->items)
        return ASSAY_ENOMEM;
    for (const char *const *glob = g->framework->out_files;
            glob && *glob && result->out_dir_fd >= 0 && status == ASSAY_OK; glob++) {
        struct assay_strings names = {NULL, 0};

        status = assay_runner_list_out(
                result->out_dir_fd, *glob, OUT_FILES_MAX - files->count, g->arena, &names, NULL);
        for (size_t i = 0; i < names.count && status == ASSAY_OK; i++)
            status = read_out_file(g, result->out_dir_fd, names.items[i], files);
    }
    return status == ASSAY_ENOMEM ? status : ASSAY_OK;
}

// Calls, and "network HOST:PORT" for what was not on the list.
static struct assay_strings list_denials(struct assay_arena *arena,
        const struct assay_box_result *result, const struct assay_buf *refused)
{
    const size_t count_max = result->denial_count + NETWORK_DENIALS_MAX;
    const char **items = assay_arena_array(arena, count_max, sizeof(*items));
    size_t count = 0;

    for (size_t i = 0; items && i < result->denial_count; i++) {
        const struct assay_denial *row = &result->denials[i];
        const char *item = assay_arena_printf(arena, "%s (%s in %s+%#" PRIx64 ")", row->call,
                row->process, row->file, row->offset);

        if (item)
            items[count++] = item;
    }
    for (const char *at = refused->data; items && *at && count < count_max;) {
        const char *item = assay_arena_printf(arena, "network %.*s", (int)strcspn(at, ",\n"), at);

        if (item)
            items[count++] = item;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return (struct assay_strings){items, count};
}

static enum assay_status judge_result(struct grading *g, struct assay_grade *out,
        const struct assay_box_result *result, const struct assay_buf *refused,
        struct assay_error *err)
{
    struct out_files files = {0};
    struct assay_judgement judgement = {0};
    struct assay_evidence evidence = {.box_cause = cause_of_box(result),
            .exit_code = result->exit_code,
            .log = {result->output.data, result->output.len},
            .log_truncated = result->output_truncated,
            .report = {result->report.data, result->report.len}};
    struct assay_verdict *verdict = &out->verdict;
    enum assay_status status = read_out_files(g, result, &files);

    if (status != ASSAY_OK && !assay_cause_is_infra(evidence.box_cause))
        evidence.box_cause = ASSAY_CAUSE_OUTPUT_LIMIT;
    evidence.files = files.items;
    evidence.file_count = files.count;
    verdict->tier = assay_tier_name(result->tier);
    verdict->usage = (struct assay_usage){.wall_ms = result->usage.wall_ms,
            .cpu_ms = (result->usage.cpu_user_us + result->usage.cpu_system_us) / 1000,
            .memory_bytes_peak = result->usage.memory_bytes_peak,
            .pids_peak = result->usage.pids_peak};
    verdict->denied = list_denials(g->arena, result, refused);
    if (result->cause == ASSAY_BOX_SETUP_FAILED || result->cause == ASSAY_BOX_INFRA_ERROR) {
        assay_judge_unrun(verdict, g->request->instance, evidence.box_cause,
                assay_arena_printf(g->arena, "%s: %s: %s", assay_box_cause_name(result->cause),
                        result->step[0] ? result->step : "box",
                        strerrordesc_np(result->sys_errno)));
        return ASSAY_OK;
    }
    status = assay_judge(
            verdict, &judgement, g->request->instance, g->framework, &evidence, g->arena, err);
    if (status == ASSAY_OK)
        out->outcome = judgement.outcome;
    return status;
}

static void describe_patch(struct grading *g, struct assay_verdict *verdict)
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

// A zygote whose run tried to deceive us serves no other.
static void note_zygote(const struct grading *g, const struct assay_verdict *verdict)
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
        struct grading *g, struct assay_grade *out, struct assay_error *err)
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
static enum assay_status run_with_retries(
        struct grading *g, struct assay_grade *out, struct assay_error *err)
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
static bool ground_is_sound(const struct grading *g, struct assay_error *trouble)
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
static enum assay_status doubt_failure(
        struct grading *g, struct assay_verdict *verdict, struct assay_error *err)
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

static enum assay_status grade_prepared(
        struct grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct assay_verdict cached = {0};
    enum assay_status status;

    describe_patch(g, &out->verdict);
    out->verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(g->context)));
    status = make_key(g, &out->verdict, err);
    if (status != ASSAY_OK)
        return status;
    if (!g->request->no_cache) {
        status = assay_store_cached_verdict(
                assay_context_store(g->context), out->verdict.key, g->arena, &cached, NULL);
        if (status == ASSAY_OK) {
            copy_cached(&out->verdict, &cached);
            return ASSAY_OK;
        }
    }
    status = run_with_retries(g, out, err);
    if (status == ASSAY_OK)
        status = doubt_failure(g, &out->verdict, err);
    out->cacheable = status == ASSAY_OK && out->verdict.scored && !g->request->no_cache;
    return status;
}

// Candidates that are decided without a box; true when this was one.
static bool decide_unrun(struct grading *g, struct assay_verdict *verdict)
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
static enum assay_status explain_unprepared(struct grading *g, struct assay_verdict *verdict,
        enum assay_status status, const struct assay_error *trouble, struct assay_error *err)
{
    const bool rejected = status == ASSAY_EPATCH &&
            strncmp(trouble->message, MODEL_PATCH, strlen(MODEL_PATCH)) == 0;
    const char *reason = assay_arena_strdup(g->arena, trouble->message);

    if (status == ASSAY_EINTERRUPTED || *assay_context_interrupted(g->context))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (!reason)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_judge_unrun(verdict, g->request->instance,
            rejected ? ASSAY_CAUSE_PATCH_REJECTED : ASSAY_CAUSE_SETUP_FAILED, reason);
    return rejected ? doubt_failure(g, verdict, err) : ASSAY_OK;
}

enum assay_status assay_grade(struct assay_grade *out, struct assay_context *context,
        const struct assay_grade_request *request, struct assay_arena *arena,
        struct assay_error *err)
{
    struct grading g = {.context = context, .request = request, .arena = arena};
    const struct assay_instance *instance = request->instance;
    struct assay_error trouble = {0};
    enum assay_status status = ASSAY_OK;

    memset(out, 0, sizeof(*out));
    out->verdict.run_id = request->run_id;
    out->verdict.instance_id = instance->instance_id;
    out->verdict.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(context)));
    // Judged as a repair, another kind of task would get a reward that means nothing.
    if (instance->task != ASSAY_TASK_REPAIR)
        return assay_fail(err, ASSAY_EINVAL, "%s: tasks of kind %s are not graded yet",
                instance->instance_id, assay_task_kind_name(instance->task));
    if (decide_unrun(&g, &out->verdict))
        return ASSAY_OK;
    g.framework = assay_framework_find(instance->framework);
    g.recipe = assay_suite_recipe(request->suite, instance->recipe);
    if (!g.framework || !g.recipe)
        return assay_fail(err, ASSAY_EINVAL, "%s: framework '%s' or recipe '%s' is unknown",
                instance->instance_id, instance->framework, instance->recipe);

    status = assay_context_environment(context, g.recipe, &g.environment, &trouble);
    if (status == ASSAY_OK)
        status = make_workspace(&g, &trouble);
    if (status != ASSAY_OK)
        return explain_unprepared(&g, &out->verdict, status, &trouble, err);
    status = grade_prepared(&g, out, err);
    assay_workspace_release(&g.workspace, assay_context_depot(context));
    return status;
}
