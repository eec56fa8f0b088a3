// SPDX-License-Identifier: MIT
// session.c - the caller's side of a session's life. Commands are in session_run.c, the shell in
// session_shell.c, files in session_files.c.
#include "sandbox/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/handle.h"
#include "sandbox/handoff.h"
#include "sandbox/plan.h"
#include "sandbox/session_inner.h"

#define KEEP_BYTES_DEFAULT ((uint64_t)1 << 20)
#define REPORT_BYTES_DEFAULT ((uint64_t)64 << 20)

// --- the box behind it ---------------------------------------------------------------------------

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void assay_session_break(struct assay_session *session, const char *step, int sys_errno)
{
    if (session->over)
        return;
    session->over = true;
    memset(&session->end, 0, sizeof(session->end));
    session->end.cause = ASSAY_BOX_INFRA_ERROR;
    (void)assay_fault_errno(&session->end.fault, step, sys_errno);
    close_fd(&session->private_fd);
}

void assay_session_hear_spawner(struct assay_session *session)
{
    struct assay_wire_result record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    struct pollfd dead = {.fd = session->sandbox->spawner_pid_fd, .events = POLLIN};
    // Asked first: what a dead spawner said is there to be received.
    const bool is_dead = !session->over && poll(&dead, 1, 0) > 0;
    const long got = session->over ? -1
                                   : assay_wire_receive(session->private_fd, &record,
                                             sizeof(record), fds, &fd_count, MSG_DONTWAIT);

    if (session->over || (got < 0 && errno == EAGAIN && !is_dead))
        return;
    if (got == (long)sizeof(record) && record.kind == ASSAY_WIRE_RESULT) {
        session->end = record;
        session->over = true;
        assay_handoff_take_result(&record, fds, fd_count, &session->out_dir_fd, &session->parts);
        close_fd(&session->private_fd);
        return;
    }
    if (got == (long)sizeof(uint32_t) && record.kind == ASSAY_WIRE_LISTENER && fd_count == 1) {
        session->listener_due = false;
        if (session->on_listener != NULL)
            session->on_listener(session->listener, fds[0]);
        else
            close(fds[0]);
        return;
    }
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (got <= 0)
        assay_session_break(session, "spawner died", got < 0 && errno != EAGAIN ? errno : EPIPE);
}

// The init is gone, or going: the spawner says why.
void assay_session_await_end(struct assay_session *session)
{
    const uint64_t deadline_ms = assay_clock_ms() + ASSAY_SESSION_KILL_MS_MAX;

    while (!session->over) {
        struct pollfd watched = {.fd = session->private_fd, .events = POLLIN};

        if (poll(&watched, 1, (int)assay_clock_left_ms(deadline_ms)) == 0)
            assay_session_break(session, "box does not end", ETIMEDOUT);
        assay_session_hear_spawner(session);
    }
}

bool assay_session_send(struct assay_session *session, const void *record, size_t size,
        const int *fds, size_t fd_count)
{
    assay_session_hear_spawner(session);
    if (session->over)
        return false;
    if (assay_wire_send(session->serve_fd, record, size, fds, fd_count) == 0)
        return true;
    assay_session_await_end(session);
    return false;
}

void assay_session_note_reply(struct assay_session *session, const struct assay_order_reply *reply)
{
    if (reply->kind == ASSAY_ORDER_ENDED && reply->id == session->shell.id)
        close_fd(&session->shell.fd);
}

void assay_session_note_replies(struct assay_session *session)
{
    struct assay_order_reply reply;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;

    // Nothing but replies comes unasked, and they bring no descriptors.
    while (!session->over &&
            assay_wire_receive(session->serve_fd, &reply, sizeof(reply), fds, &fd_count,
                    MSG_DONTWAIT) == (long)sizeof(reply))
        assay_session_note_reply(session, &reply);
}

// --- starting ------------------------------------------------------------------------------------

static enum assay_status check_plan(
        const struct assay_box_plan *plan, struct assay_box_plan *copy, struct assay_error *err)
{
    static const char *const no_command[] = {"session", NULL};

    if (plan->report_fd != 0)
        return assay_fail(err, ASSAY_EINVAL, "a session's plan has no report_fd: commands have");
    if (plan->learn)
        return assay_fail(err, ASSAY_EINVAL, "learning mode is for single commands");
    *copy = *plan;
    copy->argv = no_command;
    copy->stdin_bytes = NULL;
    copy->stdin_fd = copy->stdout_fd = copy->stderr_fd = -1;
    copy->terminal = copy->learn = false;
    copy->limits.idle_ms_max = 0;
    CPU_ZERO(&copy->cpus);
    return assay_plan_check(copy, err);
}

static enum assay_status create(struct assay_session **out, struct assay_sandbox *sandbox,
        const struct assay_box_plan *plan, struct assay_error *err)
{
    struct assay_session *session = calloc(1, sizeof(*session));
    const bool keep_default = plan->head_bytes_max == 0 && plan->tail_bytes_max == 0;
    enum assay_status status = ASSAY_OK;

    if (session == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a session");
    session->sandbox = sandbox;
    session->limits = plan->limits;
    session->head_bytes_max = keep_default ? KEEP_BYTES_DEFAULT : plan->head_bytes_max;
    session->tail_bytes_max = keep_default ? KEEP_BYTES_DEFAULT : plan->tail_bytes_max;
    session->report_bytes_max =
            plan->report_bytes_max > 0 ? plan->report_bytes_max : REPORT_BYTES_DEFAULT;
    session->cpu_count = plan->cpu_count;
    session->on_listener = plan->on_listener;
    session->listener = plan->listener;
    session->listener_due = plan->network == ASSAY_NETWORK_ALLOWLIST;
    session->private_fd = session->serve_fd = session->output_fd = session->out_dir_fd = -1;
    session->shell.fd = -1;
    session->scratch = malloc(ASSAY_SESSION_DRAIN_BYTES);
    status = session->scratch == NULL
            ? assay_fail(err, ASSAY_ENOMEM, "no memory for a session")
            : assay_exports_set(&session->state, plan->cwd, plan->env, err);
    if (status == ASSAY_OK && plan->snapshot)
        status = assay_snapshot_draft(&session->draft, plan, err);
    if (status != ASSAY_OK) {
        assay_exports_free(&session->state);
        free(session->scratch);
        free(session);
        return status;
    }
    *out = session;
    return ASSAY_OK;
}

static enum assay_status ask_for_box(
        struct assay_session *session, const struct assay_box_plan *plan, struct assay_error *err)
{
    int fds[] = {-1, -1, -1, -1, -1}; // private, plan, stdin, output, serve
    int pair[2] = {-1, -1};
    enum assay_status status = assay_handoff_plan(&fds[1], plan, err);

    if (status != ASSAY_OK)
        return status;
    fds[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fds[2] < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        status = assay_fail_errno(err, errno, "socket for a session");
    session->private_fd = pair[0];
    fds[0] = pair[1];
    if (status == ASSAY_OK && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        status = assay_fail_errno(err, errno, "socket for a session");
    if (status == ASSAY_OK) {
        session->serve_fd = pair[0];
        fds[4] = pair[1];
        status = assay_handoff_pipe(pair, err);
    }
    if (status == ASSAY_OK) {
        session->output_fd = pair[0];
        fds[3] = pair[1];
        status = assay_handoff_request(
                session->sandbox, &(struct assay_wire_run){.session = 1}, fds, 5, err);
    }
    for (size_t i = 0; i < 5; i++)
        close_fd(&fds[i]);
    return status;
}

static enum assay_status await_ready(struct assay_session *session, struct assay_error *err)
{
    struct assay_order_reply reply = {0};

    while (!session->over && (reply.kind != ASSAY_ORDER_READY || session->listener_due)) {
        struct pollfd watched[] = {{.fd = session->private_fd, .events = POLLIN},
                {.fd = reply.kind == ASSAY_ORDER_READY ? -1 : session->serve_fd, .events = POLLIN},
                {.fd = session->sandbox->spawner_pid_fd, .events = POLLIN}};
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t fd_count = 0;

        // The spawner gives up a set-up that takes too long: no clock of ours.
        if (poll(watched, 3, -1) < 0)
            continue;
        assay_session_hear_spawner(session);
        if (watched[1].revents != 0 &&
                assay_wire_receive(session->serve_fd, &reply, sizeof(reply), fds, &fd_count, 0) <=
                        0)
            assay_session_await_end(session);
    }
    if (!session->over)
        return ASSAY_OK;
    return assay_fail_errno(err, session->end.fault.sys_errno, "session: %s: %s",
            assay_box_cause_name((enum assay_box_cause)session->end.cause),
            session->end.fault.step);
}

enum assay_status assay_session_start(struct assay_session **out, struct assay_sandbox *sandbox,
        const struct assay_box_plan *plan, struct assay_error *err)
{
    struct assay_session *session = NULL;
    struct assay_box_plan copy;
    enum assay_status status = check_plan(plan, &copy, err);

    // The init tells commands apart by its own capabilities and a /proc of the box's own.
    if (status == ASSAY_OK && assay_sandbox_tier(sandbox) != ASSAY_TIER_A)
        return assay_fail(err, ASSAY_EREFUSED,
                "sessions need isolation tier A; this host gives %s (see assay doctor)",
                assay_tier_name(assay_sandbox_tier(sandbox)));
    if (status == ASSAY_OK)
        status = create(&session, sandbox, &copy, err);
    if (status == ASSAY_OK)
        status = ask_for_box(session, &copy, err);
    if (status == ASSAY_OK)
        status = await_ready(session, err);
    if (status != ASSAY_OK) {
        if (session != NULL)
            close_fd(&session->private_fd); // or the end would be awaited
        if (session != NULL)
            session->over = true;
        assay_session_stop(session, NULL);
        return status;
    }
    *out = session;
    return ASSAY_OK;
}

static void end_box(struct assay_session *session)
{
    close_fd(&session->serve_fd); // the order to end
    if (!session->over)
        assay_session_await_end(session);
}

enum assay_status assay_session_snapshot(
        struct assay_session *session, struct assay_snapshot **out, struct assay_error *err)
{
    struct assay_snapshot *snapshot = NULL;
    enum assay_status status = ASSAY_OK;

    if (session->draft == NULL)
        return assay_fail(
                err, ASSAY_EINVAL, "the session's plan asks for no snapshot, or it is taken");
    status = assay_snapshot_set_state(session->draft, session->state.cwd, session->state.env, err);
    if (status != ASSAY_OK)
        return status;
    end_box(session);
    status =
            assay_handoff_snapshot(&snapshot, &session->draft, &session->end, &session->parts, err);
    if (status == ASSAY_OK && snapshot == NULL)
        status =
                assay_fail_errno(err, session->end.fault.sys_errno, "snapshot of a session: %s: %s",
                        assay_box_cause_name((enum assay_box_cause)session->end.cause),
                        session->end.fault.step);
    if (status == ASSAY_OK)
        *out = snapshot;
    return status;
}

enum assay_status assay_session_resume(struct assay_session **out, struct assay_sandbox *sandbox,
        const struct assay_box_plan *plan, const struct assay_snapshot *snapshot,
        struct assay_error *err)
{
    struct assay_box_plan resumed = *plan;

    resumed.from = snapshot;
    if (snapshot->cwd != NULL) {
        resumed.cwd = snapshot->cwd;
        resumed.env = snapshot->env;
    }
    return assay_session_start(out, sandbox, &resumed, err);
}

void assay_session_stop(struct assay_session *session, struct assay_box_result *result)
{
    if (session == NULL)
        return;
    end_box(session);
    if (result != NULL) {
        memset(result, 0, sizeof(*result));
        result->cause = (enum assay_box_cause)session->end.cause;
        result->exit_code = session->end.exit_code;
        result->signal = session->end.signal;
        memcpy(result->step, session->end.fault.step, sizeof(result->step));
        result->sys_errno = session->end.fault.sys_errno;
        result->tier = assay_sandbox_tier(session->sandbox);
        result->usage = session->end.usage;
        assay_buf_init(&result->output, 0);
        assay_buf_init(&result->report, 0);
        result->out_dir_fd = session->out_dir_fd;
        session->out_dir_fd = -1;
    }
    close_fd(&session->private_fd);
    close_fd(&session->output_fd);
    close_fd(&session->out_dir_fd);
    close_fd(&session->shell.fd);
    assay_parts_drop(&session->parts);
    assay_snapshot_release(session->draft);
    assay_exports_free(&session->state);
    free(session->scratch);
    free(session);
}

// --- its state -----------------------------------------------------------------------------------

const char *assay_session_cwd(const struct assay_session *session)
{
    return session->state.cwd;
}

const char *const *assay_session_env(const struct assay_session *session)
{
    return session->state.env;
}

enum assay_status assay_session_set_cwd(
        struct assay_session *session, const char *cwd, struct assay_error *err)
{
    return assay_exports_set(&session->state, cwd, session->state.env, err);
}

enum assay_status assay_session_set_env(
        struct assay_session *session, const char *const *env, struct assay_error *err)
{
    return assay_exports_set(&session->state, session->state.cwd, env, err);
}
