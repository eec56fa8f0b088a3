// SPDX-License-Identifier: MIT
// system sysctl|mounts|namespaces|devices|privilege|kernel|clock|ttys - attacks on what the host
// shares with every box: its kernel.
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/sandbox/attacks/attack.h"

// --- files of the kernel -------------------------------------------------------------------------

static void sysctl_attack(void)
{
    static const char *const paths[] = {"/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/domainname", "/proc/sys/kernel/ns_last_pid",
            "/proc/sys/kernel/shmmax", "/proc/sys/kernel/keys/maxkeys", "/proc/sys/vm/drop_caches",
            "/proc/sys/vm/nr_hugepages", "/proc/sys/fs/binfmt_misc/register",
            "/proc/sys/fs/suid_dumpable", "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/net/core/somaxconn", "/proc/sys/user/max_user_namespaces",
            "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/pci/devices",
            "/proc/fs/ext4", "/proc/mtrr", "/proc/kcore", "/proc/kmsg", "/proc/kallsyms",
            "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
            "/proc/kpageflags", "/proc/kpagecount", "/proc/vmallocinfo", "/proc/slabinfo",
            "/proc/pressure/memory", "/proc/pressure/cpu", "/proc/pressure/io",
            "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups",
            "/proc/self/projid_map", "/proc/self/loginuid", "/sys/kernel/uevent_helper",
            "/sys/kernel/mm/ksm/run", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent",
            "/sys/power/state", "/sys/kernel/debug/tracing/trace", "/sys/fs/selinux/enforce",
            "/sys/kernel/security/apparmor/.remove"};
    char bytes[64];

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        TRY(paths[i], attack_write(paths[i], "h")); // sysrq: help, should it work
    // A bind over a file must not be removable, and what it hides not reachable by another way.
    TRY("unlink_mask", unlink("/proc/kcore"));
    TRY("rename_mask", rename("/proc/kcore", "/proc/other"));
    TRY("umount_mask", umount2("/proc/kcore", MNT_DETACH));
    TRY("umount_sys", umount2("/proc/sys", MNT_DETACH));
    for (int i = 0; i < 2; i++) {
        const int fd = open(i == 0 ? "/proc/self/root/proc/keys" : "/proc/thread-self/../../kcore",
                O_RDONLY | O_CLOEXEC);
        const long got = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));

        attack_say(i == 0 ? "keys_by_root" : "kcore_by_task", got > 0 ? "read" : "empty");
        if (fd >= 0)
            (void)close(fd);
    }
}

// --- mounts --------------------------------------------------------------------------------------

static void mounts_attack(void)
{
    char attr[32] = {0};
    unsigned long request[8] = {32, 0, ~0UL, 0};
    unsigned long ids[256];
    long count = 0;

    TRY("mount_tmpfs", mount("x", "/tmp", "tmpfs", 0, NULL));
    TRY("mount_proc", mount("x", "/tmp", "proc", 0, NULL));
    TRY("mount_bind", mount("/usr", "/tmp", NULL, MS_BIND, NULL));
    TRY("mount_remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
    TRY("mount_shared", mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL));
    TRY("mount_overlay", mount("o", "/tmp", "overlay", 0, "lowerdir=/usr:/etc"));
    TRY("mount_move", mount("/tmp", "/var/tmp", NULL, MS_MOVE, NULL));
    TRY("umount", umount2("/tmp", MNT_DETACH));
    TRY("umount_root", umount2("/", MNT_DETACH));
    TRY("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    TRY("chroot", chroot("/tmp"));
    TRY("fsopen", syscall(NR_FSOPEN, "tmpfs", 0));
    TRY("fspick", syscall(NR_FSPICK, AT_FDCWD, "/", 0));
    TRY("fsconfig", syscall(NR_FSCONFIG, 0, 0, NULL, NULL, 0));
    TRY("fsmount", syscall(NR_FSMOUNT, 0, 0, 0));
    TRY("open_tree", syscall(NR_OPEN_TREE, AT_FDCWD, "/", 0));
    TRY("open_tree_clone", syscall(NR_OPEN_TREE, AT_FDCWD, "/usr", 1));
    TRY("open_tree_attr", syscall(NR_OPEN_TREE_ATTR, AT_FDCWD, "/usr", 1, attr, sizeof(attr)));
    TRY("move_mount", syscall(NR_MOVE_MOUNT, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0));
    TRY("mount_setattr", syscall(NR_MOUNT_SETATTR, AT_FDCWD, "/usr", 0, attr, sizeof(attr)));
    TRY("quotactl_fd", syscall(NR_QUOTACTL_FD, 0, 0, 0, NULL));
    // Nothing of the detached old root may be listed.
    count = syscall(NR_LISTMOUNT, request, ids, 256UL, 0UL);
    attack_say("listmount", count < 0 ? attack_word(count) : count < 64 ? "few" : "many");
}

// --- namespaces ----------------------------------------------------------------------------------

static long clone_flags(unsigned long flags)
{
    const long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        (void)waitpid((pid_t)pid, NULL, __WALL);
    return pid;
}

static void namespaces_attack(void)
{
    static const struct {
        const char *name;
        unsigned long flag;
    } rows[] = {{"newns", CLONE_NEWNS}, {"newcgroup", CLONE_NEWCGROUP}, {"newuts", CLONE_NEWUTS},
            {"newipc", CLONE_NEWIPC}, {"newuser", CLONE_NEWUSER}, {"newpid", CLONE_NEWPID},
            {"newnet", CLONE_NEWNET}, {"newtime", 0x80}};
    struct clone_args args = {.exit_signal = SIGCHLD};
    char name[32];
    int fd = -1;
    long pid = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(name, sizeof(name), "unshare_%s", rows[i].name);
        TRY(name, syscall(SYS_unshare, rows[i].flag));
        if (rows[i].flag == 0x80) // a part of the exit signal there
            continue;
        (void)snprintf(name, sizeof(name), "clone_%s", rows[i].name);
        TRY(name, clone_flags(rows[i].flag));
        (void)snprintf(name, sizeof(name), "clone_%s_high", rows[i].name);
        TRY(name, clone_flags(rows[i].flag | (1UL << 33)));
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        args.flags = rows[i].flag;
        (void)snprintf(name, sizeof(name), "clone3_%s", rows[i].name);
        TRY(name, syscall(SYS_clone3, &args, sizeof(args)));
    }
    TRY("clone3_size_0", syscall(SYS_clone3, &args, 0UL));
    TRY("clone3_huge", syscall(SYS_clone3, &args, ~0UL));
    TRY("clone3_null", syscall(SYS_clone3, NULL, sizeof(args)));
    TRY("clone_vfork", clone_flags(CLONE_VFORK));
    // A sibling of ours: the init becomes its parent, and reaps it.
    pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(99);
    attack_say("clone_parent", attack_word(pid));
    fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    TRY("open_own_user", fd);
    TRY("setns_own_user", syscall(SYS_setns, fd, 0));
    TRY("parent_user", ioctl(fd, _IO(0xb7, 2), 0)); // NS_GET_PARENT
    TRY("owning_user", ioctl(fd, _IO(0xb7, 1), 0)); // NS_GET_USERNS
    (void)close(fd);
    fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    TRY("parent_pid", ioctl(fd, _IO(0xb7, 2), 0));
    TRY("owner_pid", ioctl(fd, _IO(0xb7, 1), 0)); // the box's own user namespace
    (void)close(fd);
    fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    TRY("next_mnt", ioctl(fd, _IOC(_IOC_READ, 0xb7, 11, 16), 0)); // NS_MNT_GET_NEXT
    (void)close(fd);
    TRY("cgroup_dir", attack_open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY));
}

// --- devices -------------------------------------------------------------------------------------

static void devices_attack(void)
{
    static const char *const paths[] = {"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg",
            "/dev/kvm", "/dev/fuse", "/dev/vda", "/dev/sda", "/dev/nvidia0", "/dev/nvidiactl",
            "/dev/console", "/dev/tty0", "/dev/loop-control", "/dev/net/tun", "/dev/userfaultfd",
            "/dev/vsock", "/dev/vhost-net", "/dev/snapshot", "/dev/uinput", "/dev/hwrng",
            "/dev/cpu/0/msr", "/dev/tty"};
    static const struct {
        const char *name;
        mode_t mode;
        unsigned major, minor;
    } nodes[] = {{"vda", S_IFBLK | 0666, 254, 0}, {"sda", S_IFBLK | 0666, 8, 0},
            {"mem", S_IFCHR | 0666, 1, 1}, {"null", S_IFCHR | 0666, 1, 3},
            {"kmsg", S_IFCHR | 0666, 1, 11}};
    char path[64];

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        TRY(paths[i], attack_open(paths[i], O_RDWR));
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        (void)snprintf(path, sizeof(path), "/tmp/%s", nodes[i].name);
        TRY(path, mknod(path, nodes[i].mode, makedev(nodes[i].major, nodes[i].minor)));
        (void)snprintf(path, sizeof(path), "%s", nodes[i].name);
        TRY(path, mknod(path, nodes[i].mode, makedev(nodes[i].major, nodes[i].minor)));
    }
    TRY("chmod_null", chmod("/dev/null", 0600));
    TRY("chown_null", chown("/dev/null", 1000, 1000));
    TRY("unlink_null", unlink("/dev/null"));
    TRY("rename_null", rename("/dev/null", "/dev/other"));
    TRY("add_entropy", attack_write("/dev/random", "x"));
}

// --- privilege -----------------------------------------------------------------------------------

// A file that would have every capability when executed.
static int setxattr_capability(const char *path)
{
    static const unsigned capability[5] = {0x02000001, ~0U, 0, ~0U, 0};
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    const int got = fsetxattr(fd, "security.capability", capability, sizeof(capability), 0);
    const int problem = errno;

    (void)close(fd);
    errno = problem;
    return got;
}

static void privilege_attack(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct all[2] = {{~0U, ~0U, ~0U}, {~0U, ~0U, ~0U}};
    const gid_t groups[] = {0, 6};

    TRY("setuid", setuid(0));
    TRY("setresuid", setresuid(0, 0, 0));
    TRY("setuid_1001", setuid(1001));
    TRY("setgid", setgid(0));
    TRY("setgroups", setgroups(2, groups));
    TRY("setgroups_none", setgroups(0, NULL));
    TRY("capset", syscall(SYS_capset, &header, all));
    TRY("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
    TRY("securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    TRY("keepcaps", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    TRY("new_privs_off", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY("set_mm", prctl(PR_SET_MM, PR_SET_MM_START_CODE, 0, 0, 0));
    TRY("dumpable_2", prctl(PR_SET_DUMPABLE, 2, 0, 0, 0));
    TRY("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    TRY("io_flusher", prctl(57, 1, 0, 0, 0));   // PR_SET_IO_FLUSHER
    TRY("memory_merge", prctl(67, 1, 0, 0, 0)); // PR_SET_MEMORY_MERGE
    TRY("personality_compat", personality(0x0400000));
    TRY("personality_implies_exec", personality(READ_IMPLIES_EXEC));
    TRY("xattr_capability", setxattr_capability("/tmp/" MARK));
    TRY("nice", setpriority(PRIO_PROCESS, 0, -20));
    TRY("oom_score", attack_write("/proc/self/oom_score_adj", "-1000"));
    TRY("chown", chown("/tmp", 0, 0));
}

// --- interfaces of the kernel --------------------------------------------------------------------

static void kernel_attack(void)
{
    char page[256] = {0};

    TRY("bpf", syscall(SYS_bpf, 0, page, sizeof(page)));
    TRY("io_uring_setup", syscall(NR_IO_URING_SETUP, 8, page));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 1));
    TRY("perf_event_open", syscall(SYS_perf_event_open, page, 0, -1, -1, 0));
    TRY("keyctl_session", syscall(SYS_keyctl, 1, MARK));
    TRY("keyctl_persistent", syscall(SYS_keyctl, 22, -1, -3));
    TRY("add_key", syscall(SYS_add_key, "user", MARK, "x", 1, -4));
    TRY("request_key", syscall(SYS_request_key, "user", MARK, NULL, -4));
    TRY("init_module", syscall(SYS_init_module, page, sizeof(page), ""));
    TRY("finit_module", syscall(SYS_finit_module, 0, "", 0));
    TRY("delete_module", syscall(SYS_delete_module, "x", 0));
    TRY("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
    TRY("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    TRY("acct", syscall(SYS_acct, "/tmp/x"));
    TRY("syslog", syscall(SYS_syslog, 3, page, sizeof(page)));
    TRY("quotactl", syscall(SYS_quotactl, 0, "/dev/vda", 0, NULL));
    TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, page, 0));
    TRY("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    TRY("modify_ldt", syscall(SYS_modify_ldt, 0, page, sizeof(page)));
    TRY("iopl", syscall(SYS_iopl, 3));
    TRY("ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
    TRY("memfd_secret", syscall(NR_MEMFD_SECRET, 0));
    TRY("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, page, sizeof(page)));
    TRY("sethostname", sethostname(MARK, 5));
    TRY("setdomainname", setdomainname(MARK, 5));
    TRY("vhangup", vhangup());
    TRY("huge_pages",
            mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
                    -1, 0) == MAP_FAILED
                    ? -1
                    : 0);
    TRY("huge_memfd", memfd_create("x", MFD_HUGETLB));
    TRY("huge_shm", syscall(SYS_shmget, 0, 2 << 20, 04600)); // IPC_PRIVATE, SHM_HUGETLB | 0600
    TRY("aio", syscall(SYS_io_setup, 30000, page));
    TRY("map_low",
            mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                    0) == MAP_FAILED
                    ? -1
                    : 0);
}

static void clock_attack(void)
{
    const struct timespec zero = {0, 0};
    const struct timeval zero_tv = {0, 0};
    struct timex timex = {.modes = ADJ_FREQUENCY, .freq = 1};
    cpu_set_t cpus;
    struct sched_param param = {.sched_priority = 1};
    // struct sched_attr: size and policy (SCHED_DEADLINE), flags, nice and priority, three times
    const unsigned long attr[6] = {48 | 6UL << 32, 0, 0, 1000000, 10000000, 10000000};

    TRY("clock_settime", clock_settime(CLOCK_REALTIME, &zero));
    TRY("settimeofday", settimeofday(&zero_tv, NULL));
    TRY("adjtimex", adjtimex(&timex));
    TRY("clock_adjtime", clock_adjtime(CLOCK_REALTIME, &timex));
    TRY("fifo", sched_setscheduler(0, SCHED_FIFO, &param));
    TRY("rr", sched_setscheduler(0, SCHED_RR, &param));
    TRY("deadline", syscall(SYS_sched_setattr, 0, attr, 0));
    CPU_ZERO(&cpus);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        CPU_SET(i, &cpus);
    TRY("all_cpus", sched_setaffinity(0, sizeof(cpus), &cpus));
}

// --- terminals -----------------------------------------------------------------------------------

static void ttys_attack(void)
{
    const unsigned long high = 1UL << 32;
    int master = -1;
    int slave = -1;
    int discipline = 21; // N_GSM0710: its module has been an exploit more than once
    long count = 0;
    char byte = 'x';

    (void)signal(SIGHUP, SIG_IGN); // when our terminal goes
    TRY("openpty", openpty(&master, &slave, NULL, NULL, NULL));
    TRY("own_terminal", setsid() >= 0 || getpid() == getsid(0) ? ioctl(slave, TIOCSCTTY, 0) : -1);
    TRY("tiocsti", ioctl(slave, TIOCSTI, &byte));
    TRY("tiocsti_high", syscall(SYS_ioctl, slave, high | TIOCSTI, &byte));
    TRY("tioclinux", ioctl(slave, TIOCLINUX, &byte));
    TRY("tioclinux_high", syscall(SYS_ioctl, slave, high | TIOCLINUX, &byte));
    TRY("line_discipline", ioctl(slave, TIOCSETD, &discipline));
    TRY("line_discipline_high", syscall(SYS_ioctl, slave, high | TIOCSETD, &discipline));
    TRY("console", ioctl(slave, TIOCCONS, 0));
    TRY("stdin_tiocsti", ioctl(0, TIOCSTI, &byte));
    while (count < 5000 && posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0)
        count++;
    attack_say("terminals", count < 512 ? "bounded" : "unbounded");
    (void)close(master);
    (void)close(slave);
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {{"sysctl", sysctl_attack},
            {"mounts", mounts_attack}, {"namespaces", namespaces_attack},
            {"devices", devices_attack}, {"privilege", privilege_attack}, {"kernel", kernel_attack},
            {"clock", clock_attack}, {"ttys", ttys_attack}};

    return ATTACK_MAIN(argc, argv, commands);
}
