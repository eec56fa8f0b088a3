// SPDX-License-Identifier: MIT
#include "orchestrator/suite_harbor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "envs/runner.h"
#include "orchestrator/pool.h"
#include "rewards/framework.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define PATCH_BYTES_MAX ((size_t)64 << 20)
#define SOLUTION "/solution"
#define SAID_BYTES 100
#define ROW_DEPTH 4

// What it changed is handed over as a tar whose one folder is the working folder's name.
static const char script[] = "bash " SOLUTION "/solve.sh || exit $?\n"
                             "tar -C \"$1\" -cf \"$ASSAY_OUT_DIR/tree.tar\" \"$2\"\n";

struct completing {
    struct assay_context *context;
    struct assay_suite *suite;
};

// --- gold ----------------------------------------------------------------------------------------

struct solving {
    struct assay_context *context;
    struct assay_instance instance; // a copy, whose "tests" are the solution
    const struct assay_recipe *recipe;
    const struct assay_environment *environment;
    struct assay_workspace workspace;
    struct assay_arena *arena;
};

// "/a/b/c" in two: "/a/b" and "c".
static enum assay_status split(
        const char *path, const char **dir, const char **name, struct solving *s)
{
    const char *slash = strrchr(path, '/');

    *name = slash + 1;
    *dir = slash == path ? "/" : assay_arena_printf(s->arena, "%.*s", (int)(slash - path), path);
    return *dir == NULL ? ASSAY_ENOMEM : ASSAY_OK;
}

static enum assay_status run_solution(
        struct solving *s, struct assay_box_result *result, struct assay_error *err)
{
    static const char *const env[] = {"ASSAY_OUT_DIR=" ASSAY_OUT_DIR, NULL};
    const char *dir = NULL, *name = NULL;
    const char *argv[6] = {"bash", "-c", script, "solve"};
    struct assay_runner_job job = {.instance = &s->instance,
            .recipe = s->recipe,
            .environment = s->environment,
            .workspace = &s->workspace,
            .trusted_dir = assay_context_trusted_dir(s->context),
            .argv = {argv, 6},
            .env = env,
            .out_dir = ASSAY_OUT_DIR,
            .access = assay_context_access(s->context),
            .cancel = assay_context_interrupted(s->context)};

    if (split(s->recipe->workdir, &dir, &name, s) != ASSAY_OK)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    argv[4] = dir;
    argv[5] = name;
    return assay_runner_run(assay_context_sandbox(s->context), &job, result, err);
}

static enum assay_status solution_failed(
        const struct assay_box_result *result, struct assay_error *err)
{
    const struct assay_buf *said = &result->output;
    const size_t len = said->len < SAID_BYTES ? said->len : SAID_BYTES;

    return assay_fail(err, ASSAY_EIO, "solution/solve.sh did not end well (status %d): ...%.*s",
            result->exit_code, (int)len, said->len > 0 ? said->data + said->len - len : "");
}

static enum assay_status take_patch(struct solving *s, const struct assay_box_result *result,
        struct assay_bytes *out, struct assay_arena *keep, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(s->context);
    char file[64], tree[65];
    struct assay_buf patch;
    enum assay_status status;

    // A box's own name for it may be anything: it is opened as what it is.
    (void)snprintf(file, sizeof(file), "/proc/self/fd/%d/tree.tar", result->out_dir_fd);
    status = assay_depot_add_archive(depot, file, NULL, NULL, tree, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&patch, PATCH_BYTES_MAX);
    status = assay_depot_diff(depot, s->instance.tree, tree, NULL, NULL, &patch, err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(out, &patch, "gold", keep, err);
    assay_buf_free(&patch);
    return status;
}

static enum assay_status solve(struct solving *s, struct assay_bytes *out, struct assay_arena *keep,
        struct assay_error *err)
{
    struct assay_box_result result = {.out_dir_fd = -1};
    const struct assay_workspace_options options = {.with_test_patch = false};
    char tree[PATH_MAX];
    enum assay_status status =
            assay_context_environment(s->context, s->recipe, &s->environment, err);

    if (status == ASSAY_OK)
        status = assay_depot_tree(assay_context_depot(s->context), s->instance.row.data, tree, err);
    if (status == ASSAY_OK)
        status = assay_workspace_make(&s->workspace, assay_context_depot(s->context), &s->instance,
                &options, s->arena, err);
    if (status != ASSAY_OK)
        return status;
    (void)snprintf(s->workspace.tests_path, sizeof(s->workspace.tests_path), "%.*s/solution",
            PATH_MAX - 16, tree);
    status = run_solution(s, &result, err);
    if (status == ASSAY_OK && (result.cause != ASSAY_BOX_EXITED || result.exit_code != 0))
        status = solution_failed(&result, err);
    if (status == ASSAY_OK)
        status = take_patch(s, &result, out, keep, err);
    assay_box_result_release(&result);
    assay_workspace_release(&s->workspace, assay_context_depot(s->context));
    return status;
}

// --- a task --------------------------------------------------------------------------------------

static enum assay_status complete_one(void *user, size_t index, struct assay_error *err)
{
    static const struct assay_strings none = {NULL, 0};
    struct completing *c = user;
    struct assay_instance *instance = &c->suite->instances[index];
    struct solving s = {.context = c->context,
            .instance = *instance,
            .recipe = assay_suite_recipe(c->suite, instance->recipe)};
    char folder[65], solution[PATH_MAX];
    char *row = NULL;
    enum assay_status status = assay_arena_create(&s.arena, ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_depot_add_dir(
                assay_context_depot(c->context), instance->base.where, &none, folder, err);
    if (status == ASSAY_OK) {
        row = assay_arena_printf(c->suite->arena, "{\"harbor\": \"%s\"}", folder);
        if (row == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        else
            instance->row = (struct assay_bytes){row, strlen(row)};
    }
    s.instance.row = (struct assay_bytes){folder, 64};
    s.instance.tests_at = SOLUTION;
    (void)snprintf(solution, sizeof(solution), "%.*s/solution/solve.sh", PATH_MAX - 32,
            instance->base.where);
    if (status == ASSAY_OK && access(solution, F_OK) == 0)
        status = solve(&s, &instance->gold_patch, c->suite->arena, err);
    assay_arena_destroy(s.arena);
    return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "%s", instance->instance_id);
}

enum assay_status assay_suite_harbor_complete(struct assay_context *context,
        struct assay_suite *suite, size_t threads, struct assay_error *err)
{
    struct completing completing = {context, suite};

    // The suite's arena is one thread's: what is kept there comes one after the other.
    (void)threads;
    return assay_jobs_run(1, suite->instance_count, complete_one, &completing,
            assay_context_interrupted(context), err);
}

// --- and back ------------------------------------------------------------------------------------

// The tree that an instance's row names; false: it names none.
static bool folder_of(const struct assay_instance *instance, char hash[65])
{
    const struct assay_json_limits limits = {
            .bytes_max = instance->row.len + 1, .depth_max = ROW_DEPTH};
    struct assay_json *row = NULL;
    const char *text = NULL;

    if (instance->row.data == NULL ||
            assay_json_parse(&row, instance->row.data, instance->row.len, limits, "row", 1, NULL) !=
                    ASSAY_OK)
        return false;
    text = assay_json_text(assay_json_get(row, "harbor"));
    if (text != NULL && strlen(text) == 64)
        (void)snprintf(hash, 65, "%s", text);
    else
        text = NULL;
    assay_json_free(row);
    return text != NULL;
}

static enum assay_status copy_folder(
        struct assay_context *context, const char *hash, int to, struct assay_error *err)
{
    char tree[PATH_MAX];
    int from = -1;
    enum assay_status status = assay_depot_tree(assay_context_depot(context), hash, tree, err);

    if (status != ASSAY_OK)
        return status;
    from = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = from < 0 ? assay_fail_errno(err, errno, "open %.150s", tree)
                      : assay_fs_copy_tree(from, to, err);
    if (from >= 0)
        close(from);
    return status;
}

static enum assay_status export_one(struct assay_context *context, const struct assay_suite *suite,
        const struct assay_instance *instance, int dir_fd, struct assay_error *err)
{
    char hash[65];
    int to = -1;
    enum assay_status status = ASSAY_OK;

    if (mkdirat(dir_fd, instance->instance_id, 0755) != 0)
        status = assay_fail_errno(err, errno, "make %.150s", instance->instance_id);
    else
        to = openat(dir_fd, instance->instance_id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (status == ASSAY_OK && to < 0)
        status = assay_fail_errno(err, errno, "open %.150s", instance->instance_id);
    if (status == ASSAY_OK)
        status = folder_of(instance, hash)
                ? copy_folder(context, hash, to, err)
                : assay_suite_harbor_write(context, suite, instance, to, err);
    if (to >= 0)
        close(to);
    return status;
}

enum assay_status assay_suite_export_harbor(struct assay_context *context,
        const struct assay_suite *suite, const char *dir, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    int fd;

    if (mkdir(dir, 0755) != 0)
        return assay_fail_errno(err, errno, "make %.150s", dir);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", dir);
    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++)
        status = export_one(context, suite, &suite->instances[i], fd, err);
    close(fd);
    return status;
}
