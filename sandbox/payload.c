// SPDX-License-Identifier: MIT
#include "sandbox/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/caps.h"
#include "sandbox/notify.h"
#include "sandbox/plan.h"
#include "sandbox/sys.h"
#include "sandbox/terminal.h"

#define LANDLOCK_SCOPES 3ULL // abstract UNIX sockets and signals (ABI 6)

// Out of the way of 0, 1, 2 and of any number that the plan may want for the report pipe.
static bool raise_descriptors(struct assay_payload *payload, struct assay_fault *fault)
{
    int *const fds[] = {&payload->error_fd, &payload->stdin_fd, &payload->output_fd,
            &payload->errors_fd, &payload->report_fd, &payload->state_fd, &payload->learn_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        const int raised =
                *fds[i] < 0 ? -1 : fcntl(*fds[i], F_DUPFD_CLOEXEC, ASSAY_PLAN_REPORT_FD_MAX + 1);

        if (*fds[i] >= 0 && raised < 0)
            return assay_fault_set(fault, "descriptors");
        *fds[i] = raised;
    }
    return true;
}

// The payload finds `fd` as `number`.
static bool hand_on(int fd, int number, const char *step, struct assay_fault *fault)
{
    return (fd == number ? fcntl(number, F_SETFD, 0) : dup2(fd, number)) >= 0 ||
            assay_fault_set(fault, step);
}

static bool set_descriptors(const struct assay_payload *payload, struct assay_fault *fault)
{
    if (dup2(payload->stdin_fd, 0) < 0 || dup2(payload->output_fd, 1) < 0 ||
            dup2(payload->errors_fd >= 0 ? payload->errors_fd : payload->output_fd, 2) < 0)
        return assay_fault_set(fault, "stdio");
    // Whatever else is open, of ours or inherited by mistake, ends at exec.
    if (sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return assay_fault_set(fault, "close_range");
    return (payload->report_fd < 0 ||
                   hand_on(payload->report_fd, payload->plan->report_fd, "report pipe", fault)) &&
            (payload->state_fd < 0 ||
                    hand_on(payload->state_fd, payload->state_number, "state", fault));
}

static bool set_limit(int resource, rlim_t soft, rlim_t hard, struct assay_fault *fault)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return assay_fault_set(fault, "getrlimit");
    // We may have inherited less than the plan wants, and cannot raise it.
    if (hard > limit.rlim_max)
        hard = limit.rlim_max;
    limit.rlim_max = hard;
    limit.rlim_cur = soft < hard ? soft : hard;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ||
            assay_fault_set(fault, "setrlimit");
}

// At most half of what the init and assay have: the kernel refuses to pass a descriptor once a
// user's sockets hold more of them, undelivered, than who passes it may have open.
static bool limit_open_files(rlim_t count, struct assay_fault *fault)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return assay_fault_set(fault, "getrlimit");
    count = count < files.rlim_max / 2 ? count : files.rlim_max / 2;
    return set_limit(RLIMIT_NOFILE, count, count, fault);
}

static bool set_limits(const struct assay_payload *payload, struct assay_fault *fault)
{
    const struct assay_box_limits *limits = &payload->plan->limits;
    // The spawner keeps the CPU limit for the whole box; this one stands behind
    // it, for one process, should the spawner be stopped.
    const rlim_t cpu_s = limits->cpu_ms_max / 1000 + 2;

    // A core limit of 0 lets a host whose core_pattern is a program run it, as
    // root, on what crashed here; a limit of 1 stops that too. The profile keeps it.
    if (!set_limit(RLIMIT_CORE, 1, 1, fault) || !set_limit(RLIMIT_CPU, cpu_s, cpu_s + 1, fault) ||
            !set_limit(RLIMIT_FSIZE, limits->disk_bytes_max, limits->disk_bytes_max, fault) ||
            !limit_open_files(limits->open_file_count_max, fault) ||
            !set_limit(RLIMIT_STACK, (rlim_t)8 << 20, RLIM_INFINITY, fault) ||
            !set_limit(RLIMIT_MEMLOCK, 65536, 65536, fault) ||
            // A quarter of what a user has, since an ordinary user's boxes share that.
            !set_limit(RLIMIT_MSGQUEUE, 204800, 204800, fault) ||
            !set_limit(RLIMIT_SIGPENDING, 4096, 4096, fault) ||
            !set_limit(RLIMIT_NICE, 0, 0, fault) || !set_limit(RLIMIT_RTPRIO, 0, 0, fault))
        return false;
    if (payload->limit_memory &&
            !set_limit(RLIMIT_DATA, limits->memory_bytes_max, limits->memory_bytes_max, fault))
        return false;
    // Set inside the box's user namespace it counts in the box alone; the init is one.
    return !payload->limit_pids ||
            set_limit(RLIMIT_NPROC, (rlim_t)limits->process_count_max + 1,
                    (rlim_t)limits->process_count_max + 1, fault);
}

// What the command's time and addresses depend on beside its own doing.
static bool set_cpus(const struct assay_box_plan *plan, struct assay_fault *fault)
{
    int now = 0;

    if (CPU_COUNT(&plan->cpus) > 0 && sched_setaffinity(0, sizeof(plan->cpus), &plan->cpus) < 0)
        return assay_fault_set(fault, "affinity");
    if (!plan->no_aslr)
        return true;
    now = personality(0xffffffff); // reads it
    if (now < 0 || personality((unsigned)now | ADDR_NO_RANDOMIZE) < 0)
        return assay_fault_set(fault, "personality");
    return true;
}

// All have their default action already, since the init's beginning; a zygote's run keeps its own.
static bool unblock_signals(struct assay_fault *fault)
{
    sigset_t none;

    sigemptyset(&none);
    return pthread_sigmask(SIG_SETMASK, &none, NULL) == 0 || assay_fault_set(fault, "signal mask");
}

// Where the kernel has it (ABI 6): no signal and no abstract socket out of the
// box, even with the host's network. Older kernels: namespaces alone do this.
static bool scope_with_landlock(struct assay_fault *fault)
{
    // The kernel's struct landlock_ruleset_attr, which older headers lack in part.
    const struct {
        // cppcheck-suppress unusedStructMember
        uint64_t handled_access_fs, handled_access_net, scoped;
    } ruleset = {.scoped = LANDLOCK_SCOPES};
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U); // 1: tell it
    int fd = -1;
    bool restricted = false;

    if (version < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
        return assay_fault_set(fault, "landlock");
    if (version < 6)
        return true;
    fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0U);
    if (fd < 0)
        return assay_fault_set(fault, "landlock");
    restricted =
            syscall(SYS_landlock_restrict_self, fd, 0U) == 0 || assay_fault_set(fault, "landlock");
    close(fd);
    return restricted;
}

static _Noreturn void fail(const struct assay_payload *payload, const struct assay_fault *fault)
{
    if (write(payload->error_fd, fault, sizeof(*fault)) < 0)
        _exit(126); // the init sees an exit without a reason
    _exit(125);
}

// The command's own fault, as a shell would put it: a line on its stderr, 126 or 127.
static _Noreturn void refuse(const char *what, int problem)
{
    char line[512];
    const int len = snprintf(line, sizeof(line), "assay: %.400s: %s\n", what,
            problem == ENOENT ? "not found" : strerrordesc_np(problem));

    if (len > 0 && write(2, line, (size_t)len) < 0)
        _exit(126);
    _exit(problem == ENOENT ? 127 : 126);
}

// Errors of exec that say nothing about the command.
static bool is_our_trouble(int problem)
{
    return problem == ENOMEM || problem == EAGAIN || problem == EMFILE || problem == ENFILE ||
            problem == EIO;
}

static void exec_path(const char *path, const struct assay_box_plan *plan)
{
    char *const *argv = NULL;
    char *const *env = NULL;

    memcpy(&argv, &plan->argv, sizeof(argv)); // execve() promises not to write
    memcpy(&env, &plan->env, sizeof(env));
    (void)execve(path, argv, env);
}

static const char *find_path(const struct assay_box_plan *plan)
{
    for (size_t i = 0; plan->env[i] != NULL; i++)
        if (strncmp(plan->env[i], "PATH=", 5) == 0)
            return plan->env[i] + 5;
    return "/usr/bin:/bin";
}

// Returns only on failure, with errno. As execvp(): a forbidden file is
// remembered while the search goes on.
static void exec_command(const struct assay_box_plan *plan)
{
    char path[PATH_MAX];
    int problem = ENOENT;

    if (strchr(plan->argv[0], '/') != NULL) {
        exec_path(plan->argv[0], plan);
        return;
    }
    for (const char *at = find_path(plan); at != NULL;) {
        const size_t len = strcspn(at, ":");

        if (snprintf(path, sizeof(path), "%.*s/%s", len == 0 ? 1 : (int)len, len == 0 ? "." : at,
                    plan->argv[0]) < (int)sizeof(path)) {
            exec_path(path, plan);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                return;
            if (errno == EACCES)
                problem = EACCES;
        }
        at = at[len] == ':' ? at + len + 1 : NULL;
    }
    errno = problem;
}

// A zygote makes boxes within its own, whose limits may be wider than its; what runs in
// it has passed through our hands before, and what it forks goes through all of this anew.
static bool confine(const struct assay_payload *payload, struct assay_fault *fault)
{
    if (payload->plan->serves)
        return set_limit(RLIMIT_CORE, 0, RLIM_INFINITY, fault);
    return set_limits(payload, fault) && set_cpus(payload->plan, fault);
}

static bool lock_in(const struct assay_payload *payload, struct assay_fault *fault)
{
    const enum assay_profile profile = payload->plan->profile;

    if (!scope_with_landlock(fault))
        return false;
    return payload->plan->learn
            ? assay_notify_install(payload->profiles, profile, payload->learn_fd, fault)
            : assay_profile_install(payload->profiles, profile, fault);
}

void assay_payload_settle(struct assay_payload *payload)
{
    const struct assay_box_plan *plan = payload->plan;
    struct assay_fault fault = {{0}, 0};

    if (setsid() < 0) {
        (void)assay_fault_set(&fault, "setsid");
        fail(payload, &fault);
    }
    (void)umask(022);
    if (!raise_descriptors(payload, &fault) || !set_descriptors(payload, &fault) ||
            !unblock_signals(&fault) || (plan->terminal && !assay_terminal_take(&fault)))
        fail(payload, &fault);
    // A patched tree decides whether its folders exist: not a failure of ours.
    if (chdir(plan->cwd) < 0)
        refuse(plan->cwd, errno);
    if (!confine(payload, &fault) || !assay_caps_drop(&fault))
        fail(payload, &fault);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        (void)assay_fault_set(&fault, "no_new_privs");
        fail(payload, &fault);
    }
    if (!plan->serves && !lock_in(payload, &fault))
        fail(payload, &fault);
}

void assay_payload_exec(struct assay_payload *payload)
{
    const struct assay_box_plan *plan = payload->plan;
    struct assay_fault fault = {{0}, 0};

    assay_payload_settle(payload);
    exec_command(plan);
    if (!is_our_trouble(errno))
        refuse(plan->argv[0], errno);
    (void)assay_fault_set(&fault, "exec");
    fail(payload, &fault);
}
