// SPDX-License-Identifier: MIT
#include "tasks/patch_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "tasks/patch_make.h"
#include "tasks/suite_read.h"

#define DEPTH_MAX 64
#define PATH_BYTES 4096

struct adding {
    struct assay_buf *patch;
    const char *shown, *to, *except;
};

static enum assay_status add_file(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    const struct adding *adding = user;
    struct assay_arena *arena = NULL;
    struct assay_bytes text = {NULL, 0};
    char shown[PATH_BYTES], path[PATH_BYTES];
    enum assay_status status;

    (void)snprintf(shown, sizeof(shown), "%s/%s", adding->shown, entry->path);
    if (S_ISDIR(entry->stat.st_mode) ||
            (adding->except != NULL && strcmp(entry->path, adding->except) == 0))
        return ASSAY_OK;
    if ((size_t)snprintf(path, sizeof(path), "%s%s%s", adding->to, adding->to[0] == '\0' ? "" : "/",
                entry->path) >= sizeof(path) ||
            strpbrk(path, "\"\\\n\t\r") != NULL)
        return assay_fail(err, ASSAY_EINVAL, "%.150s: a name that a patch cannot hold", shown);
    status = assay_arena_create(&arena, ASSAY_SUITE_TEXT_BYTES_MAX + PATH_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_suite_file(
                &text, entry->dir_fd, entry->name, shown, ASSAY_SUITE_TEXT_BYTES_MAX, arena, err);
    if (status == ASSAY_OK)
        assay_patch_add_file(adding->patch, path, (entry->stat.st_mode & S_IXUSR) != 0, text);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_patch_add_folder(struct assay_buf *patch, int dir_fd, const char *path,
        const char *to, const char *except, const char *shown, struct assay_error *err)
{
    struct adding adding = {patch, shown, to, except};
    const int fd = assay_fs_open_beneath(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    char file[ASSAY_PATH_SHORT_BYTES];
    enum assay_status status;

    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", assay_path_short(file, shown));
    status = assay_fs_walk(fd, DEPTH_MAX, add_file, &adding, err);
    close(fd);
    return status;
}
