// SPDX-License-Identifier: MIT
// control.h - which call of assay-box-faults is to fail: one page that the test and all processes
// of the faulty spawner share.
//
// assay-box-faults is assay-box, linked so that what its code calls of the C library passes
// through wraps.c first. It looks for the page in a file "faults" beside the path that it was
// started by (argv[0]), which is a link that the test made.
#ifndef ASSAY_TESTS_SANDBOX_FAULTS_CONTROL_H
#define ASSAY_TESTS_SANDBOX_FAULTS_CONTROL_H

#include <stdint.h>

#define FAULTS_FILE "faults"

enum faults_role { FAULTS_SPAWNER, FAULTS_FORGE, FAULTS_INIT, FAULTS_PAYLOAD, FAULTS_ROLES };

struct faults_control {
    volatile uint32_t armed; // 0: every call passes, uncounted. Cleared by the payload's exec
    uint32_t role;           // enum faults_role: in whose process
    uint32_t target;         // which of its calls fails, from 1
    int32_t sys_errno;       // with what
    volatile uint32_t count; // calls of that role so far
    volatile uint32_t hit;   // the call failed; these say which it was:
    char name[24];           // "openat", "syscall"
    char detail[40];         // its path, number, or option; ""
};

#endif
