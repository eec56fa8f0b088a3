// SPDX-License-Identifier: MIT
// address.h - addresses that a host name must never lead to, and looking names up without waiting.
#ifndef ASSAY_ORCHESTRATOR_ADDRESS_H
#define ASSAY_ORCHESTRATOR_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ASSAY_ADDRESSES_MAX 8

struct assay_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// Loopback, unspecified, link-local, multicast, broadcast, reserved, and where clouds keep their
// metadata; also when an IPv4 address of these is inside an IPv6 one. Unknown families too.
bool assay_address_is_forbidden(const struct assay_address *address);
// One of this host's interfaces has it: what listens there takes itself to be among friends.
bool assay_address_is_own(const struct assay_address *address);

// "a.b.c.d" (as assay_host_read() gave it) and a port. False: it is no IPv4 address.
bool assay_address_read(struct assay_address *out, const char *text, uint16_t port);

// A look-up under way, in a thread of its own that nobody waits for: the resolver may take half a
// minute, and a box that is dead must not keep anybody.
struct assay_lookup;

// NULL: too many are under way in this process, or no memory. When it is done, an
// eventfd `notify_fd` is written to (a copy is kept).
struct assay_lookup *assay_lookup_start(const char *host, uint16_t port, int notify_fd);
// False: not done. On true *count addresses (0: the name is not known).
bool assay_lookup_done(
        struct assay_lookup *lookup, struct assay_address out[ASSAY_ADDRESSES_MAX], size_t *count);
void assay_lookup_drop(struct assay_lookup *lookup); // done or not; NULL is allowed

#endif
