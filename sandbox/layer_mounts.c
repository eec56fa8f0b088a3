// SPDX-License-Identifier: MIT
// layer_mounts.c - a box's side of snapshots: layers below its overlays, and what it wrote, handed
// up.
//
// What is to be frozen is cloned before the payload exists: a second, read-only view of the same
// tmpfs, which changes as long as somebody in the box writes and never again once all are dead.
// So it costs one mount, and it is there however the box ends.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/sys.h"
#include "sandbox/tree.h"

static const struct assay_layers *layers_of(const struct tree *tree)
{
    return assay_snapshot_layers(tree->plan->from);
}

bool tree_has_layers(const struct tree *tree, const char *target)
{
    return assay_layers_count(layers_of(tree), target) > 0;
}

static void name_layer(char path[PATH_MAX], const struct assay_layer *layer)
{
    (void)snprintf(path, PATH_MAX, "s%u/%s", layer->part, layer->name);
}

bool tree_layer_mode(const struct tree *tree, const char *target, unsigned *mode)
{
    const struct assay_layers *layers = layers_of(tree);
    char path[PATH_MAX];
    struct stat stat;

    *mode = 0755;
    for (size_t i = 0; layers != NULL && i < layers->count; i++) {
        if (strcmp(layers->items[i].target, target) != 0)
            continue;
        name_layer(path, &layers->items[i]);
        if (fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
            return false;
        *mode = stat.st_mode & 07777U;
        return true;
    }
    return true;
}

bool tree_place_parts(struct tree *tree)
{
    for (size_t i = 0; i < tree->parts->count; i++) {
        char name[16];
        int fd = -1;
        bool placed = false;

        (void)snprintf(name, sizeof(name), "s%zu", i);
        if (mkdir(name, 0755) < 0)
            return assay_fault_set(tree->fault, "attach snapshot");
        fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        placed = (fd >= 0 && sys_attach(tree->parts->fds[i], fd) == 0) ||
                assay_fault_set(tree->fault, "attach snapshot");
        if (fd >= 0)
            close(fd);
        if (!placed)
            return false;
    }
    return true;
}

// One after the other: Linux 6.7 and later.
static bool add_singly(const struct tree *tree, int fs_fd, const char *target, const char *lowers)
{
    const struct assay_layers *layers = layers_of(tree);
    char path[PATH_MAX];

    for (size_t i = 0; i < layers->count; i++) {
        if (strcmp(layers->items[i].target, target) != 0)
            continue;
        name_layer(path, &layers->items[i]);
        if (sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir+", path) < 0)
            return false;
    }
    while (*lowers != '\0') {
        const size_t len = strcspn(lowers, ":");

        (void)snprintf(path, sizeof(path), "%.*s", (int)len, lowers);
        if (sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir+", path) < 0)
            return false;
        lowers += len + (lowers[len] == ':');
    }
    return true;
}

// All in one text, of which fsconfig takes 255 bytes.
static bool add_together(const struct tree *tree, int fs_fd, const char *target, const char *lowers)
{
    const struct assay_layers *layers = layers_of(tree);
    char path[PATH_MAX];
    char text[256] = "";
    size_t len = 0;

    for (size_t i = 0; i < layers->count && len < sizeof(text); i++) {
        if (strcmp(layers->items[i].target, target) != 0)
            continue;
        name_layer(path, &layers->items[i]);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? ":" : "", path);
    }
    if (len < sizeof(text) && *lowers != '\0')
        len += (size_t)snprintf(text + len, sizeof(text) - len, ":%s", lowers);
    if (len >= sizeof(text)) {
        errno = ENAMETOOLONG;
        return false;
    }
    return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", text) == 0;
}

bool tree_add_lowers(const struct tree *tree, int fs_fd, const char *target, const char *lowers)
{
    if (!tree_has_layers(tree, target))
        return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", lowers) == 0;
    return add_singly(tree, fs_fd, target, lowers) ||
            (errno == EINVAL && add_together(tree, fs_fd, target, lowers));
}

// --- what this box writes ------------------------------------------------------------------------

static bool freeze(struct tree *tree, const char *name)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    const int fd = sys_open_tree(AT_FDCWD, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0 || sys_mount_setattr(fd, 0, &attr) < 0) {
        (void)assay_fault_set(tree->fault, "freeze");
        if (fd >= 0)
            close(fd);
        return false;
    }
    tree->out->part_fds[tree->out->part_count++] = fd; // assay_layers_check() has counted them
    return true;
}

bool tree_freeze(struct tree *tree)
{
    if (!tree->plan->snapshot)
        return true;
    if (!freeze(tree, "."))
        return false;
    for (size_t i = 0; i < tree->plan->mount_count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "m%zu", i + 1);
        if (assay_layer_has_part(&tree->plan->mounts[i]) && !freeze(tree, name))
            return false;
    }
    return true;
}
