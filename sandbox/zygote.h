// SPDX-License-Identifier: MIT
// zygote.h - a warmed command that runs are forked from, each into a box of its own.
//
// A zygote is a box whose command is an interpreter that loads what every run
// needs, then ASSAY_ZYGOTE_LIBRARY, and waits. A run forked from it is a box like
// any other: its own user, mount, pid, ipc, uts, network and cgroup namespaces,
// its own tmpfs and overlays, limits, profile, certain death. It differs in this:
//
//   - its command is not exec'd: the interpreter goes on as the run, and decides
//     whether it can stand for a fresh start of plan->argv (if not, it execs it);
//   - all runs of a zygote share the zygote's host uid, and its address layout;
//   - it dies with its zygote.
//
// A zygote has no capability and sees the environment alone, so give it no code
// that is not trusted as much as the environment is. Runs cannot see it: it is
// outside their pid namespace, and no descriptor of it is left in them.
#ifndef ASSAY_SANDBOX_ZYGOTE_H
#define ASSAY_SANDBOX_ZYGOTE_H

#include "sandbox/box.h"

// Where the zygote's command finds the library, in its own box alone.
#define ASSAY_ZYGOTE_LIBRARY "/run/assay-zygote.so"
#define ASSAY_ZYGOTE_FD 3 // the command's end of its serve socket

struct assay_zygote; // opaque; owned by whoever called assay_zygote_start()

// Start plan->argv and wait until it serves. The plan is that of a box; `serves`,
// report_fd, stdin, wall and CPU limits are set here. ASSAY_EREFUSED: the tier is not
// A, or the command ended, or could not be started; what it wrote is in the message. Use it only
// where boxes are run cold as well: nothing but speed depends on a zygote.
ASSAY_MUST_USE enum assay_status assay_zygote_start(struct assay_zygote **out,
        struct assay_sandbox *sandbox, const struct assay_box_plan *plan, struct assay_error *err);

// As assay_box_run(), forked from the zygote; from many threads at once. The plan
// has no kept upper and no host network. When the zygote is dead, dies or fails,
// the result is ASSAY_BOX_SETUP_FAILED or ASSAY_BOX_INFRA_ERROR: run it cold then.
ASSAY_MUST_USE enum assay_status assay_zygote_run(struct assay_zygote *zygote,
        const struct assay_box_plan *plan, struct assay_box_result *result,
        struct assay_error *err);

// Kills it, and runs that are under way. NULL is allowed.
void assay_zygote_stop(struct assay_zygote *zygote);

#endif
