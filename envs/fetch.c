// SPDX-License-Identifier: MIT
#include "envs/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"
#include "envs/registry.h"
#include "envs/setup.h"

#define REGISTRY_BYTES_MAX ((size_t)1 << 20)

// dir and its parents, as `mkdir -p`.
static enum assay_status make_dirs(const char *dir, struct assay_error *err)
{
    char path[PATH_MAX];

    if (dir[0] != '/' || strlen(dir) >= sizeof(path))
        return assay_fail(err, ASSAY_EINVAL, "not an absolute path: %.150s", dir);
    memcpy(path, dir, strlen(dir) + 1);
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return assay_fail_errno(err, errno, "mkdir %.150s", path);
        if (slash == NULL)
            return ASSAY_OK;
        *slash = '/';
    }
}

// From what the box wrote to where it is wanted; nothing about it is believed but its bytes.
enum assay_status assay_fetch_take(
        const char *out, const char *file, const char *dir, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char target[PATH_MAX];
    struct stat st;
    int out_fd = -1, fd = -1;

    if (!assay_fs_path_is_plain(file) || strchr(file, '/') != NULL)
        return assay_fail(err, ASSAY_EINVAL, "not a plain name: '%.150s'", file);
    status = make_dirs(dir, err);
    if (status == ASSAY_OK)
        status = assay_depot_path(target, dir, file, err);
    if (status != ASSAY_OK)
        return status;
    out_fd = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out_fd < 0)
        return assay_fail_errno(err, errno, "open what was fetched");
    fd = assay_fs_open_beneath(out_fd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
        status = assay_fail(err, ASSAY_ENOTFOUND, "the command left no regular file %.150s", file);
        goto out;
    }
    if (fchmod(fd, 0644) != 0 || fsync(fd) != 0 || renameat(out_fd, file, AT_FDCWD, target) != 0)
        status = assay_fail_errno(err, errno, "move to %.150s", target);

out:
    if (fd >= 0)
        close(fd);
    close(out_fd);
    return status;
}

// What registries there are is asked only where it matters.
enum assay_status assay_fetch_run(struct assay_depot *depot, struct assay_sandbox *sandbox,
        const struct assay_access *access, const char *const *argv, const char *file,
        const char *dir, struct assay_error *err)
{
    char scratch[PATH_MAX] = "", out[PATH_MAX];
    struct assay_setup setup = {
            .name = "fetch", .argv = argv, .out = out, .log_fd = -1, .access = access};
    struct assay_arena *arena = NULL;
    enum assay_status status = ASSAY_OK;

    if (file != NULL && (!assay_fs_path_is_plain(file) || strchr(file, '/') != NULL))
        return assay_fail(err, ASSAY_EINVAL, "not a plain name: '%.150s'", file);
    status = assay_arena_create(&arena, REGISTRY_BYTES_MAX, err);
    if (status == ASSAY_OK && access != NULL && access->network == ASSAY_NETWORK_ALLOWLIST)
        status = assay_registry_hosts(&setup.hosts, depot, sandbox, arena, err);
    if (file == NULL) {
        (void)snprintf(out, sizeof(out), "%s", dir);
    } else {
        if (status == ASSAY_OK)
            status = assay_depot_tmp(depot, scratch, err);
        if (status == ASSAY_OK)
            status = assay_depot_path(out, scratch, "out", err);
        if (status == ASSAY_OK)
            status = assay_depot_mkdir(depot, AT_FDCWD, out, err);
    }
    if (status == ASSAY_OK)
        status = assay_setup_run(depot, sandbox, &setup, err);
    if (status == ASSAY_OK && file != NULL)
        status = assay_fetch_take(out, file, dir, err);
    assay_depot_drop_tmp(depot, scratch);
    assay_arena_destroy(arena);
    return status;
}
