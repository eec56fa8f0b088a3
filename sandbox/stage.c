// SPDX-License-Identifier: MIT
#include "sandbox/stage.h"

#include <fcntl.h>
#include <sched.h>
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

static bool fill(struct tree *tree)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int stage_fd = -1;
    bool sealed = false;

    if (mkdir("root", 0755) < 0 || mkdir("empty", 0555) < 0)
        return assay_fault_set(tree->fault, "stage: fill");
    tree->root_fd = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree->root_fd < 0)
        return assay_fault_set(tree->fault, "stage: fill");
    if (!tree_add_skeleton(tree) || !tree_add_devices(tree))
        return false;
    stage_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    sealed = stage_fd >= 0 && sys_mount_setattr(stage_fd, 0, &attr) == 0;
    if (!sealed)
        (void)assay_fault_set(tree->fault, "stage: seal");
    if (stage_fd >= 0)
        close(stage_fd);
    return sealed;
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
    made = fill(&tree);
    (void)umask(022);
    if (tree.root_fd >= 0)
        close(tree.root_fd);
    return chdir("/") == 0 && made;
}
