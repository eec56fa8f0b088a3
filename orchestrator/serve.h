// SPDX-License-Identifier: MIT
// serve.h - the service: environments and rewards for others' trainers, on one port.
//
// transport (http.h) -> gate and routes (serve_routes.c) -> handlers (serve_<what>.c) over modules
// that know nothing of HTTP: grader.h, leases.h. docs/service.md lists the routes.
#ifndef ASSAY_ORCHESTRATOR_SERVE_H
#define ASSAY_ORCHESTRATOR_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "orchestrator/context.h"
#include "orchestrator/http.h"
#include "orchestrator/serve_token.h"

struct assay_embedded;
struct assay_service; // opaque; owned by whoever called assay_service_start()

struct assay_service_options {
    struct assay_context *context;
    const char *const *suites; // none: all of the store
    size_t suite_count;
    // admit, handle and user are the service's. Its address NULL: no port is listened at.
    struct assay_http_options http;
    const struct assay_tokens *tokens; // borrowed; NULL: whoever reaches the port may do all
    const char *const *host_names;     // borrowed: by which it is called, beside loopback
    size_t host_name_count;
    size_t threads;                // gradings at once, >= 1
    size_t queue_max;              // answers that wait or are graded, >= 1
    size_t episodes_max;           // that are open at once
    uint64_t idle_ms_max;          // of an episode that nobody touches
    uint64_t rate;                 // requests a second of one client; 0: any
    struct assay_embedded *policy; // borrowed: what /v1/chat/completions asks; NULL: none
    const char *policy_name;       // by which clients call it
    const char *version;           // of the program
    const char *tier;              // of its boxes
};

ASSAY_MUST_USE enum assay_status assay_service_start(struct assay_service **out,
        const struct assay_service_options *options, struct assay_error *err);
uint16_t assay_service_port(const struct assay_service *serve);
// Take no new work; what is being graded may end until the deadline (assay_clock_ms()). False:
// something is left, which the next service goes on with.
bool assay_service_drain(struct assay_service *serve, uint64_t deadline_ms);
// Set the context's interrupt before, if a drain left something. NULL is allowed.
void assay_service_stop(struct assay_service *serve);

#endif
