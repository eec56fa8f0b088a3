// SPDX-License-Identifier: MIT
// wire.h - what the library, the spawner and a box's init say to each other.
//
// All sockets are SOCK_SEQPACKET: one send, one whole record, descriptors beside
// it. Both ends are built from the same tree and run on the same host, so records
// are plain structs; `version` catches an assay beside another build's assay-box.
//
//   main     library <-> spawner   HELLO once, then RUN for each box
//   private  library <-> spawner   one a box: LISTENER, STARTED, RESULT; KILL; closing it kills it
//   serve    spawner <-> zygote    SERVE, FORK; READY, FORKED
//   control  spawner <-> init      one a box: GO, FINISH, SOURCES;
//                                  OUT_DIR, LISTENER, STARTED, METER, ENDED or FAILED; where no
//                                  group counts CPU time also KILL and its answer DEAD
//   stdin    init -> library       only with a terminal: TERMINAL, with the master's end
#ifndef ASSAY_SANDBOX_WIRE_H
#define ASSAY_SANDBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sandbox/box.h"
#include "sandbox/fault.h"
#include "sandbox/layer.h"
#include "sandbox/probe.h"

#define ASSAY_WIRE_VERSION 0x61730005U
#define ASSAY_WIRE_FDS_MAX 32
#define ASSAY_WIRE_MAIN_FD 3 // where assay-box finds the main socket

enum assay_wire_kind {
    ASSAY_WIRE_HELLO = 1,
    ASSAY_WIRE_RUN,
    ASSAY_WIRE_KILL,
    ASSAY_WIRE_STARTED,
    ASSAY_WIRE_RESULT,
    ASSAY_WIRE_GO,
    ASSAY_WIRE_FINISH,
    ASSAY_WIRE_SOURCES,
    ASSAY_WIRE_OUT_DIR,
    ASSAY_WIRE_METER,
    ASSAY_WIRE_ENDED,
    ASSAY_WIRE_FAILED,
    ASSAY_WIRE_LISTENER,
    ASSAY_WIRE_DEAD,
    ASSAY_WIRE_TERMINAL,
    ASSAY_WIRE_SERVE,
    ASSAY_WIRE_READY,
    ASSAY_WIRE_FORK,
    ASSAY_WIRE_FORKED,
    ASSAY_WIRE_WAKE,
    ASSAY_WIRE_PART,
};

struct assay_wire_hello {
    uint32_t kind, version;
    struct assay_error error; // .status ASSAY_OK: ready
    struct assay_probes probes;
};

// Descriptors beside it, in this order: private socket, plan (a memfd), stdin
// (a socket for TERMINAL if the plan wants one), output; then, if the plan wants
// them, the report pipe's end, that of a stderr which is apart from output, and the
// learning mode's page (notify.h); then, of a session, the socket on which its init serves
// (order.h); of a zygote, the spawner's end of the one on which its command serves.
struct assay_wire_run {
    uint32_t kind, version;
    uint32_t session; // no command: argv is not used
    uint32_t serves;
    uint64_t zygote; // fork it from this zygote, as STARTED named it; 0: from nothing
};

struct assay_wire_kill {
    uint32_t kind;
    uint32_t cause; // enum assay_box_cause
};

// STARTED uses `kind` alone, and comes only when the plan has an idle limit. LISTENER likewise,
// with the descriptor, for ASSAY_NETWORK_ALLOWLIST. RESULT carries the
// out_dir's descriptor if there is one, then a lease and a directory for each part.
struct assay_wire_result {
    uint32_t kind;
    uint32_t cause; // enum assay_box_cause
    int32_t exit_code, signal;
    struct assay_fault fault;
    struct assay_box_usage usage; // output_bytes is the library's to fill
    uint32_t has_out_dir;
    uint32_t part_count; // layer.h
    uint64_t part_ids[ASSAY_BOX_PARTS_MAX];
};

// To an init, request.h: descriptors in this order: plan, stdin, output, and the report
// pipe's end if the plan wants one, or the session's socket.
struct assay_wire_finish {
    uint32_t kind;
    uint32_t sources_open; // SOURCES records follow; else the init opens them
    uint32_t session;
    uint32_t cpu_count; // files to read its CPU time from: so many descriptors come last
};

// `count` sources, of which the descriptors of those not `missing` (a bit each) lie beside it.
struct assay_wire_sources {
    uint32_t kind, count;
    uint64_t missing;
};

// To a library when a zygote can serve.
struct assay_wire_zygote {
    uint32_t kind; // STARTED
    uint32_t unused;
    uint64_t zygote;
};

// Spawner -> zygote. SERVE once, with a memory file (zygote_setup.h); FORK for each
// run, with the init's end of its control socket.
struct assay_wire_serve {
    uint32_t kind, version;
    uint32_t number;                                 // FORK: comes back in FORKED
    uint32_t shape, limit_memory, limit_pids, meter; // FORK: as in struct assay_init
    uint32_t fresh_network;                          // SERVE: no run gets one that another had
};

// Zygote -> spawner. READY once; FORKED with a pidfd, or with an errno.
struct assay_wire_forked {
    uint32_t kind, number;
    int32_t sys_errno;
};

// Init -> its waiting payload. Descriptors as for FINISH, then the error pipe.
struct assay_wire_wake {
    uint32_t kind;
    uint32_t limit_memory, limit_pids;
};

// Everything that an init sends; GO and KILL to it use `kind` alone.
struct assay_wire_init {
    uint32_t kind;
    int32_t wait_status;  // ENDED
    uint64_t time_us;     // STARTED, ENDED: CLOCK_MONOTONIC
    uint64_t cpu_user_us; // METER, ENDED, DEAD: where no cgroup counts
    uint64_t cpu_system_us;
    uint64_t memory_bytes;    // METER, ENDED: likewise
    uint64_t rss_bytes_max;   // METER, ENDED: likewise; the largest process that is gone
    uint32_t pids;            // METER, ENDED: likewise
    uint32_t disk_full;       // ENDED: a tmpfs of the box has no block or no inode left
    struct assay_fault fault; // FAILED
};

// 0, or -1 with errno. Never raises SIGPIPE.
int assay_wire_send(int fd, const void *record, size_t size, const int *fds, size_t fd_count);

// Bytes of the record, 0 at the end, -1 with errno (EMSGSIZE: it was cut). The
// received descriptors are the caller's; fds[] beyond *fd_count is set to -1.
long assay_wire_receive(int fd, void *record, size_t size, int fds[ASSAY_WIRE_FDS_MAX],
        size_t *fd_count, int flags);

// An init to which nothing could be sent may have failed first: its FAILED, if it is there.
bool assay_wire_hear_fault(int control_fd, struct assay_fault *fault);

#endif
