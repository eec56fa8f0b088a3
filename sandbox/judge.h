// SPDX-License-Identifier: MIT
// judge.h - why a box ended, from what was seen of it. A pure function.
#ifndef ASSAY_SANDBOX_JUDGE_H
#define ASSAY_SANDBOX_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/box.h"

struct assay_judge_facts {
    bool killed;                     // by us, while the payload ran
    enum assay_box_cause kill_cause; // then why
    bool ended;                      // the init saw the payload end
    int wait_status;                 // then how
    bool oom;                        // the kernel killed something in the box for memory
    bool pids_hit;                   // a fork was refused
    bool disk_full;                  // a tmpfs was full at the end
    bool memory_hit;                 // no group keeps memory, and nearly all of it was used
    uint64_t cpu_us, cpu_us_max;
};

// Writes cause, exit_code and signal. Trouble at set-up is not decided here.
//
// In this order: an OOM kill; more CPU time than allowed, whoever noticed it; the
// reason for which we killed; then the payload's own end, where a failure with a
// limit hit is that limit's. An init that died unasked is infra_error.
void assay_box_judge(const struct assay_judge_facts *facts, enum assay_box_cause *cause,
        int *exit_code, int *signal_number);

#endif
