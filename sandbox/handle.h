// SPDX-License-Identifier: MIT
// handle.h - what struct assay_sandbox holds; for sandbox.c, box.c and zygote.c alone.
#ifndef ASSAY_SANDBOX_HANDLE_H
#define ASSAY_SANDBOX_HANDLE_H

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>

#include "sandbox/box.h"
#include "sandbox/probe.h"
#include "sandbox/slots.h"

struct assay_sandbox {
    char box_program[PATH_MAX];
    struct assay_sandbox_options options; // .box_program points at the copy above
    struct assay_probes probes;
    pid_t spawner_pid;
    int spawner_pid_fd; // owned; readable once the spawner is dead; -1: none

    struct assay_slots *slots; // owned; which command runs now
    pthread_mutex_t lock;      // guards main_fd: runs send on it, restart replaces it
    int main_fd;               // -1: no spawner
};

// assay_box_run(), forked from a zygote that the spawner knows by this number; 0: from nothing.
ASSAY_MUST_USE enum assay_status assay_box_run_from(struct assay_sandbox *sandbox, uint64_t zygote,
        const struct assay_box_plan *plan, struct assay_box_result *result,
        struct assay_error *err);

#endif
