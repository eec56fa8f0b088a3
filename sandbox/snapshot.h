// SPDX-License-Identifier: MIT
// snapshot.h - what a box wrote, frozen: other boxes start from it, any number of them.
//
// A plan with `snapshot` set gives one in its result, however the box ended. A plan with `from`
// starts where it ended: its files, not its processes, memory, shared memory or sockets. Nothing
// is copied: a snapshot is a list of layers, the directories that a box's writes went to, and a
// box that starts from it gets fresh ones over them. So a snapshot of a box that was itself
// started from one has the layers of both, and starting costs the same for a tree of any size.
//
// The layers are in memory (tmpfs), held by the spawner for as long as a snapshot that this
// process has not released, or a live box, needs them; everything is gone with this process, and
// a snapshot cannot outlive the spawner that holds it (assay_sandbox_restart()). Their pages stay
// charged to the control group of the box that wrote them, which is gone by then: they count in no
// live box's memory limit, and no limit bounds their sum. assay_snapshot_bytes() tells it.
//
// A snapshot never changes. It may be used from several threads at once.
#ifndef ASSAY_SANDBOX_SNAPSHOT_H
#define ASSAY_SANDBOX_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// Boxes in a row, each started from the one before, that wrote to one and the same target.
#define ASSAY_SNAPSHOT_DEPTH_MAX 64

struct assay_snapshot; // opaque; owned by whoever got it

// Boxes that were started from it, and snapshots of them, live on. NULL is allowed.
void assay_snapshot_release(struct assay_snapshot *snapshot);

size_t assay_snapshot_depth(const struct assay_snapshot *snapshot); // 1: of a box without `from`
// Memory that its layers take, those that it shares with other snapshots included.
uint64_t assay_snapshot_bytes(const struct assay_snapshot *snapshot);

// The directories that were written for `target` (a mount of the plan, "/" for a root with lowers,
// else "/tmp", "/var/tmp" or "/home/box"), topmost first; fds[] is the caller's to close. They are
// overlayfs uppers with foreign content: envs/tree_patch.h reads them. None: nothing was written
// there.
ASSAY_MUST_USE enum assay_status assay_snapshot_open(const struct assay_snapshot *snapshot,
        const char *target, int fds[ASSAY_SNAPSHOT_DEPTH_MAX], size_t *count,
        struct assay_error *err);

#endif
