// SPDX-License-Identifier: MIT
// sandbox.c - the library's side of the spawner's life: exec, greet, restart, stop.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/box.h"
#include "sandbox/handle.h"
#include "sandbox/probe.h"
#include "sandbox/wire.h"

#define HELLO_MS_MAX 20000

const char *assay_tier_name(enum assay_tier tier)
{
    static const char *const names[] = {"A", "B", "C", "D", "none"};

    return (unsigned)tier < sizeof(names) / sizeof(names[0]) ? names[tier] : "none";
}

const char *assay_cgroup_shape_name(enum assay_cgroup_shape shape)
{
    static const char *const names[] = {"v2", "hybrid", "v1", "none"};

    return (unsigned)shape < sizeof(names) / sizeof(names[0]) ? names[shape] : "none";
}

// --- starting the spawner ------------------------------------------------------------------------

static enum assay_status find_program(
        char path[PATH_MAX], const char *given, struct assay_error *err)
{
    ssize_t len = 0;
    char *slash = NULL;

    if (given != NULL) {
        if (snprintf(path, PATH_MAX, "%s", given) >= PATH_MAX)
            return assay_fail(err, ASSAY_EINVAL, "path of assay-box is too long");
        return ASSAY_OK;
    }
    len = readlink("/proc/self/exe", path, PATH_MAX - sizeof("assay-box"));
    if (len < 0)
        return assay_fail_errno(err, errno, "find assay-box: read /proc/self/exe");
    path[len] = '\0';
    slash = strrchr(path, '/');
    memcpy(slash + 1, "assay-box", sizeof("assay-box"));
    return ASSAY_OK;
}

// posix_spawn: this process may have threads, CUDA and gigabytes; none of our
// code may run between fork and exec.
static enum assay_status exec_spawner(
        pid_t *pid, const struct assay_sandbox *sandbox, int socket_fd, struct assay_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    char program[PATH_MAX];
    char word[] = "spawner";
    char no_cgroups[] = "--hide-cgroups";
    char no_user_namespaces[] = "--hide-user-namespaces";
    char no_proc[] = "--hide-proc";
    char fresh_network[] = "--fresh-network";
    char ready[] = "--ready";
    char count[16];
    char *argv[9] = {program, word};
    char *environment[] = {NULL};
    size_t argc = 2;
    int problem = 0;

    memcpy(program, sandbox->box_program, sizeof(program));
    if (sandbox->options.hide_cgroups)
        argv[argc++] = no_cgroups;
    if (sandbox->options.hide_user_namespaces)
        argv[argc++] = no_user_namespaces;
    if (sandbox->options.hide_proc)
        argv[argc++] = no_proc;
    if (sandbox->options.fresh_network)
        argv[argc++] = fresh_network;
    if (sandbox->options.ready_count != 0) {
        (void)snprintf(count, sizeof(count), "%d",
                sandbox->options.ready_count < 0 ? 0 : sandbox->options.ready_count);
        argv[argc++] = ready;
        argv[argc] = count;
    }
    if (posix_spawn_file_actions_init(&actions) != 0)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to start assay-box");
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return assay_fail(err, ASSAY_ENOMEM, "no memory to start assay-box");
    }
    // Its own session: a terminal's Ctrl-C is for assay, which then stops it in order.
    problem = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigemptyset(&signals);
    problem = problem != 0 ? problem : posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    problem = problem != 0 ? problem : posix_spawnattr_setsigdefault(&attributes, &signals);
    problem = problem != 0
            ? problem
            : posix_spawn_file_actions_adddup2(&actions, socket_fd, ASSAY_WIRE_MAIN_FD);
    problem = problem != 0 ? problem
                           : posix_spawn(pid, program, &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (problem != 0)
        return assay_fail_errno(err, problem, "start %s", sandbox->box_program);
    return ASSAY_OK;
}

static enum assay_status read_hello(struct assay_wire_hello *hello, int fd, struct assay_error *err)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const uint64_t deadline_ms = assay_clock_ms() + HELLO_MS_MAX;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    long got = 0;

    do
        got = poll(&ready, 1, (int)assay_clock_left_ms(deadline_ms));
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return assay_fail(err, ASSAY_EIO, "assay-box did not answer in %d ms", HELLO_MS_MAX);
    got = assay_wire_receive(fd, hello, sizeof(*hello), fds, &fd_count, 0);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (got != (long)sizeof(*hello) || hello->kind != ASSAY_WIRE_HELLO ||
            hello->version != ASSAY_WIRE_VERSION)
        return assay_fail(err, ASSAY_EIO, "assay-box ended, or is not of this build");
    return ASSAY_OK;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0)
        if (errno != EINTR)
            return;
}

// The kernel counts descriptors that a user's sockets hold undelivered. As an ordinary
// user boxes are that user too, and may have as many as payload.c lets them; with fewer of our
// own, what they hold would keep us from handing a descriptor to the spawner.
static void raise_open_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

// Fills pid, fd and probes; *refused is what the spawner itself said.
static enum assay_status launch(
        struct assay_sandbox *sandbox, struct assay_error *refused, struct assay_error *err)
{
    struct assay_wire_hello *hello = calloc(1, sizeof(*hello));
    enum assay_status status = ASSAY_OK;
    int pair[2] = {-1, -1};
    pid_t pid = -1;

    if (hello == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to start assay-box");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        status = assay_fail_errno(err, errno, "socket for assay-box");
        goto out;
    }
    status = exec_spawner(&pid, sandbox, pair[1], err);
    if (status != ASSAY_OK)
        goto out;
    close(pair[1]);
    pair[1] = -1;
    status = read_hello(hello, pair[0], err);
    if (status != ASSAY_OK)
        goto out;
    *refused = hello->error;
    sandbox->probes = hello->probes;
    sandbox->spawner_pid = pid;
    sandbox->spawner_pid_fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    sandbox->main_fd = pair[0];
    pair[0] = -1;
    pid = -1;

out:
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        reap(pid);
    }
    free(hello);
    return status;
}

// Closing the socket is the order to stop: the spawner kills its boxes, removes
// their groups and exits.
static void stop(struct assay_sandbox *sandbox)
{
    if (sandbox->main_fd >= 0)
        close(sandbox->main_fd);
    sandbox->main_fd = -1;
    if (sandbox->spawner_pid > 0)
        reap(sandbox->spawner_pid);
    if (sandbox->spawner_pid_fd >= 0)
        close(sandbox->spawner_pid_fd);
    sandbox->spawner_pid_fd = -1;
    sandbox->spawner_pid = -1;
}

static enum assay_status create(struct assay_sandbox **out,
        const struct assay_sandbox_options *options, struct assay_error *err)
{
    static const struct assay_sandbox_options none = {.tier_min = ASSAY_TIER_A};
    struct assay_sandbox *sandbox = calloc(1, sizeof(*sandbox));
    struct assay_slots_options slots = {0};
    enum assay_status status = ASSAY_OK;

    if (sandbox == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a sandbox");
    sandbox->options = options != NULL ? *options : none;
    sandbox->main_fd = -1;
    sandbox->spawner_pid = sandbox->spawner_pid_fd = -1;
    slots.boxes_per_cpu = sandbox->options.boxes_per_cpu;
    slots.memory_bytes_budget = sandbox->options.memory_bytes_budget;
    status = find_program(sandbox->box_program, sandbox->options.box_program, err);
    if (status == ASSAY_OK)
        status = assay_slots_create(&sandbox->slots, &slots, err);
    if (status != ASSAY_OK) {
        free(sandbox);
        return status;
    }
    sandbox->options.box_program = sandbox->box_program;
    if (pthread_mutex_init(&sandbox->lock, NULL) != 0) {
        assay_slots_destroy(sandbox->slots);
        free(sandbox);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a lock");
    }
    *out = sandbox;
    return ASSAY_OK;
}

static enum assay_status judge_tier(const struct assay_sandbox *sandbox,
        const struct assay_error *refused, struct assay_error *err)
{
    const enum assay_tier tier = sandbox->probes.tier;

    if (refused->status != ASSAY_OK) {
        if (err != NULL)
            *err = *refused;
        return refused->status;
    }
    if (tier > sandbox->options.tier_min)
        return assay_fail(err, ASSAY_EREFUSED,
                "this host gives isolation tier %s, and %s is the minimum (see assay doctor)",
                assay_tier_name(tier), assay_tier_name(sandbox->options.tier_min));
    if (tier > ASSAY_TIER_C)
        return assay_fail(err, ASSAY_EREFUSED,
                "this host gives isolation tier %s, for which there are no boxes: they need mount "
                "namespaces (see assay doctor)",
                assay_tier_name(tier));
    return ASSAY_OK;
}

enum assay_status assay_sandbox_start(struct assay_sandbox **out,
        const struct assay_sandbox_options *options, struct assay_error *err)
{
    struct assay_sandbox *sandbox = NULL;
    struct assay_error refused;
    enum assay_status status = create(&sandbox, options, err);

    if (status != ASSAY_OK)
        return status;
    raise_open_files();
    status = launch(sandbox, &refused, err);
    if (status == ASSAY_OK)
        status = judge_tier(sandbox, &refused, err);
    if (status != ASSAY_OK) {
        assay_sandbox_stop(sandbox);
        return status;
    }
    *out = sandbox;
    return ASSAY_OK;
}

enum assay_status assay_sandbox_restart(struct assay_sandbox *sandbox, struct assay_error *err)
{
    struct assay_error refused;
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&sandbox->lock);
    stop(sandbox);
    status = launch(sandbox, &refused, err);
    if (status == ASSAY_OK) {
        status = judge_tier(sandbox, &refused, err);
        if (status != ASSAY_OK)
            stop(sandbox);
    }
    pthread_mutex_unlock(&sandbox->lock);
    return status;
}

void assay_sandbox_stop(struct assay_sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    stop(sandbox);
    assay_slots_destroy(sandbox->slots);
    pthread_mutex_destroy(&sandbox->lock);
    free(sandbox);
}

enum assay_tier assay_sandbox_tier(const struct assay_sandbox *sandbox)
{
    return sandbox->probes.tier;
}

enum assay_cgroup_shape assay_sandbox_cgroup_shape(const struct assay_sandbox *sandbox)
{
    return sandbox->probes.cgroup_shape;
}

pid_t assay_sandbox_spawner_pid(const struct assay_sandbox *sandbox)
{
    return sandbox->spawner_pid;
}

uint32_t assay_sandbox_cpu_count(const struct assay_sandbox *sandbox)
{
    return assay_slots_cpu_count(sandbox->slots);
}

void assay_sandbox_load(struct assay_sandbox *sandbox, uint32_t *running, uint32_t *waiting)
{
    assay_slots_load(sandbox->slots, running, waiting);
}

const struct assay_probes *assay_sandbox_probes(const struct assay_sandbox *sandbox)
{
    return &sandbox->probes;
}

enum assay_status assay_probe_host(struct assay_probes *out,
        const struct assay_sandbox_options *options, struct assay_error *err)
{
    struct assay_sandbox *sandbox = NULL;
    struct assay_error refused;
    enum assay_status status = create(&sandbox, options, err);

    if (status != ASSAY_OK)
        return status;
    sandbox->options.ready_count = -1;
    status = launch(sandbox, &refused, err);
    if (status == ASSAY_OK)
        *out = sandbox->probes;
    assay_sandbox_stop(sandbox);
    return status;
}
