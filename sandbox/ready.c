// SPDX-License-Identifier: MIT
#include "sandbox/ready.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/forge.h"
#include "sandbox/sys.h"

#define ORDERS_MAX 16 // MAKE orders under way
#define DEAF_MAX 1000 // failures in a row to hear the forge; then it counts as gone

// --- who waits -----------------------------------------------------------------------------------

struct box *assay_ready_take(struct spawner *spawner, enum assay_shape shape, bool own_uid)
{
    struct box *making = NULL;
    uint32_t seen = 0;

    spawner->pool_paused = false;
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX && seen < spawner->box_count; slot++) {
        struct box *box = spawner->boxes[slot];

        if (box == NULL)
            continue;
        seen++;
        if (box->private_fd >= 0 || box->forked_here || box->shape != shape ||
                (box->uid != spawner->ids.store_uid) != own_uid)
            continue;
        if (box->state == BOX_READY)
            return box;
        if (box->state == BOX_MAKING)
            making = box;
    }
    if (making != NULL)
        return making;
    return assay_spawn_make_own(spawner, shape, own_uid);
}

void assay_ready_give_back(struct spawner *spawner, struct box *box)
{
    if (box->state == BOX_WAITING)
        assay_spawn_release(spawner, box);
}

static struct box *oldest_waiting(const struct spawner *spawner)
{
    struct box *oldest = NULL;
    uint32_t seen = 0;

    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX && seen < spawner->box_count; slot++) {
        struct box *box = spawner->boxes[slot];

        if (box == NULL)
            continue;
        seen++;
        if (box->state == BOX_WAITING && (oldest == NULL || box->request_us < oldest->request_us))
            oldest = box;
    }
    return oldest;
}

// --- what comes of an order ----------------------------------------------------------------------

static bool watch(const struct spawner *spawner, const struct box *box)
{
    return assay_spawner_watch(spawner, box->pid_fd, WATCH_PID, box->slot) &&
            assay_spawner_watch(spawner, box->control_fd, WATCH_CONTROL, box->slot) &&
            (box->group.oom_fd < 0 ||
                    assay_spawner_watch(spawner, box->group.oom_fd, WATCH_OOM, box->slot));
}

static void adopt(struct spawner *spawner, struct box *box, const struct assay_forge_made *made,
        const int *fds, size_t fd_count)
{
    const size_t tree_count = spawner->cgroups.tree_count;

    box->making = false;
    if (fd_count < 2 + tree_count) { // none was made; the forge keeps nothing
        box->ordered = made->fault.step[0] == '\0';
        box->fault = made->fault;
        assay_spawner_fail(spawner, box);
        return;
    }
    box->pid = made->pid;
    box->pid_fd = fds[0];
    box->control_fd = fds[1];
    for (size_t i = 0; i < tree_count; i++)
        box->group.dirs[i] = fds[2 + i];
    box->group.oom_fd = fd_count > 2 + tree_count ? fds[2 + tree_count] : -1;
    box->group_number = made->group;
    box->group.past = made->past;
    if (!watch(spawner, box)) {
        struct pollfd dead = {.fd = box->pid_fd, .events = POLLIN};

        (void)assay_fault_set(&box->fault, "watch");
        (void)sys_pidfd_kill(box->pid_fd);
        (void)poll(&dead, 1, -1);
        box->pid = 0;
        assay_spawner_fail(spawner, box);
    } else if (box->state == BOX_DYING) { // it was given up meanwhile
        (void)sys_pidfd_kill(box->pid_fd);
    } else if (box->request != NULL) {
        assay_spawn_deliver(spawner, box);
    } else {
        box->state = BOX_READY;
    }
}

// --- ordering ------------------------------------------------------------------------------------

static struct assay_forge_order describe(const struct box *box)
{
    return (struct assay_forge_order){.kind = ASSAY_FORGE_MAKE,
            .slot = box->slot,
            .group = box->group_number,
            .shape = box->shape,
            .uid = box->uid,
            .limits = box->group_limits};
}

// An order of one init; false: later.
static bool order(struct spawner *spawner, struct box *box)
{
    struct assay_forge_order record;

    box->group_number = spawner->cgroups.next++;
    box->group_limits = box->request != NULL ? box->limits : spawner->usual_limits;
    box->attempts++;
    record = describe(box);
    if (box->shape == ASSAY_SHAPE_HOST_NETWORK) {
        struct assay_forge_made made;
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t fd_count = 0;

        box->state = BOX_MAKING;
        box->ordered = true;
        assay_forge_make_here(spawner, &record, &made, fds, &fd_count);
        if (made.pid <= 0) // the forge, which buries what it fails to make, has no part in this
            assay_ready_bury(spawner, box);
        adopt(spawner, box, &made, fds, fd_count);
        return true;
    }
    if (assay_wire_send(spawner->forge_fd, &record, sizeof(record), NULL, 0) < 0) {
        if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)
            return false; // full, or dead, which we hear of
        (void)assay_fault_set(&box->fault, "order");
        assay_spawner_fail(spawner, box);
        return true;
    }
    box->state = BOX_MAKING;
    box->ordered = box->making = true;
    spawner->order_count++;
    return true;
}

static void fill_pool(struct spawner *spawner)
{
    struct box *box = NULL;

    if (spawner->stopping || spawner->pool_paused || spawner->order_count > 0 ||
            spawner->ready_count + spawner->pool_making >= spawner->ready_max)
        return;
    box = assay_spawn_make_own(
            spawner, ASSAY_SHAPE_PLAIN, spawner->can_idmap && !spawner->pool_uses_store);
    if (box != NULL && !order(spawner, box))
        assay_spawn_release(spawner, box);
}

static void add_grave(struct spawner *spawner, uint32_t slot, uint64_t group)
{
    if (spawner->grave_count == spawner->grave_cap) {
        const size_t cap = spawner->grave_cap * 2 + 64;
        struct assay_grave *grown = realloc(spawner->graves, cap * sizeof(*grown));

        if (grown == NULL)
            return; // its group is left to the next start
        spawner->graves = grown;
        spawner->grave_cap = cap;
    }
    spawner->graves[spawner->grave_count++] = (struct assay_grave){slot, group};
}

void assay_ready_bury(struct spawner *spawner, const struct box *box)
{
    add_grave(spawner, box->slot, box->group_number);
}

void assay_ready_remove_group(struct spawner *spawner, uint64_t group)
{
    add_grave(spawner, ASSAY_NO_SLOT, group);
}

// Before any order: a slot may be taken again only when the forge knows of its last box's end.
static bool send_graves(struct spawner *spawner)
{
    size_t sent = 0;

    while (sent < spawner->grave_count) {
        const uint32_t slot = spawner->graves[sent].slot;
        const struct assay_forge_order record = {
                .kind = slot == ASSAY_NO_SLOT ? ASSAY_FORGE_REMOVE : ASSAY_FORGE_BURY,
                .slot = slot == ASSAY_NO_SLOT ? 0 : slot,
                .group = spawner->graves[sent].group};

        if (assay_wire_send(spawner->forge_fd, &record, sizeof(record), NULL, 0) < 0)
            break;
        sent++;
    }
    spawner->grave_count -= sent;
    if (spawner->grave_count > 0) // of none there may be no array
        memmove(spawner->graves, spawner->graves + sent,
                spawner->grave_count * sizeof(*spawner->graves));
    return spawner->grave_count == 0;
}

// --- the forge -----------------------------------------------------------------------------------

static bool start_forge(struct spawner *spawner)
{
    if (spawner->forge_fd >= 0)
        return true;
    spawner->forge_pid = assay_forge_start(spawner, &spawner->forge_fd);
    if (spawner->forge_pid < 0) {
        spawner->forge_fd = -1;
        return false;
    }
    if (assay_spawner_watch(spawner, spawner->forge_fd, WATCH_FORGE, 0))
        return true;
    assay_ready_stop(spawner);
    return false;
}

// Its orders are lost with it: requests are ordered again from the next, a few times.
static void lose_forge(struct spawner *spawner)
{
    assay_ready_stop(spawner);
    spawner->order_count = 0;
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++) {
        struct box *box = spawner->boxes[slot];

        if (box == NULL || !box->making)
            continue;
        box->making = false;
        assay_ready_bury(spawner, box); // what there may be of its group
        box->ordered = false;
        if (box->state == BOX_MAKING && box->request != NULL &&
                box->attempts < ASSAY_ATTEMPTS_MAX) {
            box->state = BOX_WAITING;
            continue;
        }
        (void)assay_fault_errno(&box->fault, "forge died", EPIPE);
        assay_spawner_fail(spawner, box);
    }
}

void assay_ready_hear(struct spawner *spawner)
{
    for (;;) {
        struct assay_forge_made made;
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t fd_count = 0;
        const long got = assay_wire_receive(
                spawner->forge_fd, &made, sizeof(made), fds, &fd_count, MSG_DONTWAIT);
        struct box *box = NULL;

        // What could not be received still waits, unless it was cut.
        if (got < 0 && errno != ECONNRESET && errno != EMSGSIZE &&
                (errno == EAGAIN || ++spawner->forge_deaf_count < DEAF_MAX))
            return;
        spawner->forge_deaf_count = 0;
        if (got == (long)sizeof(made) && made.slot < ASSAY_BOXES_MAX)
            box = spawner->boxes[made.slot];
        if (box == NULL || !box->making) {
            for (size_t i = 0; i < fd_count; i++)
                close(fds[i]);
            lose_forge(spawner);
            return;
        }
        spawner->order_count--;
        adopt(spawner, box, &made, fds, fd_count);
    }
}

bool assay_ready_tend(struct spawner *spawner)
{
    struct box *box = NULL;

    if (spawner->forge_fd < 0 && spawner->grave_count == 0 && oldest_waiting(spawner) == NULL &&
            spawner->ready_max == 0)
        return true;
    if (!start_forge(spawner)) {
        while ((box = oldest_waiting(spawner)) != NULL) {
            (void)assay_fault_set(&box->fault, "start forge");
            assay_spawner_fail(spawner, box);
        }
        spawner->grave_count = 0; // the next start sweeps their groups up
        return true;
    }
    if (!send_graves(spawner))
        return false;
    while (spawner->order_count < ORDERS_MAX && (box = oldest_waiting(spawner)) != NULL)
        if (!order(spawner, box))
            return false;
    fill_pool(spawner);
    return true;
}

void assay_ready_stop(struct spawner *spawner)
{
    if (spawner->forge_fd < 0)
        return;
    (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, spawner->forge_fd, NULL);
    close(spawner->forge_fd);
    spawner->forge_fd = -1;
    // It ends when it has cleared away what it was told to.
    while (waitpid(spawner->forge_pid, NULL, 0) < 0 && errno == EINTR) {
        // Again.
    }
}
