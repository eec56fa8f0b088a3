// SPDX-License-Identifier: MIT
#include "sandbox/zygotes.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/groups.h"
#include "sandbox/procfile.h"
#include "sandbox/ready.h"
#include "sandbox/sys.h"
#include "sandbox/zygote_setup.h"

#define NEVER UINT64_MAX

struct zygote {
    uint64_t id;
    int serve_fd;
    unsigned shape; // enum assay_shape of its runs
    bool ready;
    struct box *spare;          // NULL: none; no caller has it yet
    struct assay_groups groups; // of runs that are over
};

static void tell_failure(const struct box *box)
{
    const struct assay_wire_result result = {
            .kind = ASSAY_WIRE_RESULT, .cause = ASSAY_BOX_SETUP_FAILED, .fault = box->fault};

    if (box->private_fd >= 0)
        (void)assay_wire_send(box->private_fd, &result, sizeof(result), NULL, 0);
}

// --- asking for a fork ---------------------------------------------------------------------------

static bool send_fork(struct spawner *spawner, const struct box *box, int control_fd)
{
    const unsigned roles = spawner->cgroups.roles;
    const unsigned counted = ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_CPU | ASSAY_CGROUP_PIDS;
    const struct zygote *zygote = box->parent->zygote;
    const struct assay_wire_serve record = {.kind = ASSAY_WIRE_FORK,
            .version = ASSAY_WIRE_VERSION,
            .number = box->fork_number,
            .shape = zygote->shape,
            .limit_memory = !(roles & ASSAY_CGROUP_MEMORY),
            .limit_pids = !(roles & ASSAY_CGROUP_PIDS),
            .meter = (roles & counted) != counted};

    return assay_wire_send(zygote->serve_fd, &record, sizeof(record), &control_fd, 1) == 0;
}

// One that is as new, or a new one.
static bool give_group(struct spawner *spawner, struct box *box)
{
    struct assay_group used;

    if (assay_groups_take(&box->parent->zygote->groups, &used)) {
        box->group = used.dirs;
        box->group_number = used.number;
        return true;
    }
    box->group_number = spawner->cgroups.next++;
    return assay_cgroup_create(&box->group, &spawner->cgroups, box->group_number, &box->fault);
}

// Its process is gone, and there is nobody else in its group: the next run's, if it is as new.
static void keep_group(struct box *box)
{
    struct assay_group used = {box->group, box->group_number};

    if (box->parent == NULL || !box->parent->zygote->ready || box->pid <= 0)
        return;
    assay_groups_return(&box->parent->zygote->groups, &used);
    assay_cgroup_init(&box->group);
    box->ordered = false;
}

// A box that has all but its process.
static struct box *ask(struct spawner *spawner, struct box *parent, struct assay_fault *fault)
{
    struct box *box = assay_spawn_make_box(spawner);
    int pair[2] = {-1, -1};
    bool asked = false;

    if (box == NULL) {
        (void)assay_fault_errno(fault, "too many boxes", EAGAIN);
        return NULL;
    }
    box->parent = parent;
    box->forked_here = true;
    box->uid = parent->uid;
    box->shape = (enum assay_shape)parent->zygote->shape;
    box->state = BOX_SETUP;
    box->ordered = true; // its group is the forge's to remove
    box->check_us = NEVER;
    box->fork_number = ++spawner->fork_count;
    if (box->fork_number == 0)
        box->fork_number = ++spawner->fork_count;
    if (give_group(spawner, box)) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
            box->control_fd = pair[0];
            asked = assay_spawner_watch(spawner, pair[0], WATCH_CONTROL, box->slot) &&
                    send_fork(spawner, box, pair[1]);
            close(pair[1]);
        }
        if (!asked)
            (void)assay_fault_set(&box->fault, "ask the zygote");
    }
    if (asked)
        return box;
    *fault = box->fault;
    assay_spawn_release(spawner, box);
    return NULL;
}

static struct box *find_zygote(const struct spawner *spawner, uint64_t id)
{
    struct box *box = spawner->boxes[id % ASSAY_BOXES_MAX];

    return box != NULL && box->zygote != NULL && box->zygote->id == id && box->zygote->ready &&
                    box->state != BOX_DYING
            ? box
            : NULL;
}

static void prepare_spare(struct spawner *spawner, struct box *parent)
{
    struct assay_fault unused = {{0}, 0};

    if (parent->zygote->spare == NULL && !spawner->stopping)
        parent->zygote->spare = ask(spawner, parent, &unused);
}

struct box *assay_zygotes_take(struct spawner *spawner, uint64_t id, struct assay_fault *fault)
{
    struct box *parent = find_zygote(spawner, id);
    struct box *box = NULL;

    if (parent == NULL) {
        (void)assay_fault_errno(fault, "zygote", ESRCH);
        return NULL;
    }
    box = parent->zygote->spare;
    parent->zygote->spare = NULL;
    if (box == NULL)
        box = ask(spawner, parent, fault);
    if (box != NULL)
        box->request_us = assay_clock_us();
    return box;
}

bool assay_zygotes_request(struct spawner *spawner, struct box *box, struct assay_request *request)
{
    if (box->fork_number == 0) {
        assay_spawn_move(box, &request->plan);
        if (!assay_request_send(request, box->control_fd, &box->fault))
            return false;
    } else {
        box->pending = malloc(sizeof(*box->pending));
        if (box->pending == NULL)
            return assay_fault_errno(&box->fault, "keep request", ENOMEM);
        *box->pending = *request;
        assay_request_init(request);
    }
    if (box->parent != NULL)
        prepare_spare(spawner, box->parent);
    return true;
}

// --- what a zygote says --------------------------------------------------------------------------

// The process id in our own namespace, or -1.
static pid_t pid_of(int pid_fd)
{
    char path[48];
    char text[1024];
    const char *at = NULL;
    long pid = -1;

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pid_fd);
    if (!assay_procfile_read(AT_FDCWD, path, text, sizeof(text)))
        return -1;
    at = strstr(text, "\nPid:");
    if (at != NULL)
        pid = strtol(at + strlen("\nPid:"), NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : -1;
}

static struct box *find_asked(const struct spawner *spawner, uint32_t number)
{
    for (uint32_t slot = 0; number != 0 && slot < ASSAY_BOXES_MAX; slot++)
        if (spawner->boxes[slot] != NULL && spawner->boxes[slot]->fork_number == number)
            return spawner->boxes[slot];
    return NULL;
}

static bool admit(struct spawner *spawner, struct box *box, int pid_fd)
{
    const uint32_t go = ASSAY_WIRE_GO;

    box->pid_fd = pid_fd;
    box->pid = pid_of(pid_fd);
    box->fork_number = 0;
    if (box->pid < 0)
        return assay_fault_errno(&box->fault, "process of a fork", ESRCH);
    if (!assay_cgroup_add(&box->group, &spawner->cgroups, box->pid, false, &box->fault))
        return false;
    if (!assay_spawner_watch(spawner, pid_fd, WATCH_PID, box->slot))
        return assay_fault_set(&box->fault, "watch");
    if (box->state == BOX_DYING) { // nobody wants it any more
        (void)sys_pidfd_kill(pid_fd);
        return true;
    }
    if (assay_wire_send(box->control_fd, &go, sizeof(go), NULL, 0) < 0)
        return assay_fault_set(&box->fault, "release");
    return box->pending == NULL || assay_request_send(box->pending, box->control_fd, &box->fault);
}

static void take_fork(struct spawner *spawner, const struct assay_wire_forked *record, int pid_fd)
{
    struct box *box = find_asked(spawner, record->number);

    if (box == NULL) {
        if (pid_fd >= 0) {
            (void)sys_pidfd_kill(pid_fd);
            close(pid_fd);
        }
        return;
    }
    if (pid_fd < 0) {
        box->fork_number = 0;
        (void)assay_fault_errno(&box->fault, "fork", record->sys_errno);
    } else if (admit(spawner, box, pid_fd)) {
        if (box->pending != NULL)
            assay_request_release(box->pending);
        free(box->pending);
        box->pending = NULL;
        return;
    }
    if (box->pid_fd >= 0)
        (void)sys_pidfd_kill(box->pid_fd);
    tell_failure(box);
    assay_spawn_release(spawner, box);
}

static void serve(struct spawner *spawner, struct box *box)
{
    const struct assay_wire_zygote record = {.kind = ASSAY_WIRE_STARTED, .zygote = box->zygote->id};

    box->zygote->ready = true;
    (void)assay_wire_send(box->private_fd, &record, sizeof(record), NULL, 0);
    prepare_spare(spawner, box);
}

void assay_zygotes_hear(struct spawner *spawner, struct box *box)
{
    struct assay_wire_forked record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t count = 0;
    const long got = box->zygote == NULL ? -1
                                         : assay_wire_receive(box->zygote->serve_fd, &record,
                                                   sizeof(record), fds, &count, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_READY && !box->zygote->ready) {
        serve(spawner, box);
    } else if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_FORKED) {
        take_fork(spawner, &record, fds[0]);
    } else if (box->zygote != NULL) { // its end; what it forked ends with it
        (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, box->zygote->serve_fd, NULL);
        box->zygote->ready = false;
        assay_spawner_kill_box(spawner, box);
    }
}

// --- life ----------------------------------------------------------------------------------------

static void remove_group(void *user, uint64_t number)
{
    assay_ready_remove_group(user, number);
}

bool assay_zygotes_add(struct spawner *spawner, struct box *box, int *serve_fd, unsigned shape)
{
    const struct assay_wire_serve record = {.kind = ASSAY_WIRE_SERVE,
            .version = ASSAY_WIRE_VERSION,
            .fresh_network = spawner->fresh_network};
    int setup_fd = -1;
    bool sent = false;

    if (*serve_fd < 0)
        return assay_fault_errno(&box->fault, "serve socket", EINVAL);
    box->zygote = calloc(1, sizeof(*box->zygote));
    if (box->zygote == NULL)
        return assay_fault_set(&box->fault, "set up the zygote");
    box->zygote->id = (uint64_t)++spawner->zygote_count * ASSAY_BOXES_MAX + box->slot;
    box->zygote->serve_fd = *serve_fd;
    box->zygote->shape = shape;
    assay_groups_open(&box->zygote->groups, &spawner->cgroups);
    box->zygote->groups.remove = remove_group;
    box->zygote->groups.user = spawner;
    *serve_fd = -1;
    setup_fd = assay_zygote_setup_write(&spawner->profiles, &spawner->skeleton);
    sent = setup_fd >= 0 &&
            assay_wire_send(box->zygote->serve_fd, &record, sizeof(record), &setup_fd, 1) == 0 &&
            assay_spawner_watch(spawner, box->zygote->serve_fd, WATCH_SERVE, box->slot);
    sent = sent || assay_fault_set(&box->fault, "set up the zygote");
    if (setup_fd >= 0)
        close(setup_fd);
    return sent;
}

// Those that it was asked for and that never came.
static void abandon_asked(struct spawner *spawner, const struct box *parent)
{
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++) {
        struct box *box = spawner->boxes[slot];

        if (box == NULL || box->parent != parent)
            continue;
        box->parent = NULL;
        if (box->fork_number == 0) // the kernel kills it with its zygote
            continue;
        (void)assay_fault_errno(&box->fault, "zygote", ESRCH);
        tell_failure(box);
        assay_spawn_release(spawner, box);
    }
}

void assay_zygotes_forget(struct spawner *spawner, struct box *box)
{
    if (box->parent != NULL && box->parent->zygote->spare == box)
        box->parent->zygote->spare = NULL;
    if (box->forked_here)
        keep_group(box);
    if (box->pending != NULL)
        assay_request_release(box->pending);
    free(box->pending);
    box->pending = NULL;
    if (box->zygote == NULL)
        return;
    abandon_asked(spawner, box);
    (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, box->zygote->serve_fd, NULL);
    close(box->zygote->serve_fd);
    assay_groups_close(&box->zygote->groups);
    free(box->zygote);
    box->zygote = NULL;
}
