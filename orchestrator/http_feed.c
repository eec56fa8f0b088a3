// SPDX-License-Identifier: MIT
// http_feed.c - streams that have no end and are mostly silent, to thousands of clients at once.
//
// An open connection costs libmicrohttpd its pool of memory, which is as large as the largest head
// that is read (8 KiB), for as long as it is open; a client that only listens has sent its head,
// and needs a descriptor and what was not sent yet. So its socket changes hands: while the
// connection is suspended, and thus in no epoll set, its descriptor is put in place of another, and
// libmicrohttpd closes a socket that leads nowhere. TLS cannot change hands: there a feed is a
// stream as any.
//
//     answered [assay_http_feed()] -> taken [network's thread] -> gone [client, end()] -> closed
//
// Writers send at once, without waiting; this thread sends what did not fit, hears who is gone, and
// is the only one that closes.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "orchestrator/http_inner.h"

#define EVENTS 256
#define PIECES_MAX 16

struct assay_http_feeds {
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    atomic_bool ending;
    atomic_size_t open; // taken and not closed
};

// --- what is sent -------------------------------------------------------------------------------

void assay_http_feed_flush(struct assay_http_stream *stream)
{
    while (stream->fd >= 0 && !stream->gone && stream->sent < stream->waiting.len) {
        const ssize_t sent = send(stream->fd, stream->waiting.data + stream->sent,
                stream->waiting.len - stream->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0)
            stream->sent += (size_t)sent;
        else if (sent < 0 && errno == EAGAIN)
            return; // the thread hears when there is room
        else if (sent < 0 && errno != EINTR)
            stream->gone = true;
    }
    if (stream->sent == stream->waiting.len || stream->gone) {
        assay_buf_free(&stream->waiting);
        stream->sent = 0;
    }
}

void assay_http_feed_hang_up(struct assay_http_stream *stream)
{
    if (stream->fd >= 0)
        stream->gone |= shutdown(stream->fd, SHUT_RDWR) != 0; // the thread hears of it
}

// --- the thread ---------------------------------------------------------------------------------

// Has the client gone? One that only listens has nothing more to say: some is passed over, much
// ends it.
static bool is_over(int fd)
{
    char piece[1024];

    for (size_t i = 0; i < PIECES_MAX; i++) {
        const ssize_t got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (got < 0 && errno == EAGAIN)
            return false;
    }
    return true;
}

static void close_feed(struct assay_http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    close(stream->fd); // and out of the epoll set
    stream->fd = -1;
    assay_buf_free(&stream->waiting);
    stream->sent = 0;
    pthread_mutex_unlock(&stream->lock);
    assay_http_stream_gone(stream);
    atomic_fetch_sub(&stream->http->feeds->open, 1);
    assay_http_stream_drop(stream);
}

static void serve(struct assay_http_stream *stream, uint32_t events)
{
    bool over = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    pthread_mutex_lock(&stream->lock);
    over = over || is_over(stream->fd);
    if (!over)
        assay_http_feed_flush(stream);
    over |= stream->gone;
    pthread_mutex_unlock(&stream->lock);
    if (over)
        close_feed(stream);
}

static void *run(void *user)
{
    struct assay_http_feeds *feeds = user;
    struct epoll_event events[EVENTS];

    while (!atomic_load(&feeds->ending) || atomic_load(&feeds->open) > 0) {
        const int count = epoll_wait(feeds->epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL)
                serve(events[i].data.ptr, events[i].events);
        }
    }
    return NULL;
}

enum assay_status assay_http_feeds_start(struct assay_http_feeds **out, struct assay_error *err)
{
    struct assay_http_feeds *feeds = calloc(1, sizeof(*feeds));
    struct epoll_event event = {.events = EPOLLIN};

    if (feeds == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    feeds->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    feeds->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (feeds->epoll_fd >= 0 && feeds->wake_fd >= 0 &&
            epoll_ctl(feeds->epoll_fd, EPOLL_CTL_ADD, feeds->wake_fd, &event) == 0)
        feeds->has_thread = pthread_create(&feeds->thread, NULL, run, feeds) == 0;
    if (!feeds->has_thread) {
        assay_http_feeds_stop(feeds);
        return assay_fail(err, ASSAY_EIO, "no descriptors or threads for streams");
    }
    *out = feeds;
    return ASSAY_OK;
}

void assay_http_feeds_stop(struct assay_http_feeds *feeds)
{
    const uint64_t one = 1;

    if (feeds == NULL)
        return;
    atomic_store(&feeds->ending, true);
    if (feeds->has_thread && write(feeds->wake_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(feeds->thread, NULL);
    if (feeds->epoll_fd >= 0)
        close(feeds->epoll_fd);
    if (feeds->wake_fd >= 0)
        close(feeds->wake_fd);
    free(feeds);
}

// --- the change of hands ------------------------------------------------------------------------

// The socket behind `fd`, which leads nowhere after it; -1: it could not be taken.
static int take_socket(int fd)
{
    const int nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int taken = nowhere >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (taken >= 0 && dup3(nowhere, fd, O_CLOEXEC) < 0) {
        close(taken);
        taken = -1;
    }
    if (nowhere >= 0)
        close(nowhere);
    return taken;
}

void assay_http_feed_take(struct assay_http_request *request)
{
    struct assay_http_stream *stream = request->feed;
    struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = stream};
    const int fd = take_socket(request->link->fd);
    const int on = 1;
    bool taken;

    request->feed = NULL;
    if (fd < 0) { // no more descriptors: the client is cut
        assay_http_stream_gone(stream);
        assay_http_stream_drop(stream);
        return;
    }
    atomic_fetch_add(&request->http->feeds->open, 1);
    pthread_mutex_lock(&stream->lock);
    stream->fd = fd;
    stream->gone |= setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0;
    assay_http_feed_flush(stream);
    if (stream->ended)
        assay_http_feed_hang_up(stream);
    taken = !stream->gone &&
            epoll_ctl(request->http->feeds->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
    pthread_mutex_unlock(&stream->lock);
    if (!taken) // else it is the thread's by now, and perhaps no more
        close_feed(stream);
}

static void add_head(
        const struct assay_http_request *request, struct assay_buf *out, const char *type)
{
    const time_t now = time(NULL);
    struct tm utc;
    char date[40] = "";

    if (gmtime_r(&now, &utc) != NULL)
        (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    assay_buf_addf(out,
            "HTTP/1.1 200 OK\r\nDate: %s\r\nConnection: close\r\nContent-Type: %s\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-ID: %s\r\n\r\n",
            date, type, request->id);
}

struct assay_http_stream *assay_http_feed(struct assay_http_request *request, const char *type)
{
    struct assay_http *http = request->http;
    struct assay_http_stream *stream;

    // What answers a HEAD ends at once.
    if (http->feeds == NULL || strcmp(request->method, "GET") != 0)
        return assay_http_stream(request, type);
    if (assay_http_count(http).streams >= http->options.connections_max) {
        struct assay_buf none;

        assay_buf_init(&none, 1);
        assay_http_add_header(request, "Retry-After", "10");
        assay_http_reply(request, 503, NULL, &none);
        return NULL;
    }
    stream = assay_http_stream_make(http, NULL);
    if (stream == NULL) {
        assay_http_answer(request, 500, NULL);
        return NULL;
    }
    pthread_mutex_lock(&stream->lock); // a server that stops may look at it already
    add_head(request, &stream->waiting, type);
    pthread_mutex_unlock(&stream->lock);
    request->feed = stream;
    assay_http_answer_fed(request);
    return stream;
}
