// SPDX-License-Identifier: MIT
// notify.h - learning mode: who made which call that the profile refused.
//
// What the payload's filter would refuse, or kill for, goes to a seccomp listener instead, which
// the payload hands to the box's init before it execs. The init looks the caller up in /proc,
// answers exactly as the filter would have, and notes both in a page that it shares with assay:
// what was noted is there however the box ends. It never lets a call through.
//
// A kill is a SIGKILL of the init's here, and told as the SIGSYS that it stands for.
#ifndef ASSAY_SANDBOX_NOTIFY_H
#define ASSAY_SANDBOX_NOTIFY_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/box.h"
#include "sandbox/fault.h"
#include "sandbox/notify_page.h"
#include "sandbox/profile.h"

struct assay_notify {
    const struct assay_profiles *profiles; // borrowed
    enum assay_profile profile;
    struct assay_notify_page *page; // shared; NULL: no learning mode
    int socket_fd;                  // where the listener comes from; -1: it came, or never will
    int listener_fd;
    struct assay_notify_last { // who repeats a call is not looked up again
        uint32_t pid;
        struct seccomp_data call;
        struct assay_denial *row; // NULL: none
    } last;
    pid_t killed_pid; // died for a call that kills; 0: nobody did
};

// In the init, before the fork: the page in page_fd, and a socket whose other end is the payload's.
bool assay_notify_open(struct assay_notify *notify, int page_fd, int *payload_fd,
        const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault);
// In the payload, last: load the filter and hand the listener over.
bool assay_notify_install(const struct assay_profiles *profiles, enum assay_profile profile,
        int socket_fd, struct assay_fault *fault);
// Something to hear from socket_fd or listener_fd: at most a few calls are answered.
void assay_notify_hear(struct assay_notify *notify);
// The wait status of `pid` as it would have been without learning mode.
int assay_notify_status(const struct assay_notify *notify, pid_t pid, int wait_status);

// What the profile says to a call: a SECCOMP_RET_ value. A pure function.
uint32_t assay_notify_judge(const struct assay_profiles *profiles, enum assay_profile profile,
        const struct seccomp_data *call);

#endif
