// SPDX-License-Identifier: MIT
// meter.h - usage of a box on a host without control groups: summed over its own /proc.
//
// Less than a cgroup knows: CPU time has the grain of a clock tick and loses
// children that nobody waited for (SIGCHLD ignored), so the sum never goes down
// and is a lower bound; memory is each process's private resident pages plus
// what fills the box's tmpfs. rlimits stand behind both.
#ifndef ASSAY_SANDBOX_METER_H
#define ASSAY_SANDBOX_METER_H

#include <stdint.h>
#include <sys/types.h>

#include "sandbox/mounts.h"

struct assay_meter {
    uint64_t cpu_user_us, cpu_system_us; // the most ever seen
    uint64_t memory_bytes;               // at the last reading
    uint32_t pids;                       // at the last reading, without the init
};

// Adds what one living process used, and what the children did that it waited
// for; the kernel tells it in clock ticks.
void assay_meter_process(int proc_fd, pid_t pid, uint64_t *user_us, uint64_t *system_us);

// Called by the box's init, of which everything else in the box descends.
void assay_meter_read(struct assay_meter *meter, const struct assay_mounts *mounts);

#endif
