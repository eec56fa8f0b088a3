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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tasks/dockerfile.h"
#include "tasks/patch_folder.h"
#include "tasks/patch_make.h"
#include "tasks/suite_read.h"
#include "tasks/toml.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TASKS_MAX 100000
#define TIMEOUT_SEC 600.0
#define TIMEOUT_SEC_MAX (7 * 24 * 3600.0)

struct harbor {
    struct assay_suite *suite;
    const char *dir; // as given
    int dir_fd;
    // Of the task being read.
    const char *folder; // its name in dir; "." when dir is the task
    int task_fd;
    struct assay_toml_entry *entries;
    size_t entry_count;
    struct assay_dockerfile docker;
    struct assay_recipe recipe;
    struct assay_instance instance;
};

static enum assay_status no_memory(const struct harbor *h, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "%.100s: out of memory", h->folder);
}

// --- task.toml -----------------------------------------------------------------------------------

static const char *shown(const struct harbor *h, const char *file)
{
    const char *path = assay_arena_printf(h->suite->arena, "%s%s%s/%s", h->dir,
            strcmp(h->folder, ".") == 0 ? "" : "/", strcmp(h->folder, ".") == 0 ? "" : h->folder,
            file);

    return path == NULL ? file : path;
}

static enum assay_status ASSAY_PRINTF(4, 5) wrong(const struct harbor *h,
        const struct assay_toml_entry *entry, struct assay_error *err, const char *fmt, ...)
{
    char file[ASSAY_PATH_SHORT_BYTES], reason[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %.60s: %s",
            assay_path_short(file, shown(h, "task.toml")), entry->line, entry->key, reason);
}

static const struct assay_toml_entry *find(const struct harbor *h, const char *key)
{
    for (size_t i = 0; i < h->entry_count; i++)
        if (strcmp(h->entries[i].key, key) == 0)
            return &h->entries[i];
    return NULL;
}

// A text; *out stays where there is none.
static enum assay_status text_or(
        const struct harbor *h, const char *key, const char **out, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, key);

    if (entry == NULL)
        return ASSAY_OK;
    if (entry->kind != ASSAY_TOML_TEXT || strlen(entry->value) != entry->len)
        return wrong(h, entry, err, "expected a text");
    *out = entry->value;
    return ASSAY_OK;
}

// A number in (0, max]; *out stays where there is none.
static enum assay_status number_or(
        const struct harbor *h, const char *key, double max, double *out, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, key);

    if (entry == NULL)
        return ASSAY_OK;
    if ((entry->kind != ASSAY_TOML_INTEGER && entry->kind != ASSAY_TOML_FLOAT) ||
            !(entry->number > 0.0 && entry->number <= max))
        return wrong(h, entry, err, "expected a number above 0, at most %g", max);
    *out = entry->number;
    return ASSAY_OK;
}

// What assay has no place for: another task would come of it.
static enum assay_status refuse_foreign(const struct harbor *h, struct assay_error *err)
{
    static const struct {
        const char *key, *why;
    } keys[] = {{"steps", "tasks of several steps are not read"},
            {"verifier.environment", "tests in an image of their own are not read"},
            {"environment.gpus", "boxes have no GPU"}};
    const char *os = "linux";
    enum assay_status status = text_or(h, "environment.os", &os, err);

    for (size_t i = 0; i < COUNT(keys) && status == ASSAY_OK; i++) {
        const struct assay_toml_entry *entry = find(h, keys[i].key);

        if (entry != NULL && !(entry->kind == ASSAY_TOML_INTEGER && entry->number <= 0.0))
            status = wrong(h, entry, err, "%s", keys[i].why);
    }
    if (status == ASSAY_OK && strcmp(os, "linux") != 0)
        status = wrong(h, find(h, "environment.os"), err, "boxes have Linux");
    return status;
}

// "2G" and the like, as older files have it.
static enum assay_status old_memory(struct harbor *h, double *megabytes, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, "environment.memory");
    const char *text = "";
    char *unit = NULL;
    double number;
    enum assay_status status = text_or(h, "environment.memory", &text, err);

    if (status != ASSAY_OK || entry == NULL)
        return status;
    number = strtod(text, &unit);
    if (!(number > 0.0 && number < 1e6) || unit[0] == '\0' || strchr("KMG", unit[0]) == NULL ||
            (unit[1] != '\0' && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "i") != 0 &&
                    strcmp(unit + 1, "iB") != 0))
        return wrong(h, entry, err, "expected an amount like \"2G\"");
    *megabytes = unit[0] == 'G' ? number * 1024 : unit[0] == 'M' ? number : number / 1024;
    return ASSAY_OK;
}

static enum assay_status read_limits(struct harbor *h, struct assay_error *err)
{
    double seconds = TIMEOUT_SEC, cpus = 1.0;
    double megabytes = (double)(ASSAY_INSTANCE_MEMORY_BYTES >> 20);
    enum assay_status status = number_or(h, "verifier.timeout_sec", TIMEOUT_SEC_MAX, &seconds, err);

    if (status == ASSAY_OK)
        status = number_or(h, "environment.cpus", 1024, &cpus, err);
    if (status == ASSAY_OK)
        status = number_or(h, "environment.memory_mb", 1e9, &megabytes, err);
    if (status == ASSAY_OK && find(h, "environment.memory_mb") == NULL)
        status = old_memory(h, &megabytes, err);
    h->instance.limits = (struct assay_instance_limits){.wall_ms = (uint64_t)(seconds * 1000),
            .cpu_ms = (uint64_t)(seconds * 1000 * (cpus < 1.0 ? 1.0 : cpus)),
            .memory_bytes = (uint64_t)(megabytes * 1048576)};
    return status;
}

// "NAME=value" of a table of texts. Values that the harness fills in ("${NAME}") are secrets of
// somebody's: none of them reaches a box.
static enum assay_status read_env(
        struct harbor *h, const char *table, struct assay_strings *out, struct assay_error *err)
{
    const size_t len = strlen(table);
    const char **items = assay_arena_array(h->suite->arena, h->entry_count + 1, sizeof(items[0]));
    size_t count = 0;

    if (items == NULL)
        return no_memory(h, err);
    for (size_t i = 0; i < h->entry_count; i++) {
        const struct assay_toml_entry *entry = &h->entries[i];

        if (strncmp(entry->key, table, len) != 0 || entry->key[len] != '.')
            continue;
        if (entry->kind != ASSAY_TOML_TEXT || strlen(entry->value) != entry->len)
            return wrong(h, entry, err, "expected a text");
        if (strstr(entry->value, "${") != NULL)
            continue;
        items[count] =
                assay_arena_printf(h->suite->arena, "%s=%s", entry->key + len + 1, entry->value);
        if (items[count++] == NULL)
            return no_memory(h, err);
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static enum assay_status read_hosts(struct harbor *h, struct assay_error *err)
{
    const struct assay_toml_entry *list = find(h, "environment.allowed_hosts");
    const char **items;
    const char *mode = "no-network";
    size_t count = 0;
    enum assay_status status = text_or(h, "environment.network_mode", &mode, err);

    if (status == ASSAY_OK)
        status = text_or(h, "verifier.network_mode", &mode, err);
    // A box reaches what its list names and its user allows, and nothing else: "public" is no list.
    if (status != ASSAY_OK || strcmp(mode, "allowlist") != 0 || list == NULL)
        return status;
    items = assay_arena_array(h->suite->arena, h->entry_count + 1, sizeof(items[0]));
    if (items == NULL)
        return no_memory(h, err);
    for (size_t i = 0; i < h->entry_count && status == ASSAY_OK; i++)
        if (strncmp(h->entries[i].key, "environment.allowed_hosts[", 26) == 0)
            status = text_or(h, h->entries[i].key, &items[count++], err);
    h->instance.hosts = (struct assay_strings){items, count};
    h->instance.network = count > 0;
    return status;
}

// "org/name" is the repository, and with "__" for the slash the instance.
static enum assay_status read_name(struct harbor *h, struct assay_error *err)
{
    const char *name = strcmp(h->folder, ".") == 0 ? "task" : h->folder;
    struct assay_arena *arena = h->suite->arena;
    const char *slash;
    enum assay_status status = text_or(h, "task.name", &name, err);

    if (status != ASSAY_OK)
        return status;
    slash = strchr(name, '/');
    h->instance.repo = slash == NULL ? assay_arena_printf(arena, "harbor/%s", name) : name;
    h->instance.instance_id = slash == NULL
            ? name
            : assay_arena_printf(arena, "%.*s__%s", (int)(slash - name), name, slash + 1);
    return h->instance.repo == NULL || h->instance.instance_id == NULL ? no_memory(h, err)
                                                                       : ASSAY_OK;
}

static enum assay_status read_toml(struct harbor *h, struct assay_error *err)
{
    struct assay_bytes text = {NULL, 0};
    const char *file = shown(h, "task.toml");
    enum assay_status status = assay_suite_file(
            &text, h->task_fd, "task.toml", file, ASSAY_SUITE_JSON_BYTES_MAX, h->suite->arena, err);

    if (status == ASSAY_OK)
        status = assay_toml_flatten(
                &h->entries, &h->entry_count, text.data, text.len, file, h->suite->arena, err);
    if (status == ASSAY_OK)
        status = refuse_foreign(h, err);
    if (status == ASSAY_OK)
        status = read_name(h, err);
    if (status == ASSAY_OK)
        status = read_limits(h, err);
    if (status == ASSAY_OK)
        status = read_hosts(h, err);
    return status;
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
                assay_path_short(file, shown(h, "tests/test.sh")));
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    status = assay_patch_add_folder(&patch, h->task_fd, "tests", "", NULL, shown(h, "tests"), err);
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
            shown(h, "instruction.md"), ASSAY_SUITE_TEXT_BYTES_MAX, h->suite->arena, err);

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

// --- the environment -----------------------------------------------------------------------------

// Where a copy goes in the base tree: *to is "" for the workdir itself. False: outside of it.
static bool below_workdir(const struct assay_dockerfile *docker, const char *path, const char **to)
{
    const size_t len = strcmp(docker->workdir, "/") == 0 ? 0 : strlen(docker->workdir);

    if (len == 0 || strncmp(path, docker->workdir, len) != 0 ||
            (path[len] != '/' && path[len] != '\0'))
        return false;
    *to = path + len + (path[len] == '/');
    return true;
}

static enum assay_status add_copy(const struct harbor *h, struct assay_buf *patch,
        const struct assay_copy *copy, const char *docker_file, struct assay_error *err)
{
    const char *to = "";
    const char *from = assay_arena_printf(h->suite->arena, "environment%s%s",
            strcmp(copy->from, ".") == 0 ? "" : "/",
            strcmp(copy->from, ".") == 0 ? "" : copy->from);
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_bytes text = {NULL, 0};
    const char *name;
    struct stat st;
    enum assay_status status;

    assay_path_short(file, docker_file);
    if (from == NULL)
        return no_memory(h, err);
    if (!below_workdir(&h->docker, copy->to, &to))
        return assay_fail(err, ASSAY_EINVAL,
                "%s:%zu: %.60s lies outside the working folder, whose files are the task's", file,
                copy->line, copy->to);
    if (fstatat(h->task_fd, from, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "%s:%zu: %.80s is not there", file, copy->line, copy->from);
    if (S_ISDIR(st.st_mode))
        return assay_patch_add_folder(patch, h->task_fd, from, to,
                strcmp(copy->from, ".") == 0 ? "Dockerfile" : NULL, shown(h, from), err);
    name = strrchr(from, '/') + 1;
    if (copy->into || to[0] == '\0')
        to = assay_arena_printf(h->suite->arena, "%s%s%s", to, to[0] == '\0' ? "" : "/", name);
    if (to == NULL)
        return no_memory(h, err);
    status = assay_suite_file(&text, h->task_fd, from, shown(h, from), ASSAY_SUITE_TEXT_BYTES_MAX,
            h->suite->arena, err);
    if (status == ASSAY_OK)
        assay_patch_add_file(patch, to, (st.st_mode & S_IXUSR) != 0, text);
    return status;
}

// Packages of the system are the host's own: apt's commands are left out where the base is it.
static bool is_of_system(const char *command)
{
    const char *text = strstr(command, " && ");

    text = text == NULL ? NULL : strstr(text + 4, " && ");
    return text != NULL &&
            (strncmp(text + 4, "apt-get ", 8) == 0 || strncmp(text + 4, "apt ", 4) == 0);
}

static enum assay_status set_recipe(
        struct harbor *h, const char *docker_file, struct assay_error *err)
{
    const struct assay_dockerfile *docker = &h->docker;
    struct assay_arena *arena = h->suite->arena;
    const char **setup = assay_arena_array(arena, docker->run.count + 1, sizeof(setup[0]));
    struct assay_strings more = {NULL, 0};
    const char *workdir = docker->workdir;
    const char **env;
    char file[ASSAY_PATH_SHORT_BYTES];
    size_t count = 0;
    enum assay_status status = read_env(h, "environment.env", &more, err);

    if (status == ASSAY_OK)
        status = text_or(h, "environment.workdir", &workdir, err);
    if (status != ASSAY_OK)
        return status;
    // The root of a box is not a task's to hold files in.
    if (strcmp(workdir, "/") == 0)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: no WORKDIR, and no environment.workdir in task.toml: a task needs a folder",
                assay_path_short(file, docker_file));
    env = assay_arena_array(arena, docker->env.count + more.count + 1, sizeof(env[0]));
    h->recipe.name = h->instance.instance_id;
    h->recipe.workdir = workdir;
    h->recipe.base = "host";
    if (setup == NULL || env == NULL)
        return no_memory(h, err);
    for (size_t i = 0; i < docker->run.count; i++)
        if (!is_of_system(docker->run.items[i]))
            setup[count++] = docker->run.items[i];
    h->recipe.setup = (struct assay_strings){setup, count};
    for (size_t i = 0; i < docker->env.count; i++)
        env[i] = docker->env.items[i];
    for (size_t i = 0; i < more.count; i++)
        env[docker->env.count + i] = more.items[i];
    h->recipe.env = (struct assay_strings){env, docker->env.count + more.count};
    return ASSAY_OK;
}

static enum assay_status read_environment(struct harbor *h, struct assay_error *err)
{
    const char *file = shown(h, "environment/Dockerfile");
    struct assay_arena *arena = h->suite->arena;
    struct assay_bytes text = {NULL, 0};
    struct assay_buf patch;
    enum assay_status status = assay_suite_file(&text, h->task_fd, "environment/Dockerfile", file,
            ASSAY_SUITE_JSON_BYTES_MAX, arena, err);

    if (status == ASSAY_OK)
        status = assay_dockerfile_read(&h->docker, text, file, arena, err);
    if (status == ASSAY_OK)
        status = set_recipe(h, file, err);
    if (status != ASSAY_OK)
        return status;
    h->docker.workdir = h->recipe.workdir;
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < h->docker.copy_count && status == ASSAY_OK; i++)
        status = add_copy(h, &patch, &h->docker.copies[i], file, err);
    h->instance.base = (struct assay_base){.kind = ASSAY_BASE_EMPTY};
    if (status == ASSAY_OK && patch.len > 0)
        status = assay_bytes_keep(&h->instance.base.patch, &patch, "environment", arena, err);
    assay_buf_free(&patch);
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
    enum assay_status status = read_env(h, "verifier.env", &env, err);

    if (status != ASSAY_OK)
        return status;
    argv = assay_arena_array(h->suite->arena, env.count + 2, sizeof(argv[0]));
    if (argv == NULL)
        return no_memory(h, err);
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

    assay_path_short(file, shown(h, "task.toml"));
    if (assay_instance_fault(&fault, &h->instance) || assay_recipe_fault(&fault, &h->recipe))
        return assay_fail(err, ASSAY_EINVAL, "%s: %s: %s", file, fault.field, fault.reason);
    // Whoever runs the solution finds it by this.
    real = realpath(shown(h, "."), NULL);
    h->instance.base.where = real == NULL ? NULL : assay_arena_strdup(h->suite->arena, real);
    free(real);
    if (h->instance.base.where == NULL)
        return no_memory(h, err);
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
        return assay_fail_errno(err, errno, "%s", assay_path_short(file, shown(h, ".")));
    status = read_toml(h, err);
    if (status == ASSAY_OK)
        status = read_instruction(h, err);
    if (status == ASSAY_OK)
        status = read_environment(h, err);
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
        return no_memory(h, err);
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
            status = no_memory(h, err);
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
            status = no_memory(&h, err);
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
