// SPDX-License-Identifier: MIT
#include "sandbox/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/spawner.h"
#include "sandbox/sys.h"
#include "sandbox/tree.h"

// An ordinary user owns no mounts but those of a user namespace of its own. Its
// uid stays what it is, and boxes' namespaces are then children of that one.
static bool enter_namespaces(const struct assay_ids *ids, struct assay_fault *fault)
{
    if (ids->root)
        return unshare(CLONE_NEWNS) == 0 || assay_fault_set(fault, "stage: mount namespace");
    const struct assay_id_map map = {
            ids->store_uid, ids->store_gid, ids->store_uid, ids->store_gid};

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return assay_fault_set(fault, "stage: user namespace");
    return assay_spawn_write_maps(getpid(), &map) || assay_fault_set(fault, "stage: uid map");
}

// A device can be made by root, and opened where the file system that holds it lets it be: one of
// the stage's own, because the stage itself has none. False: nothing is left of it.
static bool make_devices(struct tree *tree)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    const int fs_fd = sys_fsopen("tmpfs");
    int fd = -1;
    bool made = false;

    if (fs_fd >= 0 && sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", "0755") == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    made = fd >= 0 && tree_fill_dev(tree, fd, false) && assay_stage_make_nodes(fd) &&
            sys_mount_setattr(fd, 0, &attr) == 0 &&
            (mkdirat(tree->root_fd, "dev", 0755) == 0 || errno == EEXIST) &&
            sys_attach_at(fd, tree->root_fd, "dev") == 0;
    if (fd >= 0)
        close(fd);
    if (fs_fd >= 0)
        close(fs_fd);
    return made;
}

// What was copied need not be mounted.
static void copy_etc(struct assay_skeleton *rest, const struct tree *tree)
{
    char path[sizeof(rest->entries[0].path) + 1];
    size_t kept = 0;

    for (size_t i = 0; i < rest->count; i++) {
        const struct assay_skeleton_entry *entry = &rest->entries[i];

        (void)snprintf(path, sizeof(path), "/%s", entry->path);
        if (entry->kind != ASSAY_SKELETON_BIND || strncmp(path, "/etc/", 5) != 0 ||
                !assay_stage_copy(tree->root_fd, path, entry->is_directory))
            rest->entries[kept++] = *entry;
    }
    rest->count = kept;
}

static bool fill(struct tree *tree, bool root)
{
    static struct assay_skeleton rest; // texts stay the caller's
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int stage_fd = -1;
    bool sealed = false;

    rest = *tree->skeleton;
    if (mkdir("root", 0755) < 0 || mkdir("empty", 0555) < 0 || mkdir("root/etc", 0755) < 0 ||
            mkdir("proc", 0555) < 0 || mkdir("dev", 0755) < 0 ||
            symlink("/", "." ASSAY_STAGE_PATH) < 0) // for assay_stage_enter()
        return assay_fault_set(tree->fault, "stage: fill");
    tree->root_fd = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree->root_fd < 0)
        return assay_fault_set(tree->fault, "stage: fill");
    copy_etc(&rest, tree);
    tree->skeleton = &rest;
    if (!tree_add_skeleton(tree) || (!(root && make_devices(tree)) && !tree_add_devices(tree)))
        return false;
    stage_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    sealed = stage_fd >= 0 && sys_mount_setattr(stage_fd, 0, &attr) == 0;
    if (!sealed)
        (void)assay_fault_set(tree->fault, "stage: seal");
    if (stage_fd >= 0)
        close(stage_fd);
    return sealed;
}

bool assay_stage_enter(struct assay_fault *fault)
{
    int proc_fd = -1;
    bool entered = false;

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return assay_fault_set(fault, "stage: mount namespace");
    proc_fd = sys_open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    entered = proc_fd >= 0 && chdir(ASSAY_STAGE_PATH) == 0 &&
            sys_attach_at(proc_fd, AT_FDCWD, "proc") == 0 && sys_pivot_root(".", ".") == 0 &&
            umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
    if (!entered)
        (void)assay_fault_set(fault, "stage: enter");
    if (proc_fd >= 0)
        close(proc_fd);
    return entered;
}

bool assay_stage_make(const struct assay_skeleton *skeleton, const struct assay_ids *ids,
        struct assay_fault *fault)
{
    struct assay_box_plan plan;
    struct tree tree = {
            .plan = &plan, .skeleton = skeleton, .root_fd = -1, .plain = true, .fault = fault};
    bool made = false;

    assay_box_plan_default(&plan);
    plan.host_usr = true;
    if (!enter_namespaces(ids, fault))
        return false;
    // The host's later mounts still arrive here, and ours never leave.
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
            mount("assay", ASSAY_STAGE_PATH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
            chdir(ASSAY_STAGE_PATH) < 0)
        return assay_fault_set(fault, "stage: mount");
    (void)umask(0);
    made = fill(&tree, ids->root);
    (void)umask(022);
    if (tree.root_fd >= 0)
        close(tree.root_fd);
    return chdir("/") == 0 && made;
}
