// SPDX-License-Identifier: MIT
// forge.h - the process that makes inits ready for the spawner and clears away what dead boxes
// leave.
//
// Both are slow in ways that nobody should wait for: on version 1 of control groups, to
// join a group and to remove one wait for the whole host's readers; a mount namespace's end
// waits too; network namespaces contend. So the spawner, which must answer at once, has a
// child that does nothing else. It clones with CLONE_PARENT: every init is the spawner's
// own child, dies with it, and is handed over by its descriptors.
//
//   MAKE   control group made and joined, network namespace, clone3, uid map, GO
//          -> MADE: the init prepares itself and waits for its request; or the fault
//   BURY   the box is dead: its mount namespace goes, its group and network are used again
//   REMOVE a group is nobody's, and the forge did not make it
//
// It holds each box's mount namespace, so that an init's death does not have to take it down.
// When it dies the spawner starts another; what it was making is asked for again.
#ifndef ASSAY_SANDBOX_FORGE_H
#define ASSAY_SANDBOX_FORGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/box.h"
#include "sandbox/cgroup.h"
#include "sandbox/fault.h"
#include "sandbox/mounts.h"

struct spawner;

enum assay_forge_kind { ASSAY_FORGE_MAKE = 1, ASSAY_FORGE_BURY, ASSAY_FORGE_REMOVE };

struct assay_forge_order {
    uint32_t kind;                  // enum assay_forge_kind
    uint32_t slot;                  // of the spawner's table; taken again only after its BURY
    uint64_t group;                 // number of its control group
    uint32_t shape;                 // MAKE: enum assay_shape
    uint32_t uid;                   // MAKE: host uid
    struct assay_box_limits limits; // MAKE: the group's, until the request brings others
};

// Descriptors beside it: pidfd, control socket, the group's directories, its OOM eventfd if any.
struct assay_forge_made {
    uint32_t slot;
    int32_t pid;
    uint64_t group; // its number: another than the order's where one is used again
    struct assay_cgroup_past past;
    struct assay_fault fault; // step empty: made
};

// Start it; *fd is the spawner's end, non-blocking. -1 with errno.
pid_t assay_forge_start(const struct spawner *spawner, int *fd);

// One init made by the calling process itself, in its own network: for boxes with the host's.
// fds as above, the caller's to close.
void assay_forge_make_here(const struct spawner *spawner, const struct assay_forge_order *order,
        struct assay_forge_made *made, int *fds, size_t *fd_count);

#endif
