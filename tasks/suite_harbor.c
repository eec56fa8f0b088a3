// SPDX-License-Identifier: MIT
// suite_harbor.c - Harbor's (and Terminal-Bench 2's) task folders as a suite.
//
//   task.toml               limits, network, variables
//   instruction.md          the problem, without canary lines in front
//   environment/Dockerfile  the recipe; what it copies is the base tree (dockerfile.h)
//   tests/                  the test patch, laid at /tests while tests/test.sh runs
//   solution/solve.sh       gold: what it changes, once somebody who may run things has run it
//
// What these tests write is believed (docs/suites.md): evidence is weak.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tasks/patch_folder.h"
#include "tasks/suite_harbor_parts.h"

#define TASKS_MAX 100000

enum assay_status harbor_no_memory(const struct harbor *h, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "%.100s: out of memory", h->folder);
}

const char *harbor_shown(const struct harbor *h, const char *file)
{
    const char *path = assay_arena_printf(h->suite->arena, "%s%s%s/%s", h->dir,
            strcmp(h->folder, ".") == 0 ? "" : "/", strcmp(h->folder, ".") == 0 ? "" : h->folder,
            file);

    return path == NULL ? file : path;
}

// --- files ---------------------------------------------------------------------------------------

static enum assay_status read_tests(struct harbor *h, struct assay_error *err)
{
    struct assay_buf patch;
    struct stat st;
    enum assay_status status;
    char file[ASSAY_PATH_SHORT_BYTES];

    if (fstatat(h->task_fd, "tests/test.sh", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "%s: missing",
                assay_path_short(file, harbor_shown(h, "tests/test.sh")));
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    status = assay_patch_add_folder(
            &patch, h->task_fd, "tests", "", NULL, harbor_shown(h, "tests"), err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(&h->instance.test_patch, &patch, "tests", h->suite->arena, err);
    assay_buf_free(&patch);
    return status;
}

// Without the lines in front that only name a canary, so that training data can be searched for it.
static enum assay_status read_instruction(struct harbor *h, struct assay_error *err)
{
    struct assay_bytes text = {NULL, 0};
    enum assay_status status = assay_suite_file(&text, h->task_fd, "instruction.md",
            harbor_shown(h, "instruction.md"), ASSAY_SUITE_TEXT_BYTES_MAX, h->suite->arena, err);

    while (status == ASSAY_OK && text.len > 0) {
        const char *stop = memchr(text.data, '\n', text.len);
        const size_t len = stop == NULL ? text.len : (size_t)(stop - text.data) + 1;
        const bool comment = text.data[0] == '#' || strncmp(text.data, "<!--", 4) == 0;
        const bool blank = text.data[strspn(text.data, " \t\r")] == '\n';
        const bool canary = memmem(text.data, len, "canary", 6) != NULL ||
                memmem(text.data, len, "CANARY", 6) != NULL ||
                memmem(text.data, len, "Canary", 6) != NULL;

        if (!(comment && canary) && !(blank && h->instance.problem.data != NULL))
            break;
        text.data += len;
        text.len -= len;
        h->instance.problem = text; // from now on blank lines go, too
    }
    h->instance.problem = text;
    return status;
}

// --- a task --------------------------------------------------------------------------------------

// [env A=b ...] assay-harbor
static enum assay_status set_command(struct harbor *h, struct assay_error *err)
{
    static const char *const reward[] = {"reward"};
    struct assay_strings env = {NULL, 0};
    const char **argv;
    size_t count = 0;
    enum assay_status status = harbor_read_env(h, "verifier.env", &env, err);

    if (status != ASSAY_OK)
        return status;
    argv = assay_arena_array(h->suite->arena, env.count + 2, sizeof(argv[0]));
    if (argv == NULL)
        return harbor_no_memory(h, err);
    if (env.count > 0)
        argv[count++] = "env";
    for (size_t i = 0; i < env.count; i++)
        argv[count++] = env.items[i];
    argv[count++] = "assay-harbor";
    h->instance.test_cmd = (struct assay_strings){argv, count};
    h->instance.framework = "reward-file";
    h->instance.fail_to_pass = (struct assay_strings){reward, 1};
    h->instance.tests_at = "/tests";
    h->instance.recipe = h->recipe.name;
    h->instance.gold_patch = (struct assay_bytes){"", 0};
    return ASSAY_OK;
}

static enum assay_status append(struct harbor *h, struct assay_error *err)
{
    struct assay_fault fault = {.field = ""};
    char file[ASSAY_PATH_SHORT_BYTES];
    char *real;

    assay_path_short(file, harbor_shown(h, "task.toml"));
    if (assay_instance_fault(&fault, &h->instance) || assay_recipe_fault(&fault, &h->recipe))
        return assay_fail(err, ASSAY_EINVAL, "%s: %s: %s", file, fault.field, fault.reason);
    // Whoever runs the solution finds it by this.
    real = realpath(harbor_shown(h, "."), NULL);
    h->instance.base.where = real == NULL ? NULL : assay_arena_strdup(h->suite->arena, real);
    free(real);
    if (h->instance.base.where == NULL)
        return harbor_no_memory(h, err);
    h->suite->recipes[h->suite->recipe_count++] = h->recipe;
    return assay_suite_append(h->suite, &h->instance, err);
}

static enum assay_status read_task(struct harbor *h, const char *folder, struct assay_error *err)
{
    enum assay_status status;
    char file[ASSAY_PATH_SHORT_BYTES];

    h->folder = folder;
    h->instance = (struct assay_instance){0};
    h->recipe = (struct assay_recipe){0};
    h->task_fd = openat(h->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (h->task_fd < 0)
        return assay_fail_errno(err, errno, "%s", assay_path_short(file, harbor_shown(h, ".")));
    status = harbor_read_toml(h, err);
    if (status == ASSAY_OK)
        status = read_instruction(h, err);
    if (status == ASSAY_OK)
        status = harbor_read_environment(h, err);
    if (status == ASSAY_OK)
        status = read_tests(h, err);
    if (status == ASSAY_OK)
        status = set_command(h, err);
    if (status == ASSAY_OK)
        status = append(h, err);
    close(h->task_fd);
    return status;
}

// --- the folder ----------------------------------------------------------------------------------

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

// Folders with a task.toml, sorted; "." if the folder itself has one.
static enum assay_status list_tasks(
        const struct harbor *h, const char ***out, size_t *count, struct assay_error *err)
{
    const char **names = assay_arena_array(h->suite->arena, TASKS_MAX, sizeof(names[0]));
    const int fd = dup(h->dir_fd);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    enum assay_status status = ASSAY_OK;

    if (names == NULL || stream == NULL) {
        if (stream != NULL)
            closedir(stream);
        else if (fd >= 0)
            close(fd);
        return harbor_no_memory(h, err);
    }
    *count = 0;
    if (faccessat(h->dir_fd, "task.toml", F_OK, 0) == 0)
        names[(*count)++] = ".";
    while (*count == 0 || strcmp(names[0], ".") != 0) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's alone
        const struct dirent *entry = readdir(stream);
        char path[512];

        if (entry == NULL)
            break;
        (void)snprintf(path, sizeof(path), "%s/task.toml", entry->d_name);
        if (entry->d_name[0] == '.' || faccessat(h->dir_fd, path, F_OK, 0) != 0)
            continue;
        if (*count == TASKS_MAX)
            status = assay_fail(err, ASSAY_EINVAL, "%.100s: more than %d tasks", h->dir, TASKS_MAX);
        else if ((names[(*count)++] = assay_arena_strdup(h->suite->arena, entry->d_name)) == NULL)
            status = harbor_no_memory(h, err);
        if (status != ASSAY_OK)
            break;
    }
    closedir(stream);
    qsort(names, *count, sizeof(names[0]), compare_names);
    *out = names;
    return status;
}

// The folder's own name, as far as a suite can have it.
static const char *suite_name(char *out, size_t size, const char *dir)
{
    char *real = realpath(dir, NULL);
    const char *slash = real == NULL ? NULL : strrchr(real, '/');

    (void)snprintf(out, size, "%s", slash == NULL ? "harbor" : slash + 1);
    free(real);
    return assay_name_valid(out) ? out : "harbor";
}

enum assay_status assay_suite_read_harbor(
        struct assay_suite **out, const char *dir, struct assay_error *err)
{
    struct harbor h = {.dir = dir, .dir_fd = -1, .folder = "."};
    const char **names = NULL;
    char name[256];
    size_t count = 0;
    enum assay_status status =
            assay_suite_create(&h.suite, suite_name(name, sizeof(name), dir), err);

    if (status != ASSAY_OK)
        return status;
    h.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h.dir_fd < 0)
        status = assay_fail_errno(err, errno, "%.150s", dir);
    if (status == ASSAY_OK)
        status = list_tasks(&h, &names, &count, err);
    if (status == ASSAY_OK && count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "%.150s: no task.toml in it or below", dir);
    if (status == ASSAY_OK) {
        h.suite->recipes = assay_arena_array(h.suite->arena, count, sizeof(h.suite->recipes[0]));
        h.suite->source = assay_arena_strdup(h.suite->arena, dir);
        h.suite->version = "1";
        if (h.suite->recipes == NULL || h.suite->source == NULL)
            status = harbor_no_memory(&h, err);
    }
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = read_task(&h, names[i], err);
    if (status == ASSAY_OK)
        status = assay_suite_check(h.suite, NULL, err);
    if (h.dir_fd >= 0)
        close(h.dir_fd);
    if (status == ASSAY_OK)
        *out = h.suite;
    else
        assay_suite_free(h.suite);
    return status;
}
