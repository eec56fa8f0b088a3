// SPDX-License-Identifier: MIT
#include "sandbox/profile.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOW32 0xffffffffU
#define NUMBERS_MAX 600 // of native calls; far above the newest

// What strict allows: names that libseccomp does not know are skipped. Docker's
// default list without what needs a capability (no payload has one), and without
// what stands in `denied`.
static const char allowed[] =
        "accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown "
        "clock_getres clock_gettime clock_nanosleep clone close close_range connect "
        "copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
        "epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
        "exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat "
        "fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr "
        "fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv "
        "futex_wake futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents "
        "getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid "
        "getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname "
        "getsockopt gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init "
        "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup "
        "io_submit ioctl ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset "
        "landlock_restrict_self lchown lgetxattr link linkat listen listmount listxattr "
        "listxattrat llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack "
        "membarrier memfd_create mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap "
        "mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap "
        "mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at "
        "nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 "
        "pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 "
        "pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom "
        "recvmmsg recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 "
        "restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
        "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo "
        "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
        "sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
        "sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop "
        "semtimedop sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area "
        "set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority "
        "setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr "
        "setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socket "
        "socketpair splice stat statfs statmount statx symlink symlinkat sync sync_file_range "
        "syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime "
        "timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask "
        "uname unlink unlinkat uretprobe utime utimensat utimes vfork vmsplice wait4 waitid "
        "waitpid write writev";

// What no profile allows, with EPERM: kernel attack surface, other processes'
// memory, clocks and namespaces.
static const char denied[] =
        "_sysctl acct add_key afs_syscall bpf chroot clock_adjtime clock_settime create_module "
        "delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick get_kernel_syms "
        "getpmsg init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp "
        "kexec_file_load kexec_load keyctl lookup_dcookie lsm_get_self_attr lsm_list_modules "
        "lsm_set_self_attr mbind memfd_secret migrate_pages modify_ldt mount mount_setattr "
        "move_mount move_pages nfsservctl open_by_handle_at open_tree open_tree_attr "
        "perf_event_open pidfd_getfd pivot_root process_madvise process_mrelease "
        "process_vm_readv process_vm_writev ptrace putpmsg query_module quotactl quotactl_fd "
        "reboot request_key security set_mempolicy set_mempolicy_home_node setdomainname "
        "sethostname setns settimeofday swapoff swapon syslog tuxcall umount umount2 unshare "
        "uselib userfaultfd ustat vhangup vserver";

// Calls whose arguments matter but that have no entry in the argument filter,
// because libseccomp cannot say "none of these": allowed by value, ENOSYS else.
static const uint64_t personalities[] = {0, 0x8, 0x20000, 0x20008, 0x40000, 0x60000, LOW32};

// Is `name` one of the space-separated names of `list`?
static bool listed(const char *list, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static int add_number(
        scmp_filter_ctx filter, int number, const char *name, enum assay_profile profile)
{
    const bool deny = listed(denied, name);

    // A command is pinned to its CPUs, and no control group of its own holds it there: the call
    // does nothing and says that it worked, as the kernel does where a cpuset overrules it.
    if (number == SYS_sched_setaffinity)
        return seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), number, 0);
    if (number == SYS_clone3) // ENOSYS: libc then uses clone, whose flags can be checked
        return 0;
    if (number == SYS_personality) {
        int problem = 0;

        for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
            if (problem == 0)
                problem = seccomp_rule_add(
                        filter, SCMP_ACT_ALLOW, number, 1, SCMP_A0(SCMP_CMP_EQ, personalities[i]));
        return problem;
    }
    if (profile == ASSAY_PROFILE_STRICT ? listed(allowed, name) && !deny : !deny)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
}

static int fill_by_number(scmp_filter_ctx filter, enum assay_profile profile)
{
    int problem = 0;

    for (int number = 0; number < NUMBERS_MAX && problem == 0; number++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

        if (name != NULL)
            problem = add_number(filter, number, name, profile);
        free(name);
    }
    return problem;
}

// One rule: refuse `call` with `sys_errno` where argument `index`, cut to its low
// 32 bits, is `value`. The kernel ignores the high half of an int, so must we.
struct argument_rule {
    int call;
    unsigned index;
    uint32_t value;
    int sys_errno;
};

static int deny_low32(scmp_filter_ctx filter, const struct argument_rule *rule)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)rule->sys_errno), rule->call, 1,
            SCMP_CMP(rule->index, SCMP_CMP_MASKED_EQ, LOW32, rule->value));
}

static int deny_clone_flags(scmp_filter_ctx filter)
{
    static const unsigned flags[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
            CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
    int problem = 0;

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && problem == 0; i++)
        problem = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SYS_clone, 1,
                SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return problem;
}

// UNIX, INET, INET6 and NETLINK's route family. AF_VSOCK is not namespaced: in a
// virtual machine it talks to the host.
static int deny_socket_families(scmp_filter_ctx filter, int call)
{
    int problem = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));

    for (unsigned family = 0; family < AF_NETLINK && problem == 0; family++) {
        const struct argument_rule rule = {call, 0, family, EAFNOSUPPORT};

        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            problem = deny_low32(filter, &rule);
    }
    if (problem == 0)
        problem = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 2,
                SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_NE, 0));
    return problem;
}

static int fill_by_argument(scmp_filter_ctx filter)
{
    // The box's init has the payload's uid, so uid checks alone would let a
    // payload tune it, or kill it with a CPU limit of 0 and so lose its verdict.
    static const struct argument_rule rules[] = {
            {SYS_ioctl, 1, TIOCSTI, EPERM}, {SYS_ioctl, 1, TIOCLINUX, EPERM},
            {SYS_prctl, 0, PR_SET_MM, EPERM}, {SYS_prlimit64, 0, 1, EPERM},
            {SYS_sched_setaffinity, 0, 1, EPERM}, {SYS_sched_setattr, 0, 1, EPERM},
            {SYS_sched_setparam, 0, 1, EPERM}, {SYS_sched_setscheduler, 0, 1, EPERM},
            {SYS_setpriority, 0, 2, EPERM}, // PRIO_USER
            {SYS_ioprio_set, 0, 3, EPERM},  // IOPRIO_WHO_USER
    };
    int problem = deny_clone_flags(filter);

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && problem == 0; i++)
        problem = deny_low32(filter, &rules[i]);
    // setpriority(PRIO_PROCESS, 1), ioprio_set(IOPRIO_WHO_PROCESS, 1)
    if (problem == 0)
        problem = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SYS_setpriority, 2,
                SCMP_A0(SCMP_CMP_MASKED_EQ, LOW32, 0), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW32, 1));
    if (problem == 0)
        problem = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SYS_ioprio_set, 2,
                SCMP_A0(SCMP_CMP_MASKED_EQ, LOW32, 1), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW32, 1));
    if (problem == 0)
        problem = deny_socket_families(filter, SYS_socket);
    if (problem == 0)
        problem = deny_socket_families(filter, SYS_socketpair);
    return problem;
}

// libseccomp 2.5 exports to a descriptor only.
static int export_filter(struct assay_profile_filter *out, scmp_filter_ctx filter)
{
    const int fd = memfd_create("assay-profile", MFD_CLOEXEC);
    ssize_t got = 0;
    int problem = 0;

    if (fd < 0)
        return -errno;
    problem = seccomp_export_bpf(filter, fd);
    if (problem == 0)
        got = pread(fd, out->code, sizeof(out->code), 0);
    close(fd);
    if (problem == 0 && (got <= 0 || (size_t)got == sizeof(out->code)))
        problem = -E2BIG;
    out->count = (unsigned short)((size_t)got / sizeof(out->code[0]));
    return problem;
}

static int build(struct assay_profile_filter *out, int by_argument, enum assay_profile profile)
{
    scmp_filter_ctx filter = seccomp_init(by_argument ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    int problem = 0;

    if (filter == NULL)
        return -ENOMEM;
    // Another architecture's numbers, and x32, kill: they are never an accident.
    problem = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (problem == 0)
        problem = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a binary tree
    if (problem == 0)
        problem = by_argument ? fill_by_argument(filter) : fill_by_number(filter, profile);
    if (problem == 0)
        problem = export_filter(out, filter);
    seccomp_release(filter);
    return problem;
}

bool assay_profiles_build(struct assay_profiles *out, struct assay_fault *fault)
{
    int problem = build(&out->by_argument, 1, ASSAY_PROFILE_STRICT);

    if (problem == 0)
        problem = build(&out->by_number[ASSAY_PROFILE_STRICT], 0, ASSAY_PROFILE_STRICT);
    if (problem == 0)
        problem = build(&out->by_number[ASSAY_PROFILE_COMPAT], 0, ASSAY_PROFILE_COMPAT);
    return problem == 0 || assay_fault_errno(fault, "seccomp profile", -problem);
}
