// SPDX-License-Identifier: MIT
// caps.h - capabilities of what becomes a box: kept while its tree is made, gone for good after.
#ifndef ASSAY_SANDBOX_CAPS_H
#define ASSAY_SANDBOX_CAPS_H

#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/fault.h"

// Become this user, in no other group, and keep all capabilities: for the init of a box without
// a user namespace, whose files must be the box's.
bool assay_caps_become(uid_t uid, gid_t gid, struct assay_fault *fault);
// The bounding set is empty from now on, here and in what is forked from here; what the process has
// it keeps. Done by the init for its whole box, so that no payload waits for some 40 calls.
bool assay_caps_bound(struct assay_fault *fault);
// What is left is what it takes to make network namespaces and to enter them.
bool assay_caps_keep_networks(struct assay_fault *fault);
// None from now on, nor by any exec: bounding set empty, securebits locked. Where that was done
// before, by the init for its whole box, it is only checked.
bool assay_caps_drop(struct assay_fault *fault);

#endif
