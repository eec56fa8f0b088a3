// SPDX-License-Identifier: MIT
// session_run.c - a session's commands: one process each, and what watching any command takes.
//
// All commands write into one pipe, whose reading end is here and whose writing end the init
// keeps: a process that outlives its command can go on writing. A command is over when the
// init says so; what the pipe holds then is its output. Nothing here waits for an end of file.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/handle.h"
#include "sandbox/handoff.h"
#include "sandbox/judge.h"
#include "sandbox/plan.h"
#include "sandbox/session_inner.h"

#define STATE_BYTES_MAX (ASSAY_SESSION_ENV_BYTES_MAX * 2 + PATH_MAX)
#define DRAIN_ROUNDS 16
#define DRAIN_ROUNDS_LAST 4096 // many times what a pipe can hold
#define CANCEL_POLL_MS 20

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// --- watching a command --------------------------------------------------------------------------

enum assay_status assay_watch_begin(struct assay_watch *watch, struct assay_session *session,
        const struct assay_command *command, struct assay_error *err)
{
    const bool keep_default = command->head_bytes_max == 0 && command->tail_bytes_max == 0;

    *watch = (struct assay_watch){.session = session,
            .command = command,
            .id = ++session->id_next,
            .report_fd = -1,
            .state_fd = -1,
            .output_bytes_max = command->output_bytes_max > 0 ? command->output_bytes_max
                                                              : session->limits.output_bytes_max};
    assay_keep_init(&watch->output,
            keep_default ? session->head_bytes_max : command->head_bytes_max,
            keep_default ? session->tail_bytes_max : command->tail_bytes_max);
    assay_buf_init(&watch->report, session->report_bytes_max);
    assay_buf_init(&watch->state, STATE_BYTES_MAX);
    const enum assay_status status = assay_slots_take(session->sandbox->slots, &watch->lease,
            session->cpu_count, session->limits.memory_bytes_max, command->cancel, err);

    watch->placed = status == ASSAY_OK;
    watch->start_ms = watch->output_ms = assay_clock_ms();
    return status;
}

void assay_watch_kill(struct assay_watch *watch, enum assay_box_cause cause)
{
    const struct assay_order order = {.kind = ASSAY_ORDER_KILL, .id = watch->id};

    if (watch->killed || watch->answered)
        return;
    watch->killed = true;
    watch->kill_cause = cause;
    watch->kill_ms = assay_clock_ms();
    (void)assay_session_send(watch->session, &order, sizeof(order), NULL, 0);
}

static void keep_output(struct assay_watch *watch, const char *bytes, size_t len)
{
    assay_keep_add(&watch->output, bytes, len);
    watch->output_ms = assay_clock_ms();
    if (watch->command->on_output != NULL)
        watch->command->on_output(watch->command->user, bytes, len);
    if (watch->output.total > watch->output_bytes_max)
        assay_watch_kill(watch, ASSAY_BOX_OUTPUT_LIMIT);
}

static void keep_report(struct assay_watch *watch, const char *bytes, size_t len)
{
    if (!assay_buf_add(&watch->report, bytes, len))
        assay_watch_kill(watch, ASSAY_BOX_OUTPUT_LIMIT);
}

static void keep_state(struct assay_watch *watch, const char *bytes, size_t len)
{
    (void)assay_buf_add(&watch->state, bytes, len); // too much: it is not taken
}

// What is in the pipe now, at most `rounds` reads. False at its end.
static bool drain(struct assay_watch *watch, int fd,
        void (*keep)(struct assay_watch *, const char *, size_t), unsigned rounds)
{
    for (unsigned i = 0; fd >= 0 && i < rounds; i++) {
        const ssize_t got = read(fd, watch->session->scratch, ASSAY_SESSION_DRAIN_BYTES);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0)
            return false;
        keep(watch, watch->session->scratch, (size_t)got);
        if (got < ASSAY_SESSION_DRAIN_BYTES) // the pipe was empty
            return true;
    }
    return true;
}

static void drain_all(struct assay_watch *watch, unsigned rounds)
{
    // The init keeps a writing end of the output: it ends with the session.
    (void)drain(watch, watch->session->output_fd, keep_output, rounds);
    if (!drain(watch, watch->report_fd, keep_report, rounds))
        close_fd(&watch->report_fd);
    if (!drain(watch, watch->state_fd, keep_state, rounds))
        close_fd(&watch->state_fd);
}

static void shorten(int *timeout_ms, uint64_t left_ms)
{
    if (*timeout_ms < 0 || left_ms < (uint64_t)*timeout_ms)
        *timeout_ms = (int)left_ms;
}

// Milliseconds until something must be looked at again; kills for a clock that ran out.
static int watch_clocks(struct assay_watch *watch)
{
    const struct assay_command *command = watch->command;
    int timeout_ms = -1;

    if (!watch->killed && command->cancel != NULL) {
        if (__atomic_load_n(command->cancel, __ATOMIC_RELAXED))
            assay_watch_kill(watch, ASSAY_BOX_CANCELLED);
        timeout_ms = CANCEL_POLL_MS;
    }
    if (!watch->killed && command->wall_ms_max > 0) {
        const uint64_t left_ms = assay_clock_left_ms(watch->start_ms + command->wall_ms_max);

        if (left_ms == 0)
            assay_watch_kill(watch, ASSAY_BOX_WALL_LIMIT);
        shorten(&timeout_ms, left_ms);
    }
    if (!watch->killed && command->idle_ms_max > 0) {
        const uint64_t left_ms = assay_clock_left_ms(watch->output_ms + command->idle_ms_max);

        if (left_ms == 0)
            assay_watch_kill(watch, ASSAY_BOX_IDLE_LIMIT);
        shorten(&timeout_ms, left_ms);
    }
    if (watch->killed) {
        const uint64_t left_ms = assay_clock_left_ms(watch->kill_ms + ASSAY_SESSION_KILL_MS_MAX);

        if (left_ms == 0)
            assay_session_break(watch->session, "command does not end", ETIMEDOUT);
        timeout_ms = (int)left_ms;
    }
    return timeout_ms;
}

static void hear_init(struct assay_watch *watch)
{
    struct assay_order_reply reply;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got = assay_wire_receive(
            watch->session->serve_fd, &reply, sizeof(reply), fds, &fd_count, MSG_DONTWAIT);

    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        assay_session_await_end(watch->session);
        return;
    }
    if (got != (long)sizeof(reply))
        return;
    if (reply.id != watch->id) {
        assay_session_note_reply(watch->session, &reply);
        return;
    }
    watch->reply = reply;
    watch->answered = true;
}

void assay_watch_wait(struct assay_watch *watch, int own_fd, short own_events, short *own_revents)
{
    const struct assay_session *session = watch->session;
    const int timeout_ms = watch_clocks(watch);
    struct pollfd watched[] = {{.fd = session->private_fd, .events = POLLIN},
            {.fd = session->over ? -1 : session->serve_fd, .events = POLLIN},
            {.fd = session->output_fd, .events = POLLIN},
            {.fd = watch->report_fd, .events = POLLIN}, {.fd = watch->state_fd, .events = POLLIN},
            {.fd = own_fd, .events = own_events},
            {.fd = session->sandbox->spawner_pid_fd, .events = POLLIN}};

    if (session->over)
        return;
    // EINTR and a passed deadline both mean: look at everything again.
    if (poll(watched, 7, timeout_ms) < 0) {
        *own_revents = 0;
        if (errno != EINTR)
            assay_session_break(watch->session, "poll", errno);
        return;
    }
    *own_revents = watched[5].revents;
    if (watched[2].revents != 0 || watched[3].revents != 0 || watched[4].revents != 0)
        drain_all(watch, DRAIN_ROUNDS);
    if (watched[0].revents != 0 || watched[6].revents != 0)
        assay_session_hear_spawner(watch->session);
    if (watched[1].revents != 0)
        hear_init(watch);
}

// --- the result ----------------------------------------------------------------------------------

static void judge(struct assay_command_result *result, const struct assay_watch *watch)
{
    const struct assay_order_reply *reply = &watch->reply;
    const struct assay_judge_facts facts = {.ended = true,
            .wait_status = reply->wait_status,
            .disk_full = reply->disk_full != 0,
            .killed = watch->killed,
            .kill_cause = watch->kill_cause,
            .cpu_us_max = UINT64_MAX};

    if (reply->fault.step[0] == '\0') {
        assay_box_judge(&facts, &result->cause, &result->exit_code, &result->signal);
        return;
    }
    result->cause = strcmp(reply->fault.step, "fork") == 0 && reply->fault.sys_errno == EAGAIN
            ? ASSAY_BOX_PIDS_LIMIT
            : ASSAY_BOX_SETUP_FAILED;
    memcpy(result->step, reply->fault.step, sizeof(result->step));
    result->sys_errno = reply->fault.sys_errno;
}

static void fill_result(struct assay_command_result *result, struct assay_watch *watch)
{
    const struct assay_order_reply *reply = &watch->reply;
    const struct assay_wire_result *end = &watch->session->end;

    result->queue_us = watch->lease.waited_us;
    result->session_over = watch->session->over && !watch->answered;
    if (result->session_over) {
        result->cause = (enum assay_box_cause)end->cause;
        result->exit_code = end->exit_code;
        result->signal = end->signal;
        memcpy(result->step, end->fault.step, sizeof(result->step));
        result->sys_errno = end->fault.sys_errno;
        result->wall_us = (assay_clock_ms() - watch->start_ms) * 1000;
    } else if (!watch->answered) { // it never ran
        result->cause = ASSAY_BOX_CANCELLED;
    } else {
        judge(result, watch);
        result->cwd_lost = reply->cwd_lost != 0;
        result->background = reply->background;
        result->wall_us = reply->wall_us;
        result->cpu_user_us = reply->cpu_user_us;
        result->cpu_system_us = reply->cpu_system_us;
    }
    result->output_bytes = watch->output.total;
    result->output_truncated = assay_keep_join(&watch->output, &result->output) > 0;
    result->report = watch->report;
    assay_buf_init(&watch->report, 0);
}

enum assay_status assay_watch_end(
        struct assay_watch *watch, struct assay_command_result *result, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (watch->placed)
        assay_slots_give(watch->session->sandbox->slots, &watch->lease);
    drain_all(watch, DRAIN_ROUNDS_LAST);
    if (watch->output.failed)
        status = assay_fail(err, ASSAY_ENOMEM, "no memory to keep a command's output");
    else
        fill_result(result, watch);
    close_fd(&watch->report_fd);
    close_fd(&watch->state_fd);
    assay_keep_free(&watch->output);
    assay_buf_free(&watch->report);
    assay_buf_free(&watch->state);
    return status;
}

void assay_command_result_release(struct assay_command_result *result)
{
    assay_buf_free(&result->output);
    assay_buf_free(&result->report);
}

// --- one process ---------------------------------------------------------------------------------

int assay_watch_pack_words(const struct assay_exports *state, const char *const *argv)
{
    struct assay_order_words counts = {.envc = (uint32_t)state->count};
    struct assay_buf words;
    int fd = -1;

    while (counts.argc < ASSAY_ORDER_WORDS_MAX && argv[counts.argc] != NULL)
        counts.argc++;
    assay_buf_init(&words, ASSAY_ORDER_WORDS_BYTES_MAX);
    (void)assay_buf_add(&words, &counts, sizeof(counts));
    (void)assay_buf_add(&words, state->cwd, strlen(state->cwd) + 1);
    for (size_t i = 0; i < counts.argc; i++)
        (void)assay_buf_add(&words, argv[i], strlen(argv[i]) + 1);
    for (size_t i = 0; i < state->count; i++)
        (void)assay_buf_add(&words, state->env[i], strlen(state->env[i]) + 1);
    errno = E2BIG;
    if (!words.failed && argv[counts.argc] == NULL)
        fd = assay_handoff_memory_file("assay-command", words.data, words.len);
    assay_buf_free(&words);
    return fd;
}

// The line, and behind it what tells the session of the directory and the environment. The
// line's own EXIT trap takes ours away, and then nothing is told. bash does not always put
// back the descriptor before an exit inside of eval: its copy is the first above 9.
static const char line_program[] =
        "trap '{ { command printf \"%%s\\0\" \"$PWD\" && command export -p && "
        "command printf \"\\0\"; } 2>/dev/null >&%d; } 2>/dev/null || "
        "{ { command printf \"%%s\\0\" \"$PWD\" && command export -p && "
        "command printf \"\\0\"; } 2>/dev/null >&10; } 2>/dev/null || :' EXIT; "
        "eval \"$1\" %d>&-";

static enum assay_status check_command(const struct assay_command *command, struct assay_error *err)
{
    if ((command->argv != NULL) == (command->line != NULL))
        return assay_fail(err, ASSAY_EINVAL, "a command is argv or a line");
    if (command->argv != NULL && (command->argv[0] == NULL || command->argv[0][0] == '\0'))
        return assay_fail(err, ASSAY_EINVAL, "argv is empty");
    if (command->line != NULL && strlen(command->line) > ASSAY_SESSION_LINE_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "a line is longer than %zu bytes", ASSAY_SESSION_LINE_BYTES_MAX);
    if (command->report_fd != 0 &&
            (command->report_fd < 3 || command->report_fd > ASSAY_PLAN_REPORT_FD_MAX))
        return assay_fail(err, ASSAY_EINVAL, "report_fd is %d, not 0 or 3..%d", command->report_fd,
                ASSAY_PLAN_REPORT_FD_MAX);
    return ASSAY_OK;
}

// What goes with an EXEC; its descriptors are closed once sent.
struct handed {
    struct assay_order order;
    int fds[4];
    size_t count;
};

static enum assay_status hand_pipe(
        struct handed *handed, uint32_t flag, int *read_fd, struct assay_error *err)
{
    int ends[2];
    const enum assay_status status = assay_handoff_pipe(ends, err);

    if (status != ASSAY_OK)
        return status;
    *read_fd = ends[0];
    handed->fds[handed->count++] = ends[1];
    handed->order.flags |= flag;
    return ASSAY_OK;
}

static enum assay_status hand_over(struct handed *handed, struct assay_watch *watch,
        const char *const *argv, struct assay_error *err)
{
    const struct assay_command *command = watch->command;
    enum assay_status status = ASSAY_OK;

    handed->fds[0] = assay_watch_pack_words(&watch->session->state, argv);
    if (handed->fds[0] < 0)
        return errno == E2BIG ? assay_fail(err, ASSAY_EINVAL, "the command is too long")
                              : assay_fail_errno(err, errno, "memory file for a command");
    handed->count = 1;
    if (command->stdin_bytes != NULL) {
        handed->fds[1] =
                assay_handoff_memory_file("assay-stdin", command->stdin_bytes, command->stdin_len);
        if (handed->fds[1] < 0)
            return assay_fail_errno(err, errno, "memory file for standard input");
        handed->count = 2;
        handed->order.flags |= ASSAY_ORDER_STDIN;
    }
    if (command->report_fd != 0)
        status = hand_pipe(handed, ASSAY_ORDER_REPORT, &watch->report_fd, err);
    if (status == ASSAY_OK && command->line != NULL && !watch->plain)
        status = hand_pipe(handed, ASSAY_ORDER_STATE, &watch->state_fd, err);
    return status;
}

static enum assay_status exec_command(struct assay_watch *watch, const char *const *argv,
        int state_number, struct assay_error *err)
{
    const struct assay_command *command = watch->command;
    struct handed handed = {
            .order = {.kind = ASSAY_ORDER_EXEC,
                    .id = watch->id,
                    .flags = command->background == ASSAY_BACKGROUND_KEEP ? ASSAY_ORDER_TAGGED
                                                                          : ASSAY_ORDER_KILL_REST,
                    .report_number = command->report_fd,
                    .state_number = state_number,
                    .cpus = watch->lease.cpus}};
    const enum assay_status status = hand_over(&handed, watch, argv, err);

    if (status == ASSAY_OK)
        (void)assay_session_send(
                watch->session, &handed.order, sizeof(handed.order), handed.fds, handed.count);
    for (size_t i = 0; i < handed.count; i++)
        close(handed.fds[i]);
    return status;
}

// What a line left behind: its directory, a NUL, its exports, a NUL.
static bool take_state(struct assay_session *session, const struct assay_buf *state)
{
    const size_t cwd_len = strlen(state->data);

    if (state->failed || cwd_len + 2 > state->len || state->data[state->len - 1] != '\0' ||
            cwd_len + 1 + strlen(state->data + cwd_len + 1) + 1 != state->len)
        return false;
    return assay_exports_take(&session->state, state->data, state->data + cwd_len + 1);
}

static enum assay_status run(struct assay_watch *watch, bool *state_taken, struct assay_error *err)
{
    const struct assay_command *command = watch->command;
    const int state_number = command->report_fd == 9 ? 8 : 9;
    char program[sizeof(line_program) + 16];
    const char *line_argv[] = {NULL, "-c", program, NULL, command->line, NULL};
    enum assay_status status = ASSAY_OK;

    // A shell becomes its last program where nothing is left to do behind it, which spares a fork.
    watch->plain =
            command->line != NULL && assay_exports_outlive(&watch->session->state, command->line);
    if (watch->plain) {
        line_argv[2] = command->line;
        line_argv[4] = NULL;
    }
    if (command->line != NULL) {
        (void)snprintf(program, sizeof(program), line_program, state_number, state_number);
        line_argv[0] = assay_session_shell_path(watch->session);
        line_argv[3] = strrchr(line_argv[0], '/') + 1;
    }
    status = exec_command(
            watch, command->line != NULL ? line_argv : command->argv, state_number, err);
    if (status != ASSAY_OK)
        return status;
    while (!watch->answered && !watch->session->over) {
        short none = 0;

        assay_watch_wait(watch, -1, 0, &none);
    }
    drain_all(watch, DRAIN_ROUNDS_LAST);
    *state_taken = command->line != NULL && watch->answered && !watch->killed &&
            (watch->plain || take_state(watch->session, &watch->state));
    return ASSAY_OK;
}

enum assay_status assay_session_run(struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result,
        struct assay_error *err)
{
    struct assay_command_result made = {.cause = ASSAY_BOX_EXITED};
    struct assay_watch watch;
    enum assay_status status = check_command(command, err);
    enum assay_status end = ASSAY_OK;

    if (status != ASSAY_OK)
        return status;
    status = assay_watch_begin(&watch, session, command, err);
    if (status == ASSAY_OK)
        status = run(&watch, &made.state_taken, err);
    if (status == ASSAY_EINTERRUPTED)
        status = ASSAY_OK;
    end = assay_watch_end(&watch, &made, status == ASSAY_OK ? err : NULL);
    if (status == ASSAY_OK)
        status = end;
    if (status == ASSAY_OK)
        *result = made;
    else if (end == ASSAY_OK)
        assay_command_result_release(&made);
    return status;
}
