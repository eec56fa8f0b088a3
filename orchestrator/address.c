// SPDX-License-Identifier: MIT
#include "orchestrator/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/hosts.h"

#define LOOKUPS_MAX 64 // of this process at once

// --- what is forbidden ---------------------------------------------------------------------------

struct range {
    uint8_t first[16];
    unsigned bits;
};

static bool in_range(const uint8_t *address, const struct range *range)
{
    const unsigned bytes = range->bits / 8, left = range->bits % 8;

    return memcmp(address, range->first, bytes) == 0 &&
            (left == 0 || (address[bytes] ^ range->first[bytes]) >> (8 - left) == 0);
}

static bool ipv4_is_forbidden(const uint8_t address[4])
{
    static const struct range ranges[] = {
            {{0}, 8},                   // this host, this network
            {{127}, 8},                 // loopback
            {{169, 254}, 16},           // link-local, and most clouds' metadata
            {{100, 100, 100, 200}, 32}, // metadata
            {{168, 63, 129, 16}, 32},   // metadata
            {{192, 0, 0, 192}, 32},     // metadata
            {{224}, 4},                 // multicast
            {{240}, 4},                 // reserved, broadcast
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (in_range(address, &ranges[i]))
            return true;
    return false;
}

static bool ipv6_is_forbidden(const uint8_t address[16])
{
    static const struct range ranges[] = {
            {{0xfe, 0x80}, 10},                                                     // link-local
            {{0xfe, 0xc0}, 10},                                                     // site-local
            {{0xff}, 8},                                                            // multicast
            {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54}, 128}, // metadata
            {{0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54}, 128},    // metadata
            {{0x20, 0x01, 0, 0}, 32}, // Teredo: an IPv4 address in disguise
    };
    // Where an IPv4 address stands behind these bits.
    static const struct range nat64 = {{0, 0x64, 0xff, 0x9b}, 32};
    static const struct range sixtofour = {{0x20, 0x02}, 16};
    static const struct range low = {
            {0}, 64}; // ::, ::1, ::a.b.c.d, ::ffff:a.b.c.d, ::ffff:0:a.b.c.d

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (in_range(address, &ranges[i]))
            return true;
    if (in_range(address, &low) || in_range(address, &nat64))
        return ipv4_is_forbidden(address + 12);
    return in_range(address, &sixtofour) && ipv4_is_forbidden(address + 2);
}

bool assay_address_is_forbidden(const struct assay_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    if (address->storage.ss_family == AF_INET) {
        memcpy(&ipv4, &address->storage, sizeof(ipv4));
        return ipv4_is_forbidden((const uint8_t *)&ipv4.sin_addr);
    }
    if (address->storage.ss_family != AF_INET6)
        return true;
    memcpy(&ipv6, &address->storage, sizeof(ipv6));
    return ipv6_is_forbidden(ipv6.sin6_addr.s6_addr);
}

bool assay_address_is_own(const struct assay_address *address)
{
    const bool ipv4 = address->storage.ss_family == AF_INET;
    const size_t offset = ipv4 ? offsetof(struct sockaddr_in, sin_addr)
                               : offsetof(struct sockaddr_in6, sin6_addr);
    struct ifaddrs *interfaces = NULL;
    bool own = false;

    if (getifaddrs(&interfaces) != 0)
        return true; // who cannot tell does not connect
    for (const struct ifaddrs *at = interfaces; at != NULL && !own; at = at->ifa_next)
        own = at->ifa_addr != NULL && at->ifa_addr->sa_family == address->storage.ss_family &&
                memcmp((const char *)at->ifa_addr + offset,
                        (const char *)&address->storage + offset, ipv4 ? 4 : 16) == 0;
    freeifaddrs(interfaces);
    return own;
}

bool assay_address_read(struct assay_address *out, const char *text, uint16_t port)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (inet_pton(AF_INET, text, &ipv4.sin_addr) != 1)
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, &ipv4, sizeof(ipv4));
    out->len = sizeof(ipv4);
    return true;
}

// --- looking up ----------------------------------------------------------------------------------

struct assay_lookup {
    atomic_int holders; // the asker and the thread; who lets go last frees it
    atomic_bool done;
    char host[ASSAY_HOST_BYTES_MAX];
    char port[8];
    int notify_fd; // owned
    struct assay_address addresses[ASSAY_ADDRESSES_MAX];
    size_t count;
};

static atomic_int lookups;

static void let_go(struct assay_lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->holders, 1) > 1)
        return;
    close(lookup->notify_fd);
    free(lookup);
}

static void *look_up(void *argument)
{
    struct assay_lookup *lookup = argument;
    const struct addrinfo hints = {
            .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const uint64_t one = 1;

    if (getaddrinfo(lookup->host, lookup->port, &hints, &found) == 0) {
        for (const struct addrinfo *at = found; at != NULL && lookup->count < ASSAY_ADDRESSES_MAX;
                at = at->ai_next) {
            struct assay_address *address = &lookup->addresses[lookup->count++];

            memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
            address->len = at->ai_addrlen;
        }
        freeaddrinfo(found);
    }
    atomic_store(&lookup->done, true);
    (void)!write(lookup->notify_fd, &one, sizeof(one)); // nobody reads it any more: well
    atomic_fetch_sub(&lookups, 1);
    let_go(lookup);
    return NULL;
}

struct assay_lookup *assay_lookup_start(const char *host, uint16_t port, int notify_fd)
{
    struct assay_lookup *lookup = NULL;
    pthread_attr_t attributes;
    pthread_t thread;
    bool started = false;

    if (atomic_fetch_add(&lookups, 1) >= LOOKUPS_MAX ||
            (lookup = calloc(1, sizeof(*lookup))) == NULL) {
        atomic_fetch_sub(&lookups, 1);
        return NULL;
    }
    atomic_init(&lookup->holders, 2);
    (void)snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    (void)snprintf(lookup->port, sizeof(lookup->port), "%u", port);
    lookup->notify_fd = fcntl(notify_fd, F_DUPFD_CLOEXEC, 3);
    if (lookup->notify_fd >= 0 && pthread_attr_init(&attributes) == 0) {
        started = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                pthread_create(&thread, &attributes, look_up, lookup) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (started)
        return lookup;
    atomic_fetch_sub(&lookups, 1);
    if (lookup->notify_fd >= 0)
        close(lookup->notify_fd);
    free(lookup);
    return NULL;
}

bool assay_lookup_done(
        struct assay_lookup *lookup, struct assay_address out[ASSAY_ADDRESSES_MAX], size_t *count)
{
    if (!atomic_load(&lookup->done))
        return false;
    memcpy(out, lookup->addresses, sizeof(lookup->addresses));
    *count = lookup->count;
    return true;
}

void assay_lookup_drop(struct assay_lookup *lookup)
{
    if (lookup != NULL)
        let_go(lookup);
}
