// SPDX-License-Identifier: MIT
// quota.h - what the kernel counts for a user and not for a box: queues, watches, pending signals.
//
// A user namespace counts such things for each of its users and once more for whoever made it,
// up to what that user was allowed then. So one box could use up what all boxes have together,
// and what else runs on the host as the same user: these calls keep them apart where the kernel
// lets them be kept apart.
#ifndef ASSAY_SANDBOX_QUOTA_H
#define ASSAY_SANDBOX_QUOTA_H

#include <linux/sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/fault.h"

// The spawner, before its first clone.
void assay_quota_prepare(void);

// clone3(); a new user namespace counts against `owner`, as if that user had
// made it; the caller is root. A change of credentials clears the caller's parent death signal:
// it becomes `death_signal` (0: none), and
// the caller ends if its parent died meanwhile. owner 0: a plain clone3(), against the caller's own
// user.
pid_t assay_quota_clone(struct clone_args *args, uid_t owner, int death_signal);

// A box's init, with its capabilities and the host's /proc: of what stays shared the box gets
// a part. What the kernel counts by user is its own where it `shares_uid` with no other box.
bool assay_quota_bound(bool shares_uid, struct assay_fault *fault);

#endif
