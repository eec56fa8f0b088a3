// SPDX-License-Identifier: MIT
// suite_harbor_environment.c - a Harbor task's Dockerfile as a recipe, and what it copies as the
// base tree.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tasks/patch_folder.h"
#include "tasks/patch_make.h"
#include "tasks/suite_harbor_parts.h"

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
        return harbor_no_memory(h, err);
    if (!below_workdir(&h->docker, copy->to, &to))
        return assay_fail(err, ASSAY_EINVAL,
                "%s:%zu: %.60s lies outside the working folder, whose files are the task's", file,
                copy->line, copy->to);
    if (fstatat(h->task_fd, from, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "%s:%zu: %.80s is not there", file, copy->line, copy->from);
    if (S_ISDIR(st.st_mode))
        return assay_patch_add_folder(patch, h->task_fd, from, to,
                strcmp(copy->from, ".") == 0 ? "Dockerfile" : NULL, harbor_shown(h, from), err);
    name = strrchr(from, '/') + 1;
    if (copy->into || to[0] == '\0')
        to = assay_arena_printf(h->suite->arena, "%s%s%s", to, to[0] == '\0' ? "" : "/", name);
    if (to == NULL)
        return harbor_no_memory(h, err);
    status = assay_suite_file(&text, h->task_fd, from, harbor_shown(h, from),
            ASSAY_SUITE_TEXT_BYTES_MAX, h->suite->arena, err);
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
    enum assay_status status = harbor_read_env(h, "environment.env", &more, err);

    if (status == ASSAY_OK)
        status = harbor_text_or(h, "environment.workdir", &workdir, err);
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
        return harbor_no_memory(h, err);
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

enum assay_status harbor_read_environment(struct harbor *h, struct assay_error *err)
{
    const char *file = harbor_shown(h, "environment/Dockerfile");
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
