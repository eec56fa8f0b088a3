// SPDX-License-Identifier: MIT
#include "sandbox/profile_table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

// Of <netinet/in.h>, which this room has no other use for.
#define PROTOCOL_DCCP 33
#define PROTOCOL_ICMPV6 58

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct assay_call_group assay_call_groups[] = {
        {ASSAY_CALL_ALLOWED, "Files and folders",
                "access chdir chmod chown creat faccessat faccessat2 fallocate fchdir fchmod "
                "fchmodat fchmodat2 fchown fchownat fgetxattr flistxattr fremovexattr fsetxattr "
                "fstat fstatfs ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat "
                "lchown lgetxattr link linkat listmount listxattr listxattrat llistxattr "
                "lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat name_to_handle_at "
                "newfstatat open openat openat2 readlink readlinkat removexattr removexattrat "
                "rename renameat renameat2 rmdir setxattr setxattrat stat statfs statmount statx "
                "symlink symlinkat truncate umask unlink unlinkat utime utimensat utimes",
                "They reach the box's own tree alone, as its user."},
        {ASSAY_CALL_ALLOWED, "Descriptors, reading and writing",
                "cachestat close close_range copy_file_range dup dup2 dup3 epoll_create "
                "epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
                "epoll_wait_old eventfd eventfd2 fadvise64 fanotify_mark fcntl fdatasync flock "
                "fsync inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel "
                "io_destroy io_getevents io_pgetevents io_submit ioctl lseek pipe pipe2 poll "
                "ppoll pread64 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead "
                "readv select sendfile signalfd signalfd4 splice sync_file_range tee "
                "timerfd_create timerfd_gettime timerfd_settime vmsplice write writev",
                "They act on what was opened before, in the box."},
        {ASSAY_CALL_ALLOWED, "Memory",
                "brk get_mempolicy madvise map_shadow_stack membarrier memfd_create mincore mlock "
                "mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall munmap "
                "pkey_alloc pkey_free pkey_mprotect remap_file_pages",
                "The caller's own, under the box's memory limit."},
        {ASSAY_CALL_ALLOWED, "Processes, threads and signals",
                "alarm arch_prctl clone execve execveat exit exit_group fork futex futex_requeue "
                "futex_wait futex_waitv futex_wake get_robust_list get_thread_area getitimer "
                "getpgid getpgrp getpid getppid getsid gettid kill pause pidfd_open "
                "pidfd_send_signal restart_syscall riscv_hwprobe rseq rt_sigaction rt_sigpending "
                "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
                "rt_tgsigqueueinfo set_robust_list set_thread_area set_tid_address setitimer "
                "setpgid setsid sigaltstack tgkill tkill uretprobe vfork wait4 waitid waitpid",
                "They see the box's own processes alone: it has a pid namespace."},
        {ASSAY_CALL_ALLOWED, "Users, rights and limits",
                "capget capset getegid geteuid getgid getgroups getresgid getresuid getrlimit "
                "getrusage getuid landlock_add_rule landlock_create_ruleset "
                "landlock_restrict_self prctl prlimit64 seccomp setfsgid setfsuid setgid "
                "setgroups setregid setresgid setresuid setreuid setrlimit setuid",
                "The payload has one user and no capability: it can only give rights away."},
        {ASSAY_CALL_ALLOWED, "Scheduling and clocks",
                "clock_getres clock_gettime clock_nanosleep getcpu getpriority gettimeofday "
                "ioprio_get ioprio_set nanosleep sched_get_priority_max sched_get_priority_min "
                "sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
                "sched_rr_get_interval sched_setattr sched_setparam sched_setscheduler "
                "sched_yield setpriority time timer_create timer_delete timer_getoverrun "
                "timer_gettime timer_settime times",
                "Reading is harmless; without capabilities nobody gets more than others."},
        {ASSAY_CALL_ALLOWED, "Sockets",
                "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom "
                "recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket socketpair",
                "They end in the box's own network, or at the families below."},
        {ASSAY_CALL_ALLOWED, "Messages and shared memory",
                "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl "
                "msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget",
                "The box has an ipc namespace."},
        {ASSAY_CALL_ALLOWED, "About the system", "getrandom sysinfo uname",
                "What they tell is no secret."},
        {ASSAY_CALL_COMPAT_ONLY, "Questions that nothing modern asks", "adjtimex sysfs",
                "Reading the clock's state and the list of file systems; kept for old programs."},
        {ASSAY_CALL_BY_VALUE, "Execution domain", "personality",
                "Only what compilers, debuggers and emulators of the same machine use: asking, Linux, 32-bit uname, no randomisation."},
        {ASSAY_CALL_IGNORED, "Pinning", "sched_setaffinity",
                "A command stays on the CPUs that it holds, as where a cpuset overrules the call."},
        {ASSAY_CALL_IGNORED, "Writing out all disks", "sync syncfs",
                "They would make the host write out all of its disks, and a box has nothing on one to keep."},
        {ASSAY_CALL_ABSENT, "Clone with flags in memory", "clone3",
                "A filter cannot see the flags; libc then uses clone, whose flags it can."},
        {ASSAY_CALL_ABSENT, "Asynchronous I/O contexts", "io_setup",
                "The number of events is one for the whole host (fs.aio-max-nr), and one box could take them all."},
        {ASSAY_CALL_REFUSED, "Mounts, roots and namespaces",
                "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount "
                "open_by_handle_at open_tree open_tree_attr pivot_root setns umount umount2 "
                "unshare",
                "The box's tree and namespaces are what they are when it starts; new ones open the kernel's most attacked doors."},
        {ASSAY_CALL_REFUSED, "Other processes' memory and files",
                "kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv "
                "process_vm_writev ptrace",
                "Whoever shares a uid with a process could take it over, the box's init among them."},
        {ASSAY_CALL_REFUSED, "The kernel itself",
                "bpf create_module delete_module finit_module get_kernel_syms init_module "
                "kexec_file_load kexec_load query_module reboot",
                "Code in the kernel is the end of the box."},
        {ASSAY_CALL_REFUSED, "Kernel interfaces with a history",
                "add_key fanotify_init io_uring_enter io_uring_register io_uring_setup keyctl "
                "lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr memfd_secret "
                "modify_ldt perf_event_open request_key uselib userfaultfd",
                "Much attack surface, rarely needed by a build or a test; keys are not the box's own."},
        {ASSAY_CALL_REFUSED, "Clocks", "clock_adjtime clock_settime settimeofday",
                "The host's time."},
        {ASSAY_CALL_REFUSED, "The host and its hardware",
                "acct ioperm iopl nfsservctl quotactl quotactl_fd setdomainname sethostname "
                "swapoff swapon syslog ustat vhangup",
                "Administration of the host."},
        {ASSAY_CALL_REFUSED, "Placement of memory",
                "mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node",
                "Where memory lies is the host's to say, and the calls reach into other processes."},
        {ASSAY_CALL_REFUSED, "Calls without a kernel behind them",
                "_sysctl afs_syscall getpmsg putpmsg security tuxcall vserver",
                "No kernel that boxes run on has them."},
};
const size_t assay_call_group_count = COUNT(assay_call_groups);

const uint64_t assay_call_personalities[] = {
        0, 0x8, 0x20000, 0x20008, 0x40000, 0x60000, 0xffffffff};
const size_t assay_call_personality_count = COUNT(assay_call_personalities);

const struct assay_call_number assay_call_numbers[] = {
#ifdef __x86_64__
        {"uretprobe", 335},
#endif
        {"cachestat", 451}, {"fchmodat2", 452}, {"map_shadow_stack", 453}, {"futex_wake", 454},
        {"futex_wait", 455}, {"futex_requeue", 456}, {"statmount", 457}, {"listmount", 458},
        {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461},
        {"mseal", 462}, {"setxattrat", 463}, {"getxattrat", 464}, {"listxattrat", 465},
        {"removexattrat", 466}, {"open_tree_attr", 467}};
const size_t assay_call_number_count = COUNT(assay_call_numbers);

// --- arguments -----------------------------------------------------------------------------------

#define CALL(name) SYS_##name, #name
#define INT_IS(argument, value)                                                                    \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_INT_IS, value                                                     \
    }
#define INT_IN(argument, value)                                                                    \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_INT_IN, value                                                     \
    }
#define ANY_BIT(argument, value)                                                                   \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_ANY_BIT, value                                                    \
    }
#define IS(argument, value)                                                                        \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_IS, value                                                         \
    }
#define IS_NOT(argument, value)                                                                    \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_IS_NOT, value                                                     \
    }
#define IS_ABOVE(argument, value)                                                                  \
    {                                                                                              \
        argument, ASSAY_ARGUMENT_IS_ABOVE, value                                                   \
    }

#define NEW_NAMESPACES                                                                             \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
            CLONE_NEWNET)

// Families below NETLINK that are not UNIX, INET or INET6.
#define OTHER_FAMILIES                                                                             \
    (((1U << AF_NETLINK) - 1) & ~((1U << AF_UNIX) | (1U << AF_INET) | (1U << AF_INET6)))

// The box's init has the payload's uid, so uid checks alone would let a payload
// tune it, or kill it with a CPU limit of 0 and so lose its verdict.
static const char init_is_ours[] =
        "The box's init has the same uid: slowed or killed, it would lose the verdict.";
static const char types_into_terminals[] = "It types into a terminal, whoever reads it.";
static const char families_reason[] =
        "AF_VSOCK is not namespaced: in a virtual machine it talks to "
        "the host; the others are attack surface.";
static const char protocols_reason[] =
        "A protocol that the host has not loaded would be loaded for the box.";
static const char huge_reason[] =
        "Huge pages are the host's, and no box's memory limit counts them: as if there were none.";
static const char core_reason[] =
        "The limit of core files stays as the box began: a host's core program is not run for it.";

const struct assay_call_rule assay_call_rules[] = {
        {CALL(clone), {ANY_BIT(0, NEW_NAMESPACES)}, 1, EPERM, "flags ask for a new namespace",
                "As for unshare."},
        {CALL(ioctl), {INT_IS(1, TIOCSTI)}, 1, EPERM, "request is TIOCSTI", types_into_terminals},
        {CALL(ioctl), {INT_IS(1, TIOCLINUX)}, 1, EPERM, "request is TIOCLINUX",
                types_into_terminals},
        {CALL(ioctl), {INT_IS(1, TIOCSETD)}, 1, EPERM, "request is TIOCSETD",
                "It loads the module of a line discipline; those have been the way to root."},
        {CALL(fcntl), {INT_IS(1, F_SETLEASE)}, 1, EPERM, "command is F_SETLEASE",
                "On a file that boxes share it holds up whoever opens it, for 45 seconds."},
        {CALL(prctl), {INT_IS(0, PR_SET_MM)}, 1, EPERM, "option is PR_SET_MM",
                "It lets a process lie about what it is."},
        {CALL(prlimit64), {INT_IS(0, 1)}, 1, EPERM, "pid is 1", init_is_ours},
        {CALL(sched_setaffinity), {INT_IS(0, 1)}, 1, EPERM, "pid is 1", init_is_ours},
        {CALL(sched_setattr), {INT_IS(0, 1)}, 1, EPERM, "pid is 1", init_is_ours},
        {CALL(sched_setparam), {INT_IS(0, 1)}, 1, EPERM, "pid is 1", init_is_ours},
        {CALL(sched_setscheduler), {INT_IS(0, 1)}, 1, EPERM, "pid is 1", init_is_ours},
        {CALL(setpriority), {INT_IS(0, PRIO_USER)}, 1, EPERM, "which is PRIO_USER", init_is_ours},
        {CALL(setpriority), {INT_IS(0, PRIO_PROCESS), INT_IS(1, 1)}, 2, EPERM,
                "which is PRIO_PROCESS and who is 1", init_is_ours},
        {CALL(ioprio_set), {INT_IS(0, 3)}, 1, EPERM, "which is IOPRIO_WHO_USER", init_is_ours},
        {CALL(ioprio_set), {INT_IS(0, 1), INT_IS(1, 1)}, 2, EPERM,
                "which is IOPRIO_WHO_PROCESS and who is 1", init_is_ours},
        {CALL(socket), {INT_IN(0, OTHER_FAMILIES)}, 1, EAFNOSUPPORT,
                "family is not UNIX, INET, INET6 or NETLINK", families_reason},
        {CALL(socket), {IS_ABOVE(0, AF_NETLINK)}, 1, EAFNOSUPPORT, "family is above NETLINK",
                families_reason},
        {CALL(socket), {IS(0, AF_NETLINK), IS_NOT(2, 0)}, 2, EAFNOSUPPORT,
                "family is NETLINK and protocol is not ROUTE", families_reason},
        {CALL(socketpair), {INT_IN(0, OTHER_FAMILIES)}, 1, EAFNOSUPPORT,
                "family is not UNIX, INET, INET6 or NETLINK", families_reason},
        {CALL(socketpair), {IS_ABOVE(0, AF_NETLINK)}, 1, EAFNOSUPPORT, "family is above NETLINK",
                families_reason},
        {CALL(socketpair), {IS(0, AF_NETLINK), IS_NOT(2, 0)}, 2, EAFNOSUPPORT,
                "family is NETLINK and protocol is not ROUTE", families_reason},
        {CALL(socket), {IS(0, AF_INET), IS_ABOVE(2, PROTOCOL_ICMPV6)}, 2, EPROTONOSUPPORT,
                "family is INET and protocol is above ICMPV6", protocols_reason},
        {CALL(socket), {IS(0, AF_INET6), IS_ABOVE(2, PROTOCOL_ICMPV6)}, 2, EPROTONOSUPPORT,
                "family is INET6 and protocol is above ICMPV6", protocols_reason},
        {CALL(socket), {IS(0, AF_INET), INT_IS(2, PROTOCOL_DCCP)}, 2, EPROTONOSUPPORT,
                "family is INET and protocol is DCCP", protocols_reason},
        {CALL(socket), {IS(0, AF_INET6), INT_IS(2, PROTOCOL_DCCP)}, 2, EPROTONOSUPPORT,
                "family is INET6 and protocol is DCCP", protocols_reason},
        {CALL(mmap), {ANY_BIT(3, MAP_HUGETLB)}, 1, ENOMEM, "flags have MAP_HUGETLB", huge_reason},
        {CALL(memfd_create), {ANY_BIT(1, MFD_HUGETLB)}, 1, ENOMEM, "flags have MFD_HUGETLB",
                huge_reason},
        {CALL(shmget), {ANY_BIT(2, SHM_HUGETLB)}, 1, ENOMEM, "flags have SHM_HUGETLB", huge_reason},
        {CALL(setrlimit), {INT_IS(0, RLIMIT_CORE)}, 1, 0, "resource is RLIMIT_CORE", core_reason},
        {CALL(prlimit64), {INT_IS(1, RLIMIT_CORE), IS_NOT(2, 0), IS(3, 0)}, 3, 0,
                "resource is RLIMIT_CORE and a new limit is given", core_reason},
        {CALL(prlimit64), {INT_IS(1, RLIMIT_CORE), IS_NOT(2, 0), IS_NOT(3, 0)}, 3, EPERM,
                "resource is RLIMIT_CORE, a new limit is given and the old one asked for",
                "Ignored, it would leave the old one unwritten."},
};
const size_t assay_call_rule_count = COUNT(assay_call_rules);

// --- looking up ----------------------------------------------------------------------------------

// Is `name` one of the space-separated names of `list`?
static bool listed(const char *list, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

const struct assay_call_group *assay_call_find(const char *name)
{
    for (size_t i = 0; i < assay_call_group_count; i++)
        if (listed(assay_call_groups[i].names, name))
            return &assay_call_groups[i];
    return NULL;
}

enum assay_treatment assay_call_treatment(
        const struct assay_call_group *group, enum assay_profile profile)
{
    if (group == NULL)
        return ASSAY_CALL_ABSENT;
    if (group->treatment != ASSAY_CALL_COMPAT_ONLY)
        return group->treatment;
    return profile == ASSAY_PROFILE_STRICT ? ASSAY_CALL_REFUSED : ASSAY_CALL_ALLOWED;
}
