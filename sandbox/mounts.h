// SPDX-License-Identifier: MIT
// mounts.h - the box's mount tree: made by its init, in its own mount namespace, before the payload
// is.
//
// Sources (host directories) are opened first, as detached mounts: by the
// spawner when it is root, which reaches below folders that the box's user
// cannot, and can shift owners (idmapped mounts); else by the init itself. Then
// one tmpfs of the box's disk size is mounted out of the payload's sight and
// everything the box may write lives in it:
//
//   <tmpfs>/root          the new root (itself, or an overlay mounted there)
//   <tmpfs>/u0 w0 u2 ...  uppers and work directories of overlays
//   <tmpfs>/l0 l1 ...     where lowers are attached for an overlay to find them
//   <tmpfs>/s0 s1 ...     likewise the parts of a snapshot (layer.h tells the names of layers)
//   <tmpfs>/p0 .. q2      uppers and work directories of /tmp, /var/tmp and /home/box over those
//   <tmpfs>/m0 ...        where a TMPFS mount with a size is attached when it is to be frozen
//   <tmpfs>/shm t1 ...    what /dev/shm and TMPFS mounts show
//   <tmpfs>/empty         hides /usr/local and masked directories of /proc
//
// Made in two stages: what all boxes of a shape have alike, before the plan is
// known; then the plan's own. After pivot_root the old root is detached and only what was attached
// below the new root can be reached. Targets are resolved with RESOLVE_IN_ROOT.
#ifndef ASSAY_SANDBOX_MOUNTS_H
#define ASSAY_SANDBOX_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/box.h"
#include "sandbox/fault.h"
#include "sandbox/layer.h"
#include "sandbox/plan.h"
#include "sandbox/skeleton.h"

#define ASSAY_SOURCES_MAX ((ASSAY_PLAN_MOUNTS_MAX + 1) * (ASSAY_MOUNT_LOWERS_MAX + 1))

// Detached mounts in the plan's order: the root's lowers, the folder of its
// upper if it has one, then the same for each mount.
struct assay_sources {
    int *fds; // owned; -1: optional and missing
    size_t count;
    bool keeps_upper; // some upper stays on the host
};

// How many a plan has, and whether it keeps an upper.
void assay_sources_init(struct assay_sources *sources, const struct assay_box_plan *plan);
// idmap_fd: a user namespace that maps the store's uid to box_uid, the box's host
// uid, or -1. *refused is set when it is the owner shift that the kernel did not want.
bool assay_sources_open(struct assay_sources *sources, const struct assay_box_plan *plan,
        int idmap_fd, unsigned store_uid, unsigned box_uid, bool *refused,
        struct assay_fault *fault);
void assay_sources_close(struct assay_sources *sources);

#define ASSAY_TMPFS_MAX 8

// What can be made before the plan is known.
enum assay_shape {
    ASSAY_SHAPE_PLAIN,        // the host's /usr, an empty root, no network: the whole system part
    ASSAY_SHAPE_OTHER,        // nothing
    ASSAY_SHAPE_HOST_NETWORK, // nothing, and no network namespace
};
enum assay_shape assay_mounts_shape(const struct assay_box_plan *plan);

// What stays open after the tree is made.
struct assay_mounts {
    const struct assay_skeleton *skeleton; // borrowed
    enum assay_shape shape;
    bool staged;
    bool outer_proc;                   // tier B: /proc is that of the pid namespace around the box
    bool entered;                      // the new root is our root already
    int root_fd;                       // the new root until it is complete; -1
    int proc_fd;                       // the box's /proc, for the meter
    int out_dir_fd;                    // -1: the plan wants none
    int part_fds[ASSAY_BOX_PARTS_MAX]; // detached read-only mounts of what a snapshot is to keep
    size_t part_count;
    int tmpfs_fds[ASSAY_TMPFS_MAX]; // a directory on each tmpfs that the payload can fill
    size_t tmpfs_count;
};

// Both are called in the box's namespaces, with all capabilities in them, as its
// user; the second enters the new root. On failure the process is to end.
// `staged`: the spawner made the stage (stage.h). Not `fresh_proc`: tier B.
bool assay_mounts_prepare(struct assay_mounts *out, enum assay_shape shape,
        const struct assay_skeleton *skeleton, bool staged, bool fresh_proc,
        struct assay_fault *fault);
bool assay_mounts_finish(struct assay_mounts *mounts, const struct assay_box_plan *plan,
        const struct assay_sources *sources, const struct assay_sources *parts,
        struct assay_fault *fault);

// Is one of the box's tmpfs full?
bool assay_mounts_full(const struct assay_mounts *mounts);

#endif
