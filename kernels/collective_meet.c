// SPDX-License-Identifier: MIT
// collective_meet.c - who may come to a group of several hosts: rank 0 listens, the others connect.
//
// Rank 0 sends a nonce, the rank its number, a nonce of its own and an HMAC over all of it, rank 0
// an HMAC back: the secret is not sent. A stranger is sent away, after SHAKE_MS if it says nothing.
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "kernels/collective_tcp.h"

enum { NONCE_BYTES = 32, SHAKE_MS = 2000, RETRY_NS = 100000000, LIST_BYTES = 96, HOST_BYTES = 256 };

struct hello {
    unsigned char nonce[NONCE_BYTES];
    uint32_t rank, world;
    unsigned char mac[ASSAY_HMAC_BYTES];
};

struct welcome {
    uint32_t status; // of an enum assay_status: ASSAY_OK, ASSAY_EINVAL, ASSAY_ECONFLICT
    uint32_t world;
    unsigned char mac[ASSAY_HMAC_BYTES];
};

// --- who may come -------------------------------------------------------------------------------

static enum assay_status sign(unsigned char mac[ASSAY_HMAC_BYTES], const char *secret,
        const char *who, const unsigned char *theirs, const struct hello *hello,
        struct assay_error *err)
{
    unsigned char text[8 + 2 * NONCE_BYTES + 2 * sizeof(uint32_t)] = {0};

    assert(strlen(who) < 8);
    (void)snprintf((char *)text, 8, "%s", who);
    memcpy(text + 8, theirs, NONCE_BYTES);
    memcpy(text + 8 + NONCE_BYTES, hello->nonce, NONCE_BYTES);
    memcpy(text + 8 + (size_t)2 * NONCE_BYTES, &hello->rank, sizeof(uint32_t));
    memcpy(text + 8 + (size_t)2 * NONCE_BYTES + sizeof(uint32_t), &hello->world, sizeof(uint32_t));
    return assay_hmac_sha256(mac, secret, strlen(secret), text, sizeof(text), err);
}

// Of rank 0: whoever came on fds[0]. A stranger is sent away and nothing is said of it. Errors: of
// randomness and the hash.
static enum assay_status receive(struct assay_star *s, const char *secret, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + SHAKE_MS;
    const struct assay_transfer over = {0, false, deadline_ms};
    unsigned char nonce[NONCE_BYTES], mac[ASSAY_HMAC_BYTES];
    struct welcome welcome = {.status = ASSAY_OK, .world = s->ranks.world};
    struct hello hello;
    uint32_t fault;
    enum assay_status status = assay_rng_bytes(nonce, sizeof(nonce), err);

    if (status != ASSAY_OK)
        return status;
    if (assay_star_move(s, &over, NULL, nonce, sizeof(nonce), &fault) != ASSAY_OK ||
            assay_star_move(s, &over, &hello, NULL, sizeof(hello), &fault) != ASSAY_OK)
        return ASSAY_OK;
    status = sign(mac, secret, "rank", nonce, &hello, err);
    if (status == ASSAY_OK)
        status = sign(welcome.mac, secret, "master", nonce, &hello, err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_secrets_equal(mac, hello.mac, sizeof(mac)))
        welcome = (struct welcome){.status = ASSAY_EINVAL}; // and no HMAC for a stranger
    else if (hello.world != s->ranks.world || hello.rank == 0 || hello.rank >= s->ranks.world ||
            s->fds[hello.rank] >= 0)
        welcome.status = ASSAY_ECONFLICT;
    if (assay_star_move(s, &over, NULL, &welcome, sizeof(welcome), &fault) == ASSAY_OK &&
            welcome.status == ASSAY_OK) {
        s->fds[hello.rank] = s->fds[0];
        s->fds[0] = -1;
    }
    return ASSAY_OK;
}

// Of another rank, on the connection to rank 0. ASSAY_EIO: it was closed, as when rank 0 has lost
// patience with a host that is slow.
static enum assay_status introduce(struct assay_star *s, const struct assay_collective_options *o,
        uint64_t deadline_ms, struct assay_error *err)
{
    const struct assay_transfer over = {0, false, deadline_ms};
    unsigned char nonce[NONCE_BYTES], mac[ASSAY_HMAC_BYTES];
    struct hello hello = {.rank = s->ranks.rank, .world = s->ranks.world};
    struct welcome welcome = {0};
    uint32_t fault;
    enum assay_status status = assay_rng_bytes(hello.nonce, sizeof(hello.nonce), err);

    if (status == ASSAY_OK)
        status = assay_star_move(s, &over, nonce, NULL, sizeof(nonce), &fault);
    if (status == ASSAY_OK)
        status = sign(hello.mac, o->secret, "rank", nonce, &hello, err);
    if (status == ASSAY_OK)
        status = assay_star_move(s, &over, NULL, &hello, sizeof(hello), &fault);
    if (status == ASSAY_OK)
        status = assay_star_move(s, &over, &welcome, NULL, sizeof(welcome), &fault);
    if (status == ASSAY_OK && welcome.status == ASSAY_EINVAL)
        return assay_fail(err, ASSAY_EINVAL, "rank 0 at %s has another secret", o->master);
    if (status == ASSAY_OK)
        status = sign(mac, o->secret, "master", nonce, &hello, err);
    if (status == ASSAY_OK && !assay_secrets_equal(mac, welcome.mac, sizeof(mac)))
        return assay_fail(
                err, ASSAY_EINVAL, "what answers at %s does not know the secret", o->master);
    if (status == ASSAY_OK && welcome.status != ASSAY_OK)
        status = welcome.world != s->ranks.world
                ? assay_fail(err, ASSAY_EINVAL, "rank 0 at %s is of a group of %u, not %u",
                          o->master, welcome.world, s->ranks.world)
                : assay_fail(
                          err, ASSAY_EINVAL, "rank %u is at %s already", s->ranks.rank, o->master);
    return status;
}

// --- the door -----------------------------------------------------------------------------------

static enum assay_status find_address(
        struct addrinfo **out, const char *master, struct assay_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(master, ':');
    char host[HOST_BYTES];
    size_t length = colon ? (size_t)(colon - master) : 0;
    int problem;

    if (length > 1 && master[0] == '[' && master[length - 1] == ']') { // an IPv6 address
        master++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof(host) || colon[1] == 0)
        return assay_fail(err, ASSAY_EINVAL, "\"%.80s\" is not host:port", master);
    memcpy(host, master, length);
    host[length] = 0;
    problem = getaddrinfo(host, colon + 1, &hints, out);
    if (problem != 0)
        return assay_fail(err, ASSAY_EINVAL, "%.80s: %s", master, gai_strerror(problem));
    return ASSAY_OK;
}

static void hurry(int fd)
{
    const int yes = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

static enum assay_status listen_at(
        int *out, const struct addrinfo *at, const char *master, struct assay_error *err)
{
    const int yes = 1;
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return assay_fail_errno(err, errno, "socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, ASSAY_RANKS_MAX) != 0) {
        const int problem = errno;

        (void)close(fd);
        return assay_fail_errno(err, problem, "rank 0 cannot listen on %s", master);
    }
    *out = fd;
    return ASSAY_OK;
}

// Who has not come, as text.
static void list_missing(const struct assay_star *s, char *out, size_t size)
{
    size_t at = 0;

    for (uint32_t r = 1; r < s->ranks.world && at < size; r++)
        if (s->fds[r] < 0)
            at += (size_t)snprintf(out + at, size - at, "%s%u", at > 0 ? ", " : "", r);
}

static enum assay_status receive_all(struct assay_star *s, const struct addrinfo *at,
        const struct assay_collective_options *o, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + o->deadline_ms;
    char missing[LIST_BYTES] = "";
    struct pollfd door = {.fd = -1, .events = POLLIN};
    enum assay_status status = listen_at(&door.fd, at, o->master, err);

    list_missing(s, missing, sizeof(missing));
    while (status == ASSAY_OK && *missing) {
        const uint64_t left = assay_clock_left_ms(deadline_ms);

        if (left == 0)
            status = assay_fail(err, ASSAY_ETIMEOUT,
                    "rank %s of %u did not come to %s within %llu ms", missing, s->ranks.world,
                    o->master, (unsigned long long)o->deadline_ms);
        if (status != ASSAY_OK || poll(&door, 1, left < 1000 ? (int)left : 1000) <= 0)
            continue;
        s->fds[0] = accept4(door.fd, NULL, NULL, SOCK_CLOEXEC);
        if (s->fds[0] < 0)
            continue;
        hurry(s->fds[0]);
        status = receive(s, o->secret, err);
        if (s->fds[0] >= 0)
            (void)close(s->fds[0]);
        s->fds[0] = -1;
        *missing = 0;
        list_missing(s, missing, sizeof(missing));
    }
    if (door.fd >= 0)
        (void)close(door.fd);
    return status;
}

// Rank 0 may come later.
static enum assay_status reach_first(struct assay_star *s, const struct addrinfo *at,
        const struct assay_collective_options *o, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + o->deadline_ms;
    const struct timespec nap = {.tv_nsec = RETRY_NS};
    const struct timeval patience = {.tv_sec = SHAKE_MS / 1000};

    while (assay_clock_left_ms(deadline_ms) > 0) {
        enum assay_status status = ASSAY_EIO;

        s->fds[0] = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->fds[0] < 0)
            return assay_fail_errno(err, errno, "socket");
        // A host that says nothing is asked again, not waited for.
        (void)setsockopt(s->fds[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        if (connect(s->fds[0], at->ai_addr, at->ai_addrlen) == 0) {
            hurry(s->fds[0]);
            status = introduce(s, o, deadline_ms, err);
        }
        if (status != ASSAY_EIO)
            return status == ASSAY_ETIMEOUT
                    ? assay_fail(err, status, "rank 0 at %s did not answer", o->master)
                    : status;
        (void)close(s->fds[0]);
        s->fds[0] = -1;
        (void)nanosleep(&nap, NULL);
    }
    return assay_fail(err, ASSAY_ETIMEOUT, "rank 0 of %u does not listen on %s (%llu ms waited)",
            s->ranks.world, o->master, (unsigned long long)o->deadline_ms);
}

enum assay_status assay_star_meet(struct assay_star *star,
        const struct assay_collective_options *options, struct assay_error *err)
{
    struct addrinfo *at = NULL;
    enum assay_status status = find_address(&at, options->master, err);

    if (status != ASSAY_OK)
        return status;
    status = star->ranks.rank == 0 ? receive_all(star, at, options, err)
                                   : reach_first(star, at, options, err);
    freeaddrinfo(at);
    return status;
}
