// SPDX-License-Identifier: MIT
// image_layout.c - the tree of an image as a directory, its files hard-linked from blobs.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/image_parts.h"

#define COPY_BYTES ((size_t)1 << 30)

struct layout {
    const struct assay_image_tree *tree;
    const struct assay_image_store *store;
    int dir_fd;
    char path[PATH_MAX]; // of the folder being filled; "" is the root
};

static unsigned char hex_value(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

enum assay_status assay_image_set_attributes(
        int fd, const struct assay_strings *attributes, struct assay_error *err)
{
    for (size_t i = 0; i + 1 < attributes->count; i += 2) {
        unsigned char value[ASSAY_IMAGE_ATTRIBUTE_BYTES_MAX];
        const char *hex = attributes->items[i + 1];
        const size_t size = strlen(hex) / 2;

        for (size_t j = 0; j < size; j++)
            value[j] = (unsigned char)(hex_value(hex[2 * j]) << 4 | hex_value(hex[2 * j + 1]));
        if (fsetxattr(fd, attributes->items[i], value, size, 0) != 0)
            return assay_fail_errno(err, errno, "attribute %.60s", attributes->items[i]);
    }
    return ASSAY_OK;
}

static enum assay_status too_long(const struct layout *l, struct assay_error *err)
{
    return assay_fail(err, ASSAY_EINVAL, "too long a path: ...%.100s",
            l->path + (strlen(l->path) > 100 ? strlen(l->path) - 100 : 0));
}

// A blob of which no more names can be made: a fresh copy takes its place.
static enum assay_status renew(
        const struct layout *l, const struct assay_image_node *node, struct assay_error *err)
{
    const struct timespec times[2] = {{.tv_sec = node->time}, {.tv_sec = node->time}};
    struct assay_depot *depot = l->store->depot;
    char scratch[32];
    ssize_t copied = 1;
    int from = openat(l->store->blobs_fd, node->key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = -1;
    enum assay_status status = ASSAY_OK;

    (void)snprintf(scratch, sizeof(scratch), "r%llu",
            (unsigned long long)atomic_fetch_add(&depot->tmp_next, 1));
    if (from >= 0)
        to = openat(depot->tmp_fd, scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    while (to >= 0 && copied > 0)
        copied = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0);
    if (to < 0 || copied < 0)
        status = assay_fail_errno(err, errno, "copy blob %s", node->key);
    if (status == ASSAY_OK)
        status = assay_depot_own(depot, to, node->mode, err);
    if (status == ASSAY_OK &&
            (fchmod(to, node->mode) != 0 || futimens(to, times) != 0 ||
                    renameat(depot->tmp_fd, scratch, l->store->blobs_fd, node->key) != 0))
        status = assay_fail_errno(err, errno, "name blob %s", node->key);
    if (status != ASSAY_OK && to >= 0)
        (void)unlinkat(depot->tmp_fd, scratch, 0);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

static enum assay_status put_file(
        const struct layout *l, const struct assay_image_node *node, struct assay_error *err)
{
    enum assay_status status;

    if (linkat(l->store->blobs_fd, node->key, l->dir_fd, l->path, 0) == 0)
        return ASSAY_OK;
    if (errno != EMLINK)
        return assay_fail_errno(err, errno, "link %.150s", l->path);
    status = renew(l, node, err);
    if (status == ASSAY_OK && linkat(l->store->blobs_fd, node->key, l->dir_fd, l->path, 0) != 0)
        status = assay_fail_errno(err, errno, "link %.150s", l->path);
    return status;
}

static enum assay_status put_link(
        const struct layout *l, const struct assay_image_node *node, struct assay_error *err)
{
    const struct timespec times[2] = {{.tv_sec = node->time}, {.tv_sec = node->time}};
    uid_t uid = 0;
    gid_t gid = 0;

    assay_depot_ids(l->store->depot, &uid, &gid);
    if (symlinkat(node->target, l->dir_fd, l->path) != 0 ||
            (geteuid() == 0 && fchownat(l->dir_fd, l->path, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) ||
            utimensat(l->dir_fd, l->path, times, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail_errno(err, errno, "link %.150s", l->path);
    return ASSAY_OK;
}

static enum assay_status fill(struct layout *l, size_t dir, struct assay_error *err);

// When all that is in it is there: its mode may forbid more, and its time would not last.
static enum assay_status finish_dir(
        const struct layout *l, const struct assay_image_node *node, struct assay_error *err)
{
    const struct timespec times[2] = {{.tv_sec = node->time}, {.tv_sec = node->time}};
    const int fd = openat(l->dir_fd, l->path[0] == '\0' ? "." : l->path,
            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum assay_status status;

    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", l->path);
    status = assay_image_set_attributes(fd, &node->attributes, err);
    if (status == ASSAY_OK && (fchmod(fd, node->mode) != 0 || futimens(fd, times) != 0))
        status = assay_fail_errno(err, errno, "mode of %.150s", l->path);
    close(fd);
    return status;
}

static enum assay_status put_node(struct layout *l, size_t index, struct assay_error *err)
{
    const struct assay_image_node *node = &l->tree->nodes[index];
    const size_t len = strlen(l->path);
    enum assay_status status = ASSAY_OK;

    if ((size_t)snprintf(l->path + len, sizeof(l->path) - len, "%s%s", len == 0 ? "" : "/",
                node->name) >= sizeof(l->path) - len)
        return too_long(l, err);
    if (node->kind == 'd') {
        status = assay_depot_mkdir(l->store->depot, l->dir_fd, l->path, err);
        if (status == ASSAY_OK)
            status = fill(l, index, err);
        if (status == ASSAY_OK)
            status = finish_dir(l, node, err);
    } else if (node->kind == 'l') {
        status = put_link(l, node, err);
    } else {
        status = put_file(l, node, err);
    }
    l->path[len] = '\0';
    return status;
}

static enum assay_status fill(struct layout *l, size_t dir, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = l->tree->nodes[dir].child; i != 0 && status == ASSAY_OK;
            i = l->tree->nodes[i].next)
        if (!l->tree->nodes[i].dead)
            status = put_node(l, i, err);
    return status;
}

enum assay_status assay_image_lay_out(const struct assay_image_tree *tree,
        const struct assay_image_store *store, int dir_fd, struct assay_error *err)
{
    struct layout layout = {.tree = tree, .store = store, .dir_fd = dir_fd};
    enum assay_status status = fill(&layout, 0, err);

    return status == ASSAY_OK ? finish_dir(&layout, &tree->nodes[0], err) : status;
}
