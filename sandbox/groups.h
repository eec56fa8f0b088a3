// SPDX-License-Identifier: MIT
// groups.h - control groups: made once, used by one box after another.
//
// A group is used again when its box is wholly dead and nothing that it keeps could be taken for
// the next box's, or limit it:
//
//   members     none: no process of the last box, dead or alive, is left
//   processes   two at most at a time, an init and its command, which every box has: the highest
//               number cannot be set back, and the next box's is exact. No fork was refused.
//   memory      nothing was killed for it; what stays charged is no more than the kernel charges
//               ahead of use; the highest use is set back. On version 1 alone: on version 2 it
//               cannot be set back, and groups are cheap
//   CPU time    goes on: the next box's begins at what there is (struct assay_cgroup_past)
//
// So a box that ever had more than two processes leaves its group to nobody. Two living boxes
// never share, and a box cannot see its group. Without orders the forge soon removes those it
// keeps; a zygote keeps those of its runs as long as it serves.
#ifndef ASSAY_SANDBOX_GROUPS_H
#define ASSAY_SANDBOX_GROUPS_H

#include "sandbox/cgroup.h"

#define ASSAY_GROUPS_IDLE_MAX 64

// One group, from its making to its removal. Owned.
struct assay_group {
    struct assay_cgroup dirs;
    uint64_t number;
};

struct assay_groups {
    const struct assay_cgroups *cgroups; // borrowed
    // What is not kept goes this way; NULL: assay_groups_remove().
    void (*remove)(void *user, uint64_t number);
    void *user;
    uint64_t ahead_bytes;                           // what may stay charged
    struct assay_group idle[ASSAY_GROUPS_IDLE_MAX]; // oldest first; not yet checked
    size_t idle_count;
    uint64_t *busy; // owned; numbers of groups that could not be removed yet
    size_t busy_count, busy_cap;
};

void assay_groups_open(struct assay_groups *out, const struct assay_cgroups *cgroups);
// Removes all idle ones; what is busy is left to assay_groups_retry().
void assay_groups_close(struct assay_groups *groups);

// One that is as new; *out is the caller's to return. False: there is none.
bool assay_groups_take(struct assay_groups *groups, struct assay_group *out);
// Its box is dead: kept, or removed.
void assay_groups_return(struct assay_groups *groups, struct assay_group *group);
// A group that is not open; now, or when it is no longer busy.
void assay_groups_remove(struct assay_groups *groups, uint64_t number);
void assay_groups_retry(struct assay_groups *groups);

#endif
