// SPDX-License-Identifier: MIT
// session_inner.h - what struct assay_session holds; for session*.c alone.
#ifndef ASSAY_SANDBOX_SESSION_INNER_H
#define ASSAY_SANDBOX_SESSION_INNER_H

#include "sandbox/exports.h"
#include "sandbox/keep.h"
#include "sandbox/layer.h"
#include "sandbox/order.h"
#include "sandbox/session.h"
#include "sandbox/slots.h"
#include "sandbox/wire.h"

#define ASSAY_SESSION_DRAIN_BYTES 65536
// An init that was told to do something, and does not say that it did, is broken.
#define ASSAY_SESSION_KILL_MS_MAX 30000

// The shell that stays.
struct assay_session_shell {
    int fd; // private socket, O_NONBLOCK: lines go, status comes; -1: no shell
    uint32_t id;
    uint32_t begun; // lines that it was given
};

struct assay_session {
    struct assay_sandbox *sandbox; // borrowed
    struct assay_box_limits limits;
    uint64_t head_bytes_max, tail_bytes_max, report_bytes_max; // each command's
    uint32_t cpu_count;
    void (*on_listener)(void *listener, int listen_fd);
    void *listener;
    bool listener_due;

    int private_fd; // to the spawner; -1: nothing more can come
    int serve_fd;   // to the init
    int output_fd;  // reading end of the pipe that all commands share, O_NONBLOCK
    int out_dir_fd;
    struct assay_snapshot *draft; // owned; NULL: the plan wants no snapshot, or it was taken
    struct assay_parts parts;
    char *scratch; // owned; for draining
    uint32_t id_next;
    bool shell_looked_for, has_bash;

    struct assay_exports state; // cwd and environment
    struct assay_session_shell shell;

    bool over; // the box is gone; `end` tells
    struct assay_wire_result end;
};

// What the spawner says, without waiting.
void assay_session_hear_spawner(struct assay_session *session);
// Wait for the spawner to say why the init is gone.
void assay_session_await_end(struct assay_session *session);
// Nothing can be asked any more: closing the private socket has the box killed.
void assay_session_break(struct assay_session *session, const char *step, int sys_errno);
// False when the session is over.
bool assay_session_send(struct assay_session *session, const void *record, size_t size,
        const int *fds, size_t fd_count);
// What the init says without being asked: that a shell died between two lines.
void assay_session_note_reply(struct assay_session *session, const struct assay_order_reply *reply);
void assay_session_note_replies(struct assay_session *session);
// Ask about a file and wait for the answer; *fd_out (may be NULL) is owned. The errno, 0: done.
int assay_session_ask(struct assay_session *session, const struct assay_order_file *order,
        int content_fd, struct assay_order_done *done, int *fd_out);
// The box's bash, or its sh.
const char *assay_session_shell_path(struct assay_session *session);

// One command, or one line of the shell, under way.
struct assay_watch {
    struct assay_session *session;       // borrowed
    const struct assay_command *command; // borrowed
    struct assay_lease lease;
    bool placed; // the lease is held
    bool plain;  // a line that has nothing to tell of directory and environment
    uint32_t id;
    int report_fd, state_fd; // reading ends; -1: none, or at their end
    struct assay_keep output;
    struct assay_buf report, state; // a state that is too large is one that failed
    uint64_t output_bytes_max;
    bool killed; // for kill_cause
    enum assay_box_cause kill_cause;
    uint64_t start_ms, output_ms, kill_ms;
    bool answered; // `reply` is the init's last word on this
    struct assay_order_reply reply;
};

// Waits for CPUs and memory. Errors: ASSAY_EINVAL; ASSAY_EINTERRUPTED (cancelled meanwhile).
ASSAY_MUST_USE enum assay_status assay_watch_begin(struct assay_watch *watch,
        struct assay_session *session, const struct assay_command *command,
        struct assay_error *err);
// Wait for something and take it: output, limits, the spawner, the init. *own_revents is what
// came of own_fd (-1: none).
void assay_watch_wait(struct assay_watch *watch, int own_fd, short own_events, short *own_revents);
void assay_watch_kill(struct assay_watch *watch, enum assay_box_cause cause);
// What is left in the pipes, the result, and what the watch holds is given back.
ASSAY_MUST_USE enum assay_status assay_watch_end(
        struct assay_watch *watch, struct assay_command_result *result, struct assay_error *err);

// argv, env and cwd of an EXEC as a memory file; -1 with errno.
int assay_watch_pack_words(const struct assay_exports *state, const char *const *argv);

#endif
