// SPDX-License-Identifier: MIT
// proxy_link.h - one connection of a box through its proxy, as a machine of states.
//
//   HEAD -> ANSWER [refused]       403, 400, ... is on its way to the box
//   HEAD -> LOOKUP [permitted]     an address was given: straight to CONNECT
//   LOOKUP -> CONNECT              addresses found, and one is not forbidden
//   CONNECT -> CONNECT             that one did not answer: the next
//   CONNECT -> ASK                 through another proxy, with CONNECT
//   CONNECT, ASK -> RELAY          bytes go both ways
//   RELAY -> gone                  both sides have said all, or one is dead
//   ANSWER -> gone                 sent, and the box has closed or a moment has passed
//   LOOKUP, CONNECT, ASK -> ANSWER [502, 504, or 403 for a forbidden address]
//
// For proxy.c alone, which owns the loop.
#ifndef ASSAY_ORCHESTRATOR_PROXY_LINK_H
#define ASSAY_ORCHESTRATOR_PROXY_LINK_H

#include <poll.h>
#include <stdbool.h>

#include "base/buf.h"
#include "orchestrator/address.h"
#include "orchestrator/proxy.h"
#include "orchestrator/proxy_request.h"

enum assay_link_state { LINK_HEAD, LINK_LOOKUP, LINK_CONNECT, LINK_ASK, LINK_RELAY, LINK_ANSWER };

// Bytes on their way in one direction.
struct assay_flow {
    struct assay_buf buf; // born with a maximum
    size_t sent;          // of buf
    uint64_t left;        // bytes that may still be taken in
    bool source_over;     // nothing more comes in
    bool sink_over;       // and the other side was told
};

struct assay_link {
    enum assay_link_state state;
    int box_fd, host_fd;        // host_fd -1: not yet
    struct assay_flow up, down; // box -> host, host -> box
    struct assay_proxy_request request;
    const struct assay_upstream *upstream; // borrowed; NULL: straight there
    bool listed_address;                   // the user's own entry: not judged again
    bool asked;                            // ASK: the question is sent
    struct assay_lookup *lookup;
    struct assay_address addresses[ASSAY_ADDRESSES_MAX];
    size_t address_count, address_next;
    uint64_t discarded_bytes; // that the box sent where nothing was to be said
    uint64_t deadline_ms;
};

// What a link needs of its proxy.
struct assay_link_world {
    struct assay_proxy_options options; // .rules and .upstreams live with the proxy
    int wake_fd;                        // an eventfd that look-ups write to
    struct assay_proxy_report *report;  // only the proxy's thread writes it
};

struct assay_link *assay_link_create(const struct assay_link_world *world, int box_fd);
void assay_link_destroy(struct assay_link *link);
// What to wait for: two entries, .fd -1 where there is nothing.
void assay_link_watch(const struct assay_link *link, struct pollfd watched[2]);
// Do what can be done now. False: it is over, and to be destroyed.
bool assay_link_step(
        struct assay_link *link, const struct assay_link_world *world, const struct pollfd seen[2]);

// Count a refusal (proxy.c).
void assay_proxy_note(struct assay_proxy_report *report, const char *where, const char *why);

#endif
