// SPDX-License-Identifier: MIT
#include "sandbox/spawner.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/ready.h"
#include "sandbox/sys.h"
#include "sandbox/zygotes.h"

#define EVENTS_MAX 64
#define CPU_CHECK_US_MIN 2000
#define CPU_CHECK_US_MAX 1000000
#define NEVER UINT64_MAX
#define FORGE_PAUSE_MS 5
// An init that was asked to kill its box has so long; then it is killed itself.
#define KILL_US_MAX 2000000
#define DEAF_MAX 1000 // failures in a row to hear the library; then it counts as gone

bool assay_spawner_watch(const struct spawner *spawner, int fd, enum watch_kind kind, uint32_t slot)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = ((uint64_t)slot << 8) | kind};

    return epoll_ctl(spawner->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void unwatch(const struct spawner *spawner, int fd)
{
    (void)epoll_ctl(spawner->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

// --- ending a box --------------------------------------------------------------------------------

// Everything in the box dies with its init; the group's kill switch is the faster of the two.
static void kill_init(struct spawner *spawner, struct box *box)
{
    box->state = BOX_DYING;
    box->check_us = NEVER;
    assay_cgroup_kill(&box->group, &spawner->cgroups);
    (void)sys_pidfd_kill(box->pid_fd);
}

void assay_spawner_kill_box(struct spawner *spawner, struct box *box)
{
    const uint32_t kind = ASSAY_WIRE_KILL;

    if (box->state == BOX_DYING)
        return;
    if (box->pid == 0) { // there is nothing to kill, or not yet: the survey ends it
        box->state = BOX_DYING;
        box->check_us = NEVER;
        spawner->look_again = true;
        return;
    }
    if (box->ended_us == 0)
        box->ended_us = assay_clock_us();
    // Where no group counts, the init does: it kills, reaps, and tells what all that used.
    if (box->state == BOX_RUNNING && !box->facts.ended &&
            !(spawner->cgroups.roles & ASSAY_CGROUP_CPU) &&
            assay_wire_send(box->control_fd, &kind, sizeof(kind), NULL, 0) == 0) {
        box->state = BOX_DYING;
        box->check_us = box->ended_us + KILL_US_MAX;
        return;
    }
    kill_init(spawner, box);
}

static void kill_for(struct spawner *spawner, struct box *box, enum assay_box_cause cause)
{
    if (box->state == BOX_DYING)
        return;
    box->facts.killed = true;
    box->facts.kill_cause = cause;
    assay_spawner_kill_box(spawner, box);
}

void assay_spawner_fail(struct spawner *spawner, struct box *box)
{
    box->failed = box->state != BOX_DYING || box->failed;
    assay_spawner_kill_box(spawner, box);
}

static void note_meter(struct box *box, const struct assay_wire_init *record)
{
    box->meter = *record;
    if (record->memory_bytes > box->memory_peak)
        box->memory_peak = record->memory_bytes;
    if (record->rss_bytes_max > box->memory_peak)
        box->memory_peak = record->rss_bytes_max;
    if (record->pids > box->pids_peak)
        box->pids_peak = record->pids;
}

static void read_usage(
        const struct spawner *spawner, struct box *box, struct assay_box_usage *usage)
{
    const unsigned roles = spawner->cgroups.roles;
    struct assay_cgroup_usage group = {0};

    assay_cgroup_read(&box->group, &spawner->cgroups, &group);
    box->facts.oom = box->facts.oom || group.oom;
    box->facts.pids_hit = group.pids_hit;
    usage->cpu_user_us = group.cpu_user_us;
    usage->cpu_system_us = group.cpu_system_us;
    usage->memory_bytes_peak = group.memory_bytes_peak;
    usage->pids_peak = group.pids_peak;
    if (!(roles & ASSAY_CGROUP_CPU)) {
        usage->cpu_user_us = box->meter.cpu_user_us;
        usage->cpu_system_us = box->meter.cpu_system_us;
    }
    if (!(roles & ASSAY_CGROUP_MEMORY)) {
        usage->memory_bytes_peak = box->memory_peak;
        // An allocation that RLIMIT_DATA refused leaves no other trace.
        box->facts.memory_hit = box->memory_peak >= box->limits.memory_bytes_max / 32 * 31;
    }
    if (!(roles & ASSAY_CGROUP_PIDS)) {
        usage->pids_peak = box->pids_peak;
        box->facts.pids_hit = box->pids_peak >= box->limits.process_count_max;
    }
    box->facts.cpu_us = usage->cpu_user_us + usage->cpu_system_us;
}

// The box's parts become a snapshot; none of them when one cannot be kept. fds[] are the
// caller's to close once sent; returns how many.
static size_t keep_parts(
        struct spawner *spawner, struct box *box, struct assay_wire_result *result, int *fds)
{
    size_t fd_count = 0;

    for (size_t i = 0; i < box->part_count && box->started_us > 0; i++) {
        struct assay_part_ticket ticket;
        uint32_t slot = 0;

        if (!assay_holds_add(&spawner->holds, box->part_fds[i], &ticket, &slot, &result->fault))
            break;
        fds[fd_count++] = ticket.lease_fd;
        fds[fd_count++] = ticket.dir_fd;
        result->part_ids[result->part_count++] = ticket.id;
        if (!assay_spawner_watch(spawner, spawner->holds.items[slot].lease_fd, WATCH_HOLD, slot)) {
            (void)assay_fault_set(&result->fault, "watch");
            assay_holds_drop(&spawner->holds, slot);
            break;
        }
    }
    return fd_count;
}

static void send_result(struct spawner *spawner, struct box *box, struct assay_wire_result *result)
{
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    size_t kept = 0;

    if (!box->failed) // what went another way in the end is no longer a fault
        result->fault = (struct assay_fault){{0}, 0};
    result->has_out_dir = box->out_dir_fd >= 0;
    if (box->out_dir_fd >= 0)
        fds[fd_count++] = box->out_dir_fd;
    kept = keep_parts(spawner, box, result, fds + fd_count);
    (void)assay_wire_send(box->private_fd, result, sizeof(*result), fds, fd_count + kept);
    // A library that is gone has no lease: the other ends tell, and the parts are let go.
    for (size_t i = 0; i < kept; i++)
        close(fds[fd_count + i]);
}

// Everything is dead. Usage is read now: after the kill, before the group is gone.
static void finish_box(struct spawner *spawner, struct box *box)
{
    struct assay_wire_result result = {.kind = ASSAY_WIRE_RESULT, .fault = box->fault};
    enum assay_box_cause cause = ASSAY_BOX_SETUP_FAILED;
    const uint64_t now_us = assay_clock_us();

    // Children are reaped by themselves; 0: not dead after all, its pidfd will tell.
    if (box->pid > 0 && waitpid(box->pid, NULL, WNOHANG) == 0)
        return;
    if (box->private_fd < 0) { // it waited in the pool, for nobody
        spawner->pool_paused = !spawner->stopping && !box->forked_here;
        assay_spawn_release(spawner, box);
        return;
    }
    if (box->state == BOX_SETUP && box->unread && assay_spawn_replace(spawner, box)) {
        assay_spawn_release(spawner, box);
        return;
    }
    if (box->ended_us == 0)
        box->ended_us = now_us;
    read_usage(spawner, box, &result.usage);
    if (!box->failed)
        assay_box_judge(&box->facts, &cause, &result.exit_code, &result.signal);
    result.cause = cause;
    if (box->started_us > 0) {
        result.usage.setup_us = box->started_us - box->request_us;
        result.usage.wall_ms = (box->ended_us - box->started_us) / 1000;
        result.usage.teardown_us = now_us - box->ended_us;
    }
    send_result(spawner, box, &result);
    assay_spawn_release(spawner, box);
}

// --- events of a box -----------------------------------------------------------------------------

static void start_clock(struct box *box, uint64_t time_us)
{
    const uint32_t kind = ASSAY_WIRE_STARTED;

    if (box->state != BOX_SETUP)
        return;
    box->state = BOX_RUNNING;
    box->started_us = time_us;
    assay_spawn_forget_request(box);
    box->check_us = 0; // the loop computes it
    // Only who counts silence needs to know; others are spared the wake-up.
    if (box->limits.idle_ms_max > 0)
        (void)assay_wire_send(box->private_fd, &kind, sizeof(kind), NULL, 0);
}

// A socket that is closed before all in it was read says so to the other end, once.
static void note_unread(struct box *box)
{
    socklen_t size = sizeof(int);
    int problem = 0;

    if (box->state == BOX_SETUP &&
            getsockopt(box->control_fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 &&
            problem == ECONNRESET)
        box->unread = true;
}

// What an init said.
static void heed(struct spawner *spawner, struct box *box, const struct assay_wire_init *record,
        const int *fds, size_t fd_count)
{
    if (record->kind == ASSAY_WIRE_OUT_DIR && box->out_dir_fd < 0 && fd_count == 1) {
        box->out_dir_fd = fds[0];
    } else if (record->kind == ASSAY_WIRE_PART && box->part_count < ASSAY_BOX_PARTS_MAX &&
            fd_count == 1) {
        box->part_fds[box->part_count++] = fds[0];
    } else if (record->kind == ASSAY_WIRE_LISTENER && fd_count == 1) {
        const uint32_t kind = ASSAY_WIRE_LISTENER;

        (void)assay_wire_send(box->private_fd, &kind, sizeof(kind), fds, 1);
        close(fds[0]);
    } else if (record->kind == ASSAY_WIRE_STARTED) {
        start_clock(box, record->time_us);
    } else if (record->kind == ASSAY_WIRE_METER) {
        note_meter(box, record);
        if (!(spawner->cgroups.roles & ASSAY_CGROUP_MEMORY) &&
                record->memory_bytes > box->limits.memory_bytes_max)
            kill_for(spawner, box, ASSAY_BOX_MEMORY_LIMIT);
        // Elsewhere the kernel refuses the fork, and the command goes on.
        if (!(spawner->cgroups.roles & ASSAY_CGROUP_PIDS) && spawner->tier == ASSAY_TIER_C &&
                record->pids > box->limits.process_count_max)
            kill_for(spawner, box, ASSAY_BOX_PIDS_LIMIT);
        if (box->state == BOX_RUNNING) // during set-up, and while dying, the clock is another
            box->check_us = 0;
    } else if (record->kind == ASSAY_WIRE_ENDED) {
        note_meter(box, record);
        box->facts.ended = true;
        box->facts.wait_status = record->wait_status;
        box->facts.disk_full = record->disk_full != 0;
        if (box->state != BOX_DYING)
            box->ended_us = record->time_us;
        kill_init(spawner, box);
    } else if (record->kind == ASSAY_WIRE_DEAD) {
        note_meter(box, record);
        kill_init(spawner, box);
    } else if (record->kind == ASSAY_WIRE_FAILED && !box->facts.killed) {
        box->failed = true;
        box->fault = record->fault;
        assay_spawner_kill_box(spawner, box);
    }
}

// False when the init has nothing more to say.
static bool hear_init(struct spawner *spawner, struct box *box)
{
    struct assay_wire_init record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    long got = 0;

    note_unread(box);
    got = assay_wire_receive(
            box->control_fd, &record, sizeof(record), fds, &fd_count, MSG_DONTWAIT);

    if (got < 0 && errno != ECONNRESET) // nothing there, or it still waits
        return false;
    if (got != (long)sizeof(record)) { // its end: the pidfd tells the rest
        unwatch(spawner, box->control_fd);
        return false;
    }
    heed(spawner, box, &record, fds, fd_count);
    return true;
}

static void hear_caller(struct spawner *spawner, struct box *box)
{
    struct assay_wire_kill record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got = assay_wire_receive(
            box->private_fd, &record, sizeof(record), fds, &fd_count, MSG_DONTWAIT);

    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (got < 0 && errno != ECONNRESET)
        return;
    if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_KILL &&
            record.cause <= ASSAY_BOX_INFRA_ERROR) {
        kill_for(spawner, box, (enum assay_box_cause)record.cause);
        return;
    }
    unwatch(spawner, box->private_fd); // nobody waits for the result any more
    kill_for(spawner, box, ASSAY_BOX_CANCELLED);
}

static void hear_oom(struct spawner *spawner, struct box *box)
{
    struct assay_cgroup_usage usage = {0};
    uint64_t count = 0;

    if (read(box->group.oom_fd, &count, sizeof(count)) < 0)
        return;
    assay_cgroup_read(&box->group, &spawner->cgroups, &usage);
    if (usage.oom) {
        box->facts.oom = true;
        assay_spawner_kill_box(spawner, box);
    }
}

static void handle_box(struct spawner *spawner, struct box *box, enum watch_kind kind)
{
    switch (kind) {
    case WATCH_CONTROL:
        (void)hear_init(spawner, box);
        break;
    case WATCH_PRIVATE:
        hear_caller(spawner, box);
        break;
    case WATCH_OOM:
        hear_oom(spawner, box);
        break;
    case WATCH_PID:
        if (box->pid == 0)
            break;
        while (hear_init(spawner, box)) {
            // What it said last, before it died.
        }
        finish_box(spawner, box);
        break;
    case WATCH_SERVE:
        assay_zygotes_hear(spawner, box);
        break;
    case WATCH_MAIN:
    case WATCH_SIGNAL:
    case WATCH_FORGE:
    case WATCH_HOLD:
        break;
    }
}

// --- clocks --------------------------------------------------------------------------------------

// Look at one box's clocks; sets when to look next.
static void check_box(struct spawner *spawner, struct box *box, uint64_t now_us)
{
    const uint64_t wall_end_us = box->started_us + box->limits.wall_ms_max * 1000;
    struct assay_cgroup_usage usage = {
            .cpu_user_us = box->meter.cpu_user_us, .cpu_system_us = box->meter.cpu_system_us};
    uint64_t used_us = 0;
    uint64_t pause_us = 0;

    if (box->state == BOX_DYING) {
        kill_init(spawner, box);
        return;
    }
    if (box->state < BOX_RUNNING) {
        box->failed = true;
        (void)assay_fault_errno(&box->fault, "set-up took too long", ETIMEDOUT);
        assay_spawner_kill_box(spawner, box);
        return;
    }
    if (now_us >= wall_end_us) {
        kill_for(spawner, box, ASSAY_BOX_WALL_LIMIT);
        return;
    }
    assay_cgroup_read_cpu(&box->group, &spawner->cgroups, &usage);
    used_us = usage.cpu_user_us + usage.cpu_system_us;
    if (used_us > box->facts.cpu_us_max) {
        kill_for(spawner, box, ASSAY_BOX_CPU_LIMIT);
        return;
    }
    // The limit cannot be passed sooner than by running on every processor at once.
    pause_us = (box->facts.cpu_us_max - used_us) / (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (pause_us < CPU_CHECK_US_MIN)
        pause_us = CPU_CHECK_US_MIN;
    if (pause_us > CPU_CHECK_US_MAX)
        pause_us = CPU_CHECK_US_MAX;
    box->check_us = now_us + pause_us < wall_end_us ? now_us + pause_us : wall_end_us;
}

// Look at every box: its clocks, whether it waits in the pool, whether it ended before there was
// a process. Milliseconds until the next clock runs out; -1: none does.
static int survey(struct spawner *spawner)
{
    const uint64_t now_us = assay_clock_us();
    const uint32_t box_count = spawner->box_count;
    uint64_t next_us = NEVER;
    uint32_t seen = 0;

    spawner->ready_count = spawner->pool_making = 0;
    spawner->look_again = false;
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX && seen < box_count; slot++) {
        struct box *box = spawner->boxes[slot];

        if (box == NULL)
            continue;
        seen++;
        if (box->check_us <= now_us)
            check_box(spawner, box, now_us);
        if (box->check_us < next_us)
            next_us = box->check_us;
        if (box->private_fd < 0 && box->state == BOX_READY)
            spawner->ready_count++;
        else if (box->private_fd < 0 && box->state == BOX_MAKING)
            spawner->pool_making++;
        else if (box->state == BOX_DYING && box->pid == 0 && !box->making && box->fork_number == 0)
            finish_box(spawner, box);
    }
    if (next_us == NEVER)
        return -1;
    return next_us <= now_us ? 0 : (int)((next_us - now_us) / 1000 + 1);
}

// --- the loop ------------------------------------------------------------------------------------

static void stop(struct spawner *spawner)
{
    if (spawner->stopping)
        return;
    spawner->stopping = true;
    unwatch(spawner, spawner->main_fd);
    for (uint32_t slot = 0; slot < ASSAY_BOXES_MAX; slot++)
        if (spawner->boxes[slot] != NULL)
            kill_for(spawner, spawner->boxes[slot], ASSAY_BOX_CANCELLED);
}

static void hear_library(struct spawner *spawner)
{
    struct assay_wire_run record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got =
            assay_wire_receive(spawner->main_fd, &record, sizeof(record), fds, &fd_count, 0);

    if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_RUN &&
            record.version == ASSAY_WIRE_VERSION) {
        spawner->deaf_count = 0;
        assay_spawn_box(spawner, &record, fds, fd_count);
        return;
    }
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    // Short of memory or descriptors: what could not be received still waits, or was cut,
    // and then its caller sees its private socket close.
    if (got < 0 && ++spawner->deaf_count < DEAF_MAX)
        return;
    if (got <= 0)
        stop(spawner);
}

// Nobody in the library has the part any more.
static void drop_hold(struct spawner *spawner, uint32_t slot)
{
    if (slot >= ASSAY_HOLDS_MAX || spawner->holds.items[slot].id == 0)
        return;
    unwatch(spawner, spawner->holds.items[slot].lease_fd);
    assay_holds_drop(&spawner->holds, slot);
}

static void handle(struct spawner *spawner, const struct epoll_event *event)
{
    const enum watch_kind kind = (enum watch_kind)(event->data.u64 & 0xff);
    const uint32_t slot = (uint32_t)(event->data.u64 >> 8);

    if (kind == WATCH_MAIN)
        hear_library(spawner);
    else if (kind == WATCH_SIGNAL)
        stop(spawner);
    else if (kind == WATCH_FORGE)
        assay_ready_hear(spawner);
    else if (kind == WATCH_HOLD)
        drop_hold(spawner, slot);
    else if (spawner->boxes[slot] != NULL)
        handle_box(spawner, spawner->boxes[slot], kind);
}

void assay_spawner_run(struct spawner *spawner)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int timeout_ms = survey(spawner);
        int count = 0;

        if (!assay_ready_tend(spawner) && (timeout_ms < 0 || timeout_ms > FORGE_PAUSE_MS))
            timeout_ms = FORGE_PAUSE_MS;
        if (spawner->stopping && spawner->box_count == 0 && spawner->grave_count == 0)
            break;
        if (spawner->look_again)
            timeout_ms = 0;
        count = epoll_wait(spawner->epoll_fd, events, EVENTS_MAX, timeout_ms);

        // A box may be gone, and its slot taken anew, before a later event of the
        // same batch is looked at: requests come last, so that a slot is not reused.
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < count; i++)
                if (((events[i].data.u64 & 0xff) == WATCH_MAIN) == (pass == 1))
                    handle(spawner, &events[i]);
    }
    assay_ready_stop(spawner);
}
