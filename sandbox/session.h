// SPDX-License-Identifier: MIT
// session.h - a box that stays: many commands, one after another, in the same processes' world.
//
// A session is a box (box.h) without a command of its own. Its tree, its limits and whatever
// its commands leave behind last until it is stopped. Two kinds of command:
//
//   assay_session_run    one fresh process for each. Working directory and exported environment
//                        are the session's: a shell line that changes them changes the next
//                        command's. Nothing else is carried over.
//   assay_session_shell  one bash that stays: functions, aliases, options and variables live on.
//                        When it ends (exit, exec, a limit, a kill) the next line gets a new one,
//                        with the working directory and the exported environment that were last
//                        known.
//
// Status, directory and environment come on private descriptors, never out of the output. What a
// payload writes there is its own affair (it can lie about its own environment, as it can
// about its exit code), is bounded, and is checked before it is taken.
//
// A session is used by one thread at a time; different sessions by different threads at once.
// Every call returns: a command that exceeds a limit is killed with all it started, and when the
// box ends (its own limits, a dead spawner) the call says so, and so does every later one.
#ifndef ASSAY_SANDBOX_SESSION_H
#define ASSAY_SANDBOX_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "sandbox/box.h"
#include "sandbox/snapshot.h"

struct assay_session; // opaque; owned by whoever called assay_session_start()

// A live box made after `plan` (copied). argv, the streams, learn and the callbacks are not used,
// but for on_listener; cwd and env are what the session begins with. plan->limits are the box's,
// for the whole session, idle_ms_max excepted, which is not kept; head_bytes_max, tail_bytes_max,
// report_bytes_max and limits.output_bytes_max are each command's unless it has its own; every
// command waits for cpu_count CPUs and its share of memory, and is pinned, while it runs.
// Errors: ASSAY_EINVAL (the plan), ASSAY_EIO (no spawner, or a step of making the box: named).
ASSAY_MUST_USE enum assay_status assay_session_start(struct assay_session **out,
        struct assay_sandbox *sandbox, const struct assay_box_plan *plan, struct assay_error *err);

// Everything in the box dies. *result (may be NULL) is as assay_box_run() gives it: cause
// ASSAY_BOX_EXITED with code 0 unless the box ended before, usage of the whole session, out_dir;
// no output. It is the caller's to release. Frees the session; NULL is allowed.
void assay_session_stop(struct assay_session *session, struct assay_box_result *result);

// Freeze it: everything in the box dies, what it wrote, its working directory and its environment
// are kept. The plan must have `snapshot`. The session is over and is still to be stopped; a box
// that was over before, by a limit or a kill, can be frozen too, once. ASSAY_EINVAL: no such plan,
// or done already; ASSAY_EIO: the spawner died, or could not keep it.
ASSAY_MUST_USE enum assay_status assay_session_snapshot(
        struct assay_session *session, struct assay_snapshot **out, struct assay_error *err);
// assay_session_start(), going on from a snapshot in the working directory and environment
// that were kept (those of the plan after a box without a session). `plan` is the first session's;
// its `from` is not used. Any number of sessions can go on from one snapshot.
ASSAY_MUST_USE enum assay_status assay_session_resume(struct assay_session **out,
        struct assay_sandbox *sandbox, const struct assay_box_plan *plan,
        const struct assay_snapshot *snapshot, struct assay_error *err);

// What the next command begins with; borrowed until the next call with this session.
const char *assay_session_cwd(const struct assay_session *session);
const char *const *assay_session_env(const struct assay_session *session);
// Copied. A shell that lives keeps its own. ASSAY_EINVAL: not absolute; not NAME=value; larger
// than ASSAY_SESSION_ENV_BYTES_MAX.
ASSAY_MUST_USE enum assay_status assay_session_set_cwd(
        struct assay_session *session, const char *cwd, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_session_set_env(
        struct assay_session *session, const char *const *env, struct assay_error *err);

#define ASSAY_SESSION_ENV_BYTES_MAX ((size_t)1 << 20)
#define ASSAY_SESSION_ENV_COUNT_MAX 8192
#define ASSAY_SESSION_LINE_BYTES_MAX ((size_t)1 << 20)

// What becomes of processes that a command started and that still live when it ends. At a limit
// they are killed in either case.
enum assay_background {
    ASSAY_BACKGROUND_KILL, // before the result is given
    ASSAY_BACKGROUND_KEEP, // until the session ends; what they write goes into the output of the
                           // commands after it, and waits in a pipe between commands
};

// One command. All pointers are borrowed for the call. Zero-initialise it.
struct assay_command {
    // One of the two. A line is run by the box's bash, or by its sh where there is no bash.
    const char *const *argv; // argv[0] is searched in PATH; not for a shell
    const char *line;        // at most ASSAY_SESSION_LINE_BYTES_MAX
    const char *stdin_bytes; // NULL: /dev/null; not for a shell, where it is always that
    size_t stdin_len;
    int report_fd; // number (3..255) on which the report pipe is found; 0: none; not for a shell
    enum assay_background background;
    uint64_t wall_ms_max; // 0: the session's alone
    uint64_t idle_ms_max; // 0: none; no byte of output for so long
    uint64_t output_bytes_max, head_bytes_max, tail_bytes_max; // 0: the plan's
    // As in struct assay_box_plan.
    void (*on_output)(void *user, const char *bytes, size_t len);
    void *user;
    const volatile bool *cancel;
};

struct assay_command_result {
    // Of the command; when session_over, of the box. SETUP_FAILED: it never ran, step and sys_errno
    // tell. PIDS_LIMIT: what lives in the box left no room for it.
    enum assay_box_cause cause;
    int exit_code; // EXITED: 0..255; not found is 127, not executable 126
    int signal;    // SIGNALLED
    char step[32];
    int sys_errno;
    bool session_over;   // the box is gone, and no later command will run
    bool shell_over;     // shell: it ended with this line; the next one gets a new shell
    bool shell_new;      // shell: the line got a new shell (its first, or after shell_over)
    bool state_taken;    // a line's directory and environment became the session's
    bool cwd_lost;       // the directory was gone: it ran in the plan's
    uint32_t background; // processes alive when it ended by itself: killed or kept
    uint64_t wall_us;
    uint64_t cpu_user_us, cpu_system_us; // all that the box used meanwhile
    uint64_t queue_us;                   // waiting for CPUs and memory, before everything else
    uint64_t output_bytes;               // written, kept or not
    struct assay_buf output;             // owned; head, what was left out, tail; see box.h
    bool output_truncated;
    struct assay_buf report; // owned
};

// A command that fails, crashes or runs out of a limit is a result, and so is the end of the
// session. ASSAY_EINVAL: the command is wrong. On ASSAY_OK *result is the caller's to release.
ASSAY_MUST_USE enum assay_status assay_session_run(struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result,
        struct assay_error *err);
// The same for a line in the session's shell, which is started when it is needed.
ASSAY_MUST_USE enum assay_status assay_session_shell(struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result,
        struct assay_error *err);
void assay_command_result_release(struct assay_command_result *result);

// --- files ---------------------------------------------------------------------------------------
//
// The box's init opens, as the box's user, below the box's root: a link leads nowhere else, a
// magic link (/proc/PID/fd/..) nowhere at all, and nothing of procfs is opened. Nothing is waited
// for: what is no regular file (a FIFO, a device, a socket) is EINVAL.
// Paths are absolute or relative to the session's cwd; links on their way are followed, and at
// their end too by read and list. Errors of the path are ASSAY_ENOTFOUND for ENOENT and ENOTDIR,
// else ASSAY_EIO, with err->sys_errno; a session that is over is ASSAY_EIO with EPIPE.

struct assay_file_info {
    uint32_t mode; // st_mode: kind and permissions
    uint32_t links;
    uint64_t size; // may be a lie of holes: a read is bounded
    int64_t mtime_s;
};

// Of a link itself unless `follow`.
ASSAY_MUST_USE enum assay_status assay_session_stat(struct assay_session *session, const char *path,
        bool follow, struct assay_file_info *info, struct assay_error *err);

// A regular file's bytes from `offset`, at most bytes_max, appended to buf, whose own maximum
// holds too (EFBIG). *info (may be NULL) tells its size.
ASSAY_MUST_USE enum assay_status assay_session_read(struct assay_session *session, const char *path,
        uint64_t offset, size_t bytes_max, struct assay_buf *buf, struct assay_file_info *info,
        struct assay_error *err);

struct assay_write_options {
    uint32_t mode;  // of a new file; 0: 0644. An existing one keeps its own
    bool parents;   // make missing folders
    bool exclusive; // EEXIST if it is there
    bool follow;    // a link at the path's end; else ELOOP. A dangling one is ELOOP or EEXIST
};
// The whole content, in place: other names of the file see it too. Charged to the box. At most
// ASSAY_SESSION_WRITE_BYTES_MAX. options may be NULL.
#define ASSAY_SESSION_WRITE_BYTES_MAX ((size_t)64 << 20)
ASSAY_MUST_USE enum assay_status assay_session_write(struct assay_session *session,
        const char *path, const void *bytes, size_t len, const struct assay_write_options *options,
        struct assay_error *err);

struct assay_file_entry {
    const char *name; // any bytes but '/' and NUL
    struct assay_file_info info;
};
struct assay_file_list {
    struct assay_file_entry *entries; // by name in byte order, without "." and ".."
    size_t count;
    bool more; // there were more than count_max: which ones are given is not defined
};
// The list lives in `arena`.
ASSAY_MUST_USE enum assay_status assay_session_list(struct assay_session *session, const char *path,
        size_t count_max, struct assay_arena *arena, struct assay_file_list *list,
        struct assay_error *err);

#endif
