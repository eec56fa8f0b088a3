// SPDX-License-Identifier: MIT
// serve_calls.h - calls of which nothing is told before their end: a stream of server-sent events
// with beats, its one result at the end, and the same for a client that lost the stream and asks
// again by the call's id.
//
//     open [begin] -> done [finish] -> forgotten [a minute later, or at its owner's next call]
//
// Thread-safe. A client that goes away ends nothing: the call goes on, and keeps its result.
#ifndef ASSAY_ORCHESTRATOR_SERVE_CALLS_H
#define ASSAY_ORCHESTRATOR_SERVE_CALLS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/rng.h"
#include "orchestrator/http.h"

struct assay_calls; // opaque; owned by whoever called assay_calls_create()
struct assay_call;  // opaque; the calls' own, until assay_calls_finish()

ASSAY_MUST_USE enum assay_status assay_calls_create(
        struct assay_calls **out, struct assay_error *err);
// Ends all streams. No call is open any more.
void assay_calls_destroy(struct assay_calls *calls); // NULL is allowed

// The request's answer is a stream from here on, whose first event tells the call's id. NULL: it
// was answered as an error.
struct assay_call *assay_calls_begin(struct assay_calls *calls, struct assay_http_request *request,
        const char owner[ASSAY_ID_BYTES]);
// `result` is handed over: JSON of one line, or, where the call `failed`, a text.
void assay_calls_finish(
        struct assay_calls *calls, struct assay_call *call, bool failed, struct assay_buf *result);
// Another stream for a call of this owner, which takes the place of the one before.
void assay_calls_resume(struct assay_calls *calls, struct assay_http_request *request,
        const char owner[ASSAY_ID_BYTES], const char *id);

// A stream of events that has ended: `name` with one line of data, and "end" without any.
void assay_calls_tell(struct assay_http_request *request, const char *name, const char *data);

#endif
