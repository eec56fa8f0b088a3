// SPDX-License-Identifier: MIT
#include "sandbox/quota.h"

#include <errno.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/procfile.h"
#include "sandbox/sys.h"

#define INIT_SIGNALS_MAX 64 // that wait for the init, which never takes them
#define SHARE 4             // a box has this part of what the host gives one user

// What the host gives one user, read once; 0: it does not say.
static uint64_t inotify_instances, inotify_watches;

void assay_quota_prepare(void)
{
    const struct rlimit core = {1, 1}; // as payload.c wants it, and cannot raise it to

    (void)setrlimit(RLIMIT_CORE, &core);
    (void)assay_procfile_read_u64(
            -1, "/proc/sys/fs/inotify/max_user_instances", &inotify_instances);
    (void)assay_procfile_read_u64(-1, "/proc/sys/fs/inotify/max_user_watches", &inotify_watches);
    // Root keeps its capabilities when only its effective uid changes.
    if (geteuid() == 0)
        (void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
}

static bool set_owner(uid_t owner, int death_signal)
{
    return syscall(SYS_setresuid, -1, owner, -1) == 0 &&
            (death_signal == 0 || prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == 0);
}

pid_t assay_quota_clone(struct clone_args *args, uid_t owner, int death_signal)
{
    const pid_t parent = getppid();
    int problem = 0;
    pid_t pid = -1;

    if (owner == 0 || !(args->flags & CLONE_NEWUSER))
        return sys_clone3(args);
    if (!set_owner(owner, 0))
        return -1;
    pid = sys_clone3(args);
    if (pid == 0) // it has all capabilities there, and takes its ids when they are mapped
        return 0;
    problem = errno;
    for (int i = 0; !set_owner(0, death_signal); i++)
        if (i > 0)
            _exit(1); // half root, half not: nothing that should go on
    if (death_signal != 0 && getppid() != parent)
        _exit(1); // it died while its signal was cleared
    errno = problem;
    return pid;
}

bool assay_quota_bound(bool shares_uid, struct assay_fault *fault)
{
    struct rlimit signals;

    // Best effort: a host that refuses keeps its own limits.
    if (shares_uid && inotify_instances > 0)
        (void)assay_procfile_write_u64(
                -1, "/proc/sys/user/max_inotify_instances", inotify_instances / SHARE + 1);
    if (shares_uid && inotify_watches > 0)
        (void)assay_procfile_write_u64(
                -1, "/proc/sys/user/max_inotify_watches", inotify_watches / SHARE + 1);
    // Only the soft limit: the payload's own, which it inherits, is set later.
    if (getrlimit(RLIMIT_SIGPENDING, &signals) < 0)
        return assay_fault_set(fault, "signal limit");
    if (signals.rlim_cur > INIT_SIGNALS_MAX)
        signals.rlim_cur = INIT_SIGNALS_MAX;
    return setrlimit(RLIMIT_SIGPENDING, &signals) == 0 || assay_fault_set(fault, "signal limit");
}
