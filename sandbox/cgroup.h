// SPDX-License-Identifier: MIT
// cgroup.h - limits and accounting by control groups, for every shape of host.
//
// A host has one tree (v2), one a controller (v1), both (hybrid) or none that we
// may write. A table of trees says which of four roles each one plays; a role
// that no tree plays falls back to rlimits and to the init's own meter. Groups
// are made below the group we are in, never above it.
//
//   role     v2                                   v1
//   MEMORY   memory.max, .swap.max, .oom.group    memory.limit_in_bytes, .memsw.limit_in_bytes
//   PIDS     pids.max                             pids.max
//   CPU      cpu.stat (with no controller too)    cpuacct.usage_user, cpuacct.usage_sys
//   KILL     cgroup.kill (likewise)               -
#ifndef ASSAY_SANDBOX_CGROUP_H
#define ASSAY_SANDBOX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/box.h"
#include "sandbox/fault.h"

#define ASSAY_CGROUP_MEMORY 1U
#define ASSAY_CGROUP_PIDS 2U
#define ASSAY_CGROUP_CPU 4U
#define ASSAY_CGROUP_KILL 8U
#define ASSAY_CGROUP_TREES_MAX 4

struct assay_cgroup_tree {
    char path[PATH_MAX]; // our groups are made in this directory
    int dir_fd;          // O_PATH on it
    bool v2;
    unsigned roles;
};

struct assay_cgroups {
    struct assay_cgroup_tree trees[ASSAY_CGROUP_TREES_MAX];
    size_t tree_count;
    unsigned roles; // of all trees
    enum assay_cgroup_shape shape;
    char prefix[80]; // "assay-<pid namespace>-<pid>-<start time>": unique while the host is up
    uint64_t next;   // number of the next group
};

// Where things are; tests give a mock. NULL fields take the kernel's.
struct assay_cgroup_host {
    const char *root;        // put before every mount point
    const char *memberships; // text of /proc/self/cgroup
    const char *mounts;      // text of /proc/self/mountinfo
    bool hide;               // as if there were none
};

// Find the trees and what we may do there, by trying. Never fails: no tree is a shape too.
void assay_cgroups_open(struct assay_cgroups *out, const struct assay_cgroup_host *host);
void assay_cgroups_close(struct assay_cgroups *groups);

// Remove groups of spawners of this pid namespace that are dead; returns how many.
unsigned assay_cgroups_sweep(struct assay_cgroups *groups);

// The numbers of this spawner's groups that there are, in no order; one a tree.
void assay_cgroups_visit(const struct assay_cgroups *groups,
        void (*visit)(void *context, uint64_t number), void *context);

// What boxes used that had the group before (groups.h).
struct assay_cgroup_past {
    uint64_t cpu_user_us, cpu_system_us;
};

// The group of one box, as open directories. Its name is the prefix and a number.
struct assay_cgroup {
    int dirs[ASSAY_CGROUP_TREES_MAX]; // O_PATH; -1: none
    int oom_fd;                       // v1: an eventfd that tells of an OOM; -1
    struct assay_cgroup_past past;
};

// No group.
void assay_cgroup_init(struct assay_cgroup *group);
// Make the group, before the box's first process exists.
bool assay_cgroup_create(struct assay_cgroup *out, const struct assay_cgroups *groups,
        uint64_t number, struct assay_fault *fault);
// Write its limits, before the box's first foreign code runs.
bool assay_cgroup_limit(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        const struct assay_box_limits *limits, struct assay_fault *fault);
// Directory for CLONE_INTO_CGROUP, or -1.
int assay_cgroup_clone_fd(const struct assay_cgroup *group, const struct assay_cgroups *groups);
// Put a process into the v1 trees (and into v2 if it was not cloned there).
bool assay_cgroup_add(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        pid_t pid, bool cloned_into_v2, struct assay_fault *fault);
// Faster than the kill of the box's init where there is much to kill. With little it is not done:
// it may wait for somebody on the host who is just joining a group.
void assay_cgroup_kill(const struct assay_cgroup *group, const struct assay_cgroups *groups);

struct assay_cgroup_usage {
    uint64_t cpu_user_us, cpu_system_us;
    uint64_t memory_bytes_peak;
    uint32_t pids_peak;
    bool oom;      // something in the group was killed for memory
    bool pids_hit; // a fork was refused
};

// Zeros for roles that nothing plays. Cheap enough to call while the box runs.
void assay_cgroup_read_cpu(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        struct assay_cgroup_usage *usage);
// The same for who may not come near the group: files to read it from, 2 where user and system
// time have one each (assay_procfile_read_cpu). How many; 0: nothing plays the role. Owned.
size_t assay_cgroup_open_cpu(
        const struct assay_cgroup *group, const struct assay_cgroups *groups, int fds[2]);
// All of it; after everything in the group is dead.
void assay_cgroup_read(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        struct assay_cgroup_usage *usage);

void assay_cgroup_close(struct assay_cgroup *group);
// False while a directory is busy: try again a little later.
bool assay_cgroup_remove(const struct assay_cgroups *groups, uint64_t number);

#endif
