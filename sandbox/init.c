// SPDX-License-Identifier: MIT
// init.c - the life of a box's PID 1.
//
//   clone3 -> waits for GO (the spawner writes uid maps and cgroups first)
//   -> prepares: becomes the box's user, makes the hostname, the system's mounts
//   -> waits for its request (it may wait long, in a pool)
//   -> finishes: makes the plan's mounts, enters the new root -> forks the payload
//   -> tells STARTED when exec worked, FAILED when a step of ours did not
//   -> reaps; when the payload ends tells ENDED -> reaps on until it is killed
//   A session has no payload: it is STARTED when it can serve (serve.h), ENDED when its socket
//   closes.
//
// It has all capabilities in the box's user namespace, so the payload, which
// has none, cannot trace it; it blocks every signal, and inside its own pid
// namespace the kernel shields it from SIGKILL and SIGSTOP. When its control
// socket closes, the spawner is gone and it exits: the kernel then kills the rest.
#include "sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/caps.h"
#include "sandbox/fds.h"
#include "sandbox/ids.h"
#include "sandbox/loopback.h"
#include "sandbox/meter.h"
#include "sandbox/notify.h"
#include "sandbox/payload.h"
#include "sandbox/plan.h"
#include "sandbox/quota.h"
#include "sandbox/request.h"
#include "sandbox/serve.h"
#include "sandbox/sys.h"
#include "sandbox/terminal.h"
#include "sandbox/wire.h"

#define PROCESSES_OF_OTHERS 4096

struct life {
    const struct assay_init *init;
    struct assay_request request;
    struct assay_mounts mounts;
    struct assay_meter meter;
    struct assay_notify notify;
    struct assay_serve serve; // of a session, which has no payload of its own
    pid_t payload_pid;
    int listen_fd; // for the proxy, until it is handed up; -1: none
    int signal_fd;
    int error_fd; // reading end of the payload's error pipe; -1 once exec worked
    bool ended;
    uint64_t meter_ms; // when to read the meter next
};

static bool is_session(const struct life *life)
{
    return life->request.serve_fd >= 0;
}

static void tell(const struct life *life, const struct assay_wire_init *record)
{
    // A spawner that is gone closes the control socket, which ends us anyway.
    (void)assay_wire_send(life->init->control_fd, record, sizeof(*record), NULL, 0);
}

static _Noreturn void fail(const struct life *life, const struct assay_fault *fault)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_FAILED, .fault = *fault};

    if (fault->step[0] == '\0')
        _exit(0); // the spawner is gone: nobody to tell
    tell(life, &record);
    _exit(1);
}

// --- before the payload --------------------------------------------------------------------------

static bool close_others(const struct assay_init *init, struct assay_fault *fault)
{
    int fds[3] = {init->control_fd, init->waiting_pid > 0 ? init->waiting_fd : -1, -1};

#ifdef __SANITIZE_ADDRESS__
    fds[2] = 2; // where the sanitizers of a test build report
#endif
    return assay_fds_keep_only(fds, 3, fault);
}

// False with fault->step empty when the spawner is gone.
static bool wait_for_go(const struct assay_init *init, struct assay_fault *fault)
{
    uint32_t kind = 0;
    ssize_t got = 0;

    do
        got = recv(init->control_fd, &kind, sizeof(kind), 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return assay_fault_set(fault, "wait for the spawner");
    return got == (ssize_t)sizeof(kind) && kind == ASSAY_WIRE_GO;
}

// What needs no plan.
static bool prepare(struct life *life, struct assay_fault *fault)
{
    const struct assay_init *init = life->init;
    enum assay_shape shape = init->shape;

    // Without a user namespace these are the host's capabilities, until the tree is made.
    if (init->tier == ASSAY_TIER_C) {
        if (!assay_caps_become(init->uid, init->gid, fault))
            return false;
    } else if (setresgid(init->gid, init->gid, init->gid) < 0 ||
            setresuid(init->uid, init->uid, init->uid) < 0) {
        return assay_fault_set(fault, "become the box's user");
    }
    // After the ids, which clear it. The control socket stands behind it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return assay_fault_set(fault, "parent death signal");
    // Not by clone3, which would root the namespace at the spawner's group.
    if (unshare(CLONE_NEWCGROUP) < 0)
        return assay_fault_set(fault, "cgroup namespace");
    // A forge's init is in a network namespace that is complete.
    if (init->network_new && init->shape != ASSAY_SHAPE_HOST_NETWORK &&
            !assay_loopback_raise(fault))
        return false;
    if (sethostname("box", 3) < 0)
        return assay_fault_set(fault, "hostname");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return assay_fault_set(fault, "dumpable");
    if (!assay_quota_bound(init->shares_uid, fault) || !assay_caps_bound(fault))
        return false;
    // Without a stage what would be mounted now could hide the plan's sources, which this
    // process opens itself; a zygote's run gets them opened.
    if (!init->staged && init->waiting_pid == 0 && shape == ASSAY_SHAPE_PLAIN)
        shape = ASSAY_SHAPE_OTHER;
    return assay_mounts_prepare(
            &life->mounts, shape, init->skeleton, init->staged, init->tier != ASSAY_TIER_B, fault);
}

// In tier C the uid is that of all boxes, and so is its count of processes: the meter keeps the
// box's limit, and this keeps the host from what happens between two readings.
static bool give_up(const struct assay_init *init, const struct assay_box_limits *limits,
        struct assay_fault *fault)
{
    const rlim_t most = (rlim_t)limits->process_count_max + PROCESSES_OF_OTHERS;
    const struct rlimit limit = {most, most};

    if (init->meter && setrlimit(RLIMIT_NPROC, &limit) < 0)
        return assay_fault_set(fault, "setrlimit");
    return assay_caps_drop(fault);
}

static bool finish(struct life *life, struct assay_fault *fault)
{
    struct assay_request *request = &life->request;
    bool refused = false;

    if (!request->sources_open &&
            !assay_sources_open(&request->sources, &request->plan, -1, ASSAY_BOX_UID, ASSAY_BOX_UID,
                    &refused, fault))
        return false;
    if (!assay_mounts_finish(
                &life->mounts, &request->plan, &request->sources, &request->parts, fault))
        return false;
    assay_sources_close(&request->sources);
    assay_sources_close(&request->parts);
    if (request->plan.network == ASSAY_NETWORK_ALLOWLIST &&
            !assay_loopback_listen(&life->listen_fd, fault))
        return false;
    return life->init->tier != ASSAY_TIER_C || give_up(life->init, &request->plan.limits, fault);
}

static bool watch_signals(struct life *life, struct assay_fault *fault)
{
    sigset_t signals;

    // The spawner ignores SIGCHLD, which would take our children from us unseen. A zygote's
    // interpreter may ignore others, and a payload would go on to after its exec.
    for (int number = 1; life->init->waiting_pid > 0 && number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)signal(SIGCHLD, SIG_DFL);
    sigfillset(&signals);
    if (pthread_sigmask(SIG_SETMASK, &signals, NULL) != 0)
        return assay_fault_set(fault, "block signals");
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    life->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return life->signal_fd >= 0 || assay_fault_set(fault, "signalfd");
}

// A descriptor made in here that somebody outside wants; nothing of it stays.
static bool hand_up(
        const struct life *life, enum assay_wire_kind kind, int *fd, struct assay_fault *fault)
{
    const struct assay_wire_init record = {.kind = kind};

    if (*fd < 0)
        return true;
    if (assay_wire_send(life->init->control_fd, &record, sizeof(record), fd, 1) < 0)
        return assay_fault_set(fault, "hand up");
    close(*fd);
    *fd = -1;
    return true;
}

// A zygote's run: the payload is there already.
static bool wake_payload(struct life *life, int error_fd, struct assay_fault *fault)
{
    const struct assay_init *init = life->init;
    const struct assay_wire_wake record = {.kind = ASSAY_WIRE_WAKE,
            .limit_memory = init->limit_memory,
            .limit_pids = init->limit_pids};
    int fds[3 + ASSAY_REQUEST_EXTRA_MAX + 1];
    size_t count = assay_request_list(&life->request, fds);

    fds[count++] = error_fd;
    life->payload_pid = init->waiting_pid;
    // While it waits it is moved at no cost; what fails here fails there.
    if (CPU_COUNT(&life->request.plan.cpus) > 0)
        (void)sched_setaffinity(
                init->waiting_pid, sizeof(life->request.plan.cpus), &life->request.plan.cpus);
    if (assay_wire_send(init->waiting_fd, &record, sizeof(record), fds, count) < 0)
        return assay_fault_set(fault, "wake payload");
    close(init->waiting_fd);
    return true;
}

// While the payload sets itself up we have nothing else to do: it may use our memory until it
// execs, which spares each box a copy of it. Not when it learns: then we answer its calls.
static pid_t fork_payload(struct assay_payload *payload)
{
    pid_t pid = -1;

    if (payload->plan->learn)
        pid = fork();
    else
        pid = vfork();               // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (pid == 0)                    // only exec and _exit follow
        assay_payload_exec(payload); // NOLINT(clang-analyzer-unix.Vfork)
    return pid;
}

static bool start_payload(struct life *life, struct assay_fault *fault)
{
    const struct assay_init *init = life->init;
    struct assay_request *request = &life->request;
    int slave_fd = -1;
    int learn_fd = -1;
    int ends[2];

    if (request->plan.terminal && !assay_terminal_make(&slave_fd, request->stdin_fd, fault))
        return false;
    if (request->plan.learn &&
            !assay_notify_open(&life->notify, request->learn_fd, &learn_fd, init->profiles,
                    request->plan.profile, fault))
        return false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return assay_fault_set(fault, "error pipe");
    life->error_fd = ends[0];
    if (init->waiting_pid > 0) {
        if (!wake_payload(life, ends[1], fault))
            return false;
    } else {
        struct assay_payload payload = {.plan = &request->plan,
                .profiles = init->profiles,
                .stdin_fd = slave_fd >= 0 ? slave_fd : request->stdin_fd,
                .output_fd = slave_fd >= 0 ? slave_fd : request->output_fd,
                .errors_fd = slave_fd >= 0 ? slave_fd : request->errors_fd,
                .report_fd = request->report_fd,
                .error_fd = ends[1],
                .learn_fd = learn_fd,
                .state_fd = -1,
                .limit_memory = init->limit_memory,
                .limit_pids = init->limit_pids};

        life->payload_pid = fork_payload(&payload);
    }
    if (life->payload_pid < 0)
        return assay_fault_set(fault, "fork");
    close(ends[1]);
    if (slave_fd >= 0)
        close(slave_fd);
    if (learn_fd >= 0)
        close(learn_fd);
    assay_request_close(request);
    return true;
}

// --- while it runs -------------------------------------------------------------------------------

static void fill_meter(struct life *life, struct assay_wire_init *record)
{
    if (!life->init->meter)
        return;
    record->cpu_user_us = life->meter.cpu_us - life->meter.cpu_system_us;
    record->cpu_system_us = life->meter.cpu_system_us;
    record->memory_bytes = life->meter.memory_bytes;
    record->rss_bytes_max = life->meter.rss_bytes_max;
    record->pids = life->meter.pids;
}

// The payload's error pipe: a fault, or its end, which means that exec worked.
static void hear_payload(struct life *life)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_STARTED};
    struct assay_fault fault;
    ssize_t got = 0;

    if (life->error_fd < 0)
        return;
    do
        got = read(life->error_fd, &fault, sizeof(fault));
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof(fault))
        fail(life, &fault);
    close(life->error_fd);
    life->error_fd = -1;
    record.time_us = assay_clock_us();
    tell(life, &record);
}

static void end(struct life *life, int wait_status)
{
    struct assay_wire_init record = {
            .kind = ASSAY_WIRE_ENDED, .wait_status = wait_status, .time_us = assay_clock_us()};

    life->ended = true;
    record.disk_full = assay_mounts_full(&life->mounts);
    if (life->init->meter) {
        assay_meter_read(&life->meter, &life->mounts, &life->request.plan.limits);
        assay_meter_end(&life->meter);
        life->meter.pids++; // the payload itself, which is no longer in /proc
    }
    fill_meter(life, &record);
    tell(life, &record);
}

static void reap(struct life *life)
{
    struct signalfd_siginfo info;
    int wait_status = 0;
    pid_t pid = 0;

    while (read(life->signal_fd, &info, sizeof(info)) > 0) {
        // One SIGCHLD may stand for many children.
    }
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        if (is_session(life))
            assay_serve_reaped(&life->serve, pid, wait_status);
        if (pid != life->payload_pid || life->ended)
            continue;
        hear_payload(life); // it may have failed, or ended, before we listened
        end(life, assay_notify_status(&life->notify, pid, wait_status));
    }
    // Whatever runs in here is a child of ours, or of one: nothing does. No need to be killed.
    if (life->ended && !is_session(life) && pid < 0 && errno == ECHILD)
        _exit(0);
}

// A limit of the box was passed. Where no group counts, only what we reap is
// counted exactly: so we do the killing, and the spawner kills us after it.
static void hear_spawner(struct life *life)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_DEAD};
    uint32_t kind = 0;

    if (recv(life->init->control_fd, &kind, sizeof(kind), 0) != (ssize_t)sizeof(kind) ||
            kind != ASSAY_WIRE_KILL)
        _exit(0); // it is gone
    life->ended = true;
    assay_meter_end(&life->meter);
    fill_meter(life, &record);
    tell(life, &record);
}

static void read_meter(struct life *life)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_METER};
    const uint64_t before_ms = assay_clock_ms();
    uint64_t pause_ms = 0;

    if (!life->init->meter || life->error_fd >= 0 || life->ended || before_ms < life->meter_ms)
        return;
    assay_meter_read(&life->meter, &life->mounts, &life->request.plan.limits);
    fill_meter(life, &record);
    tell(life, &record);
    pause_ms = assay_meter_pause_ms(&life->meter, &life->request.plan.limits);
    // With thousands of processes a reading takes long: never more than a fifth of the time.
    if ((assay_clock_ms() - before_ms) * 4 > pause_ms)
        pause_ms = (assay_clock_ms() - before_ms) * 4;
    life->meter_ms = assay_clock_ms() + pause_ms;
}

static bool start_session(struct life *life, struct assay_fault *fault)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_STARTED, .time_us = assay_clock_us()};

    if (!assay_serve_start(&life->serve, life->init, &life->request, &life->mounts, fault))
        return false;
    tell(life, &record);
    return true;
}

// Milliseconds until there is something to do without being asked; -1: never.
static int tend(struct life *life)
{
    const int meter_ms =
            life->init->meter && !life->ended ? (int)assay_clock_left_ms(life->meter_ms) + 1 : -1;
    const int serve_ms = is_session(life) && !life->ended ? assay_serve_tend(&life->serve) : -1;

    return serve_ms < 0 || (meter_ms >= 0 && meter_ms < serve_ms) ? meter_ms : serve_ms;
}

static _Noreturn void live(struct life *life)
{
    for (;;) {
        struct pollfd watched[] = {{.fd = life->init->control_fd, .events = POLLIN},
                {.fd = life->signal_fd, .events = POLLIN}, {.fd = life->error_fd, .events = POLLIN},
                {.fd = life->ended ? -1 : life->request.serve_fd, .events = POLLIN},
                {.fd = life->notify.socket_fd, .events = POLLIN},
                {.fd = life->notify.listener_fd, .events = POLLIN}};

        if (poll(watched, 6, tend(life)) < 0 && errno != EINTR)
            _exit(1);
        if (watched[0].revents != 0)
            hear_spawner(life);
        if (watched[4].revents != 0 || watched[5].revents != 0)
            assay_notify_hear(&life->notify);
        if (watched[2].revents != 0)
            hear_payload(life);
        if (watched[1].revents != 0)
            reap(life);
        if (watched[3].revents != 0 && !assay_serve_hear(&life->serve))
            end(life, 0);
        read_meter(life);
    }
}

void assay_init_run(const struct assay_init *init)
{
    struct life life = {.init = init, .listen_fd = -1, .signal_fd = -1, .error_fd = -1};
    struct assay_fault fault = {{0}, 0};

    (void)prctl(PR_SET_NAME, "assay-ready", 0, 0, 0);
    life.mounts.out_dir_fd = -1;
    life.notify.socket_fd = life.notify.listener_fd = -1;
    assay_request_init(&life.request);
    if (!close_others(init, &fault))
        fail(&life, &fault);
    if (init->waiting_pid == 0 && !wait_for_go(init, &fault))
        fail(&life, &fault);
    if (!watch_signals(&life, &fault) || !prepare(&life, &fault))
        fail(&life, &fault);
    if (!assay_request_receive(&life.request, init->control_fd, &fault))
        fail(&life, &fault);
    (void)prctl(PR_SET_NAME, "assay-init", 0, 0, 0);
    if (!finish(&life, &fault))
        fail(&life, &fault);
    if (!hand_up(&life, ASSAY_WIRE_OUT_DIR, &life.mounts.out_dir_fd, &fault) ||
            !hand_up(&life, ASSAY_WIRE_LISTENER, &life.listen_fd, &fault))
        fail(&life, &fault);
    for (size_t i = 0; i < life.mounts.part_count; i++)
        if (!hand_up(&life, ASSAY_WIRE_PART, &life.mounts.part_fds[i], &fault))
            fail(&life, &fault);
    if (init->meter)
        assay_meter_start(&life.meter);
    if (!(is_session(&life) ? start_session : start_payload)(&life, &fault))
        fail(&life, &fault);
    if (life.error_fd >= 0 && init->waiting_pid == 0 && !life.request.plan.learn)
        hear_payload(&life); // it has exec'd, or failed, already
    live(&life);
}
