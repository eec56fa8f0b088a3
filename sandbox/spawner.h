// SPDX-License-Identifier: MIT
// spawner.h - assay-box's main loop: makes boxes, keeps their clocks, tells how they ended.
//
// One thread, one epoll. Boxes are independent; the loop never waits for one.
#ifndef ASSAY_SANDBOX_SPAWNER_H
#define ASSAY_SANDBOX_SPAWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "sandbox/cgroup.h"
#include "sandbox/hold.h"
#include "sandbox/ids.h"
#include "sandbox/judge.h"
#include "sandbox/layer.h"
#include "sandbox/mounts.h"
#include "sandbox/profile.h"
#include "sandbox/request.h"
#include "sandbox/skeleton.h"
#include "sandbox/wire.h"

#define ASSAY_BOXES_MAX 4096
#define ASSAY_SETUP_MS_MAX 60000

// SETUP -> RUNNING [STARTED]      exec worked: the wall clock runs
// SETUP -> DYING [FAILED, kill]   a step of ours failed, or nobody wants it any more
// RUNNING -> DYING [ENDED, kill]  the payload ended, or a limit did
// DYING -> gone [pidfd]           everything in it is dead and reaped: the result is sent
enum box_state { BOX_SETUP, BOX_RUNNING, BOX_DYING };

struct zygote;

struct box {
    enum box_state state;
    uint32_t slot; // in spawner->boxes
    pid_t pid;
    int pid_fd, control_fd, private_fd, out_dir_fd;
    int part_fds[ASSAY_BOX_PARTS_MAX]; // detached mounts that become a snapshot
    size_t part_count;
    uint32_t uid; // host uid and gid
    struct assay_cgroup group;
    struct assay_box_limits limits;
    struct assay_judge_facts facts;
    bool failed; // `fault` tells: cause setup_failed
    struct assay_fault fault;
    uint64_t request_us, started_us, ended_us; // CLOCK_MONOTONIC; 0: not yet
    uint64_t check_us;                         // when to look at the clocks next
    struct assay_wire_init meter;              // last reading of the init's meter
    uint64_t memory_peak;                      // highest reading
    uint32_t pids_peak;
    struct zygote *zygote; // owned; what this box serves as (zygotes.h)
    // Of a run of a zygote, whose uid it shares:
    struct box *parent;            // NULL: none, or it is dead
    bool forked_here;              // by the parent
    unsigned shape;                // then: the enum assay_shape that it prepares
    uint32_t fork_number;          // of the FORK that asked for it; 0: it has come
    struct assay_request *pending; // owned; waits for that
};

struct spawner {
    int main_fd, epoll_fd, signal_fd;
    struct assay_ids ids;
    struct assay_cgroups cgroups;
    struct assay_profiles profiles;
    struct assay_skeleton skeleton;
    enum assay_tier tier;
    bool staged; // stage.h
    bool can_idmap;
    int *idmap_fds;       // by index in the uid pool; -1: not made yet
    bool *uid_taken;      // likewise
    bool can_shift_parts; // as root: a tmpfs can be idmapped
    int *part_map_fds;    // as idmap_fds, with one more for the store's uid
    struct assay_holds holds;
    struct box *boxes[ASSAY_BOXES_MAX];
    uint32_t box_count;
    struct assay_cgroup *busy_groups; // owned; could not be removed yet
    size_t busy_count, busy_cap;
    unsigned deaf_count;               // failures in a row to receive from the main socket
    uint32_t zygote_count, fork_count; // made so far
    bool stopping;
};

// Never returns before the main socket closed and every box is gone.
void assay_spawner_run(struct spawner *spawner);

// spawn.c: from a request to a running init. On failure the caller is told.
void assay_spawn_box(struct spawner *spawner, const struct assay_wire_run *record,
        const int fds[ASSAY_WIRE_FDS_MAX], size_t fd_count);
// An empty slot's box; NULL: too many.
struct box *assay_spawn_make_box(struct spawner *spawner);
// Forget a box whose process is gone (or never was): descriptors, uid, group, slot.
void assay_spawn_release(struct spawner *spawner, struct box *box);
// Write /proc/PID/{setgroups,uid_map,gid_map} of a child in a new user namespace. False with errno.
bool assay_spawn_write_maps(pid_t pid, const struct assay_id_map *map);
// A user namespace with this map, as a descriptor; -1 with errno.
int assay_spawn_map_namespace(const struct assay_id_map *map);

// Kill what is in the box; its result follows when all of it is dead.
void assay_spawner_kill_box(struct spawner *spawner, struct box *box);
// Watch fd; `kind` and the slot, of a box, come back with its event.
enum watch_kind {
    WATCH_MAIN,
    WATCH_SIGNAL,
    WATCH_PID,
    WATCH_CONTROL,
    WATCH_PRIVATE,
    WATCH_OOM,
    WATCH_SERVE,
    WATCH_HOLD, // its slot is one of spawner->holds
};
bool assay_spawner_watch(struct spawner *spawner, int fd, enum watch_kind kind, uint32_t slot);

#endif
