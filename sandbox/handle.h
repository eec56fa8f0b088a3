// SPDX-License-Identifier: MIT
// handle.h - what struct assay_sandbox holds; for sandbox.c and box.c alone.
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

    struct assay_slots *slots; // owned; which command runs now
    pthread_mutex_t lock;      // guards main_fd: runs send on it, restart replaces it
    int main_fd;               // -1: no spawner
};

#endif
