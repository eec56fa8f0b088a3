// SPDX-License-Identifier: MIT
// zygote_unlearned.c - learning mode in a zygote's library: there is none.
//
// It names calls by libseccomp, which a foreign interpreter should not have to
// load; the spawner refuses to fork a run whose plan wants it (spawn.c).
#include <errno.h>

#include "sandbox/notify.h"

// NOLINTNEXTLINE(readability-non-const-parameter): as in notify.c
bool assay_notify_open(struct assay_notify *notify, int page_fd, int *payload_fd,
        const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault)
{
    (void)notify;
    (void)page_fd;
    (void)payload_fd;
    (void)profiles;
    (void)profile;
    return assay_fault_errno(fault, "learning mode", ENOTSUP);
}

bool assay_notify_install(const struct assay_profiles *profiles, enum assay_profile profile,
        int socket_fd, struct assay_fault *fault)
{
    (void)profiles;
    (void)profile;
    (void)socket_fd;
    return assay_fault_errno(fault, "learning mode", ENOTSUP);
}

void assay_notify_hear(struct assay_notify *notify)
{
    (void)notify;
}

int assay_notify_status(const struct assay_notify *notify, pid_t pid, int wait_status)
{
    (void)notify;
    (void)pid;
    return wait_status;
}
