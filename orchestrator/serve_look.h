// SPDX-License-Identifier: MIT
// serve_look.h - what handlers that only read the store begin and end with. Internal to serve_*.c.
//
//     begin -> read parameters, read the store, write JSON -> end
//
// The first error is kept; what is written after it is thrown away.
#ifndef ASSAY_ORCHESTRATOR_SERVE_LOOK_H
#define ASSAY_ORCHESTRATOR_SERVE_LOOK_H

#include "orchestrator/serve_parts.h"

struct assay_look {
    struct assay_service_call *call; // borrowed
    struct assay_store *store;       // borrowed
    struct assay_arena *arena;       // NULL where it could not be made
    struct assay_buf text;
    struct assay_json_writer w; // into `text`
    enum assay_status status;
    struct assay_error err;
};

bool assay_service_look_begin(struct assay_look *look, struct assay_service_call *call);
// Answers the request: what was written, or the error.
void assay_service_look_end(struct assay_look *look);

// Parameters of the query. A number that is none, or too large, is the look's error.
uint64_t assay_service_look_number(
        struct assay_look *look, const char *name, uint64_t otherwise, uint64_t max);
const char *assay_service_look_text(struct assay_look *look, const char *name); // one that must be

#endif
