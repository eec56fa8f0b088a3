// SPDX-License-Identifier: MIT
// spawn.c - one request becomes one box: an init, its sources, its limits, the request sent to it.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/ready.h"
#include "sandbox/spawner.h"
#include "sandbox/sys.h"
#include "sandbox/zygotes.h"

// --- ids -----------------------------------------------------------------------------------------

// A uid that no other box of ours has, or the store's when the pool is used up.
static uint32_t take_uid(struct spawner *spawner)
{
    const struct assay_ids *ids = &spawner->ids;

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

// --- the request ---------------------------------------------------------------------------------

struct box *assay_spawn_make_box(struct spawner *spawner)
{
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++) {
        struct box *box = NULL;

        if (spawner->boxes[slot] != NULL)
            continue;
        box = calloc(1, sizeof(*box));
        if (box == NULL)
            return NULL;
        box->slot = slot;
        box->pid_fd = box->control_fd = box->private_fd = box->out_dir_fd = -1;
        box->check_us = UINT64_MAX;
        assay_cgroup_init(&box->group);
        spawner->boxes[slot] = box;
        spawner->box_count++;
        return box;
    }
    return NULL;
}

struct box *assay_spawn_make_own(struct spawner *spawner, enum assay_shape shape, bool own_uid)
{
    struct box *box = assay_spawn_make_box(spawner);

    if (box == NULL)
        return NULL;
    box->shape = shape;
    box->uid = own_uid ? take_uid(spawner) : spawner->ids.store_uid;
    return box;
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

static bool open_parts(struct spawner *spawner, const struct box *box,
        struct assay_request *request, struct assay_fault *fault)
{
    struct assay_sources *parts = &request->parts;

    if (parts->count == 0)
        return true;
    parts->fds = malloc(parts->count * sizeof(*parts->fds));
    if (parts->fds == NULL)
        return assay_fault_errno(fault, "snapshots", ENOMEM);
    if (!assay_holds_clone(&spawner->holds, assay_snapshot_layers(request->plan.from)->part_ids,
                parts->count, parts->fds, fault)) {
        parts->count = 0;
        return false;
    }
    return !spawner->can_shift_parts || shift_parts(spawner, box->uid, parts, fault);
}

// The spawner opens what the plan names: as root it reaches below folders that the box's
// user cannot, and shifts owners to the box's own uid; with a stage it has a mount
// namespace of its own to open from. Else the init does it, with the box's own rights.
static bool open_sources(struct spawner *spawner, const struct box *box,
        struct assay_request *request, bool *refused, struct assay_fault *fault)
{
    const struct assay_ids *ids = &spawner->ids;
    const bool own = box->uid != ids->store_uid;

    *refused = false;
    if (!ids->root && !spawner->staged)
        return true;
    request->sources_open = true;
    return assay_sources_open(&request->sources, &request->plan,
            own ? spawner->idmap_fds[box->uid - ids->pool] : -1, ids->store_uid, box->uid, refused,
            fault);
}

// An init for the request: a ready one, one that is being made, or one still to be made.
// Where the kernel or a file system refuses to shift owners, and for a box that leaves an
// upper behind (which must belong to the store), the box runs as the store's uid.
static struct box *find_box(
        struct spawner *spawner, struct assay_request *request, struct assay_fault *fault)
{
    const enum assay_shape shape = assay_mounts_shape(&request->plan);
    // Where the kernel does not shift a tmpfs, boxes that share one share a uid, too.
    bool own_uid = spawner->can_idmap && !request->sources.keeps_upper &&
            (spawner->can_shift_parts || (request->plan.from == NULL && !request->plan.snapshot));

    for (;;) {
        struct box *box = assay_ready_take(spawner, shape, own_uid);
        bool refused = false;

        if (box == NULL) {
            (void)assay_fault_errno(fault, "too many boxes", EAGAIN);
            return NULL;
        }
        if (open_sources(spawner, box, request, &refused, fault) &&
                open_parts(spawner, box, request, fault)) {
            spawner->pool_uses_store = !own_uid && !request->sources.keeps_upper;
            return box;
        }
        assay_ready_give_back(spawner, box);
        assay_request_close_sources(request);
        if (!refused || !own_uid)
            return NULL;
        own_uid = false;
    }
}

// The runs of a zygote have no image of their own: they are as the zygote is.
static unsigned shape_of_runs(const struct assay_box_plan *plan)
{
    struct assay_box_plan run = *plan;

    run.serves = false;
    return assay_mounts_shape(&run);
}

static bool give_request(struct spawner *spawner, struct box *box, struct assay_request *request,
        int private_fd, struct assay_fault *fault)
{
    const uint64_t now_us = assay_clock_us();

    if (!assay_spawner_watch(spawner, private_fd, WATCH_PRIVATE, box->slot))
        return assay_fault_set(fault, "watch");
    box->private_fd = private_fd;
    box->limits = request->plan.limits;
    box->facts.cpu_us_max = box->limits.cpu_ms_max * 1000;
    box->request_us = now_us;
    box->check_us = now_us + (uint64_t)ASSAY_SETUP_MS_MAX * 1000;
    return true;
}

// *serve_fd is taken by a zygote. From its success on the box answers for what goes wrong.
static bool start(struct spawner *spawner, struct assay_request *request, int private_fd,
        int *serve_fd, struct assay_fault *fault)
{
    struct box *box = NULL;

    if (!assay_request_read_plan(request, fault))
        return false;
    box = find_box(spawner, request, fault);
    if (box == NULL)
        return false;
    if (!give_request(spawner, box, request, private_fd, fault)) {
        assay_ready_give_back(spawner, box);
        return false;
    }
    box->request = request;
    spawner->usual_limits = box->limits;
    if (request->plan.serves &&
            !assay_zygotes_add(spawner, box, serve_fd, shape_of_runs(&request->plan)))
        assay_spawner_fail(spawner, box);
    else if (box->state == BOX_READY)
        assay_spawn_deliver(spawner, box);
    return true;
}

// A run of a zygote: its init is there already, or has been asked for.
static bool start_run(struct spawner *spawner, uint64_t zygote, struct assay_request *request,
        int private_fd, struct assay_fault *fault)
{
    struct box *box = assay_zygotes_take(spawner, zygote, fault);
    bool started = false;

    if (box == NULL)
        return false;
    if (assay_request_read_plan(request, &box->fault) && open_for_fork(spawner, box, request) &&
            open_parts(spawner, box, request, &box->fault) &&
            assay_cgroup_limit(
                    &box->group, &spawner->cgroups, &request->plan.limits, &box->fault) &&
            give_request(spawner, box, request, private_fd, &box->fault))
        started = assay_zygotes_request(spawner, box, request);
    if (!started) {
        (void)assay_wire_hear_fault(box->control_fd, &box->fault);
        *fault = box->fault;
        if (box->pid > 0)
            (void)sys_pidfd_kill(box->pid_fd);
        (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, private_fd, NULL);
        box->private_fd = -1; // the caller's, and told by it
        assay_spawn_release(spawner, box);
        return false;
    }
    assay_request_release(request);
    free(request);
    return true;
}

static bool same_limits(const struct assay_box_limits *a, const struct assay_box_limits *b)
{
    return a->memory_bytes_max == b->memory_bytes_max &&
            a->process_count_max == b->process_count_max;
}

bool assay_spawn_replace(struct spawner *spawner, struct box *dead)
{
    struct assay_request *request = dead->request;
    struct epoll_event event = {.events = EPOLLIN};
    struct box *box = NULL;
    bool refused = false;

    if (dead->attempts >= ASSAY_ATTEMPTS_MAX)
        return false;
    box = assay_spawn_make_own(spawner, dead->shape, dead->uid != spawner->ids.store_uid);
    if (box == NULL)
        return false;
    assay_request_close_sources(request);
    event.data.u64 = ((uint64_t)box->slot << 8) | WATCH_PRIVATE;
    if (!open_sources(spawner, box, request, &refused, &dead->fault) ||
            !open_parts(spawner, box, request, &dead->fault) ||
            epoll_ctl(spawner->epoll_fd, EPOLL_CTL_MOD, dead->private_fd, &event) < 0) {
        assay_spawn_release(spawner, box);
        return false;
    }
    box->private_fd = dead->private_fd;
    box->request = request;
    box->limits = dead->limits;
    box->facts.cpu_us_max = dead->facts.cpu_us_max;
    box->request_us = dead->request_us;
    box->check_us = dead->check_us;
    box->attempts = dead->attempts;
    dead->private_fd = -1;
    dead->request = NULL;
    assay_spawner_fail(spawner, dead);
    return true;
}

// A session's init tells what each command used; a request that was sent before has another's.
static void open_cpu(
        const struct spawner *spawner, const struct box *box, struct assay_request *request)
{
    for (size_t i = 0; i < request->cpu_count; i++)
        close(request->cpu_fds[i]);
    request->cpu_fds[0] = request->cpu_fds[1] = -1;
    request->cpu_count = request->session
            ? assay_cgroup_open_cpu(&box->group, &spawner->cgroups, request->cpu_fds)
            : 0;
}

void assay_spawn_move(const struct box *box, const struct assay_box_plan *plan)
{
    if (CPU_COUNT(&plan->cpus) > 0)
        (void)sched_setaffinity(box->pid, sizeof(plan->cpus), &plan->cpus);
}

// The init was made behind everything else (forge.c) and becomes as others before it wakes.
static void hasten(const struct box *box, const struct assay_box_plan *plan, bool session)
{
    (void)sys_schedule(box->pid, SCHED_OTHER, 0);
    if (!session && !plan->serves)
        assay_spawn_move(box, plan);
}

void assay_spawn_deliver(struct spawner *spawner, struct box *box)
{
    struct assay_request *request = box->request;

    box->state = BOX_SETUP;
    hasten(box, &request->plan, request->session);
    open_cpu(spawner, box, request);
    if ((!same_limits(&box->group_limits, &box->limits) &&
                !assay_cgroup_limit(&box->group, &spawner->cgroups, &box->limits, &box->fault)) ||
            !assay_request_send(request, box->control_fd, &box->fault)) {
        const bool died = box->fault.sys_errno == EPIPE || box->fault.sys_errno == ECONNRESET;

        if (!assay_wire_hear_fault(box->control_fd, &box->fault) && died &&
                assay_spawn_replace(spawner, box))
            return;
        assay_spawner_fail(spawner, box);
    }
}

void assay_spawn_forget_request(struct box *box)
{
    if (box->request != NULL)
        assay_request_release(box->request);
    free(box->request);
    box->request = NULL;
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
    struct assay_fault fault = {.step = "read plan", .sys_errno = ENOMEM};
    int serve_fd = record->serves && fd_count > 4 ? fds[--fd_count] : -1;
    struct assay_request *request = fd_count < 4 ? NULL : malloc(sizeof(*request));
    bool started = false;

    if (request != NULL) {
        assay_request_init(request);
        request->session = record->session != 0;
        started = assay_request_take(request, fds + 1, fd_count - 1, &fault) &&
                (record->zygote != 0 ? start_run(spawner, record->zygote, request, fds[0], &fault)
                                     : start(spawner, request, fds[0], &serve_fd, &fault));
        if (!started) {
            assay_request_release(request);
            free(request);
        }
    } else {
        for (size_t i = 1; i < fd_count; i++)
            close(fds[i]);
    }
    if (!started && fd_count > 0) {
        tell_failure(fds[0], &fault);
        close(fds[0]);
    }
    if (serve_fd >= 0)
        close(serve_fd);
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

void assay_spawn_release(struct spawner *spawner, struct box *box)
{
    assay_zygotes_forget(spawner, box);
    close_fd(spawner, box->pid_fd);
    close_fd(spawner, box->control_fd);
    close_fd(spawner, box->private_fd);
    close_fd(spawner, box->out_dir_fd);
    for (size_t i = 0; i < box->part_count; i++)
        close_fd(spawner, box->part_fds[i]);
    if (box->group.oom_fd >= 0)
        (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, box->group.oom_fd, NULL);
    assay_cgroup_close(&box->group);
    assay_spawn_forget_request(box);
    if (box->ordered)
        assay_ready_bury(spawner, box);
    if (!box->forked_here)
        return_uid(spawner, box->uid);
    spawner->boxes[box->slot] = NULL;
    spawner->box_count--;
    free(box);
}
