// SPDX-License-Identifier: MIT
// meter.h - usage of a box on a host without control groups: what its init can see.
//
// CPU time is the larger of two sums, so that what hides from one is in the other:
//
//   counter   a perf task clock that every descendant inherits: exact, and children
//             that nobody waits for are in it; where the kernel permits it
//             (perf_event_paranoid <= 2). A program that may not be read drops it.
//   /proc     each living process's own clock and its waited-for children, and what
//             the init has reaped itself. Exact once everything is dead and reaped
//             (assay_meter_end), but for children whose parent ignores SIGCHLD.
//
// Memory is anonymous and shared pages of all processes, plus the box's tmpfs. Pages
// that a fork shares count once a process until that sum passes the limit; then each
// page counts once. Not seen: pages in pipes and sockets.
#ifndef ASSAY_SANDBOX_METER_H
#define ASSAY_SANDBOX_METER_H

#include <stdint.h>
#include <sys/types.h>

#include "sandbox/mounts.h"

struct assay_meter {
    int counter_fd;            // -1: there is none
    uint64_t counter_start_us; // the init's own time when it began
    uint64_t cpu_us;           // user and system together, the most ever seen
    uint64_t cpu_system_us;    // likewise
    uint64_t memory_bytes;     // at the last reading
    uint64_t rss_bytes_max;    // the largest process that ended
    uint32_t pids;             // at the last reading, without the init
    uint64_t host_start_bytes; // shared memory of the host when it began
};

// Adds what one living process used, and in ticks what the children did that it waited for.
void assay_meter_process(int proc_fd, pid_t pid, uint64_t *cpu_us, uint64_t *system_us);

// Called by the box's init before its first child, of which everything else descends.
void assay_meter_start(struct assay_meter *meter);
void assay_meter_read(struct assay_meter *meter, const struct assay_mounts *mounts,
        const struct assay_box_limits *limits);

// Kill and reap everything in the box but the init, and read what it all used.
void assay_meter_end(struct assay_meter *meter);

// For how long no limit can be passed, from the last reading: milliseconds, 2..50.
uint64_t assay_meter_pause_ms(
        const struct assay_meter *meter, const struct assay_box_limits *limits);

#endif
