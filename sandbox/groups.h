// SPDX-License-Identifier: MIT
// groups.h - control groups: made once, used by one box after another.
//
// A group is used again when its box is wholly dead and nothing that it keeps could be taken for
// the next box's, or limit it:
//
//   members       none: no process of the last box, dead or alive, is left
//   pids.peak     2 at most, an init and its command: what every box has, so that the next one's
//                 is exact, which cannot be set back. No fork was refused.
//   memory        nothing was killed for it; what stays charged is no more than the kernel itself
//                 keeps in hand; the highest use is set back. On version 1 alone: on version 2 it
//                 cannot be set back, and groups are cheap
//   CPU time      goes on: the next box's begins at what there is (cgroup.h)
//
// Boxes of more than one process at a time have a group to themselves. Two living boxes never
// share, and a box cannot see its group.
#ifndef ASSAY_SANDBOX_GROUPS_H
#define ASSAY_SANDBOX_GROUPS_H

#include "sandbox/cgroup.h"

#define ASSAY_GROUPS_IDLE_MAX 64

struct assay_idle_group {
    struct assay_cgroup group;
    uint64_t number;
    unsigned checks; // how often it was found unclean
};

struct assay_groups {
    const struct assay_cgroups *cgroups;                 // borrowed
    struct assay_idle_group idle[ASSAY_GROUPS_IDLE_MAX]; // oldest first
    size_t idle_count;
};

// One that is as new; *out is the caller's. False: make one.
bool assay_groups_take(struct assay_groups *groups, struct assay_cgroup *out, uint64_t *number);
// The box that had it is dead. *group is handed over and closed in any case; false: it is to be
// removed.
bool assay_groups_return(struct assay_groups *groups, struct assay_cgroup *group, uint64_t number);
// Removes them all.
void assay_groups_close(struct assay_groups *groups);

#endif
