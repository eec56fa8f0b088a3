// SPDX-License-Identifier: MIT
// serve.h - the init's side of a session: obeys orders (order.h) while its box lives.
//
//   EXEC -> RUNNING -> ENDING [its process is dead, or KILL]  what it started is being killed
//        -> gone [ENDED is told]
//   a shell: RUNNING -> ENDING [FINISH] -> RUNNING [FINISHED is told]
#ifndef ASSAY_SANDBOX_SERVE_H
#define ASSAY_SANDBOX_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/init.h"
#include "sandbox/order.h"
#include "sandbox/request.h"
#include "sandbox/sweep.h"

struct assay_serve_command {
    bool used, dead, finishing; // a free place; its process was reaped; FINISH came
    bool killed;
    pid_t pid;
    uint32_t id, flags;
    int error_fd; // a struct assay_fault when a step of ours failed
    struct assay_sweep sweep;
    uint64_t started_us, ended_us;
    uint64_t cpu_user_us, cpu_system_us; // of the box when it began
    uint32_t cwd_lost, begun;
    int wait_status;
};

struct assay_serve {
    const struct assay_init *init;       // borrowed
    const struct assay_request *request; // borrowed
    const struct assay_mounts *mounts;   // borrowed
    int fd;                              // the session's socket
    int root_fd;                         // the box's root, O_PATH
    int own_tag_fd;                      // the init's own tag, to come back to
    uint64_t own_tag;
    bool tagged_ever; // from then on processes must be told apart
    struct assay_serve_command commands[ASSAY_ORDER_COMMANDS_MAX];
};

// Tells READY. Called in the finished box; the request's stdin and output stay open.
bool assay_serve_start(struct assay_serve *serve, const struct assay_init *init,
        const struct assay_request *request, const struct assay_mounts *mounts,
        struct assay_fault *fault);
// One order. False when the session is over: its other end is closed.
bool assay_serve_hear(struct assay_serve *serve);
// A process that was reaped, orphans among them.
void assay_serve_reaped(struct assay_serve *serve, pid_t pid, int wait_status);
// Go on killing what has to die, tell what is over. Milliseconds after which to
// call again; -1: not before something happens.
int assay_serve_tend(struct assay_serve *serve);

#endif
