// SPDX-License-Identifier: MIT
// client.h - HTTP requests of assay itself, over libcurl. The only door to libcurl.
//
// A client is one connection that is used again, for one thread. Redirects are not followed:
// a key goes where it was meant to go, and nowhere else. The key stands in no message, no log, and
// no byte of an answer: where a server sends it back, it is struck out before anybody sees it.
#ifndef ASSAY_ORCHESTRATOR_CLIENT_H
#define ASSAY_ORCHESTRATOR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct assay_client; // opaque; owned by whoever called assay_client_create()

// Once, before any thread; thread-safe afterwards.
ASSAY_MUST_USE enum assay_status assay_client_prepare(struct assay_error *err);

// `key` (NULL: none) goes into an Authorization header; copied. cancel may be NULL.
ASSAY_MUST_USE enum assay_status assay_client_create(struct assay_client **out, const char *key,
        const volatile bool *cancel, struct assay_error *err);
void assay_client_destroy(struct assay_client *client); // NULL is allowed

// The key in a file's first line; the file is the user's alone (mode 0600). `option` names the file
// in messages. *key is the caller's. ASSAY_EREFUSED: others may read it; ASSAY_EUSAGE: no key.
ASSAY_MUST_USE enum assay_status assay_client_read_key(
        char **key, const char *file, const char *option, struct assay_error *err);
// ASSAY_EUSAGE: not http://HOST... or https://HOST..., or with a user, a query or a fragment:
// a command line is kept, and a key in it would be.
ASSAY_MUST_USE enum assay_status assay_client_check_url(
        const char *url, const char *option, struct assay_error *err);

struct assay_answer {
    long status;            // HTTP's
    uint64_t retry_after_s; // 0: the server did not say
    struct assay_buf body;  // owned
};
void assay_answer_release(struct assay_answer *answer);

// How long an answer may take.
struct assay_client_patience {
    uint64_t whole_ms;   // > 0: until it is whole
    uint64_t silence_ms; // without a byte of it, to the second; 0: as long as the whole
};

// POST a JSON body. Whatever the server says is an answer. ASSAY_ETIMEOUT: patience ran out;
// ASSAY_EIO: no connection, or it was cut before the answer was whole; ASSAY_ENOMEM: more than
// body_bytes_max; ASSAY_EINVAL: no URL; ASSAY_EINTERRUPTED: cancelled.
ASSAY_MUST_USE enum assay_status assay_client_post(struct assay_client *client, const char *url,
        const struct assay_buf *body, struct assay_client_patience patience, size_t body_bytes_max,
        struct assay_answer *out, struct assay_error *err);

// The same without a body.
ASSAY_MUST_USE enum assay_status assay_client_get(struct assay_client *client, const char *url,
        struct assay_client_patience patience, size_t body_bytes_max, struct assay_answer *out,
        struct assay_error *err);

// Strike `key` out of text[0..len), in place, whatever its length.
void assay_client_redact(char *text, size_t len, const char *key);

#endif
