// SPDX-License-Identifier: MIT
// session_shell.c - a session's bash that stays.
//
// The shell is one process of the session with a private stream socket. A line travels as a head
// ("NONCE MODE LENGTH" and a NUL) and its bytes; the shell runs it with eval, the socket being
// closed for it and its children, then tells on the socket how it ended: "NONCE STATUS" (with "
// end" when the shell itself ends), the directory, what `export -p` prints, each with a NUL behind
// it. What comes before the nonce of the line that is under way is not about it and goes by.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/session_inner.h"

#define SHELL_STATE_NUMBER 9
#define TELL_BYTES_MAX (ASSAY_SESSION_ENV_BYTES_MAX * 2 + PATH_MAX + 64)

// What bash runs. One line, so that errors tell of the caller's line 1. __assay_next is called
// with output away, which also hides set -x; a `continue` of the caller's comes back to it, a
// `break` to the outer loop. The status of the line before is what $? is. bash does not always
// put the descriptor back before an exit inside of eval: its copy is the first above 9.
static const char shell_program[] =
        "shopt -s expand_aliases; __assay_n=; __assay_s=0; "
        "__assay_tell() { { builtin printf '%s %s\\0%s\\0' \"$__assay_n\" \"$1\" \"$PWD\" && "
        "builtin export -p && builtin printf '\\0'; } >&\"$2\"; }; "
        "__assay_next() { __assay_s=$?; __assay_x=; "
        "case $- in *x*) builtin set +x; __assay_x='set -x;' ;; esac; "
        "if [[ $__assay_n ]]; then "
        "if [[ $__assay_k = k ]]; then builtin disown -a; fi; __assay_tell \"$__assay_s\" 9; fi; "
        "__assay_n=; IFS=' ' builtin read -r -d '' -u 9 __assay_n __assay_k __assay_l && "
        "LC_ALL=C IFS= builtin read -r -N \"$__assay_l\" -u 9 __assay_c || builtin exit 0; }; "
        "__assay_last() { return \"$__assay_s\"; }; "
        "trap '{ __assay_s=\"$? end\"; __assay_tell \"$__assay_s\" 9 || __assay_tell \"$__assay_s\" 10; } "
        ">/dev/null 2>&1' EXIT; "
        "while :; do while { __assay_next; } >/dev/null 2>&1; do "
        "if __assay_last; then builtin eval \"$__assay_x$__assay_c\" 9>&-; "
        "else builtin eval \"$__assay_x$__assay_c\" 9>&-; fi; done; done";

// --- its life ------------------------------------------------------------------------------------

static void close_shell(struct assay_session *session)
{
    if (session->shell.fd >= 0)
        close(session->shell.fd);
    session->shell.fd = -1;
}

static enum assay_status start_shell(struct assay_session *session, struct assay_error *err)
{
    const char *const argv[] = {
            "/bin/bash", "--norc", "--noprofile", "-c", shell_program, "bash", NULL};
    const struct assay_order order = {.kind = ASSAY_ORDER_EXEC,
            .id = ++session->id_next,
            .flags = ASSAY_ORDER_TAGGED | ASSAY_ORDER_STATE,
            .state_number = SHELL_STATE_NUMBER};
    int fds[2] = {assay_watch_pack_words(&session->state, argv), -1};
    int pair[2];

    if (fds[0] < 0)
        return assay_fail_errno(err, errno, "memory file for a shell");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        close(fds[0]);
        return assay_fail_errno(err, errno, "socket for a shell");
    }
    fds[1] = pair[1];
    session->shell = (struct assay_session_shell){.fd = pair[0], .id = order.id};
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    (void)assay_session_send(session, &order, sizeof(order), fds, 2);
    close(fds[0]);
    close(fds[1]);
    return ASSAY_OK;
}

// --- one line ------------------------------------------------------------------------------------

struct line {
    struct assay_watch *watch; // borrowed
    struct assay_buf out;      // the head and the line
    size_t sent;
    char nonce[20];
    struct assay_buf in; // what the shell told
    bool deaf;           // it told too much, or closed its end: nothing of it counts any more
    bool told;           // `in` holds a whole answer to this line
    bool ends;           // the shell says that it ends with it
    int status;
    const char *cwd, *exports; // into `in`
};

static void send_some(struct line *line)
{
    while (!line->deaf && line->sent < line->out.len) {
        const ssize_t got = send(line->watch->session->shell.fd, line->out.data + line->sent,
                line->out.len - line->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            line->deaf = errno != EAGAIN;
            return;
        }
        line->sent += (size_t)got;
    }
}

// Is there a whole answer to this line? What is before it is none.
static void find_answer(struct line *line)
{
    const size_t nonce_len = strlen(line->nonce);
    const char *const end = line->in.data + line->in.len;
    const char *at = memmem(line->in.data, line->in.len, line->nonce, nonce_len);
    const char *field[3] = {NULL};
    char *rest = NULL;

    for (size_t i = 0; at != NULL && i < 3; i++) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));

        field[i] = at;
        if (nul == NULL || (i < 2 && nul + 1 == end))
            return;
        at = nul + 1;
    }
    if (at == NULL)
        return;
    line->status = (int)(strtoul(field[0] + nonce_len, &rest, 10) & 0xff);
    line->ends = strcmp(rest, " end") == 0;
    line->cwd = field[1];
    line->exports = field[2];
    line->told = true;
}

static void hear_some(struct line *line)
{
    const struct assay_session *session = line->watch->session;

    while (!line->deaf && !line->told) {
        const ssize_t got =
                recv(session->shell.fd, session->scratch, ASSAY_SESSION_DRAIN_BYTES, MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        line->deaf = got <= 0 || !assay_buf_add(&line->in, session->scratch, (size_t)got);
        if (!line->deaf)
            find_answer(line);
    }
}

// The shell says how the line ended, or the init says how the shell did.
static void follow(struct line *line)
{
    struct assay_watch *watch = line->watch;

    while (!watch->answered && !watch->session->over && !line->told) {
        const bool sending = line->sent < line->out.len;
        short events = 0;

        assay_watch_wait(watch, line->deaf ? -1 : watch->session->shell.fd,
                (short)(POLLIN | (sending ? POLLOUT : 0)), &events);
        if (events & (POLLIN | POLLHUP | POLLERR))
            hear_some(line);
        if (events & POLLOUT)
            send_some(line);
        // A shell that is alive and says nothing more will never say how the line ended.
        if (line->deaf && !watch->answered && line->in.failed)
            assay_watch_kill(watch, ASSAY_BOX_SIGNALLED);
    }
    if (watch->answered && !line->deaf) // its last words, before it died
        hear_some(line);
}

// The line is done and the shell lives: what it left behind dies, or is counted.
static void finish(struct line *line)
{
    const struct assay_order order = {
            .kind = ASSAY_ORDER_FINISH, .id = line->watch->id, .time_us = assay_clock_us()};
    short none = 0;

    if (line->watch->killed || line->watch->answered)
        return;
    // One that ends is told of by the init, when all is dead that has to be.
    if (!line->ends && !assay_session_send(line->watch->session, &order, sizeof(order), NULL, 0))
        return;
    while (!line->watch->answered && !line->watch->session->over)
        assay_watch_wait(line->watch, -1, 0, &none);
}

static bool make_line(struct line *line)
{
    const struct assay_command *command = line->watch->command;
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return false;
    (void)snprintf(line->nonce, sizeof(line->nonce), "%016" PRIx64, number);
    (void)assay_buf_addf(&line->out, "%s %c %zu", line->nonce,
            command->background == ASSAY_BACKGROUND_KEEP ? '-' : 'k', strlen(command->line));
    (void)assay_buf_addc(&line->out, '\0');
    return assay_buf_adds(&line->out, command->line);
}

// --- the call ------------------------------------------------------------------------------------

static void begin(struct assay_watch *watch)
{
    const struct assay_order order = {.kind = ASSAY_ORDER_BEGIN,
            .id = watch->id,
            .flags =
                    watch->command->background == ASSAY_BACKGROUND_KEEP ? 0 : ASSAY_ORDER_KILL_REST,
            .time_us = assay_clock_us(),
            .cpus = watch->lease.cpus};

    watch->session->shell.begun++;
    (void)assay_session_send(watch->session, &order, sizeof(order), NULL, 0);
}

// The shell died before the line, and of something else.
static bool missed_line(const struct assay_watch *watch)
{
    return watch->answered && watch->reply.kind == ASSAY_ORDER_ENDED &&
            watch->reply.fault.step[0] == '\0' && !watch->killed &&
            watch->reply.begun < watch->session->shell.begun;
}

static enum assay_status try_line(struct assay_watch *watch, struct line *line,
        struct assay_command_result *result, struct assay_error *err)
{
    struct assay_session *session = watch->session;
    enum assay_status status = ASSAY_OK;

    assay_session_note_replies(session);
    result->shell_new = session->shell.fd < 0;
    if (session->shell.fd < 0)
        status = start_shell(session, err);
    if (status != ASSAY_OK)
        return status;
    watch->id = session->shell.id;
    begin(watch);
    send_some(line);
    follow(line);
    finish(line);
    return ASSAY_OK;
}

static enum assay_status run_line(struct assay_watch *watch, struct line *line,
        struct assay_command_result *result, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (!make_line(line))
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a line");
    status = try_line(watch, line, result, err);
    if (status == ASSAY_OK && missed_line(watch)) {
        close_shell(watch->session);
        watch->answered = false;
        line->sent = 0;
        line->deaf = false;
        status = try_line(watch, line, result, err);
    }
    return status;
}

static void fill(struct assay_command_result *result, struct line *line)
{
    struct assay_watch *watch = line->watch;
    struct assay_session *session = watch->session;

    result->shell_over = watch->answered && watch->reply.kind == ASSAY_ORDER_ENDED;
    if (line->told && !watch->killed && !session->over)
        result->state_taken = assay_exports_take(&session->state, line->cwd, line->exports);
    // While the shell lives the init knows no status; the shell has told its own.
    if (line->told && watch->reply.kind == ASSAY_ORDER_FINISHED)
        watch->reply.wait_status = (line->status & 0xff) << 8;
    if (result->shell_over || session->over)
        close_shell(session);
}

static enum assay_status check_line(const struct assay_command *command, struct assay_error *err)
{
    if (command->line == NULL || command->argv != NULL || command->stdin_bytes != NULL ||
            command->report_fd != 0)
        return assay_fail(err, ASSAY_EINVAL, "a shell takes a line and nothing else");
    if (strlen(command->line) > ASSAY_SESSION_LINE_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "a line is longer than %zu bytes", ASSAY_SESSION_LINE_BYTES_MAX);
    return ASSAY_OK;
}

enum assay_status assay_session_shell(struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result,
        struct assay_error *err)
{
    struct assay_command_result made = {.cause = ASSAY_BOX_EXITED};
    struct assay_watch watch;
    struct line line = {.watch = &watch};
    enum assay_status status = check_line(command, err);
    enum assay_status end = ASSAY_OK;

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&line.out, ASSAY_SESSION_LINE_BYTES_MAX + 64);
    assay_buf_init(&line.in, TELL_BYTES_MAX);
    status = assay_watch_begin(&watch, session, command, err);
    if (status == ASSAY_OK)
        status = run_line(&watch, &line, &made, err);
    if (status == ASSAY_OK)
        fill(&made, &line);
    if (status == ASSAY_EINTERRUPTED)
        status = ASSAY_OK;
    end = assay_watch_end(&watch, &made, status == ASSAY_OK ? err : NULL);
    if (status == ASSAY_OK)
        status = end;
    if (status == ASSAY_OK)
        *result = made;
    else if (end == ASSAY_OK)
        assay_command_result_release(&made);
    assay_buf_free(&line.out);
    assay_buf_free(&line.in);
    return status;
}
