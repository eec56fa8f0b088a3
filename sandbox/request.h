// SPDX-License-Identifier: MIT
// request.h - what one box is asked to be, on its way from the spawner to the box's init.
//
// An init begins without knowing its plan: it makes what all boxes have alike, then
// waits on its control socket. The request is one FINISH record (plan, stdin, output,
// report pipe) and, where the spawner opened the plan's sources, as many SOURCES
// records as their number needs; then likewise the parts of a
// snapshot. Both sides read the plan from the same sealed memory file.
#ifndef ASSAY_SANDBOX_REQUEST_H
#define ASSAY_SANDBOX_REQUEST_H

#include <stdbool.h>

#include "base/arena.h"
#include "sandbox/box.h"
#include "sandbox/fault.h"
#include "sandbox/mounts.h"

#define ASSAY_REQUEST_EXTRA_MAX 6

struct assay_request {
    struct assay_arena *arena;
    char *bytes; // owned; the plan's texts point into it
    struct assay_box_plan plan;
    bool session;                                  // no command, but a socket to serve
    struct assay_sources sources;                  // owned
    bool sources_open;                             // the spawner did it; else the init does
    struct assay_sources parts;                    // owned; of plan.from; the spawner opened them
    int plan_fd;                                   // -1: handed on
    int stdin_fd, output_fd, report_fd, errors_fd; // -1: none (the last two), or handed on
    int learn_fd;                                  // likewise
    int serve_fd;                                  // a session's; -1
    int cpu_fds[2];                                // likewise, assay_cgroup_open_cpu(); -1
    size_t cpu_count;
    int extra_fds[ASSAY_REQUEST_EXTRA_MAX]; // not told apart before the plan is read
    size_t extra_count;
};

void assay_request_init(struct assay_request *request);
// Owns the plan's descriptor and those after it, in the order of wire.h. False when there are
// too few or too many of them.
bool assay_request_take(
        struct assay_request *request, const int *fds, size_t fd_count, struct assay_fault *fault);
// Read and check the plan in plan_fd.
bool assay_request_read_plan(struct assay_request *request, struct assay_fault *fault);
// All descriptors stay the sender's.
bool assay_request_send(
        const struct assay_request *request, int control_fd, struct assay_fault *fault);
// The plan's descriptor and those after it, in the order of wire.h; returns how many.
size_t assay_request_list(
        const struct assay_request *request, int fds[3 + ASSAY_REQUEST_EXTRA_MAX]);
// What was opened is closed; it can be opened again, for another box.
void assay_request_close_sources(struct assay_request *request);
// Waits. False with fault->step empty when the sender is gone. Everything received is owned.
bool assay_request_receive(
        struct assay_request *request, int control_fd, struct assay_fault *fault);
// Closes the descriptors but not the sources: the payload has its own.
void assay_request_close(struct assay_request *request);
// Closes and frees all of it, descriptors included.
void assay_request_release(struct assay_request *request);

#endif
