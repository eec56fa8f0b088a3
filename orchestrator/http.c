// SPDX-License-Identifier: MIT
// http.c - the server's life, and the clock of its connections.
#include "orchestrator/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "orchestrator/http_inner.h"

#define HEAD_MS 20000
#define BODY_MS 120000
#define SILENCE_S 75                 // between two requests of a connection
#define AGAIN_MS 90000               // likewise, with the next one's head
#define LINK_BYTES ((size_t)8 << 10) // a head's bound, and what an open connection holds
#define BACKLOG 4096
#define LOOK_MS 250
#define GOODBYE_MS 2000

// --- connections --------------------------------------------------------------------------------

static void link_began(struct assay_http *http, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct assay_http_link *link = calloc(1, sizeof(*link));

    *context = link;
    if (link == NULL || info == NULL)
        return; // the first request of it is refused
    *link = (struct assay_http_link){.fd = info->connect_fd, .since_ms = assay_clock_ms()};
    pthread_mutex_lock(&http->lock);
    link->after = http->links;
    if (http->links != NULL)
        http->links->before = link;
    http->links = link;
    http->counts.connections++;
    pthread_mutex_unlock(&http->lock);
}

static void link_ended(struct assay_http *http, void **context)
{
    struct assay_http_link *link = *context;

    *context = NULL;
    if (link == NULL)
        return;
    pthread_mutex_lock(&http->lock);
    if (link->before != NULL)
        link->before->after = link->after;
    else if (http->links == link)
        http->links = link->after;
    if (link->after != NULL)
        link->after->before = link->before;
    http->counts.connections--;
    http->counts.cut += link->cut;
    pthread_mutex_unlock(&http->lock);
    free(link);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        link_began(user, connection, context);
    else
        link_ended(user, context);
}

// Bytes that trickle in keep a connection alive as libmicrohttpd sees it; here whole requests do.
static void cut_slow(struct assay_http *http)
{
    const struct assay_http_options *o = &http->options;
    const uint64_t now_ms = assay_clock_ms();

    for (struct assay_http_link *link = http->links; link != NULL; link = link->after) {
        const uint64_t patience_ms = link->phase == ASSAY_HTTP_BODY ? o->body_ms_max
                : link->served                                      ? AGAIN_MS
                                                                    : o->head_ms_max;

        if (link->phase == ASSAY_HTTP_BUSY || link->cut || now_ms - link->since_ms < patience_ms)
            continue;
        link->cut = shutdown(link->fd, SHUT_RDWR) == 0 || errno != EINTR;
    }
}

// For a change, or LOOK_MS. `http->lock` is held.
static void wait_a_moment(struct assay_http *http, pthread_cond_t *change)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(change, &http->lock, &until);
}

static void *reap(void *user)
{
    struct assay_http *http = user;

    pthread_mutex_lock(&http->lock);
    while (!http->stopping) {
        cut_slow(http);
        wait_a_moment(http, &http->tick);
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

// --- life ---------------------------------------------------------------------------------------

static enum assay_status open_socket(
        int *out, const struct assay_http_options *options, struct assay_error *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    const int on = 1;
    socklen_t len = sizeof(address.v4);
    int fd = -1;

    memset(&address, 0, sizeof(address));
    if (inet_pton(AF_INET, options->address, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(options->port);
    } else if (inet_pton(AF_INET6, options->address, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(options->port);
        len = sizeof(address.v6);
    } else {
        return assay_fail(err, ASSAY_EUSAGE, "'%s' is no numeric address", options->address);
    }
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return assay_fail_errno(err, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
            bind(fd, &address.any, len) != 0 || listen(fd, BACKLOG) != 0 ||
            getsockname(fd, &address.any, &len) != 0) {
        const int sys_errno = errno;

        close(fd);
        return assay_fail_errno(
                err, sys_errno, "listen at %s port %u", options->address, options->port);
    }
    *out = fd;
    return ASSAY_OK;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t len = sizeof(address);

    memset(&address, 0, sizeof(address));
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

static enum assay_status start_daemon(struct assay_http *http, int fd, struct assay_error *err)
{
    const bool tls = http->options.tls_certificate != NULL;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
            MHD_ALLOW_UPGRADE | (tls ? (unsigned)MHD_USE_TLS : 0U);
    // libmicrohttpd takes what it does not write to as void *.
    struct MHD_OptionItem tls_items[] = {
            {MHD_OPTION_HTTPS_MEM_CERT, 0, strdup(tls ? http->options.tls_certificate : "")},
            {MHD_OPTION_HTTPS_MEM_KEY, 0, strdup(tls ? http->options.tls_key : "")},
            {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};

    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, assay_http_access, http,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
            http->options.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT, LINK_BYTES,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
            assay_http_completed, http, MHD_OPTION_ARRAY, tls ? tls_items : &none, MHD_OPTION_END);
    free(tls_items[0].ptr_value);
    free(tls_items[1].ptr_value);
    if (http->daemon == NULL)
        return assay_fail(err, ASSAY_EIO, "the server does not start%s",
                tls ? ": look at the certificate and its key" : "");
    return ASSAY_OK;
}

enum assay_status assay_http_start(
        struct assay_http **out, const struct assay_http_options *options, struct assay_error *err)
{
    struct assay_http *http = calloc(1, sizeof(*http));
    int fd = -1;
    enum assay_status status = ASSAY_OK;

    if (http == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    http->options = *options;
    if (options->log != NULL)
        http->log = *options->log;
    if (http->options.head_ms_max == 0)
        http->options.head_ms_max = HEAD_MS;
    if (http->options.body_ms_max == 0)
        http->options.body_ms_max = BODY_MS;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->change, NULL);
    pthread_cond_init(&http->tick, NULL);
    status = open_socket(&fd, &http->options, err);
    if (status == ASSAY_OK && options->tls_certificate == NULL)
        status = assay_http_feeds_start(&http->feeds, err);
    if (status == ASSAY_OK) {
        http->port = port_of(fd);
        status = start_daemon(http, fd, err);
    }
    if (status == ASSAY_OK && pthread_create(&http->reaper, NULL, reap, http) != 0)
        status = assay_fail(err, ASSAY_EIO, "no thread");
    else
        http->reaping = status == ASSAY_OK;
    if (status == ASSAY_OK) {
        *out = http;
        return ASSAY_OK;
    }
    if (http->daemon == NULL && fd >= 0)
        close(fd); // else the daemon's
    assay_http_stop(http);
    return status;
}

uint16_t assay_http_port(const struct assay_http *http)
{
    return http->port;
}

void assay_http_quiesce(struct assay_http *http)
{
    const int fd = MHD_quiesce_daemon(http->daemon);

    if (fd >= 0)
        close(fd);
}

void assay_http_stop(struct assay_http *http)
{
    uint64_t until_ms;

    if (http == NULL)
        return;
    if (http->daemon != NULL)
        assay_http_streams_end(http);
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_cond_broadcast(&http->tick);
    while (http->counts.pending > 0)
        pthread_cond_wait(&http->change, &http->lock);
    // What was answered is to arrive; who does not take it is not waited for.
    until_ms = assay_clock_ms() + GOODBYE_MS;
    while (http->open > 0 && assay_clock_left_ms(until_ms) > 0)
        wait_a_moment(http, &http->change);
    pthread_mutex_unlock(&http->lock);
    if (http->reaping)
        pthread_join(http->reaper, NULL);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    // No stream comes any more; the last that came is hung up, too.
    assay_http_streams_end(http);
    assay_http_feeds_stop(http->feeds);
    pthread_cond_destroy(&http->tick);
    pthread_cond_destroy(&http->change);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

struct assay_http_counts assay_http_count(struct assay_http *http)
{
    struct assay_http_counts counts;

    pthread_mutex_lock(&http->lock);
    counts = http->counts;
    pthread_mutex_unlock(&http->lock);
    return counts;
}
