// SPDX-License-Identifier: MIT
// order.h - what the library and the init of a session's box say to each other.
//
// One SOCK_SEQPACKET socket a session, made by the library; the init's end goes with the request.
// The library asks, the init obeys and answers; a payload never has a descriptor of it. Commands
// have numbers of the library's choosing, so that a shell can live beside other commands.
//
//   READY                          init: the box is made and waits
//   EXEC  -> ENDED                 start a process; ENDED comes when it is dead, and what it
//                                  started too, unless that may live on
//   KILL  -> (its ENDED)           kill the process and all that it started
//   BEGIN                          a living shell is about to get a line: note what was used so far
//   FINISH -> FINISHED             the line is done: kill what it left behind, tell what it used
//   OPEN, STAT, WRITE -> DONE      files of the box, opened as the box's user in the box's root
#ifndef ASSAY_SANDBOX_ORDER_H
#define ASSAY_SANDBOX_ORDER_H

#include <limits.h>
#include <sched.h>
#include <stdint.h>

#include "sandbox/fault.h"

#define ASSAY_ORDER_WORDS_BYTES_MAX ((size_t)4 << 20)
#define ASSAY_ORDER_WORDS_MAX 65536 // argv and env together
#define ASSAY_ORDER_COMMANDS_MAX 8  // alive at once in one session

enum assay_order_kind {
    ASSAY_ORDER_READY = 1,
    ASSAY_ORDER_EXEC,
    ASSAY_ORDER_ENDED,
    ASSAY_ORDER_KILL,
    ASSAY_ORDER_BEGIN,
    ASSAY_ORDER_FINISH,
    ASSAY_ORDER_FINISHED,
    ASSAY_ORDER_OPEN,
    ASSAY_ORDER_STAT,
    ASSAY_ORDER_WRITE,
    ASSAY_ORDER_DONE,
};

// What the process started dies with it (and before ENDED or FINISHED is told).
#define ASSAY_ORDER_KILL_REST 1U
// What it starts can be told from all else in the box for as long as it lives.
#define ASSAY_ORDER_TAGGED 2U
// Beside EXEC's words lie, in this order, what these say.
#define ASSAY_ORDER_STDIN 4U  // else /dev/null
#define ASSAY_ORDER_REPORT 8U // becomes descriptor report_number
#define ASSAY_ORDER_STATE 16U // becomes descriptor state_number

// EXEC's words are a memory file: this, then cwd, argv and env, each ended by a NUL.
struct assay_order_words {
    uint32_t argc, envc;
};

struct assay_order {
    uint32_t kind, id, flags;
    int32_t report_number, state_number; // EXEC
    uint64_t time_us;                    // BEGIN, FINISH: CLOCK_MONOTONIC, when it began, or ended
    cpu_set_t cpus;                      // EXEC, BEGIN: where it may run; empty: anywhere
};

// Everything about a command that an init sends; READY uses `kind` alone.
struct assay_order_reply {
    uint32_t kind, id;
    int32_t wait_status;  // ENDED
    uint32_t disk_full;   // ENDED: a tmpfs of the box has no block or no inode left
    uint32_t cwd_lost;    // ENDED: the folder was gone; it ran in the plan's cwd
    uint32_t begun;       // ENDED: how many BEGINs were heard while it lived
    uint32_t background;  // processes that were alive when it ended
    uint64_t wall_us;     // fork to end
    uint64_t cpu_user_us; // all that was used in the box meanwhile
    uint64_t cpu_system_us;
    struct assay_fault fault; // ENDED: a step of ours failed and nothing ran; else step is empty
};

// OPEN, STAT, WRITE.
#define ASSAY_ORDER_DIRECTORY 1U // OPEN: a directory, else a regular file, to read
#define ASSAY_ORDER_FOLLOW 2U    // a link at the path's end is followed, inside the box
#define ASSAY_ORDER_PARENTS 4U   // WRITE: missing folders are made
#define ASSAY_ORDER_NEW 8U       // WRITE: the file must not exist

struct assay_order_file {
    uint32_t kind, flags;
    uint32_t mode;       // WRITE: of a file that is made
    char path[PATH_MAX]; // absolute, in the box
};

struct assay_order_done {
    uint32_t kind;
    int32_t sys_errno; // 0: done
    uint32_t mode;     // STAT and OPEN: st_mode
    uint32_t links;
    uint64_t size;
    int64_t mtime_s;
};

#endif
