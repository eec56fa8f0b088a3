// SPDX-License-Identifier: MIT
#include "sandbox/loopback.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/box.h"

#define BACKLOG 64

bool assay_loopback_raise(struct assay_fault *fault)
{
    struct ifreq request;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool raised = false;

    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, "lo", sizeof("lo"));
    request.ifr_flags = IFF_UP;
    raised = (fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0) ||
            assay_fault_set(fault, "loopback");
    if (fd >= 0)
        close(fd);
    return raised;
}

bool assay_loopback_listen(int *fd, struct assay_fault *fault)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons(ASSAY_PROXY_PORT),
            .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int on = 1;

    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // A namespace that is used again may remember the last box's connections.
    if (*fd >= 0 && setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            bind(*fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0 &&
            listen(*fd, BACKLOG) == 0)
        return true;
    (void)assay_fault_set(fault, "listen for the proxy");
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}
