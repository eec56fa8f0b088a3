// SPDX-License-Identifier: MIT
// payload.h - from a fork of the box's init to the untrusted command.
#ifndef ASSAY_SANDBOX_PAYLOAD_H
#define ASSAY_SANDBOX_PAYLOAD_H

#include <stdbool.h>

#include "sandbox/box.h"
#include "sandbox/profile.h"

struct assay_payload {
    const struct assay_box_plan *plan;
    const struct assay_profiles *profiles;
    int stdin_fd, output_fd; // any numbers
    int errors_fd;           // -1: stderr is output, too
    int report_fd;           // -1: none
    // A session's own: a second descriptor that the payload finds; -1: none.
    int state_fd, state_number;
    // A pipe's writing end, O_CLOEXEC: a struct assay_fault when a step of ours
    // failed; its end of file means that exec succeeded.
    int error_fd;
    int learn_fd;                  // where the learning mode's listener goes; -1: none
    bool limit_memory, limit_pids; // by rlimit, where no cgroup does
};

// Everything irrevocable, seccomp last. Ends the process when a step fails.
void assay_payload_settle(struct assay_payload *payload);
// Settles, then execs; never returns.
_Noreturn void assay_payload_exec(struct assay_payload *payload);

#endif
