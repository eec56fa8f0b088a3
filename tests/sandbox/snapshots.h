// SPDX-License-Identifier: MIT
// snapshots.h - what the tests of snapshots share: a small tree, and boxes over it that write.
#ifndef ASSAY_TESTS_SANDBOX_SNAPSHOTS_H
#define ASSAY_TESTS_SANDBOX_SNAPSHOTS_H

#include "sandbox/snapshot.h"
#include "tests/sandbox/boxes.h"

extern char snapshots_base[PATH_MAX]; // the tree that snapshots_make_base() made last

// dir/deep, file and other, each "base\n", in a folder of that name.
void snapshots_make_base(const char *name);
// The script in /testbed, an overlay over the tree, over `from` (NULL: none).
void snapshots_plan(struct boxes_plan *plan, const char *script, const struct assay_snapshot *from,
        bool snapshot);
// Run the script over `from`; its output must be `text`. The snapshot after it.
struct assay_snapshot *snapshots_step(
        const struct assay_snapshot *from, const char *script, const char *text);
// The same without a snapshot after it.
void snapshots_look(const struct assay_snapshot *from, const char *script, const char *text);

#endif
