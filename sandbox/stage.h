// SPDX-License-Identifier: MIT
// stage.h - the parts that all boxes have alike, made once in the spawner's own mount namespace.
//
// Some twenty read-only mounts of /usr, /etc and /dev would cost each box half
// of its set-up time. The spawner makes them once, in a mount namespace of its
// own (as an ordinary user: in a user namespace of its own, too), over a
// directory that nothing else needs; an init, whose namespace is a copy, clones
// each of the three trees with one call. Nothing in them can be written.
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

#endif
