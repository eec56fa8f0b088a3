// SPDX-License-Identifier: MIT
// apply_layer.c - writes edits as an overlay's upper directory.
//
// The layer starts empty and every name in it is ours, but the paths are hostile:
// each is opened component by component beneath layer_fd, never through a link.
// A directory of the layer that stands over a file of the lower tree hides it, so
// a removal below which something new stands needs no whiteout of its own.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/apply.h"

struct layer {
    int fd;
    uid_t uid;
    gid_t gid;
    char parent[ASSAY_PATH_BYTES_MAX + 1]; // of the edit at hand; "" is the root
    const char *name;                      // its last component
};

static const struct timespec layer_times[2] = {
        {.tv_sec = ASSAY_LAYER_MTIME}, {.tv_sec = ASSAY_LAYER_MTIME}};

static enum assay_status split(struct layer *layer, const char *path, struct assay_error *err)
{
    const char *slash = strrchr(path, '/');

    if (!assay_patch_path_allowed(path))
        return assay_fail(err, ASSAY_EREFUSED, "%.150s: not a path to write", path);
    layer->name = slash != NULL ? slash + 1 : path;
    memcpy(layer->parent, path, (size_t)(layer->name - path));
    layer->parent[slash != NULL ? slash - path : 0] = '\0';
    return ASSAY_OK;
}

// The directory `path` ("" is the layer itself), opened; -1 with errno.
static int open_dir(const struct layer *layer, const char *path)
{
    if (path[0] == '\0')
        return fcntl(layer->fd, F_DUPFD_CLOEXEC, 0);
    return assay_fs_open_beneath(layer->fd, path, O_RDONLY | O_DIRECTORY, 0);
}

// Owner and times of what `name` in dir_fd is.
static int settle(const struct layer *layer, int dir_fd, const char *name)
{
    if (fchownat(dir_fd, name, layer->uid, layer->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return utimensat(dir_fd, name, layer_times, AT_SYMLINK_NOFOLLOW);
}

static enum assay_status write_regular(const struct layer *layer, int dir_fd,
        const struct assay_edit *edit, struct assay_error *err)
{
    const mode_t mode = edit->executable ? 0755 : 0644;
    const int fd =
            openat(dir_fd, layer->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    enum assay_status status = ASSAY_OK;

    if (fd < 0)
        return assay_fail_errno(err, errno, "create %.150s", edit->path);
    status = assay_fs_write_all(fd, edit->content.data, edit->content.len, err);
    // The mode explicitly: a umask may have cut it.
    if (status == ASSAY_OK && fchmod(fd, mode) != 0)
        status = assay_fail_errno(err, errno, "chmod %.150s", edit->path);
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "close %.150s", edit->path);
    return status;
}

static enum assay_status write_edit(
        const struct layer *layer, const struct assay_edit *edit, struct assay_error *err)
{
    const int dir_fd = open_dir(layer, layer->parent);
    enum assay_status status = ASSAY_OK;

    if (dir_fd < 0)
        return assay_fail_errno(err, errno, "open the folder of %.150s", edit->path);
    switch (edit->kind) {
    case ASSAY_FILE_REGULAR:
        status = write_regular(layer, dir_fd, edit, err);
        break;
    case ASSAY_FILE_LINK:
        if (symlinkat(edit->content.data, dir_fd, layer->name) != 0)
            status = assay_fail_errno(err, errno, "link %.150s", edit->path);
        break;
    case ASSAY_FILE_NONE:
        if (mknodat(dir_fd, layer->name, S_IFCHR, makedev(0, 0)) != 0)
            status = assay_fail_errno(err, errno, "whiteout %.150s", edit->path);
        break;
    case ASSAY_FILE_DIR:
    case ASSAY_FILE_OTHER:
        status = assay_fail(err, ASSAY_EINVAL, "%.150s: not an edit", edit->path);
        break;
    }
    if (status == ASSAY_OK && settle(layer, dir_fd, layer->name) != 0)
        status = assay_fail_errno(err, errno, "owner and times of %.150s", edit->path);
    close(dir_fd);
    return status;
}

// Does the next edit that is not below a longer name stand below this one? Edits are sorted, yet
// "a-b" stands between "a" and "a/b".
static bool has_edit_below(const struct assay_edits *edits, size_t index)
{
    const char *path = edits->items[index].path;
    const size_t len = strlen(path);

    for (size_t i = index + 1; i < edits->count; i++) {
        const char *other = edits->items[i].path;

        if (strncmp(other, path, len) != 0 || (unsigned char)other[len] > '/')
            return false;
        if (other[len] == '/')
            return true;
    }
    return false;
}

static enum assay_status write_all(
        struct layer *layer, const struct assay_edits *edits, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        const struct assay_edit *edit = &edits->items[i];

        if (edit->kind == ASSAY_FILE_NONE && has_edit_below(edits, i))
            continue;
        status = split(layer, edit->path, err);
        if (status == ASSAY_OK && layer->parent[0] != '\0')
            status = assay_fs_mkdirs(layer->fd, layer->parent, 0755, err);
        if (status == ASSAY_OK)
            status = write_edit(layer, edit, err);
    }
    return status;
}

// Last, since writing into a directory changes its times: every directory on
// the way to the edit, from the inside out.
static enum assay_status settle_folders(
        struct layer *layer, const struct assay_edit *edit, struct assay_error *err)
{
    enum assay_status status = split(layer, edit->path, err);

    while (status == ASSAY_OK) {
        char *slash = NULL;
        const int fd = open_dir(layer, layer->parent);

        if (fd < 0 || fchown(fd, layer->uid, layer->gid) != 0 ||
                (layer->parent[0] != '\0' && fchmod(fd, 0755) != 0) ||
                futimens(fd, layer_times) != 0)
            status = assay_fail_errno(err, errno, "owner and times of %.150s", layer->parent);
        if (fd >= 0)
            close(fd);
        if (layer->parent[0] == '\0')
            break;
        slash = strrchr(layer->parent, '/');
        *(slash != NULL ? slash : layer->parent) = '\0';
    }
    return status;
}

enum assay_status assay_edits_write_layer(const struct assay_edits *edits, int layer_fd, uid_t uid,
        gid_t gid, struct assay_error *err)
{
    struct layer layer = {.fd = layer_fd, .uid = uid, .gid = gid};
    enum assay_status status = write_all(&layer, edits, err);

    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        // Neighbours mostly share their folder.
        const char *path = edits->items[i].path;
        const char *slash = strrchr(path, '/');
        const size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 0;

        if (i > 0 && strncmp(path, edits->items[i - 1].path, len) == 0 &&
                strchr(edits->items[i - 1].path + len, '/') == NULL)
            continue;
        if (edits->items[i].kind == ASSAY_FILE_NONE && has_edit_below(edits, i))
            continue;
        status = settle_folders(&layer, &edits->items[i], err);
    }
    return status;
}
