// SPDX-License-Identifier: MIT
// sources.c - open the host's directories that a plan names, as detached mounts.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/mounts.h"
#include "sandbox/spawner.h"
#include "sandbox/sys.h"

void assay_sources_init(struct assay_sources *sources, const struct assay_box_plan *plan)
{
    memset(sources, 0, sizeof(*sources));
    sources->count = plan->root_lower_count + (plan->root_upper != NULL);
    sources->keeps_upper = plan->root_upper != NULL;
    for (size_t i = 0; i < plan->mount_count; i++) {
        sources->count += plan->mounts[i].lower_count + (plan->mounts[i].upper != NULL);
        sources->keeps_upper = sources->keeps_upper || plan->mounts[i].upper != NULL;
    }
}

// Options of one opening, the same for all sources of a box.
struct opening {
    struct assay_sources *sources;
    size_t next;
    int idmap_fd;
    bool shifts; // we are root: an owner can be shifted
    unsigned store_uid, box_uid;
    bool *refused;
    struct assay_fault *fault;
};

// idmap_fd -1: owners stay as they are.
static bool set_attributes(struct opening *opening, int fd, uint64_t flags, int idmap_fd)
{
    struct mount_attr attr = {.attr_set = flags};

    if (idmap_fd >= 0) {
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (unsigned)idmap_fd;
    }
    if (attr.attr_set == 0)
        return true;
    if (sys_mount_setattr(fd, AT_RECURSIVE, &attr) == 0)
        return true;
    *opening->refused = (attr.attr_set & MOUNT_ATTR_IDMAP) != 0;
    return assay_fault_set(opening->fault, "mount attributes");
}

// The mount's owner becomes the box's user.
static bool shift_owner(
        struct opening *opening, int fd, uint64_t flags, const struct assay_mount *mount)
{
    const struct assay_id_map map = {
            mount->owner_uid, mount->owner_gid, opening->box_uid, opening->box_uid};
    const int idmap_fd = assay_spawn_map_namespace(&map);
    bool shifted = false;

    if (idmap_fd < 0)
        return assay_fault_set(opening->fault, "map the owner");
    shifted = set_attributes(opening, fd, flags, idmap_fd);
    close(idmap_fd);
    return shifted;
}

// A read-only clone of the tree at `path`; `mount` is NULL for the root's.
static bool open_lower(struct opening *opening, const char *path, const struct assay_mount *mount)
{
    const uint64_t flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    const bool bind = mount != NULL && mount->kind == ASSAY_MOUNT_BIND_RO;
    const int fd =
            sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    struct stat stat;
    bool shift = true;

    if (fd < 0 && bind && mount->optional && (errno == ENOENT || errno == ENOTDIR)) {
        opening->sources->fds[opening->next++] = -1;
        return true;
    }
    if (fd < 0)
        return assay_fault_set(opening->fault, "open lower");
    opening->sources->fds[opening->next++] = fd;
    if (mount != NULL && mount->owned && opening->shifts)
        return shift_owner(opening, fd, flags, mount);
    // A bind of something that is not the store's (a host directory) keeps its owners.
    if (bind) {
        if (fstat(fd, &stat) < 0)
            return assay_fault_set(opening->fault, "open lower");
        shift = stat.st_uid == opening->store_uid;
    }
    return set_attributes(opening, fd, flags, shift ? opening->idmap_fd : -1);
}

// Upper and work must be reached through one mount: the folder that holds both.
static bool open_upper(struct opening *opening, const char *upper)
{
    char folder[PATH_MAX];
    const size_t len = (size_t)(strrchr(upper, '/') - upper);
    int fd = -1;

    memcpy(folder, upper, len);
    memcpy(folder + len, len == 0 ? "/" : "", len == 0 ? 2 : 1);
    fd = sys_open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0)
        return assay_fault_set(opening->fault, "open upper");
    opening->sources->fds[opening->next++] = fd;
    return true; // a box that keeps an upper runs as the store's uid: nothing to shift
}

bool assay_sources_open(struct assay_sources *sources, const struct assay_box_plan *plan,
        int idmap_fd, unsigned store_uid, unsigned box_uid, bool *refused,
        struct assay_fault *fault)
{
    struct opening opening = {.sources = sources,
            .idmap_fd = idmap_fd,
            .store_uid = store_uid,
            .box_uid = box_uid,
            .shifts = geteuid() == 0,
            .refused = refused,
            .fault = fault};

    *refused = false;
    sources->fds = malloc((sources->count + 1) * sizeof(*sources->fds));
    if (sources->fds == NULL)
        return assay_fault_errno(fault, "open sources", ENOMEM);
    for (size_t i = 0; i < sources->count; i++)
        sources->fds[i] = -1;
    for (size_t i = 0; i < plan->root_lower_count; i++)
        if (!open_lower(&opening, plan->root_lowers[i], NULL))
            return false;
    if (plan->root_upper != NULL && !open_upper(&opening, plan->root_upper))
        return false;
    for (size_t m = 0; m < plan->mount_count; m++) {
        const struct assay_mount *mount = &plan->mounts[m];

        for (size_t i = 0; i < mount->lower_count; i++)
            if (!open_lower(&opening, mount->lowers[i], mount))
                return false;
        if (mount->upper != NULL && !open_upper(&opening, mount->upper))
            return false;
    }
    return true;
}

void assay_sources_close(struct assay_sources *sources)
{
    for (size_t i = 0; sources->fds != NULL && i < sources->count; i++)
        if (sources->fds[i] >= 0)
            close(sources->fds[i]);
    free(sources->fds);
    sources->fds = NULL;
    sources->count = 0;
}
