// SPDX-License-Identifier: MIT
#include "envs/edits_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static enum assay_status write_file(
        int dir_fd, const struct assay_edit *edit, struct assay_error *err)
{
    const mode_t mode = edit->executable ? 0755 : 0644;
    const int fd = assay_fs_open_beneath(
            dir_fd, edit->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    enum assay_status status;

    if (fd < 0)
        return assay_fail_errno(err, errno, "write %.150s", edit->path);
    status = assay_fs_write_all(fd, edit->content.data, edit->content.len, err);
    if (status == ASSAY_OK && fchmod(fd, mode) != 0)
        status = assay_fail_errno(err, errno, "write %.150s", edit->path);
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "write %.150s", edit->path);
    return status;
}

// What stands at the path goes: a directory with all that is in it, for an edit of its own path
// says that it is empty after the others, or that something else takes its place.
static enum assay_status make_way(int base_fd, const char *path, struct assay_error *err)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int fd = base_fd;
    enum assay_status status = ASSAY_OK;

    if (slash) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
        fd = assay_fs_open_beneath(base_fd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
            return ASSAY_OK;
    }
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", dir);
    if (unlinkat(fd, name, 0) != 0 && errno != ENOENT)
        status = errno == EISDIR ? assay_fs_remove_tree(fd, name, err)
                                 : assay_fail_errno(err, errno, "remove %.150s", path);
    if (slash)
        close(fd);
    return status;
}

static enum assay_status write_edit(
        int base_fd, const struct assay_edit *edit, struct assay_error *err)
{
    char dir[4096];
    const char *slash = strrchr(edit->path, '/');
    enum assay_status status = make_way(base_fd, edit->path, err);

    if (status != ASSAY_OK || edit->kind == ASSAY_FILE_NONE)
        return status;
    if (slash) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - edit->path), edit->path);
        status = assay_fs_mkdirs(base_fd, dir, 0755, err);
    }
    if (status != ASSAY_OK)
        return status;
    if (edit->kind == ASSAY_FILE_LINK)
        return symlinkat(edit->content.data, base_fd, edit->path) == 0
                ? ASSAY_OK
                : assay_fail_errno(err, errno, "link %.150s", edit->path);
    return write_file(base_fd, edit, err);
}

enum assay_status assay_edits_write_tree(
        const struct assay_edits *edits, int dir_fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++)
        status = write_edit(dir_fd, &edits->items[i], err);
    return status;
}
