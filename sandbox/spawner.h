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
#define ASSAY_READY_DEFAULT 16

// WAITING -> MAKING [order sent]  the forge is asked for an init
// MAKING -> READY [MADE]          nobody wants it yet: it waits in the pool
// MAKING, READY -> SETUP          a request was sent to it
// SETUP -> RUNNING [STARTED]      exec worked: the wall clock runs
// SETUP -> DYING [FAILED, kill]   a step of ours failed, or nobody wants it any more
// RUNNING -> DYING [ENDED, kill]  the payload ended, or a limit did
// any -> DYING [kill]
// DYING -> gone [pidfd]           everything in it is dead and reaped: the result is sent
enum box_state { BOX_WAITING, BOX_MAKING, BOX_READY, BOX_SETUP, BOX_RUNNING, BOX_DYING };

struct zygote;

struct box {
    enum box_state state;
    uint32_t slot;                                  // in spawner->boxes
    enum assay_shape shape;                         // what it prepares
    pid_t pid;                                      // 0: not yet
    int pid_fd, control_fd, private_fd, out_dir_fd; // private_fd -1: nobody's yet
    int part_fds[ASSAY_BOX_PARTS_MAX];              // detached mounts that become a snapshot
    size_t part_count;
    bool unread;                   // the init died without having read all of its request
    struct assay_request *request; // owned; until the payload runs
    uint32_t uid;                  // host uid and gid
    struct assay_cgroup group;
    uint64_t group_number;
    bool making;                          // an order is without its answer
    bool ordered;                         // the forge keeps something for it
    unsigned attempts;                    // how often it was ordered
    struct assay_box_limits group_limits; // what its group was given when it was made
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
    unsigned deaf_count;               // failures in a row to receive from the main socket
    uint32_t zygote_count, fork_count; // made so far
    bool stopping;
    bool look_again; // something changed after the survey

    // ready.c
    int forge_fd; // -1: none
    pid_t forge_pid;
    unsigned forge_deaf_count; // failures in a row to receive from it
    bool fresh_network;
    uint32_t ready_max;                // how many are to wait in the pool
    uint32_t ready_count, pool_making; // how many do, and are on their way there; by the survey
    uint32_t order_count;              // MAKE orders without an answer
    bool pool_paused;                  // the last one for the pool failed
    bool pool_uses_store;              // the last request wanted the store's uid
    struct assay_grave *graves;        // owned; dead boxes that the forge has not been told of
    size_t grave_count, grave_cap;
    struct assay_box_limits usual_limits; // of the last request
};

// Never returns before the main socket closed and every box is gone.
void assay_spawner_run(struct spawner *spawner);

// spawn.c: from a request to a running init. On failure the caller is told.
void assay_spawn_box(struct spawner *spawner, const struct assay_wire_run *record,
        const int fds[ASSAY_WIRE_FDS_MAX], size_t fd_count);
// An empty slot's box, WAITING, without a uid; NULL: too many.
struct box *assay_spawn_make_box(struct spawner *spawner);
// One that the forge is to make; own_uid: with a uid of its own, where there is one left.
struct box *assay_spawn_make_own(struct spawner *spawner, enum assay_shape shape, bool own_uid);
// The box has its init: send it its request.
void assay_spawn_deliver(struct spawner *spawner, struct box *box);
void assay_spawn_forget_request(struct box *box);
// An init wakes where its payload will run, rather than that being moved later. It may as well not.
void assay_spawn_move(const struct box *box, const struct assay_box_plan *plan);
// The init died without having read its request: another gets it. False: not any more.
bool assay_spawn_replace(struct spawner *spawner, struct box *dead);
// A step of ours failed: kill what there is of it; its caller is told when it is dead.
void assay_spawner_fail(struct spawner *spawner, struct box *box);
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
    WATCH_FORGE,
    WATCH_HOLD, // its slot is one of spawner->holds
};
bool assay_spawner_watch(
        const struct spawner *spawner, int fd, enum watch_kind kind, uint32_t slot);

#endif
