// SPDX-License-Identifier: MIT
// proxy.h - what one box with an allow-list reaches of the outside: an HTTP proxy of its own.
//
// The box's init listens inside the box's network namespace and hands the socket out
// (ASSAY_NETWORK_ALLOWLIST); this accepts on it from outside, takes CONNECT and plain
// http:// requests, and connects, in the host's namespace, to what the list permits.
// Names are looked up here alone, and the address that was judged is the one that is
// connected to. Everything else gets 403 and is counted for the report.
//
// One thread a proxy, with poll(); it and every connection end with assay_proxy_stop().
// docs/network.md is the long story.
#ifndef ASSAY_ORCHESTRATOR_PROXY_H
#define ASSAY_ORCHESTRATOR_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "orchestrator/upstream.h"
#include "tasks/hosts.h"

struct assay_proxy; // opaque; owned by whoever called assay_proxy_create()

struct assay_proxy_options {
    const struct assay_host_rule *rules; // copied
    size_t rule_count;
    const struct assay_upstreams *upstreams; // borrowed, outlives the proxy; NULL: none
    // 0: defaults. What a sender has for its head, a host for taking a connection, and either side
    // for saying something while a connection stands.
    uint64_t head_ms_max;    // 10 s
    uint64_t connect_ms_max; // 30 s, looking up included
    uint64_t idle_ms_max;    // 300 s
};
ASSAY_MUST_USE enum assay_status assay_proxy_create(struct assay_proxy **out,
        const struct assay_proxy_options *options, struct assay_error *err);

// Begin to accept; the socket (non-blocking) is handed over. At most once. A thread that
// cannot be started is one refusal in the report, and the box reaches nothing.
void assay_proxy_serve(struct assay_proxy *proxy, int listen_fd);

#define ASSAY_PROXY_REFUSALS_MAX 64
struct assay_proxy_refusal {
    char where[ASSAY_HOST_BYTES_MAX + 8]; // "host:port", or what was asked for, made printable
    const char *why;                      // a text that lives for ever
    uint64_t count;
};
struct assay_proxy_report {
    struct assay_proxy_refusal refusals[ASSAY_PROXY_REFUSALS_MAX]; // in the order of the first
    size_t refusal_count;
    uint64_t more;    // refusals that had no place
    uint64_t allowed; // connections that were made
};

// End the thread and every connection; *report (may be NULL) tells what happened. Does not wait
// for a resolver. The proxy is gone. NULL is allowed.
void assay_proxy_stop(struct assay_proxy *proxy, struct assay_proxy_report *report);

#endif
