// SPDX-License-Identifier: MIT
#include "sandbox/forge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/fds.h"
#include "sandbox/groups.h"
#include "sandbox/init.h"
#include "sandbox/nets.h"
#include "sandbox/quota.h"
#include "sandbox/spawner.h"
#include "sandbox/stage.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

#define AHEAD_RUNTIME_NS 20000000
#define BUSY_PAUSE_MS 5
#define IDLE_MS_MAX 20   // without orders for so long it keeps no group: an idle assay has none
#define BUSY_MS_MAX 5000 // how long the end waits for groups that are still busy

// What is kept for a box until it is buried.
struct grave {
    int mount_fd; // its mount namespace; -1
    struct assay_net net;
    bool has_group; // made by this forge
    struct assay_group group;
};

struct forge {
    const struct spawner *spawner; // a copy, by fork
    int fd;
    int full_fd,
            stage_fd; // mount namespaces: as the spawner's; the stage's, which plain boxes copy
    struct assay_nets nets;
    struct assay_groups groups;
    struct grave *graves; // owned; by slot
};

// --- making --------------------------------------------------------------------------------------

// One init under way.
struct making {
    const struct spawner *spawner;
    const struct assay_forge_order *order;
    struct assay_group group;
    bool has_group; // it was there already
    int pid_fd;
    int control_fd; // the spawner's end
    int init_control_fd;
    bool is_sibling; // a child of our parent
    struct assay_fault *fault;
};

static _Noreturn void become_init(
        const struct spawner *spawner, const struct assay_forge_order *order, int control_fd)
{
    const unsigned roles = spawner->cgroups.roles;
    const unsigned counted = ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_CPU | ASSAY_CGROUP_PIDS;
    const struct assay_init init = {.profiles = &spawner->profiles,
            .skeleton = &spawner->skeleton,
            .staged = spawner->staged,
            .shape = (enum assay_shape)order->shape,
            .control_fd = control_fd,
            .limit_memory = !(roles & ASSAY_CGROUP_MEMORY),
            .limit_pids = !(roles & ASSAY_CGROUP_PIDS) && spawner->tier != ASSAY_TIER_C,
            .meter = (roles & counted) != counted,
            .tier = spawner->tier,
            .shares_uid = order->uid == spawner->ids.store_uid,
            .uid = spawner->tier == ASSAY_TIER_C ? spawner->ids.store_uid : ASSAY_BOX_UID,
            .gid = spawner->tier == ASSAY_TIER_C ? spawner->ids.store_gid : ASSAY_BOX_UID};

    assay_init_run(&init);
}

static pid_t clone_init(struct making *making)
{
    const struct spawner *spawner = making->spawner;
    const int group_fd = assay_cgroup_clone_fd(&making->group.dirs, &spawner->cgroups);
    const struct assay_id_map map = {ASSAY_BOX_UID, ASSAY_BOX_UID, making->order->uid,
            spawner->ids.root ? making->order->uid : spawner->ids.store_gid};
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                    CLONE_NEWUTS | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
            .pidfd = (uint64_t)(uintptr_t)&making->pid_fd};
    pid_t pid = -1;

    if (spawner->tier == ASSAY_TIER_C)
        args.flags &= ~(uint64_t)CLONE_NEWUSER;
    if (making->is_sibling)
        args.flags |= CLONE_PARENT; // and our own exit signal
    else
        args.exit_signal = SIGCHLD;
    if (group_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)(unsigned)group_fd;
    }
    // To become another user for a moment clears the parent death signal.
    pid = assay_quota_clone(
            &args, spawner->ids.root ? making->order->uid : 0, making->is_sibling ? SIGKILL : 0);
    if (pid == 0)
        become_init(spawner, making->order, making->init_control_fd);
    if (pid < 0) {
        making->pid_fd = -1;
        (void)assay_fault_set(making->fault, "clone3");
        return -1;
    }
    if (!assay_cgroup_add(
                &making->group.dirs, &spawner->cgroups, pid, group_fd >= 0, making->fault))
        return -1;
    if (spawner->tier != ASSAY_TIER_C && !assay_spawn_write_maps(pid, &map)) {
        (void)assay_fault_set(making->fault, "uid map");
        return -1;
    }
    return pid;
}

// The init, let go. -1: the fault tells, and there is none.
static pid_t make_init(struct making *making)
{
    const uint32_t go = ASSAY_WIRE_GO;
    pid_t pid = clone_init(making);

    if (pid > 0 && assay_wire_send(making->control_fd, &go, sizeof(go), NULL, 0) < 0) {
        (void)assay_fault_set(making->fault, "release");
        pid = -1;
    }
    if (pid < 0 && making->pid_fd >= 0) { // it may have failed first
        (void)assay_wire_hear_fault(making->control_fd, making->fault);
        (void)sys_pidfd_kill(making->pid_fd);
    }
    return pid;
}

// What needs no process: the group with its limits, and the control socket, which belongs to the
// network namespace that it was made in: not the box's, where it would be seen.
static bool make_rest(struct making *making)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return assay_fault_set(making->fault, "control socket");
    making->control_fd = pair[0];
    making->init_control_fd = pair[1];
    return (making->has_group ||
                   assay_cgroup_create(&making->group.dirs, &making->spawner->cgroups,
                           making->group.number, making->fault)) &&
            assay_cgroup_limit(&making->group.dirs, &making->spawner->cgroups,
                    &making->order->limits, making->fault);
}

// What is handed over, in the order of forge.h.
static size_t collect(const struct making *making, int *fds)
{
    size_t count = 0;

    fds[count++] = making->pid_fd;
    fds[count++] = making->control_fd;
    for (size_t i = 0; i < making->spawner->cgroups.tree_count; i++)
        fds[count++] = making->group.dirs.dirs[i];
    if (making->group.dirs.oom_fd >= 0)
        fds[count++] = making->group.dirs.oom_fd;
    return count;
}

// But for the group.
static void close_all(const struct making *making)
{
    const int fds[] = {making->pid_fd, making->control_fd, making->init_control_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static struct making begin(const struct spawner *spawner, const struct assay_forge_order *order,
        struct assay_forge_made *made)
{
    struct making making = {.spawner = spawner,
            .order = order,
            .group.number = order->group,
            .pid_fd = -1,
            .control_fd = -1,
            .init_control_fd = -1,
            .fault = &made->fault};

    memset(made, 0, sizeof(*made));
    made->slot = order->slot;
    assay_cgroup_init(&making.group.dirs);
    return making;
}

void assay_forge_make_here(const struct spawner *spawner, const struct assay_forge_order *order,
        struct assay_forge_made *made, int *fds, size_t *fd_count)
{
    struct making making = begin(spawner, order, made);

    *fd_count = 0;
    if (make_rest(&making))
        made->pid = make_init(&making);
    if (made->pid > 0) {
        made->group = order->group;
        *fd_count = collect(&making, fds);
        close(making.init_control_fd);
    } else {
        close_all(&making);
        assay_cgroup_close(&making.group.dirs);
    }
}

// --- burying -------------------------------------------------------------------------------------

static void discard(struct forge *forge, const struct assay_forge_order *order)
{
    struct grave *grave = &forge->graves[order->slot];

    if (grave->mount_fd >= 0)
        close(grave->mount_fd);
    grave->mount_fd = -1;
    assay_nets_return(&forge->nets, &grave->net);
    // What another forge made, or the spawner for a zygote, is known by its number alone.
    if (grave->has_group)
        assay_groups_return(&forge->groups, &grave->group);
    else
        assay_groups_remove(&forge->groups, order->group);
    grave->has_group = false;
}

// What an earlier forge kept, that died, is nobody's any more.
static void remove_lost(void *context, uint64_t number)
{
    struct forge *forge = context;
    const struct spawner *spawner = forge->spawner;

    if (number >= spawner->cgroups.next)
        return;
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++)
        if (spawner->boxes[slot] != NULL && spawner->boxes[slot]->group_number == number)
            return;
    assay_groups_remove(&forge->groups, number);
}

// --- orders --------------------------------------------------------------------------------------

static bool open_network(struct forge *forge, struct assay_fault *fault)
{
    return forge->nets.home_fd >= 0 ||
            assay_nets_open(&forge->nets, forge->spawner->fresh_network, fault);
}

static bool choose_mounts(const struct forge *forge, bool stage)
{
    return forge->stage_fd < 0 || setns(stage ? forge->stage_fd : forge->full_fd, CLONE_NEWNS) == 0;
}

// The init, born in the network that it is to have. The fault tells if there is none.
static pid_t bear(struct forge *forge, struct making *making, struct assay_net *net)
{
    // Whatever is no plain box wants more of the host than the stage has.
    const bool plain = making->order->shape == ASSAY_SHAPE_PLAIN;
    struct assay_fault fault;
    pid_t pid = -1;

    if (assay_nets_enter(&forge->nets, net, making->fault)) {
        if (plain || choose_mounts(forge, false))
            pid = make_init(making);
        else
            (void)assay_fault_set(making->fault, "mount namespace");
    }
    if (!assay_nets_leave(&forge->nets, &fault) || (!plain && !choose_mounts(forge, true)))
        _exit(1); // the next one begins anew
    return pid;
}

static void make(struct forge *forge, const struct assay_forge_order *order)
{
    struct grave *grave = &forge->graves[order->slot];
    struct assay_forge_made made;
    struct making making = begin(forge->spawner, order, &made);
    int fds[ASSAY_WIRE_FDS_MAX];
    char path[48];

    making.is_sibling = true;
    making.has_group = assay_groups_take(&forge->groups, &making.group);
    if (open_network(forge, making.fault) && make_rest(&making))
        made.pid = bear(forge, &making, &grave->net);
    made.group = making.group.number;
    made.past = making.group.dirs.past;
    grave->has_group = true;
    grave->group = making.group;
    if (made.pid <= 0) {
        discard(forge, order);
    } else {
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)made.pid);
        grave->mount_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (assay_wire_send(
                forge->fd, &made, sizeof(made), fds, made.pid > 0 ? collect(&making, fds) : 0) < 0)
        _exit(1);
    close_all(&making);
}

// False at the end of orders.
static bool hear_order(struct forge *forge)
{
    struct assay_forge_order order;
    ssize_t got = 0;

    do
        got = recv(forge->fd, &order, sizeof(order), 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(order) || order.slot >= ASSAY_BOXES_MAX)
        return false;
    if (order.kind == ASSAY_FORGE_MAKE)
        make(forge, &order);
    else if (order.kind == ASSAY_FORGE_REMOVE)
        assay_groups_remove(&forge->groups, order.group);
    else
        discard(forge, &order);
    return true;
}

static void work(struct forge *forge)
{
    for (;;) {
        struct pollfd ready = {.fd = forge->fd, .events = POLLIN};
        const bool busy = forge->groups.busy_count > 0;
        int heard = 1;

        if (busy || forge->groups.idle_count > 0)
            heard = poll(&ready, 1, busy ? BUSY_PAUSE_MS : IDLE_MS_MAX);
        if (heard > 0 && !hear_order(forge))
            return;
        if (heard == 0 && !busy)
            assay_groups_close(&forge->groups);
        if (busy)
            assay_groups_retry(&forge->groups);
    }
}

// Nothing is left behind but what is still busy after a while.
static void end(struct forge *forge)
{
    const uint64_t end_ms = assay_clock_ms() + BUSY_MS_MAX;

    assay_nets_close(&forge->nets);
    assay_groups_close(&forge->groups);
    while (forge->groups.busy_count > 0 && assay_clock_left_ms(end_ms) > 0) {
        (void)poll(NULL, 0, BUSY_PAUSE_MS);
        assay_groups_retry(&forge->groups);
    }
    free(forge->groups.busy);
    free(forge->graves);
}

// --- the process ---------------------------------------------------------------------------------

// Sockets of boxes and of the library must end when the spawner closes them.
static bool shed(const struct spawner *spawner, int fd)
{
    int fds[4 + ASSAY_CGROUP_TREES_MAX] = {0, 1, 2, fd};
    struct assay_fault fault;

    for (size_t i = 0; i < ASSAY_CGROUP_TREES_MAX; i++)
        fds[4 + i] = i < spawner->cgroups.tree_count ? spawner->cgroups.trees[i].dir_fd : -1;
    return assay_fds_keep_only(fds, sizeof(fds) / sizeof(fds[0]), &fault);
}

// As before where that cannot be done.
static void enter_stage(struct forge *forge)
{
    struct assay_fault fault;

    if (!forge->spawner->staged || forge->spawner->tier != ASSAY_TIER_A)
        return;
    forge->full_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (forge->full_fd < 0)
        return;
    if (assay_stage_enter(&fault))
        forge->stage_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (forge->stage_fd < 0 && setns(forge->full_fd, CLONE_NEWNS) < 0)
        _exit(1);
}

static _Noreturn void run(const struct spawner *spawner, pid_t parent, int fd)
{
    struct forge forge = {
            .spawner = spawner, .fd = fd, .full_fd = -1, .stage_fd = -1, .nets.home_fd = -1};

    if (!sys_die_with(parent))
        _exit(1);
    (void)prctl(PR_SET_NAME, "assay-forge", 0, 0, 0);
    // What we and the inits that we make do ahead must not push aside what somebody waits for, and
    // is pushed aside by it; the spawner puts an init back to the usual when its request comes.
    (void)sys_schedule(0, SCHED_BATCH, AHEAD_RUNTIME_NS);
    if (!shed(spawner, fd))
        _exit(1);
    assay_groups_open(&forge.groups, &spawner->cgroups);
    enter_stage(&forge);
    forge.graves = calloc(ASSAY_BOXES_MAX, sizeof(*forge.graves));
    if (forge.graves == NULL)
        _exit(1);
    for (size_t i = 0; i < ASSAY_BOXES_MAX; i++)
        forge.graves[i] = (struct grave){.mount_fd = -1, .net.ns_fd = -1};
    assay_cgroups_visit(&spawner->cgroups, remove_lost, &forge);
    work(&forge);
    end(&forge);
    _exit(0);
}

pid_t assay_forge_start(const struct spawner *spawner, int *fd)
{
    const pid_t parent = getpid();
    int pair[2];
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        run(spawner, parent, pair[1]);
    close(pair[1]);
    if (pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
        close(pair[0]);
        return -1;
    }
    *fd = pair[0];
    return pid;
}
