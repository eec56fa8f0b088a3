// SPDX-License-Identifier: MIT
// stage.h - the parts that all boxes have alike, made once in the spawner's own mount namespace.
//
// Read-only mounts of /usr, /etc and /dev would cost each box half of its set-up time. The spawner
// makes them once, in a mount namespace of its own (as an ordinary user: in a user namespace of its
// own, too), over a directory that nothing else needs; an init, whose namespace is a copy, clones
// each of the three trees with one call. Nothing in them can be written.
//
// Every mount of that namespace is copied for every box. So the forge, whose children the inits
// are, lives in one that has the stage for its root and the host's /proc, and nothing else; and the
// stage has few: folders of /etc that are not large are copied when it is made, and devices are
// made where that is allowed.
//
// A box with a root of its own, with the host's network, or with a mount below
// /etc makes these parts itself, as every box does where the stage cannot be made.
#ifndef ASSAY_SANDBOX_STAGE_H
#define ASSAY_SANDBOX_STAGE_H

#include <stdbool.h>

#include "sandbox/fault.h"
#include "sandbox/ids.h"
#include "sandbox/skeleton.h"

#define ASSAY_STAGE_USR ASSAY_STAGE_PATH "/root/usr"
#define ASSAY_STAGE_ETC ASSAY_STAGE_PATH "/root/etc"
#define ASSAY_STAGE_DEV ASSAY_STAGE_PATH "/root/dev"
#define ASSAY_STAGE_EMPTY ASSAY_STAGE_PATH "/empty"
// The spawner needs no terminals, and a box gets a devpts of its own.
#define ASSAY_STAGE_PATH "/dev/pts"

// Moves the calling process into the new namespaces. On failure there is no
// stage, and the process may be in them: boxes can still be made from there,
// unless its uid was not mapped (geteuid() then differs from ids->store_uid).
bool assay_stage_make(const struct assay_skeleton *skeleton, const struct assay_ids *ids,
        struct assay_fault *fault);

// Into a mount namespace whose root is the stage. Paths of the stage are the same there. On failure
// the process may be in either. Not where parts of /proc are masked (tier B): here it is whole.
bool assay_stage_enter(struct assay_fault *fault);

// stage_files.c. Copy what is at `path` of the host to the same place below root_fd; false: it is
// large, odd or unreadable, and a part of it may be there.
bool assay_stage_copy(int root_fd, const char *path, bool is_directory);
// The devices of a box, in an empty directory; false: not here.
bool assay_stage_make_nodes(int dev_fd);

#endif
