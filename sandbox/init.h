// SPDX-License-Identifier: MIT
// init.h - PID 1 of a box: makes its inside, starts the payload, reaps, tells, and is killed last.
#ifndef ASSAY_SANDBOX_INIT_H
#define ASSAY_SANDBOX_INIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/mounts.h"
#include "sandbox/profile.h"
#include "sandbox/skeleton.h"

// What an init knows from its birth; the plan comes later (request.h).
struct assay_init {
    const struct assay_profiles *profiles;
    const struct assay_skeleton *skeleton;
    bool staged;                   // the stage is there to clone from
    enum assay_shape shape;        // what it makes before the plan comes
    int control_fd;                // to the spawner
    bool limit_memory, limit_pids; // no cgroup does: by rlimit
    bool meter;                    // no cgroup counts CPU or memory: tell now and then
    enum assay_tier tier;
    bool shares_uid; // its host uid is that of other boxes, too
    uid_t uid;       // the box's user as the init's namespace has it
    gid_t gid;
    // A run of a zygote (zygote_serve.c): GO has come, and the payload is there and
    // waits for WAKE on this socket. 0: the payload is to be forked.
    pid_t waiting_pid;
    int waiting_fd;
    bool network_new; // likewise: nobody has raised its loopback
};

// Runs in the fresh child of clone3; never returns and never execs.
_Noreturn void assay_init_run(const struct assay_init *init);

#endif
