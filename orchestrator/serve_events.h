// SPDX-License-Identifier: MIT
// serve_events.h - what happens, told to whoever watches: server-sent events.
//
// Watchers that fall far behind are let go; they come again and say what they saw last, and hear
// the rest of the newest ASSAY_EVENTS_KEPT. Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_SERVE_EVENTS_H
#define ASSAY_ORCHESTRATOR_SERVE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "orchestrator/http.h"
#include "tasks/store.h"

#define ASSAY_EVENTS_KEPT 256
#define ASSAY_EVENT_BYTES_MAX 4096 // longer ones are not told

struct assay_events; // opaque; owned by whoever called assay_events_create()

// While somebody watches the store it is looked at twice a second: an event `changed` says that
// it was written to, by whatever process, and is the first one that such a watcher gets.
ASSAY_MUST_USE enum assay_status assay_events_create(
        struct assay_events **out, struct assay_store *store, struct assay_error *err);
// Ends every watcher's stream, and those that come later.
void assay_events_end(struct assay_events *events);
void assay_events_destroy(struct assay_events *events); // ends it first; NULL is allowed

// `data` is one line of JSON.
void assay_events_tell(struct assay_events *events, const char *name, const char *data);
// The request's answer is a stream from now on, from event `after` on (0: from now). `store`: with
// `changed`.
void assay_events_watch(struct assay_events *events, struct assay_http_request *request,
        uint64_t after, bool store);

#endif
