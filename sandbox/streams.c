// SPDX-License-Identifier: MIT
#include "sandbox/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox/wire.h"

#define FINISH_POLL_MS 20

// Places in what is watched.
enum { WATCH_OUT, WATCH_SINK = 2, WATCH_SOURCE = 4, WATCH_IN, WATCH_TERMINAL };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void assay_streams_init(struct assay_streams *streams)
{
    memset(streams, 0, sizeof(*streams));
    streams->out[0].fd = streams->out[1].fd = streams->in_fd = streams->terminal_fd = -1;
}

enum assay_status assay_streams_open(
        struct assay_streams *streams, const struct assay_box_plan *plan, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (plan->stdin_fd < 0 && plan->stdout_fd < 0)
        return ASSAY_OK;
    streams->plan = plan;
    if (plan->stdin_fd >= 0)
        status = assay_relay_open(&streams->in, -1, err);
    if (status == ASSAY_OK && plan->stdout_fd >= 0)
        status = assay_relay_open(&streams->out[0].relay, plan->stdout_fd, err);
    if (status == ASSAY_OK && plan->stdout_fd >= 0)
        status = assay_relay_open(&streams->out[1].relay, plan->stderr_fd, err);
    return status;
}

int assay_streams_give_stdin(struct assay_streams *streams)
{
    int ends[2];

    if (streams->plan->terminal) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
            return -1;
        streams->terminal_fd = ends[0];
        return ends[1];
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK); // our end alone
    streams->in_fd = streams->in.sink_fd = ends[1];
    streams->in_open = true;
    return ends[0];
}

// --- the terminal --------------------------------------------------------------------------------

// The box's terminal has the size of the user's, when that is one.
static void follow_size(struct assay_streams *streams)
{
    struct winsize size;

    if (streams->in_fd < 0 || ioctl(streams->plan->stdin_fd, TIOCGWINSZ, &size) < 0 ||
            (size.ws_row == streams->rows && size.ws_col == streams->columns))
        return;
    streams->rows = size.ws_row;
    streams->columns = size.ws_col;
    (void)ioctl(streams->in_fd, TIOCSWINSZ, &size);
}

static void take_terminal(struct assay_streams *streams)
{
    uint32_t kind = 0;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got = assay_wire_receive(
            streams->terminal_fd, &kind, sizeof(kind), fds, &fd_count, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    close_fd(&streams->terminal_fd);
    if (got != (long)sizeof(kind) || kind != ASSAY_WIRE_TERMINAL || fd_count != 1)
        return; // the set-up failed, and the spawner says so
    (void)fcntl(fds[0], F_SETFL, O_RDWR | O_NONBLOCK);
    close_fd(&streams->out[0].fd); // the pipe, which the box does not use
    streams->out[0].fd = fds[0];
    streams->in_fd = streams->in.sink_fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    streams->in_open = streams->in_fd >= 0;
    follow_size(streams);
}

// --- carrying ------------------------------------------------------------------------------------

// The source has ended: so does the box's stdin. A terminal is told, and stays open.
static void end_stdin(struct assay_streams *streams)
{
    struct termios settings;

    streams->in_open = false;
    if (!streams->plan->terminal)
        close_fd(&streams->in_fd);
    else if (tcgetattr(streams->in_fd, &settings) == 0)
        (void)!write(streams->in_fd, &settings.c_cc[VEOF], 1);
}

static void carry_in(struct assay_streams *streams, bool readable)
{
    if (streams->in_fd < 0)
        return;
    if (readable && streams->in_open && !assay_relay_waits(&streams->in)) {
        const long got = assay_relay_read(&streams->in, streams->plan->stdin_fd);

        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            end_stdin(streams);
            return;
        }
    }
    assay_relay_flush(&streams->in);
    if (streams->in.sys_errno != 0) { // nobody reads it any more
        streams->in_open = false;
        if (!streams->plan->terminal)
            close_fd(&streams->in_fd);
    }
}

// The writer learns it as from a pipe, by EPIPE; or its terminal is gone.
static void hang_up(struct assay_streams *streams, size_t which)
{
    close_fd(&streams->out[which].fd);
    if (!streams->plan->terminal)
        return;
    close_fd(&streams->in_fd);
    streams->in_open = false;
}

// One piece of output; false when there is nothing to be had now.
static bool carry_out(struct assay_streams *streams, size_t which, uint64_t *bytes)
{
    struct assay_relay *relay = &streams->out[which].relay;
    long got = 0;

    assay_relay_flush(relay);
    if (relay->sys_errno != 0)
        hang_up(streams, which);
    if (streams->out[which].fd < 0 || assay_relay_waits(relay))
        return false;
    got = assay_relay_read(relay, streams->out[which].fd);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0) { // a terminal that nobody holds says EIO
        close_fd(&streams->out[which].fd);
        return false;
    }
    *bytes += (uint64_t)got;
    assay_relay_flush(relay);
    return true;
}

size_t assay_streams_watch(struct assay_streams *streams, struct pollfd *watched)
{
    const bool in_waits = assay_relay_waits(&streams->in);

    if (streams->plan == NULL)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        const bool waits = assay_relay_waits(&streams->out[i].relay);

        watched[WATCH_OUT + i] =
                (struct pollfd){.fd = waits ? -1 : streams->out[i].fd, .events = POLLIN};
        watched[WATCH_SINK + i] = (struct pollfd){
                .fd = waits ? streams->out[i].relay.sink_fd : -1, .events = POLLOUT};
    }
    watched[WATCH_SOURCE] = (struct pollfd){
            .fd = streams->in_open && !in_waits ? streams->plan->stdin_fd : -1, .events = POLLIN};
    watched[WATCH_IN] = (struct pollfd){.fd = in_waits ? streams->in_fd : -1, .events = POLLOUT};
    watched[WATCH_TERMINAL] = (struct pollfd){.fd = streams->terminal_fd, .events = POLLIN};
    return ASSAY_STREAMS_POLL_MAX;
}

uint64_t assay_streams_carry(struct assay_streams *streams, const struct pollfd *watched)
{
    uint64_t bytes = 0;

    if (streams->plan == NULL)
        return 0;
    if (watched[WATCH_TERMINAL].revents != 0)
        take_terminal(streams);
    if (streams->plan->terminal)
        follow_size(streams);
    for (size_t i = 0; i < 2; i++)
        for (unsigned rounds = 0; rounds < 16 && carry_out(streams, i, &bytes); rounds++) {
            // Not for ever: other descriptors and clocks want to be looked at.
        }
    carry_in(streams, watched[WATCH_SOURCE].revents != 0);
    return bytes;
}

uint64_t assay_streams_finish(struct assay_streams *streams, const volatile bool *cancel)
{
    uint64_t bytes = 0;

    if (streams->plan == NULL)
        return 0;
    if (streams->terminal_fd >= 0)
        take_terminal(streams); // a box that was quick
    while (cancel == NULL || !*cancel) {
        struct pollfd watched[ASSAY_STREAMS_POLL_MAX];

        for (size_t i = 0; i < 2; i++)
            while (carry_out(streams, i, &bytes)) {
                // What a pipe of the dead holds is finite.
            }
        if (!assay_relay_waits(&streams->out[0].relay) &&
                !assay_relay_waits(&streams->out[1].relay))
            break;
        (void)assay_streams_watch(streams, watched);
        (void)poll(watched + WATCH_SINK, 2, FINISH_POLL_MS);
    }
    return bytes;
}

int assay_streams_errno(const struct assay_streams *streams)
{
    const int first = streams->out[0].relay.sys_errno;

    return first != 0 ? first : streams->out[1].relay.sys_errno;
}

void assay_streams_close(struct assay_streams *streams)
{
    for (size_t i = 0; i < 2; i++) {
        close_fd(&streams->out[i].fd);
        assay_relay_free(&streams->out[i].relay);
    }
    close_fd(&streams->in_fd);
    close_fd(&streams->terminal_fd);
    assay_relay_free(&streams->in);
}
