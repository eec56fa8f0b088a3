// SPDX-License-Identifier: MIT
// upstream.h - the proxy through which this host itself reaches the outside, if it has one.
#ifndef ASSAY_ORCHESTRATOR_UPSTREAM_H
#define ASSAY_ORCHESTRATOR_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tasks/hosts.h"

struct assay_upstream {
    char host[ASSAY_HOST_BYTES_MAX]; // "": go there directly
    uint16_t port;
    char authorization[512]; // "Basic ...", or ""
};

struct assay_upstreams {
    struct assay_upstream http, https; // for plain requests, and for CONNECT
    char *no_proxy;                    // owned; as it was written; may be NULL
};

// From http_proxy, https_proxy, all_proxy and no_proxy in this process's environment, small letters
// first. ASSAY_EINVAL: a proxy that is not http://[USER:PASSWORD@]HOST[:PORT]. Messages never
// hold a password.
ASSAY_MUST_USE enum assay_status assay_upstreams_read(
        struct assay_upstreams *out, struct assay_error *err);
void assay_upstreams_free(struct assay_upstreams *upstreams);

// Borrowed; NULL: there is none, or no_proxy says to go there directly.
const struct assay_upstream *assay_upstream_for(
        const struct assay_upstreams *upstreams, bool connect, const char *host, uint16_t port);

// One URL, as above. An empty text is no proxy.
ASSAY_MUST_USE enum assay_status assay_upstream_read(
        struct assay_upstream *out, const char *url, struct assay_error *err);
// Does no_proxy's list name this host? Entries are NAME (it and all below it), .NAME, ADDRESS,
// each with or without a port, or *.
bool assay_no_proxy_names(const char *list, const char *host, uint16_t port);

#endif
