// SPDX-License-Identifier: MIT
// box.c - the caller's side of one box: hand the plan over, drain its pipes, keep the result.
//
// The calling thread owns the reading ends of the output and report pipes and
// one end of a private socket; nothing is shared between two runs. It never
// waits for a pipe's end of file, which a daemon could hold back: the payload's
// exit kills the box, the spawner says so on the private socket, and what is in
// the pipes then is all there will ever be.
#include "sandbox/box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/handle.h"
#include "sandbox/handoff.h"
#include "sandbox/keep.h"
#include "sandbox/layer.h"
#include "sandbox/notify_page.h"
#include "sandbox/slots.h"
#include "sandbox/streams.h"
#include "sandbox/wire.h"

#define KEEP_BYTES_DEFAULT ((uint64_t)1 << 20)
#define REPORT_BYTES_DEFAULT ((uint64_t)64 << 20)
#define CANCEL_POLL_MS 20
#define GATHER_MS 2
#define GATHER_BYTES_MAX 16384
#define DRAIN_BYTES 65536
#define DRAIN_ROUNDS_LAST 4096 // many times what a pipe can hold

const char *assay_box_cause_name(enum assay_box_cause cause)
{
    static const char *const names[] = {
            [ASSAY_BOX_EXITED] = "exited",
            [ASSAY_BOX_SIGNALLED] = "signalled",
            [ASSAY_BOX_SYSCALL_DENIED] = "syscall_denied",
            [ASSAY_BOX_CPU_LIMIT] = "cpu_limit",
            [ASSAY_BOX_WALL_LIMIT] = "wall_limit",
            [ASSAY_BOX_IDLE_LIMIT] = "idle_limit",
            [ASSAY_BOX_MEMORY_LIMIT] = "memory_limit",
            [ASSAY_BOX_PIDS_LIMIT] = "pids_limit",
            [ASSAY_BOX_DISK_LIMIT] = "disk_limit",
            [ASSAY_BOX_OUTPUT_LIMIT] = "output_limit",
            [ASSAY_BOX_CANCELLED] = "cancelled",
            [ASSAY_BOX_SETUP_FAILED] = "setup_failed",
            [ASSAY_BOX_INFRA_ERROR] = "infra_error",
    };

    return (unsigned)cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "unknown";
}

const char *assay_network_name(enum assay_network network)
{
    static const char *const names[] = {"none", "host", "allowlist"};

    return (unsigned)network < sizeof(names) / sizeof(names[0]) ? names[network] : "unknown";
}

// One box under way.
struct run {
    const struct assay_box_plan *plan; // borrowed
    uint64_t zygote;                   // 0: none
    int private_fd;                    // ours; the spawner holds the other end
    int spawner_pid_fd;                // borrowed; -1: none
    int output_fd;                     // reading ends, O_NONBLOCK
    int report_fd;                     // -1: the plan wants none
    int learn_fd;                      // the learning mode's page; -1: none
    struct assay_streams streams;      // instead of output_fd, where streams pass through
    int out_dir_fd;
    struct assay_parts parts;
    struct assay_snapshot *draft;   // owned; NULL: the plan wants no snapshot
    int handed[ASSAY_WIRE_FDS_MAX]; // the spawner's copies: closed once sent
    size_t handed_count;
    struct assay_keep output;
    struct assay_buf report;
    bool started, kill_asked, output_over, report_over;
    uint64_t output_ms; // when the last output came, or when the payload was exec'd
    char *scratch;      // owned; DRAIN_BYTES
    struct assay_wire_result reply;
};

// --- before --------------------------------------------------------------------------------------

static enum assay_status hand_over_plan(struct run *run, struct assay_error *err)
{
    int fd = -1;
    const enum assay_status status = assay_handoff_plan(&fd, run->plan, err);

    if (status == ASSAY_OK)
        run->handed[run->handed_count++] = fd;
    return status;
}

static enum assay_status hand_over_stdin(struct run *run, struct assay_error *err)
{
    const struct assay_box_plan *plan = run->plan;
    const int fd = plan->stdin_fd >= 0 ? assay_streams_give_stdin(&run->streams)
            : plan->stdin_bytes == NULL
            ? open("/dev/null", O_RDONLY | O_CLOEXEC)
            : assay_handoff_memory_file("assay-stdin", plan->stdin_bytes, plan->stdin_len);

    if (fd < 0)
        return assay_fail_errno(err, errno, "make a box's standard input");
    run->handed[run->handed_count++] = fd;
    return ASSAY_OK;
}

static enum assay_status hand_over_pipe(struct run *run, int *read_fd, struct assay_error *err)
{
    int ends[2];
    const enum assay_status status = assay_handoff_pipe(ends, err);

    if (status != ASSAY_OK)
        return status;
    *read_fd = ends[0];
    run->handed[run->handed_count++] = ends[1];
    return ASSAY_OK;
}

// Where the init notes refused calls. Its size is sealed, so that reading it cannot fail later.
static enum assay_status hand_over_page(struct run *run, struct assay_error *err)
{
    const uint32_t wanted = SECCOMP_RET_USER_NOTIF;
    int copy_fd = -1;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &wanted) < 0)
        return assay_fail(err, ASSAY_EREFUSED,
                "learning mode needs seccomp user notification, which this kernel does not have "
                "(Linux 5.0)");
    run->learn_fd = memfd_create("assay-denials", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (run->learn_fd < 0 || ftruncate(run->learn_fd, sizeof(struct assay_notify_page)) < 0 ||
            fcntl(run->learn_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0 ||
            (copy_fd = fcntl(run->learn_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return assay_fail_errno(err, errno, "memory file for refused calls");
    run->handed[run->handed_count++] = copy_fd;
    return ASSAY_OK;
}

static enum assay_status prepare(
        struct run *run, const struct assay_box_plan *plan, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return assay_fail_errno(err, errno, "socket for a box");
    run->private_fd = pair[0];
    run->handed[run->handed_count++] = pair[1];
    status = hand_over_plan(run, err);
    if (status == ASSAY_OK)
        status = assay_streams_open(&run->streams, plan, err);
    if (status == ASSAY_OK)
        status = hand_over_stdin(run, err);
    if (status == ASSAY_OK)
        status = hand_over_pipe(
                run, plan->stdout_fd >= 0 ? &run->streams.out[0].fd : &run->output_fd, err);
    if (status == ASSAY_OK && plan->report_fd != 0)
        status = hand_over_pipe(run, &run->report_fd, err);
    if (status == ASSAY_OK && plan->stderr_fd >= 0)
        status = hand_over_pipe(run, &run->streams.out[1].fd, err);
    if (status == ASSAY_OK && plan->learn)
        status = hand_over_page(run, err);
    if (status != ASSAY_OK)
        return status;
    run->scratch = malloc(DRAIN_BYTES);
    if (run->scratch == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to drain a box's output");
    return ASSAY_OK;
}

static enum assay_status send_run(
        struct assay_sandbox *sandbox, struct run *run, struct assay_error *err)
{
    const struct assay_wire_run record = {.zygote = run->zygote};
    const enum assay_status status =
            assay_handoff_request(sandbox, &record, run->handed, run->handed_count, err);

    for (size_t i = 0; i < run->handed_count; i++)
        close(run->handed[i]);
    run->handed_count = 0;
    return status;
}

// --- while it runs -------------------------------------------------------------------------------

static void ask_to_kill(struct run *run, enum assay_box_cause cause)
{
    const struct assay_wire_kill record = {.kind = ASSAY_WIRE_KILL, .cause = cause};

    if (run->kill_asked)
        return;
    run->kill_asked = true;
    (void)assay_wire_send(
            run->private_fd, &record, sizeof(record), NULL, 0); // its end is dead then
}

static void judge_output(struct run *run)
{
    if (run->output.total <= run->plan->limits.output_bytes_max)
        return;
    run->output_over = true;
    ask_to_kill(run, ASSAY_BOX_OUTPUT_LIMIT);
}

static void keep_output(struct run *run, const char *bytes, size_t len)
{
    assay_keep_add(&run->output, bytes, len);
    run->output_ms = assay_clock_ms();
    if (run->plan->on_output != NULL)
        run->plan->on_output(run->plan->user, bytes, len);
    judge_output(run);
}

static void count_passed(struct run *run, uint64_t bytes)
{
    if (bytes == 0)
        return;
    run->output.total += bytes;
    run->output_ms = assay_clock_ms();
    judge_output(run);
}

static void keep_report(struct run *run, const char *bytes, size_t len)
{
    if (assay_buf_add(&run->report, bytes, len))
        return;
    run->report_over = true;
    ask_to_kill(run, ASSAY_BOX_OUTPUT_LIMIT);
}

// What is in the pipe now, at most `rounds` reads; closes it at its end.
static void drain(
        struct run *run, int *fd, void (*keep)(struct run *, const char *, size_t), unsigned rounds)
{
    for (unsigned i = 0; *fd >= 0 && i < rounds; i++) {
        const ssize_t got = read(*fd, run->scratch, DRAIN_BYTES);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(*fd);
            *fd = -1;
            return;
        }
        keep(run, run->scratch, (size_t)got);
    }
}

// True when the result has come, or can never come.
static bool hear_spawner(struct run *run, int flags)
{
    struct assay_wire_result record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got =
            assay_wire_receive(run->private_fd, &record, sizeof(record), fds, &fd_count, flags);

    if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_RESULT) {
        run->reply = record;
        assay_handoff_take_result(&record, fds, fd_count, &run->out_dir_fd, &run->parts);
        return true;
    }
    if (got == (long)sizeof(uint32_t) && record.kind == ASSAY_WIRE_STARTED) {
        run->started = true;
        run->output_ms = assay_clock_ms();
        return false;
    }
    if (got == (long)sizeof(uint32_t) && record.kind == ASSAY_WIRE_LISTENER && fd_count == 1) {
        if (run->plan->on_listener != NULL)
            run->plan->on_listener(run->plan->listener, fds[0]);
        else
            close(fds[0]);
        return false;
    }
    run->reply.cause = ASSAY_BOX_INFRA_ERROR;
    run->reply.fault.sys_errno = got < 0 && errno != EAGAIN ? errno : EPIPE;
    (void)snprintf(run->reply.fault.step, sizeof(run->reply.fault.step), "spawner died");
    return true;
}

// Milliseconds until something must be looked at again.
static int watch_clocks(struct run *run)
{
    const struct assay_box_plan *plan = run->plan;
    int timeout_ms = -1;

    if (plan->cancel != NULL) {
        if (*plan->cancel)
            ask_to_kill(run, ASSAY_BOX_CANCELLED);
        timeout_ms = CANCEL_POLL_MS;
    }
    if (plan->limits.idle_ms_max > 0 && run->started && !run->kill_asked) {
        const uint64_t left_ms = assay_clock_left_ms(run->output_ms + plan->limits.idle_ms_max);

        if (left_ms == 0)
            ask_to_kill(run, ASSAY_BOX_IDLE_LIMIT);
        else if (timeout_ms < 0 || left_ms < (uint64_t)timeout_ms)
            timeout_ms = (int)left_ms;
    }
    return timeout_ms;
}

// Whoever writes line by line would wake us, and be pushed aside, at each: what came in small
// pieces is looked at again only a moment later. A run that fills its pipes is served at once, and
// so is whoever waits for what passes through.
static bool may_gather(const struct run *run, uint64_t bytes_before)
{
    const uint64_t bytes = run->output.total + run->report.len - bytes_before;

    return bytes > 0 && bytes < GATHER_BYTES_MAX && run->plan->stdout_fd < 0 &&
            run->plan->stdin_fd < 0;
}

static void follow(struct run *run)
{
    bool gathers = false;

    for (bool over = false; !over;) {
        struct pollfd watched[4 + ASSAY_STREAMS_POLL_MAX] = {
                {.fd = run->private_fd, .events = POLLIN},
                {.fd = gathers ? -1 : run->output_fd, .events = POLLIN},
                {.fd = gathers ? -1 : run->report_fd, .events = POLLIN},
                {.fd = run->spawner_pid_fd, .events = POLLIN}};
        const size_t count = 4 + assay_streams_watch(&run->streams, watched + 4);
        const uint64_t bytes = run->output.total + run->report.len;
        int timeout_ms = watch_clocks(run);

        if (gathers && (timeout_ms < 0 || timeout_ms > GATHER_MS))
            timeout_ms = GATHER_MS;
        // EINTR and a passed deadline both mean: look at everything again.
        if (poll(watched, count, timeout_ms) < 0 && errno != EINTR) {
            run->reply.cause = ASSAY_BOX_INFRA_ERROR;
            run->reply.fault.sys_errno = errno;
            break;
        }
        drain(run, &run->output_fd, keep_output, 16);
        drain(run, &run->report_fd, keep_report, 16);
        count_passed(run, assay_streams_carry(&run->streams, watched + 4));
        gathers = may_gather(run, bytes);
        if (watched[0].revents != 0)
            over = hear_spawner(run, 0);
        else if (watched[3].revents != 0) // whoever else has its socket, it said what it will say
            over = hear_spawner(run, MSG_DONTWAIT);
    }
    // Everything in the box is dead: what the pipes hold is finite.
    drain(run, &run->output_fd, keep_output, DRAIN_ROUNDS_LAST);
    drain(run, &run->report_fd, keep_report, DRAIN_ROUNDS_LAST);
    count_passed(run, assay_streams_finish(&run->streams, run->plan->cancel));
}

// --- after ---------------------------------------------------------------------------------------

static bool read_page(struct assay_notify_page *page, int fd)
{
    return pread(fd, page, sizeof(*page), 0) == (ssize_t)sizeof(*page) && page->count > 0 &&
            page->count <= ASSAY_DENIALS_MAX;
}

// The page is the init's word; what it says is cut to what a row can hold all the same.
static void take_denials(struct assay_box_result *result, const struct run *run)
{
    struct assay_notify_page *page = run->learn_fd < 0 ? NULL : calloc(1, sizeof(*page));
    struct assay_denial *rows = NULL;

    if (page != NULL && read_page(page, run->learn_fd))
        rows = calloc(page->count, sizeof(*rows));
    if (rows != NULL) {
        for (size_t i = 0; i < page->count; i++) {
            rows[i] = page->rows[i];
            rows[i].call[sizeof(rows[i].call) - 1] = '\0';
            rows[i].process[sizeof(rows[i].process) - 1] = '\0';
            rows[i].file[sizeof(rows[i].file) - 1] = '\0';
        }
        result->denials = rows;
        result->denial_count = page->count;
        result->denials_lost = page->lost;
    }
    free(page);
}

static void fill_result(struct assay_box_result *result, struct run *run, enum assay_tier tier)
{
    const struct assay_wire_result *reply = &run->reply;

    memset(result, 0, sizeof(*result));
    result->cause = (enum assay_box_cause)reply->cause;
    result->exit_code = reply->exit_code;
    result->signal = reply->signal;
    memcpy(result->step, reply->fault.step, sizeof(result->step));
    result->sys_errno = reply->fault.sys_errno;
    result->tier = tier;
    result->usage = reply->usage;
    result->usage.output_bytes = run->output.total;
    result->stream_errno = assay_streams_errno(&run->streams);
    assay_buf_init(&result->output, 0);
    if (run->plan->stdout_fd < 0)
        result->output_truncated = assay_keep_join(&run->output, &result->output) > 0;
    take_denials(result, run);
    result->report = run->report;
    assay_buf_init(&run->report, 0);
    result->out_dir_fd = run->out_dir_fd;
    run->out_dir_fd = -1;
    // The box may have ended by itself before the order to kill it arrived: too
    // much output is too much output whoever was faster.
    if ((run->output_over || run->report_over) &&
            (result->cause == ASSAY_BOX_EXITED || result->cause == ASSAY_BOX_SIGNALLED))
        result->cause = ASSAY_BOX_OUTPUT_LIMIT;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static enum assay_status run_now(struct assay_sandbox *sandbox, uint64_t zygote,
        const struct assay_box_plan *plan, struct assay_box_result *result, struct assay_error *err)
{
    struct assay_snapshot *snapshot = NULL;
    struct run run = {.plan = plan,
            .zygote = zygote,
            .private_fd = -1,
            .spawner_pid_fd = sandbox->spawner_pid_fd,
            .output_fd = -1,
            .report_fd = -1,
            .learn_fd = -1,
            .out_dir_fd = -1};
    const bool keep_default = plan->head_bytes_max == 0 && plan->tail_bytes_max == 0;
    enum assay_status status = ASSAY_OK;

    assay_streams_init(&run.streams);
    assay_keep_init(&run.output, keep_default ? KEEP_BYTES_DEFAULT : plan->head_bytes_max,
            keep_default ? KEEP_BYTES_DEFAULT : plan->tail_bytes_max);
    assay_buf_init(&run.report,
            plan->report_bytes_max > 0 ? plan->report_bytes_max : REPORT_BYTES_DEFAULT);
    status = prepare(&run, plan, err);
    if (status == ASSAY_OK && plan->snapshot)
        status = assay_snapshot_draft(&run.draft, plan, err);
    if (status == ASSAY_OK)
        status = send_run(sandbox, &run, err);
    if (status == ASSAY_OK) {
        follow(&run);
        if (run.output.failed)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory to keep a box's output");
        else
            status = assay_handoff_snapshot(&snapshot, &run.draft, &run.reply, &run.parts, err);
        if (status == ASSAY_OK) {
            fill_result(result, &run, assay_sandbox_tier(sandbox));
            result->snapshot = snapshot;
        }
    }
    for (size_t i = 0; i < run.handed_count; i++)
        close(run.handed[i]);
    close_fd(&run.private_fd);
    close_fd(&run.output_fd);
    close_fd(&run.report_fd);
    close_fd(&run.learn_fd);
    assay_streams_close(&run.streams);
    close_fd(&run.out_dir_fd);
    assay_parts_drop(&run.parts);
    assay_snapshot_release(run.draft);
    free(run.scratch);
    assay_keep_free(&run.output);
    assay_buf_free(&run.report);
    return status;
}

enum assay_status assay_box_run_from(struct assay_sandbox *sandbox, uint64_t zygote,
        const struct assay_box_plan *plan, struct assay_box_result *result, struct assay_error *err)
{
    struct assay_box_plan placed = *plan;
    struct assay_lease lease;
    enum assay_status status = assay_slots_take(sandbox->slots, &lease, plan->cpu_count,
            plan->limits.memory_bytes_max, plan->cancel, err);

    if (status == ASSAY_EINTERRUPTED) {
        memset(result, 0, sizeof(*result));
        result->cause = ASSAY_BOX_CANCELLED;
        result->tier = assay_sandbox_tier(sandbox);
        result->out_dir_fd = -1;
        assay_buf_init(&result->output, 0);
        assay_buf_init(&result->report, 0);
        return ASSAY_OK;
    }
    if (status != ASSAY_OK)
        return status;
    placed.cpus = lease.cpus;
    placed.cpu_count = lease.cpu_count;
    status = run_now(sandbox, zygote, &placed, result, err);
    assay_slots_give(sandbox->slots, &lease);
    if (status == ASSAY_OK)
        result->usage.queue_ms = lease.waited_us / 1000;
    return status;
}

enum assay_status assay_box_run(struct assay_sandbox *sandbox, const struct assay_box_plan *plan,
        struct assay_box_result *result, struct assay_error *err)
{
    return assay_box_run_from(sandbox, 0, plan, result, err);
}

void assay_box_result_release(struct assay_box_result *result)
{
    assay_buf_free(&result->output);
    assay_buf_free(&result->report);
    free(result->denials);
    result->denials = NULL;
    result->denial_count = 0;
    close_fd(&result->out_dir_fd);
    assay_snapshot_release(result->snapshot);
    result->snapshot = NULL;
}
