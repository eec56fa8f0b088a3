// SPDX-License-Identifier: MIT
// hold.h - the spawner's keeping of snapshots: each a tmpfs of a box that is gone.
//
// A mount can be cloned only by who has it in its own mount namespace, and each box that starts
// from a snapshot needs a clone. In the spawner's namespace, which every box's is a copy of, each
// part would slow every box down and live as long as any of them. So parts are attached in a
// namespace of their own, which the spawner enters for a moment.
//
// A part is let go when its lease ends: the last copy of the writing end of a pipe, which the
// library has, is closed. Boxes that use the part then still have their clones of it.
#ifndef ASSAY_SANDBOX_HOLD_H
#define ASSAY_SANDBOX_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/fault.h"
#include "sandbox/layer.h"

#define ASSAY_HOLDS_MAX 4096

struct assay_hold {
    uint64_t id;  // 0: free
    int lease_fd; // the pipe's reading end
};

struct assay_holds {
    int home_fd, away_fd; // the spawner's mount namespace, and the parts'; -1: no snapshots here
    int dir_fd;           // where they are attached
    uint64_t next_id;     // of no part of an earlier spawner either
    struct assay_hold items[ASSAY_HOLDS_MAX];
};

// False where this host does not let us; snapshots then fail with that step.
bool assay_holds_open(struct assay_holds *holds, struct assay_fault *fault);
void assay_holds_close(struct assay_holds *holds);

// Keep the detached mount mount_fd, which stays the caller's to close. *slot names it until it
// is dropped; its lease_fd is to be watched. The ticket's descriptors are the caller's.
bool assay_holds_add(struct assay_holds *holds, int mount_fd, struct assay_part_ticket *ticket,
        uint32_t *slot, struct assay_fault *fault);
void assay_holds_drop(struct assay_holds *holds, uint32_t slot);

// A detached clone of each part; fds[] is the caller's. False: none is open.
bool assay_holds_clone(struct assay_holds *holds, const uint64_t *ids, size_t count, int *fds,
        struct assay_fault *fault);

#endif
