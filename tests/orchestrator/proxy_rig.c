// SPDX-License-Identifier: MIT
// proxy_rig.c - threads of hosts, and sockets of their clients.
#include "orchestrator/proxy_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/harness.h"

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

// --- a host that the proxy may reach -------------------------------------------------------------

static bool hear(struct host *host, int fd, bool echo)
{
    char bytes[4096];
    const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

    if (got <= 0)
        return false;
    assay_buf_add(&host->heard, bytes, (size_t)got);
    return !echo || send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got;
}

static void *serve_host(void *argument)
{
    struct host *host = argument;

    for (;;) {
        const size_t before = host->heard.len;
        const int fd = accept4(host->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return NULL;
        atomic_fetch_add(&host->accepted, 1);
        while (strstr(host->heard.data + before, "\r\n\r\n") == NULL && hear(host, fd, false)) {
            // its head
        }
        if (host->reply != NULL)
            (void)send(fd, host->reply, strlen(host->reply), MSG_NOSIGNAL);
        while (hear(host, fd, host->reply != NULL)) {
            // whatever else
        }
        close(fd);
    }
}

void start_host(struct host *host, const char *reply)
{
    memset(host, 0, sizeof(*host));
    host->listen_fd = listen_somewhere(&host->port);
    host->reply = reply;
    assay_buf_init(&host->heard, BYTES_MAX);
    assert_int_equal(pthread_create(&host->thread, NULL, serve_host, host), 0);
}

void stop_host(struct host *host)
{
    shutdown(host->listen_fd, SHUT_RDWR);
    pthread_join(host->thread, NULL);
    close(host->listen_fd);
}

// --- a proxy, and what stands for a box ----------------------------------------------------------

void start_proxy(struct setting *setting, struct assay_proxy_options options,
        const char *const *entries, size_t count)
{
    struct assay_host_rule rules[8];
    const int listen_fd = listen_somewhere(&setting->port);

    for (size_t i = 0; i < count; i++)
        assert_int_equal(assay_host_rule_read(&rules[i], entries[i], NULL), ASSAY_OK);
    options.rules = rules;
    options.rule_count = count;
    assert_int_equal(assay_proxy_create(&setting->proxy, &options, NULL), ASSAY_OK);
    assert_int_equal(fcntl(listen_fd, F_SETFL, O_NONBLOCK), 0);
    assay_proxy_serve(setting->proxy, listen_fd);
}

void start_simple(struct setting *setting, const struct host *host)
{
    const struct assay_proxy_options options = {.head_ms_max = 0};
    char entry[32];
    const char *const entries[] = {entry};

    (void)snprintf(entry, sizeof(entry), "127.0.0.1:%u", host->port);
    start_proxy(setting, options, entries, 1);
}

int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons(port),
            .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(
            connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    return fd;
}

void say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return; // the proxy has hung up: what it said before that is looked at
        bytes += sent;
        len -= (size_t)sent;
    }
}

void read_all(int fd, struct assay_buf *out)
{
    char bytes[4096];
    ssize_t got = 0;

    assay_buf_init(out, BYTES_MAX);
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        assay_buf_add(out, bytes, (size_t)got);
}

void exchange(
        const struct setting *setting, const char *bytes, bool half_close, struct assay_buf *out)
{
    const int fd = connect_to(setting->port);

    say(fd, bytes, strlen(bytes));
    if (half_close)
        shutdown(fd, SHUT_WR);
    read_all(fd, out);
    close(fd);
}

void assert_status(const struct assay_buf *answer, int status)
{
    char line[32];

    (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(answer->data, line, strlen(line)) != 0)
        fail_msg("wanted %d, got: %.200s", status, answer->data);
}
