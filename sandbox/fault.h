// SPDX-License-Identifier: MIT
// fault.h - which step of making a box failed, and with what errno. assay-box's own error value.
//
// Smaller than struct assay_error and fit for a pipe between two processes: the
// step's name is what result->step shows.
#ifndef ASSAY_SANDBOX_FAULT_H
#define ASSAY_SANDBOX_FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

struct assay_fault {
    char step[32];
    int sys_errno;
};

// Fill *fault from errno; returns false, so that a failing path reads as one statement.
static inline bool assay_fault_set(struct assay_fault *fault, const char *step)
{
    fault->sys_errno = errno;
    (void)snprintf(fault->step, sizeof(fault->step), "%s", step);
    return false;
}

static inline bool assay_fault_errno(struct assay_fault *fault, const char *step, int sys_errno)
{
    errno = sys_errno;
    return assay_fault_set(fault, step);
}

#endif
