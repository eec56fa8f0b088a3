// SPDX-License-Identifier: MIT
// peer init|exe|signals|flood - attacks on the box's init, which has the payload's uid.
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/sandbox/attacks/attack.h"

#define SHARE_CORE_TO 2 // PR_SCHED_CORE_SHARE_TO

// Open and read a little.
static long try_read(const char *path)
{
    char text[64];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const long got = fd < 0 ? -1 : read(fd, text, sizeof(text));
    const int problem = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = problem;
    return got;
}

static void files_of_init(void)
{
    static const char *const read_paths[] = {"mem", "environ", "maps", "smaps", "auxv", "stack",
            "syscall", "io", "pagemap", "mountinfo", "fd/0", "fd/3", "root/etc", "cwd/etc", "exe",
            "ns/net", "ns/user", "map_files", "task/1/mem", "personality", "timerslack_ns"};
    static const char *const write_paths[] = {"mem", "clear_refs", "oom_score_adj", "comm",
            "coredump_filter", "uid_map", "gid_map", "setgroups", "attr/current", "autogroup",
            "timens_offsets", "sched", "exe", "task/1/comm"};
    char path[64];
    char name[64];

    for (size_t i = 0; i < sizeof(read_paths) / sizeof(read_paths[0]); i++) {
        (void)snprintf(path, sizeof(path), "/proc/1/%s", read_paths[i]);
        (void)snprintf(name, sizeof(name), "read_%s", read_paths[i]);
        TRY(name, try_read(path));
    }
    for (size_t i = 0; i < sizeof(write_paths) / sizeof(write_paths[0]); i++) {
        (void)snprintf(path, sizeof(path), "/proc/1/%s", write_paths[i]);
        (void)snprintf(name, sizeof(name), "write_%s", write_paths[i]);
        TRY(name, attack_write(path, "0"));
    }
}

static void calls_on_init(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit now;
    char byte = 0;
    struct iovec mine = {&byte, 1};
    struct iovec theirs = {(void *)&byte, 1};
    cpu_set_t cpus;
    struct sched_param param = {0};
    long head[2];

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    TRY("ptrace_attach", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    TRY("ptrace_seize", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    TRY("ptrace_traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    TRY("vm_read", process_vm_readv(1, &mine, 1, &theirs, 1, 0));
    TRY("vm_write", process_vm_writev(1, &mine, 1, &theirs, 1, 0));
    TRY("prlimit_cpu", prlimit(1, RLIMIT_CPU, &none, NULL));
    TRY("prlimit_nofile", prlimit(1, RLIMIT_NOFILE, &none, NULL));
    TRY("prlimit_read", prlimit(1, RLIMIT_CPU, NULL, &now));
    TRY("sched_setaffinity", sched_setaffinity(1, sizeof(cpus), &cpus));
    TRY("sched_setscheduler", sched_setscheduler(1, SCHED_IDLE, &param));
    TRY("sched_setparam", sched_setparam(1, &param));
    TRY("setpriority", setpriority(PRIO_PROCESS, 1, 19));
    TRY("setpriority_user", setpriority(PRIO_USER, 1000, 19));
    TRY("ioprio_set", syscall(SYS_ioprio_set, 1, 1, 3 << 13));
    TRY("migrate_pages", syscall(SYS_migrate_pages, 1, 0, NULL, NULL));
    TRY("move_pages", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
    TRY("robust_list", syscall(SYS_get_robust_list, 1, &head[0], &head[1]));
    TRY("perf_event", syscall(SYS_perf_event_open, NULL, 1, -1, -1, 0));
    TRY("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    TRY("core_cookie", prctl(PR_SCHED_CORE, SHARE_CORE_TO, 1, 0, 0));
    TRY("setpgid", setpgid(1, 0));
}

static void pidfd_of_init(void)
{
    const int fd = (int)syscall(NR_PIDFD_OPEN, 1, 0);
    siginfo_t info;

    TRY("pidfd_open", fd);
    TRY("pidfd_getfd", syscall(NR_PIDFD_GETFD, fd, 3, 0));
    TRY("pidfd_kill", syscall(NR_PIDFD_SEND_SIGNAL, fd, SIGKILL, NULL, 0));
    TRY("pidfd_wait", waitid((idtype_t)3, (id_t)fd, &info, WEXITED | WNOHANG)); // P_PIDFD
    TRY("pidfd_setns", syscall(SYS_setns, fd, CLONE_NEWNET));
    TRY("pidfd_madvise", syscall(NR_PROCESS_MADVISE, fd, NULL, 0, 21, 0));
    TRY("pidfd_mrelease", syscall(NR_PROCESS_MRELEASE, fd, 0));
    for (unsigned i = 1; i <= 10; i++) { // PIDFD_GET_*_NAMESPACE
        char name[32];

        (void)snprintf(name, sizeof(name), "pidfd_namespace_%u", i);
        TRY(name, ioctl(fd, _IO(0xFF, i), 0));
    }
    (void)close(fd);
}

static void init_attack(void)
{
    files_of_init();
    calls_on_init();
    pidfd_of_init();
}

// Our own program file, and init's.
static void exe_attack(void)
{
    static const char *const paths[] = {"/proc/self/exe", "/proc/1/exe", "/payloads/peer",
            "/usr/bin/true", "/proc/self/task/1/exe", "/proc/self/map_files"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        TRY(paths[i], attack_open(paths[i], O_WRONLY));
        TRY("again", attack_open(paths[i], O_RDWR | O_TRUNC));
    }
}

static void signals_attack(void)
{
    for (int number = 1; number <= 64; number++)
        (void)kill(1, number);
    TRY("tgkill", syscall(SYS_tgkill, 1, 1, SIGKILL));
    TRY("stop", kill(1, SIGSTOP));
    TRY("parent", kill(getppid(), SIGKILL));
    TRY("everyone", kill(-1, SIGSTOP)); // nobody else is there
    for (int i = 0; i < 200; i++) {
        const pid_t pid = fork();

        if (pid == 0) {
            (void)raise(SIGSTOP);
            // cppcheck-suppress unreachableCode
            _exit(0);
        }
        if (pid < 0)
            continue;
        (void)kill(pid, i % 2 == 0 ? SIGKILL : SIGCONT);
        (void)kill(1, SIGCHLD);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    TRY("alive", kill(1, 0));
}

// A queue of real-time signals that the init has blocked and never reads.
static void flood_attack(void)
{
    const union sigval value = {.sival_int = 1};
    long queued = 0;
    siginfo_t forged = {.si_signo = SIGCHLD, .si_code = -60};
    const pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    TRY("forged", syscall(SYS_rt_sigqueueinfo, 1, SIGCHLD, &forged));
    while (queued < 200000 && sigqueue(1, SIGRTMIN + (int)(queued % 30), value) == 0)
        queued++;
    attack_say("queue", queued <= 4096 ? "bounded" : "unbounded");
    TRY("wait", waitpid(pid, NULL, 0));
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {{"init", init_attack}, {"exe", exe_attack},
            {"signals", signals_attack}, {"flood", flood_attack}};

    return ATTACK_MAIN(argc, argv, commands);
}
