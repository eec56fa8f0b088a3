// SPDX-License-Identifier: MIT
// spawn.c - one request becomes one box: sources, group, clone3, maps, go.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sandbox/init.h"
#include "sandbox/procfile.h"
#include "sandbox/quota.h"
#include "sandbox/request.h"
#include "sandbox/spawner.h"
#include "sandbox/sys.h"
#include "sandbox/zygotes.h"

// --- ids -----------------------------------------------------------------------------------------

// A uid that no other box of ours has, or the store's when the pool is used up.
static uint32_t take_uid(struct spawner *spawner, int *idmap_fd)
{
    const struct assay_ids *ids = &spawner->ids;

    *idmap_fd = -1;
    for (uint32_t i = 0; spawner->can_idmap && i < ids->pool_count; i++) {
        // Two spawners on one host begin at different places.
        const uint32_t index = (i + (uint32_t)getpid()) % ids->pool_count;

        if (spawner->uid_taken[index])
            continue;
        if (spawner->idmap_fds[index] < 0) {
            const struct assay_id_map map = {
                    ids->store_uid, ids->store_gid, ids->pool + index, ids->pool + index};

            spawner->idmap_fds[index] = assay_spawn_map_namespace(&map);
        }
        if (spawner->idmap_fds[index] < 0)
            break;
        spawner->uid_taken[index] = true;
        *idmap_fd = spawner->idmap_fds[index];
        return ids->pool + index;
    }
    return ids->store_uid;
}

static void return_uid(struct spawner *spawner, uint32_t uid)
{
    const struct assay_ids *ids = &spawner->ids;

    if (ids->pool_count > 0 && uid >= ids->pool && uid - ids->pool < ids->pool_count)
        spawner->uid_taken[uid - ids->pool] = false;
}

// What a zygote can fork: a box of the zygote's own shape, which leaves nothing behind.
static bool can_be_forked(const struct box *box, const struct assay_request *request)
{
    const struct assay_box_plan *plan = &request->plan;

    return !request->sources.keeps_upper && plan->network == ASSAY_NETWORK_NONE &&
            !plan->terminal && !plan->learn && !plan->no_aslr && !plan->serves &&
            assay_mounts_shape(plan) == box->shape;
}

// A run of a zygote sees the zygote's mounts, not the host's: the spawner opens its
// sources whoever it is, and shifts them to the uid that they share.
static bool open_for_fork(
        const struct spawner *spawner, struct box *box, struct assay_request *request)
{
    const struct assay_ids *ids = &spawner->ids;
    const bool pooled =
            ids->pool_count > 0 && box->uid >= ids->pool && box->uid - ids->pool < ids->pool_count;
    bool refused = false;

    if (!can_be_forked(box, request))
        return assay_fault_errno(&box->fault, "plan for a zygote", EINVAL);
    request->sources_open = true;
    return assay_sources_open(&request->sources, &request->plan,
            pooled ? spawner->idmap_fds[box->uid - ids->pool] : -1, ids->store_uid, box->uid,
            &refused, &box->fault);
}

// As root: open what the plan names, shifted to the box's own uid. Where the
// kernel or a file system refuses the shift, and for a box that leaves an upper
// behind (which must belong to the store), the box runs as the store's uid.
static bool open_sources(struct spawner *spawner, struct box *box, struct assay_request *request)
{
    int idmap_fd = -1;
    bool refused = false;

    if (box->forked_here)
        return open_for_fork(spawner, box, request);
    box->uid = spawner->ids.store_uid;
    if (!spawner->ids.root)
        return true; // the init does it, with the box's own rights
    // Where the kernel does not shift a tmpfs, boxes that share one share a uid, too.
    if (!request->sources.keeps_upper &&
            (spawner->can_shift_parts || (request->plan.from == NULL && !request->plan.snapshot)))
        box->uid = take_uid(spawner, &idmap_fd);
    request->sources_open = true;
    if (assay_sources_open(&request->sources, &request->plan, idmap_fd, spawner->ids.store_uid,
                box->uid, &refused, &box->fault))
        return true;
    if (!refused)
        return false;
    assay_sources_close(&request->sources);
    return_uid(spawner, box->uid);
    box->uid = spawner->ids.store_uid;
    assay_sources_init(&request->sources, &request->plan);
    return assay_sources_open(&request->sources, &request->plan, -1, spawner->ids.store_uid,
            box->uid, &refused, &box->fault);
}

// A box's tmpfs knows its owner as the box's user: shifted from that to this box's host uid. As an
// ordinary user all boxes have one uid.
static bool shift_parts(struct spawner *spawner, uint32_t uid, const struct assay_sources *parts,
        struct assay_fault *fault)
{
    const struct assay_ids *ids = &spawner->ids;
    // The store's comes after the pool's.
    const size_t index = uid == ids->store_uid ? ids->pool_count : uid - ids->pool;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};

    if (spawner->part_map_fds[index] < 0) {
        const struct assay_id_map map = {ASSAY_BOX_UID, ASSAY_BOX_UID, uid, uid};

        spawner->part_map_fds[index] = assay_spawn_map_namespace(&map);
        if (spawner->part_map_fds[index] < 0)
            return assay_fault_set(fault, "snapshots: map");
    }
    attr.userns_fd = (unsigned)spawner->part_map_fds[index];
    for (size_t i = 0; i < parts->count; i++)
        if (sys_mount_setattr(parts->fds[i], 0, &attr) < 0)
            return assay_fault_set(fault, "snapshots: shift owners");
    return true;
}

static bool open_parts(struct spawner *spawner, struct box *box, struct assay_request *request)
{
    struct assay_sources *parts = &request->parts;

    if (parts->count == 0)
        return true;
    parts->fds = malloc(parts->count * sizeof(*parts->fds));
    if (parts->fds == NULL)
        return assay_fault_errno(&box->fault, "snapshots", ENOMEM);
    if (!assay_holds_clone(&spawner->holds, assay_snapshot_layers(request->plan.from)->part_ids,
                parts->count, parts->fds, &box->fault)) {
        parts->count = 0;
        return false;
    }
    return !spawner->can_shift_parts || shift_parts(spawner, box->uid, parts, &box->fault);
}

// --- the request ---------------------------------------------------------------------------------

struct box *assay_spawn_make_box(struct spawner *spawner)
{
    struct box *box = NULL;

    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++) {
        if (spawner->boxes[slot] != NULL)
            continue;
        box = calloc(1, sizeof(*box));
        if (box == NULL)
            return NULL;
        box->slot = slot;
        box->pid_fd = box->control_fd = box->private_fd = box->out_dir_fd = -1;
        box->group.oom_fd = -1;
        box->request_us = assay_clock_us();
        spawner->boxes[slot] = box;
        spawner->box_count++;
        return box;
    }
    return NULL;
}

static _Noreturn void become_init(
        const struct spawner *spawner, enum assay_shape shape, int control_fd)
{
    const unsigned roles = spawner->cgroups.roles;
    const unsigned counted = ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_CPU | ASSAY_CGROUP_PIDS;
    const struct assay_init init = {.profiles = &spawner->profiles,
            .skeleton = &spawner->skeleton,
            .staged = spawner->staged,
            .shape = shape,
            .control_fd = control_fd,
            .limit_memory = !(roles & ASSAY_CGROUP_MEMORY),
            .limit_pids = !(roles & ASSAY_CGROUP_PIDS) && spawner->tier != ASSAY_TIER_C,
            .meter = (roles & counted) != counted,
            .tier = spawner->tier,
            .uid = spawner->tier == ASSAY_TIER_C ? spawner->ids.store_uid : ASSAY_BOX_UID,
            .gid = spawner->tier == ASSAY_TIER_C ? spawner->ids.store_gid : ASSAY_BOX_UID};

    assay_init_run(&init);
}

static bool clone_init(
        struct spawner *spawner, struct box *box, enum assay_shape shape, int control_fd)
{
    const int group_fd = assay_cgroup_clone_fd(&box->group, &spawner->cgroups);
    const struct assay_id_map map = {ASSAY_BOX_UID, ASSAY_BOX_UID, box->uid,
            spawner->ids.root ? box->uid : spawner->ids.store_gid};
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                    CLONE_NEWUTS | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
            .pidfd = (uint64_t)(uintptr_t)&box->pid_fd,
            .exit_signal = SIGCHLD};

    if (spawner->tier == ASSAY_TIER_C)
        args.flags &= ~(uint64_t)CLONE_NEWUSER;
    if (shape != ASSAY_SHAPE_HOST_NETWORK)
        args.flags |= CLONE_NEWNET;
    if (group_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)(unsigned)group_fd;
    }
    box->pid = assay_quota_clone(&args, spawner->ids.root ? box->uid : 0, 0);
    if (box->pid == 0)
        become_init(spawner, shape, control_fd);
    if (box->pid < 0) {
        box->pid_fd = -1;
        return assay_fault_set(&box->fault, "clone3");
    }
    if (!assay_cgroup_add(&box->group, &spawner->cgroups, box->pid, group_fd >= 0, &box->fault))
        return false;
    if (spawner->tier != ASSAY_TIER_C && !assay_spawn_write_maps(box->pid, &map))
        return assay_fault_set(&box->fault, "uid map");
    return true;
}

// A living init of this shape that waits for its request; box->uid is set.
static bool prepare(struct spawner *spawner, struct box *box, enum assay_shape shape)
{
    const uint32_t go = ASSAY_WIRE_GO;
    int pair[2];
    bool cloned = false;

    if (!assay_cgroup_create(&box->group, &spawner->cgroups, &box->fault))
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return assay_fault_set(&box->fault, "control socket");
    box->control_fd = pair[0];
    cloned = clone_init(spawner, box, shape, pair[1]);
    close(pair[1]);
    if (!cloned)
        return false;
    if (!assay_spawner_watch(spawner, box->pid_fd, WATCH_PID, box->slot) ||
            !assay_spawner_watch(spawner, box->control_fd, WATCH_CONTROL, box->slot) ||
            (box->group.oom_fd >= 0 &&
                    !assay_spawner_watch(spawner, box->group.oom_fd, WATCH_OOM, box->slot)))
        return assay_fault_set(&box->fault, "watch");
    if (assay_wire_send(box->control_fd, &go, sizeof(go), NULL, 0) < 0)
        return assay_fault_set(&box->fault, "release");
    return true;
}

// The runs of a zygote have no image of their own: they are as the zygote is.
static unsigned shape_of_runs(const struct assay_box_plan *plan)
{
    struct assay_box_plan run = *plan;

    run.serves = false;
    return assay_mounts_shape(&run);
}

// *serve_fd is taken by a zygote.
static bool start(
        struct spawner *spawner, struct box *box, struct assay_request *request, int *serve_fd)
{
    if (!assay_request_read_plan(request, &box->fault))
        return false;
    box->limits = request->plan.limits;
    box->facts.cpu_us_max = box->limits.cpu_ms_max * 1000;
    if (!open_sources(spawner, box, request) || !open_parts(spawner, box, request) ||
            (!box->forked_here && !prepare(spawner, box, assay_mounts_shape(&request->plan))) ||
            !assay_cgroup_limit(&box->group, &spawner->cgroups, &box->limits, &box->fault))
        return false;
    if (!assay_spawner_watch(spawner, box->private_fd, WATCH_PRIVATE, box->slot))
        return assay_fault_set(&box->fault, "watch");
    box->check_us = box->request_us + (uint64_t)ASSAY_SETUP_MS_MAX * 1000;
    if (box->forked_here)
        return assay_zygotes_request(spawner, box, request);
    if (request->plan.serves &&
            !assay_zygotes_add(spawner, box, serve_fd, shape_of_runs(&request->plan)))
        return false;
    return assay_request_send(request, box->control_fd, &box->fault);
}

// When the init failed first, what we saw is only that it is gone.
static void hear_last_words(struct box *box)
{
    struct assay_wire_init record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;

    if (box->control_fd < 0)
        return;
    if (assay_wire_receive(box->control_fd, &record, sizeof(record), fds, &fd_count,
                MSG_DONTWAIT) == (long)sizeof(record) &&
            record.kind == ASSAY_WIRE_FAILED)
        box->fault = record.fault;
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void tell_failure(int private_fd, const struct assay_fault *fault)
{
    struct assay_wire_result result = {
            .kind = ASSAY_WIRE_RESULT, .cause = ASSAY_BOX_SETUP_FAILED, .fault = *fault};

    (void)assay_wire_send(private_fd, &result, sizeof(result), NULL, 0);
}

void assay_spawn_box(struct spawner *spawner, const struct assay_wire_run *record,
        const int fds[ASSAY_WIRE_FDS_MAX], size_t fd_count)
{
    struct assay_request request;
    struct assay_fault fault = {.step = "too many boxes", .sys_errno = EAGAIN};
    int serve_fd = record->serves && fd_count > 4 ? fds[--fd_count] : -1;
    struct box *box = NULL;

    if (fd_count >= 4)
        box = record->zygote != 0 ? assay_zygotes_take(spawner, record->zygote, &fault)
                                  : assay_spawn_make_box(spawner);
    assay_request_init(&request);
    request.session = record->session != 0;
    if (box != NULL) {
        box->private_fd = fds[0];
        if (!assay_request_take(&request, fds + 1, fd_count - 1, &box->fault) ||
                !start(spawner, box, &request, &serve_fd)) {
            hear_last_words(box);
            tell_failure(box->private_fd, &box->fault);
            if (box->pid > 0) {
                (void)sys_pidfd_kill(box->pid_fd);
                (void)waitpid(box->pid, NULL, 0);
            }
            assay_spawn_release(spawner, box);
        }
    } else if (fd_count > 0) {
        tell_failure(fds[0], &fault);
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
    }
    if (serve_fd >= 0)
        close(serve_fd);
    assay_request_release(&request);
}

// --- the end -------------------------------------------------------------------------------------

// Out of the epoll set by hand: a close alone leaves it there while a fresh
// init, which is a fork of ours, still holds a copy.
static void close_fd(const struct spawner *spawner, int fd)
{
    if (fd < 0)
        return;
    (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
}

// A group that is still busy is kept aside; the loop tries again.
static void remove_group(struct spawner *spawner, struct assay_cgroup *group)
{
    struct assay_cgroup *grown = NULL;

    if (assay_cgroup_remove(group, &spawner->cgroups))
        return;
    if (spawner->busy_count == spawner->busy_cap) {
        const size_t cap = spawner->busy_cap * 2 + 16;

        grown = realloc(spawner->busy_groups, cap * sizeof(*grown));
        if (grown == NULL)
            return; // the next start sweeps it up
        spawner->busy_groups = grown;
        spawner->busy_cap = cap;
    }
    spawner->busy_groups[spawner->busy_count++] = *group;
}

void assay_spawn_release(struct spawner *spawner, struct box *box)
{
    assay_zygotes_forget(spawner, box);
    close_fd(spawner, box->pid_fd);
    close_fd(spawner, box->control_fd);
    close_fd(spawner, box->private_fd);
    close_fd(spawner, box->out_dir_fd);
    close_fd(spawner, box->group.oom_fd);
    for (size_t i = 0; i < box->part_count; i++)
        close_fd(spawner, box->part_fds[i]);
    box->group.oom_fd = -1;
    remove_group(spawner, &box->group);
    if (!box->forked_here)
        return_uid(spawner, box->uid);
    spawner->boxes[box->slot] = NULL;
    spawner->box_count--;
    free(box);
}
