// SPDX-License-Identifier: MIT
// What must hold: whatever bytes come to the port, as HTTP or as frames of a WebSocket, what comes
// back is HTTP, and the connection comes to an end. The first byte says what
// is sent before the others: nothing, or the handshake of OpenEnv's or of MCP's socket.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/fuzz/served.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX ((size_t)64 << 10)
#define SILENCE_MS 100 // of a stream that goes on
#define MOMENT_MS 10
#define LOOK_MS 2000
#define LOOKS 4 // without a byte or an end: it hangs
#define PATIENCE_S 8

#define HANDSHAKE(path)                                                                            \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"    \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

#define END "\r\n\r\n"

static void must(bool holds)
{
    if (!holds)
        abort();
}

static int reach(void)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons(assay_service_port(served(true)));
    must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0);
    must(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

// The first bytes of what comes back, until the end or until nothing comes. That we have no more to
// say is told after a moment: of an end that comes with the last bytes libmicrohttpd hears late.
static size_t hear(int fd, char *out, size_t max)
{
    struct pollfd events = {.fd = fd, .events = POLLIN};
    size_t len = 0;
    unsigned silent = 0;
    bool told = false;
    char piece[4096];

    // Several short looks: a process that was stopped for a while finds one of them over.
    while (silent < (len > 0 ? 1 : LOOKS)) {
        const int wait_ms = len > 0 ? SILENCE_MS : told ? LOOK_MS : MOMENT_MS;
        const bool heard = poll(&events, 1, wait_ms) > 0;
        ssize_t got;

        if (!told)
            (void)shutdown(fd, SHUT_WR);
        silent += told && !heard;
        told = true;
        if (!heard)
            continue;
        got = recv(fd, piece, sizeof(piece), 0);
        if (got <= 0)
            return len;
        for (ssize_t i = 0; i < got && len < max; i++)
            out[len++] = piece[i];
        silent = 0;
    }
    must(len > 0); // else it says nothing, and stays
    return len;
}

static void talk(const char *first, const uint8_t *data, size_t size)
{
    const int fd = reach();
    char heard[16] = "";
    size_t len;

    (void)send(fd, first, strlen(first), MSG_NOSIGNAL);
    (void)send(fd, data, size, MSG_NOSIGNAL); // cut by the service, perhaps
    if (first[0] == '\0')
        (void)send(fd, END, strlen(END), MSG_NOSIGNAL); // a head that is cut is waited for
    len = hear(fd, heard, sizeof(heard) - 1);
    must(len == 0 || strncmp(heard, "HTTP/1.", len < 7 ? len : 7) == 0);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const first[] = {"", HANDSHAKE("/ws"), HANDSHAKE("/mcp")};

    if (size == 0 || size > BYTES_MAX)
        return 0;
    talk(first[data[0] % 3], data + 1, size - 1);
    return 0;
}
