// SPDX-License-Identifier: MIT
// http.h - an HTTP server: whole requests in, each answered once, now or later. The only door to
// libmicrohttpd.
//
// One thread does the network. It calls admit() when a request's head is there and handle() when
// the request is whole; neither may block. Every request that was handed to handle() is answered
// exactly once, by assay_http_reply(), assay_http_stream() or assay_http_upgrade(), from any
// thread, and may not be touched after that. A client that goes away is not noticed before.
//
//     reading -> handed over [admit(), handle()] -> answered [one of the three] -> gone
//
// What is slow, too large or no HTTP never reaches handle(): it is answered or cut here.
#ifndef ASSAY_ORCHESTRATOR_HTTP_H
#define ASSAY_ORCHESTRATOR_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"

struct assay_http;         // opaque; owned by whoever called assay_http_start()
struct assay_http_request; // opaque; the server's
struct assay_http_stream;  // opaque; an answer that goes on

#define ASSAY_HTTP_ID_BYTES 65 // of a request's id

struct assay_http_options {
    const char *address;                   // numeric, "127.0.0.1", "::1"
    uint16_t port;                         // 0: any that is free
    const char *tls_certificate, *tls_key; // PEM texts; NULL: no TLS
    size_t body_bytes_max;                 // of a request, > 0
    unsigned connections_max;              // > 0
    // A request that is not whole by then is cut. 0: 20 s for a head, 120 s for the rest.
    uint64_t head_ms_max, body_ms_max;
    const struct assay_log *log; // borrowed; each answer is a line
    // The head is there; the body is not. May answer, and then handle() is not called.
    void (*admit)(void *user, struct assay_http_request *request);
    void (*handle)(void *user, struct assay_http_request *request);
    // Of each request that is over: what admit() tagged it with, its status, and how long it took
    // until it was sent. May be NULL.
    void (*observe)(void *user, unsigned tag, unsigned status, uint64_t us);
    void *user;
};

// ASSAY_EIO: the address cannot be listened at.
ASSAY_MUST_USE enum assay_status assay_http_start(
        struct assay_http **out, const struct assay_http_options *options, struct assay_error *err);
uint16_t assay_http_port(const struct assay_http *http);
// No new connection is taken from here on.
void assay_http_quiesce(struct assay_http *http);
// Ends all streams, waits until every request is answered, and stops. NULL is allowed. Upgraded
// connections are closed by those who have them, before.
void assay_http_stop(struct assay_http *http);

struct assay_http_counts {
    // Open now, without those of feeds; since the start; ended because they were slow.
    uint64_t connections, requests, cut;
    uint64_t pending; // handed over and not answered
    uint64_t streams; // open now
};
struct assay_http_counts assay_http_count(struct assay_http *http);

// --- a request, until it is answered ------------------------------------------------------------

struct assay_http *assay_http_of(const struct assay_http_request *request); // its server
const char *assay_http_method(const struct assay_http_request *request);    // "GET", "POST", ...
const char *assay_http_path(const struct assay_http_request *request);      // decoded
struct assay_buf *assay_http_body(struct assay_http_request *request);      // empty in admit()
// A body of multipart/form-data, part by part ("": one without a name); the bytes of one come in
// pieces, in order. False: it is none, or `part` said false.
bool assay_http_read_form(struct assay_http_request *request,
        bool (*part)(void *user, const char *name, const char *bytes, size_t len), void *user);
// A header or a query's parameter; NULL: none. Borrowed.
const char *assay_http_header(struct assay_http_request *request, const char *name);
const char *assay_http_query(struct assay_http_request *request, const char *name);
// The client's X-Request-ID where that is plain, else one of ours. It is sent back.
const char *assay_http_id(const struct assay_http_request *request);
// A word of the caller's that is kept with the request, and logged.
void assay_http_set_who(struct assay_http_request *request, unsigned role, const char *name);
void assay_http_set_tag(struct assay_http_request *request, unsigned tag);
unsigned assay_http_role(const struct assay_http_request *request);
const char *assay_http_who(const struct assay_http_request *request);
// Seconds since the request was whole; milliseconds.
uint64_t assay_http_age_ms(const struct assay_http_request *request);
// The client's address, numeric; "" where it is not known.
#define ASSAY_HTTP_PEER_BYTES 46
void assay_http_peer(const struct assay_http_request *request, char out[ASSAY_HTTP_PEER_BYTES]);

// --- answers ------------------------------------------------------------------------------------

#define ASSAY_HTTP_HEADERS_MAX 6
// Before the answer; both are copied, and cut where they are longer than 256 bytes.
void assay_http_add_header(struct assay_http_request *request, const char *name, const char *value);
// The body is handed over. A body that has failed is answered as 500.
void assay_http_reply(struct assay_http_request *request, unsigned status, const char *type,
        struct assay_buf *body);

// An answer that is written bit by bit: a stream of type `type`, status 200. *out is the caller's
// until assay_http_stream_end(). NULL on failure: it was answered as 500.
struct assay_http_stream *assay_http_stream(struct assay_http_request *request, const char *type);
// Likewise, of a GET whose stream has no end and is mostly silent: what is needed for a watcher is
// some hundred bytes, since its connection is not libmicrohttpd's any more (http_feed.c); over TLS
// it is a stream as above. 503: as many as connections may be are open.
struct assay_http_stream *assay_http_feed(struct assay_http_request *request, const char *type);
// False: the client is gone, or so slow that more than 1 MiB waits for it. End the stream then.
bool assay_http_stream_write(struct assay_http_stream *stream, const char *bytes, size_t len);
void assay_http_stream_end(struct assay_http_stream *stream); // NULL is allowed

// 101: the connection is the callback's from then on, which must not block: a descriptor, what was
// read from it already, and the handle that closes it. Called once; with NULL and -1 where the
// client was gone before.
struct assay_http_socket;
typedef void (*assay_http_upgraded)(
        void *user, struct assay_http_socket *socket, int fd, const char *early, size_t early_len);
void assay_http_upgrade(struct assay_http_request *request, const char *protocol,
        assay_http_upgraded upgraded, void *user);
void assay_http_socket_close(struct assay_http_socket *socket);

#endif
