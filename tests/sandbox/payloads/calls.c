// SPDX-License-Identifier: MIT
// calls - make each call that a profile forbids and print "name errno" for it.
//
// Argument "i386": a system call of the other architecture instead. "x32": of the third.
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void try(const char *name, long number, long a, long b, long c)
{
    errno = 0;
    const long got = syscall(number, a, b, c, 0L, 0L, 0L);

    (void)printf("%s %d\n", name, got < 0 ? errno : 0);
}

static void try_plain(void)
{
    static const struct {
        const char *name;
        long number;
    } rows[] = {{"acct", SYS_acct}, {"add_key", SYS_add_key}, {"bpf", SYS_bpf},
            {"chroot", SYS_chroot}, {"clock_settime", SYS_clock_settime},
            {"delete_module", SYS_delete_module}, {"fanotify_init", SYS_fanotify_init},
            {"finit_module", SYS_finit_module}, {"fsconfig", 431}, {"fsmount", 432},
            {"fsopen", 430}, {"fspick", 433}, {"init_module", SYS_init_module},
            {"io_uring_enter", 426}, {"io_uring_register", 427}, {"io_uring_setup", 425},
            {"ioperm", SYS_ioperm}, {"iopl", SYS_iopl}, {"kcmp", SYS_kcmp},
            {"kexec_file_load", SYS_kexec_file_load}, {"kexec_load", SYS_kexec_load},
            {"keyctl", SYS_keyctl}, {"lookup_dcookie", SYS_lookup_dcookie}, {"mbind", SYS_mbind},
            {"migrate_pages", SYS_migrate_pages}, {"modify_ldt", SYS_modify_ldt},
            {"mount", SYS_mount}, {"mount_setattr", 442}, {"move_mount", 429},
            {"move_pages", SYS_move_pages}, {"nfsservctl", SYS_nfsservctl},
            {"open_by_handle_at", SYS_open_by_handle_at}, {"open_tree", 428},
            {"perf_event_open", SYS_perf_event_open}, {"pidfd_getfd", 438},
            {"pivot_root", SYS_pivot_root}, {"process_madvise", 440},
            {"process_vm_readv", SYS_process_vm_readv},
            {"process_vm_writev", SYS_process_vm_writev}, {"ptrace", SYS_ptrace},
            {"quotactl", SYS_quotactl}, {"quotactl_fd", 443}, {"reboot", SYS_reboot},
            {"request_key", SYS_request_key}, {"set_mempolicy", SYS_set_mempolicy},
            {"setns", SYS_setns}, {"settimeofday", SYS_settimeofday}, {"swapoff", SYS_swapoff},
            {"swapon", SYS_swapon}, {"syslog", SYS_syslog}, {"umount2", SYS_umount2},
            {"unshare", SYS_unshare}, {"userfaultfd", SYS_userfaultfd}, {"vhangup", SYS_vhangup}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        try(rows[i].name, rows[i].number, 0, 0, 0);
    try("clone3", SYS_clone3, 0, 0, 0);
    try("number_1000", 1000, 0, 0, 0);
    try("number_599", 599, 0, 0, 0);
}

static void try_arguments(void)
{
    static const unsigned long flags[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
            CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
    const long high = (long)1 << 32;
    char name[32];

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        (void)snprintf(name, sizeof(name), "clone_%lx", flags[i]);
        try(name, SYS_clone, (long)flags[i], 0, 0);
    }
    try("tiocsti", SYS_ioctl, 0, TIOCSTI, 0);
    try("tiocsti_high", SYS_ioctl, 0, high | TIOCSTI, 0);
    try("tioclinux", SYS_ioctl, 0, TIOCLINUX, 0);
    try("tioclinux_high", SYS_ioctl, 0, high | TIOCLINUX, 0);
    try("prctl_set_mm", SYS_prctl, PR_SET_MM, 0, 0);
    try("prctl_set_mm_high", SYS_prctl, high | PR_SET_MM, 0, 0);
    try("prlimit_init", SYS_prlimit64, 1, RLIMIT_CPU, 0);
    try("prlimit_init_high", SYS_prlimit64, high | 1, RLIMIT_CPU, 0);
    try("setpriority_init", SYS_setpriority, PRIO_PROCESS, 1, 19);
    try("setpriority_user", SYS_setpriority, PRIO_USER, 0, 19);
    try("sched_setscheduler_init", SYS_sched_setscheduler, 1, SCHED_IDLE, 0);
    try("personality_32", SYS_personality, 0x0400000, 0, 0); // ADDR_COMPAT_LAYOUT and others
    try("personality_query", SYS_personality, 0xffffffff, 0, 0);
    try("personality_no_random", SYS_personality, 0x40000, 0, 0);
}

static void try_sockets(void)
{
    static const struct {
        const char *name;
        int family, type, protocol;
    } rows[] = {{"socket_unix", AF_UNIX, SOCK_STREAM, 0}, {"socket_inet", AF_INET, SOCK_STREAM, 0},
            {"socket_inet6", AF_INET6, SOCK_STREAM, 0}, {"socket_route", AF_NETLINK, SOCK_RAW, 0},
            {"socket_audit", AF_NETLINK, SOCK_RAW, 9}, {"socket_packet", AF_PACKET, SOCK_RAW, 0},
            {"socket_alg", 38, SOCK_SEQPACKET, 0}, {"socket_vsock", 40, SOCK_STREAM, 0},
            {"socket_xdp", 44, SOCK_RAW, 0}, {"socket_bluetooth", 31, SOCK_RAW, 0},
            {"socket_raw", AF_INET, SOCK_RAW, 1}, {"socket_unspec", 0, SOCK_STREAM, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        try(rows[i].name, SYS_socket, rows[i].family, rows[i].type, rows[i].protocol);
    try("socket_vsock_high", SYS_socket, ((long)1 << 32) | 40, SOCK_STREAM, 0);
    try("socket_unix_high", SYS_socket, ((long)1 << 32) | AF_UNIX, SOCK_STREAM, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "i386") == 0) {
        long got = 20; // getpid there

        __asm__ volatile("int $0x80" : "+a"(got) : : "memory");
        (void)printf("i386 getpid gave %ld\n", got);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "x32") == 0) {
        (void)printf("x32 getpid gave %ld\n", syscall(0x40000000L | SYS_getpid));
        return 0;
    }
    try_plain();
    try_arguments();
    try_sockets();
    return 0;
}
