// SPDX-License-Identifier: MIT
// overlay_mounts.c - overlays of a plan and of a snapshot's layers.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/procfile.h"
#include "sandbox/sys.h"
#include "sandbox/tree.h"

// Make directory `name` in the box's tmpfs and attach a source there.
static bool place_source(struct tree *tree, const char *name, const char *step)
{
    const int source_fd = tree->sources->fds[tree->source_next++];
    int fd = -1;
    bool placed = false;

    if (mkdir(name, 0755) < 0)
        return assay_fault_set(tree->fault, step);
    fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fault_set(tree->fault, step);
    placed = sys_attach(source_fd, fd) == 0 || assay_fault_set(tree->fault, step);
    close(fd);
    return placed;
}

static bool place_lowers(struct tree *tree, struct tree_overlay *overlay)
{
    size_t len = 0;

    for (size_t i = 0; i < overlay->lower_count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "l%u", tree->lower_next++);
        if (!place_source(tree, name, "attach lower"))
            return false;
        len += (size_t)snprintf(overlay->lowers + len, sizeof(overlay->lowers) - len, "%s%s",
                i > 0 ? ":" : "", name);
        if (len >= sizeof(overlay->lowers))
            return assay_fault_errno(tree->fault, "overlay names", ENAMETOOLONG);
    }
    return true;
}

// A box with a kept upper has no layers below it, and a directory of the host has its own mode.
static bool place_upper(struct tree *tree, struct tree_overlay *overlay)
{
    char name[16];

    if (overlay->host_upper == NULL) {
        unsigned mode = 0;

        return (tree_layer_mode(tree, overlay->target, &mode) && mkdir(overlay->upper, mode) == 0 &&
                       mkdir(overlay->work, 0755) == 0) ||
                assay_fault_set(tree->fault, "make upper");
    }
    (void)snprintf(name, sizeof(name), "f%s", overlay->upper);
    if (!place_source(tree, name, "attach upper"))
        return false;
    (void)snprintf(overlay->upper, sizeof(overlay->upper), "%s%s", name,
            strrchr(overlay->host_upper, '/'));
    (void)snprintf(
            overlay->work, sizeof(overlay->work), "%s%s", name, strrchr(overlay->host_work, '/'));
    return true;
}

// An overlay, detached. userxattr: without it deleting a populated lower
// directory fails with EIO in a user namespace.
int tree_make_overlay(struct tree *tree, struct tree_overlay *overlay)
{
    int fs_fd = -1;
    int fd = -1;

    if (!place_lowers(tree, overlay) || !place_upper(tree, overlay))
        return -1;
    fs_fd = sys_fsopen("overlay");
    if (fs_fd < 0) {
        (void)assay_fault_set(tree->fault, "overlay");
        return -1;
    }
    if (tree_add_lowers(tree, fs_fd, overlay->target, overlay->lowers) &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "upperdir", overlay->upper) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "workdir", overlay->work) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0) // before Linux 6.7 all layers must be named in 255 bytes
        (void)assay_fault_set(
                tree->fault, errno == ENAMETOOLONG ? "too many layers" : "mount overlay");
    close(fs_fd);
    return fd;
}
