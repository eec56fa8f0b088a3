// SPDX-License-Identifier: MIT
// proxy_request.h - the head of a request that a box sends to its proxy. Pure functions.
//
// The box is hostile: what is not plainly one well-formed request is refused, never
// repaired. Two readers of one head must not disagree about it, so the head that is
// passed on is written anew, and its body has a length or there is none.
#ifndef ASSAY_ORCHESTRATOR_PROXY_REQUEST_H
#define ASSAY_ORCHESTRATOR_PROXY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tasks/hosts.h"

#define ASSAY_PROXY_HEAD_BYTES_MAX ((size_t)16384)
#define ASSAY_PROXY_SHOWN_BYTES (ASSAY_HOST_BYTES_MAX + 8)

struct assay_proxy_request {
    bool connect; // CONNECT; else a plain http:// request
    bool old;     // HTTP/1.0, whose sender may not know chunks
    enum assay_host_kind kind;
    char host[ASSAY_HOST_BYTES_MAX];
    uint16_t port;
    // Where it wanted to go, for people: printable, cut, also when it was refused; "" when it
    // never said.
    char shown[ASSAY_PROXY_SHOWN_BYTES];
    const char *method, *path; // in the head; not NUL-terminated
    size_t method_len, path_len;
    uint64_t body_bytes;
    size_t head_bytes; // of all of it, with the empty line
};

// Read a head at `bytes`. 0: more bytes are needed. 200: *out is whole. Else the
// HTTP status of a refusal; out->shown is set as far as it was told.
int assay_proxy_request_read(struct assay_proxy_request *out, const char *bytes, size_t len);

// Write the head of a plain request as it goes on: `whole_url` for another proxy, with
// `authorization` (a Proxy-Authorization value or NULL), else for the host itself. Fields that
// concern one connection, and a Host of the sender's own, are left out. One request a connection.
void assay_proxy_request_write(struct assay_buf *out, const struct assay_proxy_request *request,
        const char *bytes, bool whole_url, const char *authorization);

#endif
