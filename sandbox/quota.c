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

void assay_quota_prepare(void)
{
    const struct rlimit core = {1, 1}; // as payload.c wants it, and cannot raise it to

    (void)setrlimit(RLIMIT_CORE, &core);
    // Root keeps its capabilities when only its effective uid changes.
    if (geteuid() == 0)
        (void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
}

// What a change of credentials clears: the death signal.
static bool set_owner(uid_t owner, int death_signal)
{
    return syscall(SYS_setresuid, -1, owner, -1) == 0 &&
            (death_signal == 0 || prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == 0);
}

pid_t assay_quota_clone(struct clone_args *args, uid_t owner)
{
    int death_signal = 0;
    int problem = 0;
    pid_t pid = -1;

    if (owner == 0)
        return sys_clone3(args);
    (void)prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    if (!set_owner(owner, death_signal))
        return -1;
    pid = sys_clone3(args);
    if (pid == 0) // it has all capabilities there, and takes its ids when they are mapped
        return 0;
    problem = errno;
    if (!set_owner(0, death_signal))
        _exit(1); // half root, half not: nothing that should go on
    errno = problem;
    return pid;
}

static void bound_inotify(const char *host_path, const char *box_path)
{
    uint64_t limit = 0;

    if (assay_procfile_read_u64(-1, host_path, &limit))
        (void)assay_procfile_write_u64(-1, box_path, limit / SHARE + 1);
}

void assay_quota_bound(void)
{
    struct rlimit signals;

    bound_inotify(
            "/proc/sys/fs/inotify/max_user_instances", "/proc/sys/user/max_inotify_instances");
    bound_inotify("/proc/sys/fs/inotify/max_user_watches", "/proc/sys/user/max_inotify_watches");
    // Only the soft limit: the payload's own, which it inherits, is set later.
    if (getrlimit(RLIMIT_SIGPENDING, &signals) == 0 && signals.rlim_cur > INIT_SIGNALS_MAX) {
        signals.rlim_cur = INIT_SIGNALS_MAX;
        (void)setrlimit(RLIMIT_SIGPENDING, &signals);
    }
}
