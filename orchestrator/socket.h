// SPDX-License-Identifier: MIT
// socket.h - WebSocket connections of the service: whole messages in, whole ones out. The only door
// to libwslay.
//
// One thread does the network of all connections, so that pings are answered while a message is
// being worked on. Messages go to workers, one at a time for each connection, and are answered by
// whoever has their ticket, now or later.
//
//     open -> (message -> answered)* -> closed [the client, a wrong frame, silence, the end]
#ifndef ASSAY_ORCHESTRATOR_SOCKET_H
#define ASSAY_ORCHESTRATOR_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "orchestrator/http.h"
#include "orchestrator/workers.h"

struct assay_sockets; // opaque; owned by whoever called assay_sockets_create()
struct assay_socket;  // opaque; one connection, as the ticket of a message that is worked on

#define ASSAY_SOCKET_MESSAGE_BYTES_MAX ((size_t)16 << 20)
#define ASSAY_SOCKET_WAITING_MAX 16 // messages of a connection that sends ahead; more close it

// What a connection is for.
struct assay_socket_kind {
    // A message, on a worker. It is answered once by assay_socket_answer(), from any thread.
    void (*message)(void *state, struct assay_socket *ticket, const char *text, size_t len);
    // The connection is gone, and no message is being worked on. On a worker.
    void (*close)(void *state);
};

ASSAY_MUST_USE enum assay_status assay_sockets_create(struct assay_sockets **out,
        struct assay_workers *workers, size_t count_max, uint64_t silence_ms_max,
        struct assay_error *err);
// Closes all, once their messages are answered; nothing more is accepted. The workers still work.
void assay_sockets_end(struct assay_sockets *sockets);
void assay_sockets_destroy(struct assay_sockets *sockets); // ends it first; NULL is allowed
size_t assay_sockets_count(struct assay_sockets *sockets);

// Answer a request with a connection of this kind: 101, and `state` is the kind's to close; or 400
// (no WebSocket), 429 (as many as may be): then false, and the state is still the caller's.
bool assay_sockets_accept(struct assay_sockets *sockets, struct assay_http_request *request,
        const struct assay_socket_kind *kind, void *state);

// `reply` is sent, if it is not empty, and freed. `over`: nothing more is to come either way.
void assay_socket_answer(struct assay_socket *ticket, struct assay_buf *reply, bool over);

#endif
