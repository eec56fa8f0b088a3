// SPDX-License-Identifier: MIT
#include "sandbox/relay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum assay_status assay_relay_open(struct assay_relay *relay, int sink_fd, struct assay_error *err)
{
    relay->bytes = malloc(ASSAY_RELAY_BYTES);
    relay->at = relay->len = 0;
    relay->sink_fd = sink_fd;
    relay->sys_errno = 0;
    return relay->bytes != NULL ? ASSAY_OK
                                : assay_fail(err, ASSAY_ENOMEM, "no memory to pass a stream on");
}

bool assay_relay_waits(const struct assay_relay *relay)
{
    return relay->at < relay->len;
}

long assay_relay_read(struct assay_relay *relay, int source_fd)
{
    ssize_t got = 0;

    assert(!assay_relay_waits(relay));
    do
        got = read(source_fd, relay->bytes, ASSAY_RELAY_BYTES);
    while (got < 0 && errno == EINTR);
    relay->at = 0;
    relay->len = got > 0 ? (size_t)got : 0;
    return got;
}

// A pipe that is ready takes PIPE_BUF bytes without blocking, and promises no more.
static size_t largest_write(int fd)
{
    struct stat stat;
    const int flags = fcntl(fd, F_GETFL);

    if ((flags >= 0 && (flags & O_NONBLOCK)) || (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)))
        return ASSAY_RELAY_BYTES;
    return PIPE_BUF;
}

void assay_relay_flush(struct assay_relay *relay)
{
    const size_t most = assay_relay_waits(relay) ? largest_write(relay->sink_fd) : 0;

    while (assay_relay_waits(relay)) {
        struct pollfd sink = {.fd = relay->sink_fd, .events = POLLOUT};
        const size_t left = relay->len - relay->at;

        if (poll(&sink, 1, 0) <= 0)
            return;
        const ssize_t put =
                write(relay->sink_fd, relay->bytes + relay->at, left < most ? left : most);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) {
            relay->sys_errno = errno;
            relay->at = relay->len = 0;
            return;
        }
        relay->at += (size_t)put;
    }
}

void assay_relay_free(struct assay_relay *relay)
{
    free(relay->bytes);
    relay->bytes = NULL;
    relay->at = relay->len = 0;
}
