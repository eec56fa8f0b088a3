// SPDX-License-Identifier: MIT
// sys.h - system calls for which glibc has no wrapper, or only a new one.
#ifndef ASSAY_SANDBOX_SYS_H
#define ASSAY_SANDBOX_SYS_H

// clang-format off
#include <features.h>
#include <sys/mount.h>
#if !__GLIBC_PREREQ(2, 36)
#include <linux/mount.h> // later versions of <sys/mount.h> define the same names
#endif
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static inline int sys_open_tree(int dir_fd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir_fd, path, flags);
}

// Attach the detached mount `mount_fd` at the place that target_fd is open on.
static inline int sys_attach(int mount_fd, int target_fd)
{
    return (int)syscall(SYS_move_mount, mount_fd, "", target_fd, "",
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

// The same at `name` below dir_fd; a link is not followed.
static inline int sys_attach_at(int mount_fd, int dir_fd, const char *name)
{
    return (int)syscall(
            SYS_move_mount, mount_fd, "", dir_fd, name, (unsigned)MOVE_MOUNT_F_EMPTY_PATH);
}

static inline int sys_mount_setattr(int mount_fd, unsigned flags, struct mount_attr *attr)
{
    return (int)syscall(
            SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | flags, attr, sizeof(*attr));
}

static inline int sys_fsopen(const char *type)
{
    return (int)syscall(SYS_fsopen, type, 1U); // FSOPEN_CLOEXEC
}

static inline int sys_fsconfig(int fs_fd, unsigned command, const char *key, const char *value)
{
    return (int)syscall(SYS_fsconfig, fs_fd, command, key, value, 0);
}

static inline int sys_fsmount(int fs_fd, unsigned attributes)
{
    return (int)syscall(SYS_fsmount, fs_fd, 1U, attributes); // FSMOUNT_CLOEXEC
}

static inline int sys_openat2(int dir_fd, const char *path, struct open_how *how)
{
    return (int)syscall(SYS_openat2, dir_fd, path, how, sizeof(*how));
}

// Below root_fd, links resolved inside of it, no magic links. The kernel gives up (EAGAIN) a ".."
// that something was renamed or mounted under, anywhere: what an open itself gives as EAGAIN, a
// lease, is only asked a few times more. -1 with errno.
static inline int sys_open_in_root(int root_fd, const char *path, int flags, unsigned mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
            .mode = mode,
            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = -1;

    for (int i = 0; i < 100; i++) {
        fd = sys_openat2(root_fd, path, &how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    return fd;
}

static inline int sys_pivot_root(const char *new_root, const char *old_root)
{
    return (int)syscall(SYS_pivot_root, new_root, old_root);
}

static inline pid_t sys_clone3(struct clone_args *args)
{
    return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

// Die with the parent, which is or was `parent`: one that died before could not be noticed. False
// with errno; ESRCH: it is dead.
static inline bool sys_die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return false;
    errno = ESRCH;
    return getppid() == parent;
}

static inline int sys_pidfd_kill(int pid_fd)
{
    return (int)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0U);
}

// The kernel's struct sched_attr, which not every libc declares.
struct sys_sched {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

// Policy of a process that is not of real time, and how long it likes to run once it does (Linux
// 6.12; before, this is the kernel's own affair). 0: as others.
static inline int sys_schedule(pid_t pid, unsigned policy, uint64_t runtime_ns)
{
    const struct sys_sched attr = {
            .size = sizeof(attr), .policy = policy, .runtime_ns = runtime_ns};

    return (int)syscall(SYS_sched_setattr, pid, &attr, 0U);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

#endif
