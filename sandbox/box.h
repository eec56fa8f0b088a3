// SPDX-License-Identifier: MIT
// box.h - run one untrusted command in a fresh box: namespaces, limits, seccomp, certain death.
//
// A sandbox is the spawner process (assay-box) and what this host permits; one
// per assay process, started before any other thread. It may be used from many
// threads: each assay_box_run() is one box, from creation to the death of
// everything in it.
//
// The sandbox knows processes, mounts and limits. It does not know what a test is.
#ifndef ASSAY_SANDBOX_BOX_H
#define ASSAY_SANDBOX_BOX_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

// What isolation this host gives. A is the strongest. facts: docs/sandbox.md.
enum assay_tier {
    ASSAY_TIER_A, // all namespaces, fresh /proc, overlay, seccomp
    ASSAY_TIER_B, // user namespace but no fresh /proc
    ASSAY_TIER_C, // root without user namespaces: pooled uids, pid, mount and net namespaces
    ASSAY_TIER_D, // no namespaces: Landlock, seccomp, rlimits
    ASSAY_TIER_NONE,
};
const char *assay_tier_name(enum assay_tier tier); // "A".."D", "none"

// How limits are kept and usage is counted on this host.
enum assay_cgroup_shape {
    ASSAY_CGROUP_V2,
    ASSAY_CGROUP_HYBRID, // v1 controllers beside a v2 tree without controllers
    ASSAY_CGROUP_V1,
    ASSAY_CGROUP_NONE,
};
const char *assay_cgroup_shape_name(enum assay_cgroup_shape shape);

struct assay_sandbox;  // opaque; owned by whoever called assay_sandbox_start()
struct assay_probes;   // sandbox/probe.h
struct assay_snapshot; // sandbox/snapshot.h

struct assay_sandbox_options {
    // The assay-box program. NULL: beside the running executable.
    const char *box_program;
    // Refuse to start when the probed tier is weaker (ASSAY_EREFUSED).
    enum assay_tier tier_min;
    // Pretend that cgroups, user namespaces (tier C as root, else D) or a fresh /proc (tier B)
    // are missing: for tests of the other host shapes.
    bool hide_cgroups;
    bool hide_user_namespaces;
    // How many boxes are prepared ahead, up to the point where they need to know
    // their plan. 0: 16; negative: none.
    int ready_count;
    // A new network namespace for every box, never one that was used and found as new.
    bool fresh_network;
    bool hide_proc;
    // Commands that may share one CPU of this process's affinity mask; 0: 1. Others wait.
    uint32_t boxes_per_cpu;
    // The sum of the memory limits of what runs stays below it, though something may always
    // run; 0: 80 % of what is available, or of the control group's limit.
    uint64_t memory_bytes_budget;
};

// Exec the spawner, let it probe the host, connect to it. ASSAY_EREFUSED: the
// host offers less than tier_min, or a tier for which boxes are not built yet.
ASSAY_MUST_USE enum assay_status assay_sandbox_start(struct assay_sandbox **out,
        const struct assay_sandbox_options *options, struct assay_error *err);
enum assay_tier assay_sandbox_tier(const struct assay_sandbox *sandbox);
enum assay_cgroup_shape assay_sandbox_cgroup_shape(const struct assay_sandbox *sandbox);
pid_t assay_sandbox_spawner_pid(const struct assay_sandbox *sandbox);
// The CPUs that commands are given, one or more at a time (sandbox/slots.h).
uint32_t assay_sandbox_cpu_count(const struct assay_sandbox *sandbox);
// Commands that run now, and those that wait for a CPU or for memory.
void assay_sandbox_load(struct assay_sandbox *sandbox, uint32_t *running, uint32_t *waiting);
const struct assay_probes *assay_sandbox_probes(const struct assay_sandbox *sandbox); // borrowed
// After the spawner's death every run fails with ASSAY_EIO until this: it starts
// a new one, which removes what the dead one left. No run may be in flight.
ASSAY_MUST_USE enum assay_status assay_sandbox_restart(
        struct assay_sandbox *sandbox, struct assay_error *err);
// Kills what runs, waits for the spawner. NULL is allowed.
void assay_sandbox_stop(struct assay_sandbox *sandbox);

// The uid and gid that own what boxes may read and write: files of the depot
// must belong to them. As root a dedicated non-zero uid, else the caller's.
void assay_sandbox_store_ids(uid_t *uid, gid_t *gid);

// One directory or file of the host that the box sees. A target is resolved
// inside the box's root, links and all: trusted content over a tree that
// untrusted code wrote comes as a lower on top, never as a mount within it.
enum assay_mount_kind {
    ASSAY_MOUNT_BIND_RO, // `lowers[0]`, read-only with all below it, nosuid, nodev
    ASSAY_MOUNT_OVERLAY, // `lowers`, topmost first, writable through `upper`
    ASSAY_MOUNT_TMPFS,   // empty, private, charged to the box
};

struct assay_mount {
    enum assay_mount_kind kind;
    // As root and with `owned`: lowers of this host user and group are the box's
    // own files, whoever they are (0 too); without it those of the store are. An
    // ordinary user's boxes own what the user owns.
    uid_t owner_uid;
    gid_t owner_gid;
    bool owned;
    bool optional;             // BIND_RO: a missing source is skipped
    const char *target;        // absolute path in the box; made if missing
    const char *const *lowers; // host paths, borrowed; directories (a file only for BIND_RO)
    size_t lower_count;        // at most ASSAY_MOUNT_LOWERS_MAX
    // OVERLAY: host directory that receives what the box writes and stays the
    // caller's, with a fresh sibling `work`; NULL: the box's own tmpfs. A kept
    // upper is not synced (overlay's volatile): syncfs() before relying on it.
    // Disk limits do not reach it.
    const char *upper;
    const char *work;
    // TMPFS: its own size; 0: a part of the box's tmpfs, under disk_bytes_max.
    uint64_t bytes_max;
    uint64_t inodes_max; // likewise
};
#define ASSAY_MOUNT_LOWERS_MAX 32

struct assay_box_limits {
    uint64_t wall_ms_max;      // > 0; from the payload's exec
    uint64_t cpu_ms_max;       // > 0; user + system, over the process tree
    uint64_t idle_ms_max;      // 0: none; no byte of output for so long
    uint64_t memory_bytes_max; // > 0; includes tmpfs
    // > 0; the box's tmpfs: root, /tmp, home, uppers together; at most 3/4 of
    // memory_bytes_max is given, so that a full disk is ENOSPC and not an OOM kill.
    // Also the largest file anywhere. out_dir has a tmpfs of this size of its own.
    uint64_t disk_bytes_max;
    uint64_t inodes_max;          // > 0; likewise
    uint64_t output_bytes_max;    // > 0; stdout and stderr together; beyond it: output_limit
    uint32_t process_count_max;   // > 0
    uint32_t open_file_count_max; // > 0
};
// 600 s wall, 300 s cpu, 2 GiB, 1 GiB disk, 512 processes, 64 MiB output, ...
void assay_box_limits_default(struct assay_box_limits *limits);

enum assay_profile { ASSAY_PROFILE_STRICT, ASSAY_PROFILE_COMPAT };
enum assay_network {
    ASSAY_NETWORK_NONE, // an empty network namespace with loopback
    ASSAY_NETWORK_HOST, // shares the host's: set-up steps only; stored with what it made
    // As NONE, with a listening socket at ASSAY_PROXY_URL of the box's loopback, which goes to
    // plan->on_listener: the box reaches what its holder fetches for it, and nothing else.
    ASSAY_NETWORK_ALLOWLIST,
};
const char *assay_network_name(enum assay_network network); // "none", "host", "allowlist"
// One fixed port, so that a box's environment is the same in every run.
#define ASSAY_PROXY_PORT 61080
#define ASSAY_PROXY_URL "http://127.0.0.1:61080"

#define ASSAY_CPUS_ALL UINT32_MAX

// Everything about one box. All pointers are borrowed for the call.
struct assay_box_plan {
    const char *name; // for logs and cgroup names; [A-Za-z0-9_.-]
    // The box's root: an overlay of these host directories, topmost first,
    // with `root_upper` as for a mount. None: an empty tmpfs.
    const char *const *root_lowers;
    size_t root_lower_count;
    const char *root_upper;
    const char *root_work;
    bool host_usr; // host's /usr read-only (with /bin, /lib... links; /usr/local empty), synthetic
                   // /etc
    const struct assay_mount *mounts; // in order
    size_t mount_count;
    // A directory in the box (tmpfs, made by assay, owned by the box's user)
    // whose content can be read after death through result->out_dir_fd; NULL: none.
    const char *out_dir;

    // Start where the box ended whose snapshot this is; NULL: from the lowers alone. The plan must
    // have the mounts that were written to, by target; their lowers are to be the same.
    const struct assay_snapshot *from;
    // Keep what is written to overlays without an `upper`, to TMPFS mounts and to /tmp, /var/tmp
    // and /home/box: result->snapshot. No mount, nor the root, may have an `upper` then.
    bool snapshot;

    const char *const *argv; // NULL-terminated; argv[0] is searched in PATH of `env`
    const char *const *env;  // NULL-terminated "NAME=value"; the whole environment
    const char *cwd;         // absolute, in the box
    const char *stdin_bytes; // NULL: /dev/null
    size_t stdin_len;
    // Streams that pass through, or -1 (the default): the caller's descriptors,
    // borrowed for the call. The box never has them: it has pipes, and the running
    // thread carries the bytes, so no file or terminal of the host is in its reach.
    int stdin_fd;  // read to its end, instead of stdin_bytes
    int stdout_fd; // written as output comes; nothing is kept then
    int stderr_fd; // together with stdout_fd
    // The three are a terminal of the box's own; wants stdin_fd and stdout_fd, which
    // a person's terminal in raw mode may be: its size is followed.
    bool terminal;
    int report_fd; // number (3..255) on which the payload finds the report pipe; 0: none

    struct assay_box_limits limits;
    enum assay_profile profile;
    bool learn; // name refused system calls and their callers in result->denials; slower
    enum assay_network network;
    // CPUs that the command holds while it runs, and all that it can use: it waits for them,
    // first come, first served (not part of wall), and is pinned to them. 1 by default,
    // ASSAY_CPUS_ALL: every one, 0: it is neither pinned nor kept waiting for a CPU.
    uint32_t cpu_count;
    cpu_set_t cpus; // assay_box_run() fills it in
    bool no_aslr;   // the same addresses in every run (ADDR_NO_RANDOMIZE)
    // The command is a zygote (zygote.h): it keeps no capability either, but may make
    // namespaces and mounts, has no profile and no rlimits. Give it no foreign code.
    bool serves;

    // How the output is kept: the first head_bytes and the last tail_bytes are
    // stored, all of it is counted. 0 and 0: 1 MiB each.
    uint64_t head_bytes_max, tail_bytes_max;
    uint64_t report_bytes_max; // report pipe; 0: 64 MiB. Beyond it the run ends: output_limit

    // ALLOWLIST: called once from the running thread, before the payload can have said much. The
    // listening socket (non-blocking) is handed over; NULL: it is closed, and nothing is reached.
    void (*on_listener)(void *listener, int listen_fd);
    void *listener;
    // Called from the running thread with kept output; small pieces wait 2 ms. May be NULL.
    void (*on_output)(void *user, const char *bytes, size_t len);
    void *user;
    // Set by another thread to end the run (cause ASSAY_BOX_CANCELLED); may be NULL.
    const volatile bool *cancel;
};
void assay_box_plan_default(struct assay_box_plan *plan);

// Why the box ended. Exactly one.
enum assay_box_cause {
    ASSAY_BOX_EXITED, // exit_code tells
    ASSAY_BOX_SIGNALLED,
    ASSAY_BOX_SYSCALL_DENIED, // death by SIGSYS
    ASSAY_BOX_CPU_LIMIT,
    ASSAY_BOX_WALL_LIMIT,
    ASSAY_BOX_IDLE_LIMIT,
    ASSAY_BOX_MEMORY_LIMIT,
    ASSAY_BOX_PIDS_LIMIT, // the payload failed and the process limit was hit
    ASSAY_BOX_DISK_LIMIT, // the payload failed and a tmpfs of the box was full
    ASSAY_BOX_OUTPUT_LIMIT,
    ASSAY_BOX_CANCELLED,
    ASSAY_BOX_SETUP_FAILED, // `step` and sys_errno tell; the payload never ran
    ASSAY_BOX_INFRA_ERROR,  // the spawner or the init died: not the payload's doing
};
const char *assay_box_cause_name(enum assay_box_cause cause); // "exited", "cpu_limit", ...

struct assay_box_usage {
    uint64_t wall_ms; // exec to end of the payload
    uint64_t cpu_user_us, cpu_system_us;
    uint64_t memory_bytes_peak; // 0: not measured on this host
    uint32_t pids_peak;         // 0: not measured
    uint64_t output_bytes;      // written, kept or not
    uint64_t queue_ms;          // waiting for CPUs and memory, before everything else
    uint64_t setup_us;          // request to exec
    uint64_t teardown_us;       // end of the payload to everything reaped
};

// A system call that the profile refused, and where it was made.
struct assay_denial {
    char call[32];         // "mount", "i386 getpid", "number 1000"
    int sys_errno;         // what the caller was told; 0: it was killed
    uint64_t arguments[6]; // as they were the first time
    char process[16];      // the kernel's short name of the caller
    char file[208];        // in the box: program or library that made the call; "" unknown
    uint64_t offset;       // in the file, of the instruction after it
    uint64_t count;
};
#define ASSAY_DENIALS_MAX 128

struct assay_box_result {
    enum assay_box_cause cause;
    int exit_code; // EXITED: 0..255
    int signal;    // SIGNALLED
    char step[32]; // SETUP_FAILED: "mount overlay", "exec", ...
    int sys_errno; // SETUP_FAILED, INFRA_ERROR
    enum assay_tier tier;
    struct assay_box_usage usage;
    struct assay_buf output; // owned; head, then "\n[assay: N bytes left out]\n", then tail
    bool output_truncated;
    int stream_errno;        // why stdout_fd or stderr_fd took no more (EPIPE: nobody reads it); 0
    struct assay_buf report; // owned; what the payload wrote to the report pipe
    int out_dir_fd;          // owned; the out_dir after death, -1: none
    struct assay_snapshot *snapshot; // owned; NULL unless the plan asked for it and set-up worked
    // plan->learn: refused system calls, one row a call and caller; owned.
    struct assay_denial *denials;
    size_t denial_count;
    uint64_t denials_lost; // that found no row
};

// Run plan->argv to its end, in a fresh box, and kill what is left of it. A
// command that fails, crashes or runs out of a limit is a result, not an error.
// On ASSAY_OK *result is the caller's to release. ASSAY_EINVAL: the plan is
// wrong (a limit is 0, a path is not absolute); ASSAY_EREFUSED: this kernel cannot do
// what the plan wants (learn); ASSAY_EIO: no spawner.
ASSAY_MUST_USE enum assay_status assay_box_run(struct assay_sandbox *sandbox,
        const struct assay_box_plan *plan, struct assay_box_result *result,
        struct assay_error *err);
void assay_box_result_release(struct assay_box_result *result);

#endif
