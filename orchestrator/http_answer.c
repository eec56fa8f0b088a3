// SPDX-License-Identifier: MIT
// http_answer.c - the three kinds of answer: a body, a stream, another protocol.
//
// A request is not touched once its answer was handed in: the network's thread may be done with it
// by then.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/http_inner.h"

#define STREAM_BYTES_MAX ((size_t)1 << 20) // that wait for a slow client
#define STREAM_PIECE 1024

void assay_http_add_header(struct assay_http_request *request, const char *name, const char *value)
{
    const size_t i = request->header_count;

    if (request->headers == NULL)
        request->headers = calloc(ASSAY_HTTP_HEADERS_MAX, sizeof(*request->headers));
    if (i == ASSAY_HTTP_HEADERS_MAX || request->headers == NULL)
        return;
    snprintf(request->headers[i].name, sizeof(request->headers[i].name), "%s", name);
    snprintf(request->headers[i].value, sizeof(request->headers[i].value), "%s", value);
    request->header_count++;
}

static void add_headers(const struct assay_http_request *r, struct MHD_Response *response)
{
    (void)MHD_add_response_header(response, "X-Request-ID", r->id);
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < r->header_count; i++)
        (void)MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
}

// `response` NULL: it is a feed's. The last touch of the request.
static void hand_in(
        struct assay_http_request *request, unsigned status, struct MHD_Response *response)
{
    struct assay_http *http = request->http;
    bool handed;

    pthread_mutex_lock(&request->lock);
    handed = request->handed;
    request->status = status;
    request->response = response;
    request->fed = response == NULL;
    if (request->suspended)
        MHD_resume_connection(request->connection);
    pthread_mutex_unlock(&request->lock);
    if (!handed)
        return;
    pthread_mutex_lock(&http->lock);
    http->counts.pending--;
    pthread_cond_broadcast(&http->change);
    pthread_mutex_unlock(&http->lock);
}

void assay_http_answer_fed(struct assay_http_request *request)
{
    hand_in(request, 200, NULL);
}

void assay_http_answer(
        struct assay_http_request *request, unsigned status, struct MHD_Response *response)
{
    if (response != NULL) {
        add_headers(request, response);
    } else {
        static char none[1];

        response = MHD_create_response_from_buffer(0, none, MHD_RESPMEM_PERSISTENT);
        status = 500;
    }
    hand_in(request, status, response);
}

void assay_http_reply(struct assay_http_request *request, unsigned status, const char *type,
        struct assay_buf *body)
{
    struct MHD_Response *response = NULL;

    if (!body->failed && body->cap > 0) {
        response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            assay_buf_init(body, body->max); // the response's by now
    } else if (!body->failed) {
        response = MHD_create_response_from_buffer(0, body->data, MHD_RESPMEM_PERSISTENT);
    }
    assay_buf_free(body);
    if (response != NULL && type != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    assay_http_answer(request, status, response);
}

// --- streams ------------------------------------------------------------------------------------

void assay_http_stream_drop(struct assay_http_stream *stream)
{
    struct assay_http *http = stream->http;
    bool last;

    pthread_mutex_lock(&stream->lock);
    last = --stream->holders == 0;
    pthread_mutex_unlock(&stream->lock);
    if (!last)
        return;
    pthread_mutex_lock(&http->lock);
    if (stream->before != NULL)
        stream->before->after = stream->after;
    else
        http->streams = stream->after;
    if (stream->after != NULL)
        stream->after->before = stream->before;
    pthread_mutex_unlock(&http->lock);
    pthread_mutex_destroy(&stream->lock);
    assay_buf_free(&stream->waiting);
    free(stream);
}

static void response_freed(void *user)
{
    struct assay_http_stream *stream = user;

    assay_http_stream_gone(stream);
    assay_http_stream_drop(stream);
}

static ssize_t give(void *user, uint64_t position, char *out, size_t max)
{
    struct assay_http_stream *stream = user;
    size_t len;

    (void)position;
    pthread_mutex_lock(&stream->lock);
    len = stream->waiting.len - stream->sent;
    if (len > max)
        len = max;
    memcpy(out, stream->waiting.data + stream->sent, len);
    stream->sent += len;
    if (stream->sent == stream->waiting.len) {
        assay_buf_free(&stream->waiting); // thousands of watchers that wait hold no memory
        stream->sent = 0;
    }
    if (len == 0 && !stream->ended) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    const bool over = len == 0 && stream->ended;

    pthread_mutex_unlock(&stream->lock);
    return over ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)len;
}

// `stream->lock` is held.
static void wake(struct assay_http_stream *stream)
{
    if (stream->connection == NULL)
        assay_http_feed_flush(stream);
    else if (stream->suspended && !stream->gone)
        MHD_resume_connection(stream->connection);
    stream->suspended = false;
}

struct assay_http_stream *assay_http_stream_make(
        struct assay_http *http, struct MHD_Connection *connection)
{
    struct assay_http_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL)
        return NULL;
    *stream = (struct assay_http_stream){
            .http = http, .connection = connection, .counted = true, .holders = 2, .fd = -1};
    pthread_mutex_init(&stream->lock, NULL);
    assay_buf_init(&stream->waiting, STREAM_BYTES_MAX);
    pthread_mutex_lock(&http->lock);
    stream->after = http->streams;
    if (http->streams != NULL)
        http->streams->before = stream;
    http->streams = stream;
    http->counts.streams++;
    pthread_mutex_unlock(&http->lock);
    return stream;
}

struct assay_http_stream *assay_http_stream(struct assay_http_request *request, const char *type)
{
    struct assay_http_stream *stream = assay_http_stream_make(request->http, request->connection);
    struct MHD_Response *response = NULL;

    if (stream != NULL)
        response = MHD_create_response_from_callback(
                MHD_SIZE_UNKNOWN, STREAM_PIECE, give, stream, response_freed);
    if (response == NULL) {
        if (stream != NULL) {
            stream->holders = 1; // nobody sends
            assay_http_stream_gone(stream);
            assay_http_stream_drop(stream);
        }
        assay_http_answer(request, 500, NULL);
        return NULL;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    request->stream = stream;
    assay_http_answer(request, 200, response);
    return stream;
}

bool assay_http_stream_write(struct assay_http_stream *stream, const char *bytes, size_t len)
{
    bool good;

    pthread_mutex_lock(&stream->lock);
    good = !stream->gone && !stream->ended && assay_buf_add(&stream->waiting, bytes, len);
    if (good)
        wake(stream);
    pthread_mutex_unlock(&stream->lock);
    return good;
}

static void end(struct assay_http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    wake(stream);
    if (stream->connection == NULL)
        assay_http_feed_hang_up(stream);
    pthread_mutex_unlock(&stream->lock);
}

void assay_http_stream_end(struct assay_http_stream *stream)
{
    if (stream == NULL)
        return;
    end(stream);
    assay_http_stream_drop(stream);
}

void assay_http_stream_gone(struct assay_http_stream *stream)
{
    struct assay_http *http = stream->http;
    bool counted;

    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    counted = stream->counted;
    stream->counted = false;
    pthread_mutex_unlock(&stream->lock);
    pthread_mutex_lock(&http->lock);
    http->counts.streams -= counted;
    pthread_mutex_unlock(&http->lock);
}

void assay_http_streams_end(struct assay_http *http)
{
    pthread_mutex_lock(&http->lock);
    for (struct assay_http_stream *stream = http->streams; stream != NULL; stream = stream->after)
        end(stream);
    pthread_mutex_unlock(&http->lock);
}

// --- another protocol ---------------------------------------------------------------------------

struct assay_http_upgrade {
    assay_http_upgraded upgraded;
    void *user;
    bool done;
};

static void on_upgrade(void *user, struct MHD_Connection *connection, void *state,
        const char *early, size_t early_len, MHD_socket fd,
        struct MHD_UpgradeResponseHandle *handle)
{
    struct assay_http_upgrade *u = user;
    union {
        // cppcheck-suppress unusedStructMember
        struct MHD_UpgradeResponseHandle *handle;
        struct assay_http_socket *socket;
    } both = {.handle = handle}; // one thing; who has it need not know whose it is

    (void)connection;
    (void)state;
    u->done = true;
    u->upgraded(u->user, both.socket, fd, early, early_len);
}

void assay_http_upgrade(struct assay_http_request *request, const char *protocol,
        assay_http_upgraded upgraded, void *user)
{
    struct assay_http_upgrade *u = malloc(sizeof(*u));
    struct MHD_Response *response = NULL;

    if (u != NULL) {
        *u = (struct assay_http_upgrade){upgraded, user, false};
        response = MHD_create_response_for_upgrade(on_upgrade, u);
    }
    if (response != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, protocol);
    request->upgrade = u;
    assay_http_answer(request, 101, response);
}

void assay_http_upgrade_over(struct assay_http_upgrade *upgrade)
{
    if (!upgrade->done)
        upgrade->upgraded(upgrade->user, NULL, -1, NULL, 0);
    free(upgrade);
}

void assay_http_socket_close(struct assay_http_socket *socket)
{
    union {
        struct MHD_UpgradeResponseHandle *handle;
        // cppcheck-suppress unusedStructMember
        struct assay_http_socket *socket;
    } both = {.socket = socket};

    (void)MHD_upgrade_action(both.handle, MHD_UPGRADE_ACTION_CLOSE);
}
