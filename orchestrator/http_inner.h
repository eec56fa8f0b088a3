// SPDX-License-Identifier: MIT
// http_inner.h - the server in its parts: connections and life (http.c), requests (http_request.c),
// answers (http_answer.c). Internal to http*.c.
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

#endif
