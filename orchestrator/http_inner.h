// SPDX-License-Identifier: MIT
// http_inner.h - the server in its parts: connections and life (http.c), requests (http_request.c),
// answers (http_answer.c), feeds (http_feed.c). Internal to http*.c.
#ifndef ASSAY_ORCHESTRATOR_HTTP_INNER_H
#define ASSAY_ORCHESTRATOR_HTTP_INNER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "orchestrator/http.h"

#define ASSAY_HTTP_HEADER_BYTES_MAX 256 // of one that is sent, and of a "who"

// One connection, known from its beginning to its end: how long it has been at what it does.
struct assay_http_link {
    struct assay_http_link *before, *after;
    int fd; // borrowed; open for as long as this is in the list
    enum assay_http_phase {
        ASSAY_HTTP_HEAD, // nothing, or a part of a head, has come
        ASSAY_HTTP_BODY, // a head has come
        ASSAY_HTTP_BUSY, // ours to act
    } phase;
    uint64_t since_ms; // of the phase
    bool served;       // has been answered before: it may be silent for longer
    bool cut;
};

struct assay_http_feeds; // the thread of what was taken off libmicrohttpd (http_feed.c)

struct assay_http_stream {
    struct assay_http *http;
    struct assay_http_stream *before, *after; // in http->streams, under its lock
    struct MHD_Connection *connection;        // NULL: a feed
    pthread_mutex_t lock;                     // around what follows
    struct assay_buf waiting;
    size_t sent; // of `waiting`
    bool ended, gone, suspended;
    bool counted;     // among those that are open
    unsigned holders; // whoever writes, and whoever sends
    int fd;           // owned, of a feed; -1: not its own yet, or no more
};

struct assay_http {
    struct assay_http_options options;
    struct assay_log log;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_t reaper;
    bool reaping;          // the thread was made
    pthread_mutex_t lock;  // around what follows
    pthread_cond_t change; // fewer requests are open, or pending
    pthread_cond_t tick;   // of the reaper, for its end
    bool stopping;
    struct assay_http_link *links;
    struct assay_http_stream *streams;
    struct assay_http_feeds *feeds; // NULL over TLS
    struct assay_http_counts counts;
    uint64_t open; // requests that are not over
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of a request's life
struct assay_http_request {
    struct assay_http *http;
    struct MHD_Connection *connection;
    struct assay_http_link *link;
    char method[16];
    char *path; // owned
    char id[ASSAY_HTTP_ID_BYTES];
    unsigned role, tag;
    char who[64];
    uint64_t start_us;
    struct assay_buf body;
    bool over_limit;  // more came than may
    size_t forgotten; // of it
    struct assay_http_pair {
        char name[32], value[ASSAY_HTTP_HEADER_BYTES_MAX];
    } * headers; // [ASSAY_HTTP_HEADERS_MAX], owned; NULL: none yet, as thousands of watchers have
    size_t header_count;
    pthread_mutex_t lock; // around what follows
    bool handed, suspended;
    struct MHD_Response *response; // owned; NULL: not answered yet
    unsigned status;
    struct assay_http_stream *stream;   // it is answered by; borrowed
    struct assay_http_stream *feed;     // likewise, until the connection is taken: then NULL
    bool fed;                           // it is answered by a feed
    struct assay_http_upgrade *upgrade; // likewise; owned
};

// The callback of libmicrohttpd for all that a client sends.
enum MHD_Result assay_http_access(void *user, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **state);
// Of a request that is over, however it ended.
void assay_http_completed(void *user, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code);

// Hand a response in; the request's answer from then on. Adds what every answer has.
void assay_http_answer(
        struct assay_http_request *request, unsigned status, struct MHD_Response *response);
// Its request is over: who was to have the connection and never got it hears so. Frees it.
void assay_http_upgrade_over(struct assay_http_upgrade *upgrade);
void assay_http_stream_gone(struct assay_http_stream *stream); // its request is over
void assay_http_streams_end(struct assay_http *http);
// A stream of both kinds. *out has two holders and is listed; NULL: no memory.
struct assay_http_stream *assay_http_stream_make(
        struct assay_http *http, struct MHD_Connection *connection);
void assay_http_stream_drop(struct assay_http_stream *stream); // by one holder
// The request is answered without a response of libmicrohttpd's.
void assay_http_answer_fed(struct assay_http_request *request);

// --- feeds (http_feed.c) ------------------------------------------------------------------------

ASSAY_MUST_USE enum assay_status assay_http_feeds_start(
        struct assay_http_feeds **out, struct assay_error *err);
void assay_http_feeds_stop(struct assay_http_feeds *feeds); // closes all; NULL is allowed
// On the network's thread: the connection's socket is the feed's from here on, and libmicrohttpd is
// left with one that leads nowhere, which it is to close.
void assay_http_feed_take(struct assay_http_request *request);
// What waits is sent, as far as the client takes it. The stream's lock is held.
void assay_http_feed_flush(struct assay_http_stream *stream);
void assay_http_feed_hang_up(struct assay_http_stream *stream); // likewise

#endif
