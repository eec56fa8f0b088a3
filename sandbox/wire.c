// SPDX-License-Identifier: MIT
#include "sandbox/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * ASSAY_WIRE_FDS_MAX)];
};

int assay_wire_send(int fd, const void *record, size_t size, const int *fds, size_t fd_count)
{
    struct iovec piece = {.iov_len = size};
    union fd_control control;
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t sent = 0;

    assert(fd_count <= ASSAY_WIRE_FDS_MAX);
    memcpy(&piece.iov_base, &record, sizeof(record)); // sendmsg() only reads it
    memset(&control, 0, sizeof(control));
    if (fd_count > 0) {
        struct cmsghdr *header = NULL;

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size ? 0 : -1;
}

static void take_fds(struct msghdr *message, int fds[ASSAY_WIRE_FDS_MAX], size_t *fd_count)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
            header = CMSG_NXTHDR(message, header)) {
        size_t count = 0;

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && *fd_count < ASSAY_WIRE_FDS_MAX; i++)
            memcpy(&fds[(*fd_count)++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
}

long assay_wire_receive(
        int fd, void *record, size_t size, int fds[ASSAY_WIRE_FDS_MAX], size_t *fd_count, int flags)
{
    struct iovec piece = {.iov_base = record, .iov_len = size};
    union fd_control control;
    struct msghdr message = {.msg_iov = &piece,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof(control.bytes)};
    bool was_reset = false;
    ssize_t got = 0;

    *fd_count = 0;
    for (size_t i = 0; i < ASSAY_WIRE_FDS_MAX; i++)
        fds[i] = -1;
    // A peer that closed without hearing our last word: what it had said still comes after that.
    for (;;) {
        got = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
        if (got >= 0 || (errno != EINTR && (errno != ECONNRESET || was_reset)))
            break;
        was_reset = errno == ECONNRESET;
    }
    if (got < 0)
        return -1;
    take_fds(&message, fds, fd_count);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; i < *fd_count; i++) {
            close(fds[i]);
            fds[i] = -1;
        }
        *fd_count = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return got;
}

bool assay_wire_hear_fault(int control_fd, struct assay_fault *fault)
{
    struct assay_wire_init record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    bool heard = false;

    if (control_fd < 0)
        return false;
    heard = assay_wire_receive(control_fd, &record, sizeof(record), fds, &fd_count, MSG_DONTWAIT) ==
                    (long)sizeof(record) &&
            record.kind == ASSAY_WIRE_FAILED;
    if (heard)
        *fault = record.fault;
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    return heard;
}
