// SPDX-License-Identifier: MIT
// collective_tcp.c - ranks of several hosts, joined at rank 0, which listens.
//
// A star: each rank has one connection, to rank 0. In a step every rank sends a message (call,
// kind, pieces) and reads a reply (status, pieces); rank 0 reads all messages in rank order and
// adds or collects them, so bits do not depend on who was fast. When a rank is late or its
// connection ends, rank 0 sends an error in place of the reply: all ranks say the same.
//
// Numbers are little-endian, as memory is on every CPU that this is built for; what is exchanged is
// not encrypted.
#include "kernels/collective_tcp.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { KIND_SUM = 1, KIND_GATHER = 2, SLICE_MS = 1000, GRACE_MS = 2000 };

struct message {
    uint64_t call;
    uint32_t kind, bytes;
};

struct reply {
    uint32_t status, bytes; // of an enum assay_status; of pieces, or of an error's text
};

// --- bytes --------------------------------------------------------------------------------------

// Until the transfer can go on, or somebody is gone: *fault. Rank 0, which waits for one, sees that
// another one is gone.
static enum assay_status wait_for(
        const struct assay_star *s, const struct assay_transfer *t, short events, uint32_t *fault)
{
    const bool all = t->watches && s->ranks.rank == 0;
    const uint32_t count = s->ranks.rank == 0 ? s->ranks.world : 1;
    struct pollfd polled[ASSAY_RANKS_MAX];

    for (uint32_t r = 0; r < count; r++) {
        polled[r].fd = r == t->at || all ? s->fds[r] : -1;
        polled[r].events = POLLRDHUP;
        polled[r].revents = 0;
    }
    polled[t->at].events = events;
    for (;;) {
        const uint64_t left = assay_clock_left_ms(t->deadline_ms);
        const int ready = poll(polled, count, left < SLICE_MS ? (int)left : SLICE_MS);

        if (ready < 0 && errno != EINTR)
            return ASSAY_EIO;
        for (uint32_t r = 0; r < count && ready > 0; r++) {
            if (r == t->at || (polled[r].revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
                continue;
            *fault = r;
            return ASSAY_EIO;
        }
        if (ready > 0)
            return ASSAY_OK;
        if (left == 0)
            return ASSAY_ETIMEOUT;
    }
}

enum assay_status assay_star_move(const struct assay_star *star,
        const struct assay_transfer *transfer, void *to, const void *from, size_t size,
        uint32_t *fault)
{
    const int fd = star->fds[transfer->at];
    size_t at = 0;

    *fault = transfer->at;
    while (at < size) {
        enum assay_status status = wait_for(star, transfer, from ? POLLOUT : POLLIN, fault);
        ssize_t moved;

        if (status != ASSAY_OK)
            return status;
        moved = from ? send(fd, (const char *)from + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT)
                     : recv(fd, (char *)to + at, size - at, MSG_DONTWAIT);
        if (moved == 0 || (moved < 0 && errno != EAGAIN && errno != EINTR))
            return ASSAY_EIO;
        at += moved > 0 ? (size_t)moved : 0;
    }
    return ASSAY_OK;
}

// --- a step -------------------------------------------------------------------------------------

struct turn {
    struct assay_star *s;
    const struct assay_step *step;
    uint64_t deadline_ms;
    struct assay_error *err;
};

static struct turn begin(
        struct assay_star *s, const struct assay_step *step, struct assay_error *err)
{
    // Rank 0 may come last, and then wait for another one.
    const uint64_t wait_ms = s->ranks.rank == 0 ? step->wait_ms : 2 * step->wait_ms + GRACE_MS;

    return (struct turn){s, step, assay_clock_ms() + wait_ms, err};
}

static enum assay_status blame(const struct turn *t, enum assay_status status, uint32_t rank)
{
    const unsigned long long call = t->step->call, wait_ms = t->step->wait_ms;

    return status == ASSAY_ETIMEOUT
            ? assay_fail(t->err, ASSAY_ETIMEOUT,
                      "rank %u of %u did not come to %s, call %llu, within %llu ms", rank,
                      t->s->ranks.world, t->step->what, call, wait_ms)
            : assay_fail(t->err, ASSAY_EIO, "rank %u of %u is gone before %s, call %llu", rank,
                      t->s->ranks.world, t->step->what, call);
}

static enum assay_status take(const struct turn *t, uint32_t from, void *bytes, size_t size)
{
    const struct assay_transfer in = {from, true, t->deadline_ms};
    uint32_t fault = from;
    enum assay_status status = assay_star_move(t->s, &in, bytes, NULL, size, &fault);

    return status == ASSAY_OK ? ASSAY_OK : blame(t, status, fault);
}

// What rank 0 said before its connection ended, if it did.
static bool take_reason(const struct turn *t, const struct reply *reply, enum assay_status *status)
{
    const struct assay_transfer in = {0, false, t->deadline_ms};
    char text[sizeof(((struct assay_error *)NULL)->message)];
    uint32_t fault;

    if (reply->status == ASSAY_OK || reply->bytes >= sizeof(text) ||
            assay_star_move(t->s, &in, text, NULL, reply->bytes, &fault) != ASSAY_OK)
        return false;
    text[reply->bytes] = 0;
    *status = assay_fail(t->err, (enum assay_status)reply->status, "%s", text);
    return true;
}

static enum assay_status give(const struct turn *t, uint32_t to, const void *bytes, size_t size)
{
    const struct assay_transfer in = {0, false, t->deadline_ms};
    struct reply reply;
    const struct assay_transfer out = {to, false, t->deadline_ms};
    uint32_t fault = to;
    enum assay_status status = assay_star_move(t->s, &out, NULL, bytes, size, &fault);

    if (status == ASSAY_OK)
        return ASSAY_OK;
    if (t->s->ranks.rank != 0 && status == ASSAY_EIO &&
            assay_star_move(t->s, &in, &reply, NULL, sizeof(reply), &fault) == ASSAY_OK &&
            take_reason(t, &reply, &status))
        return status;
    return blame(t, status, to);
}

// Of rank 0: those from `first` on need not wait for what does not come. Whoever has no room for it
// sees the connection end.
static enum assay_status tell(const struct turn *t, uint32_t first, enum assay_status status)
{
    const char *text = t->err ? t->err->message : "rank 0 has failed";
    const struct reply reply = {(uint32_t)status, (uint32_t)strlen(text)};

    for (uint32_t r = first; r < t->s->ranks.world; r++) {
        (void)send(t->s->fds[r], &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
        (void)send(t->s->fds[r], text, reply.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return status;
}

// Of another rank: pieces, or why there are none.
static enum assay_status take_reply(const struct turn *t, uint32_t bytes)
{
    struct reply reply;
    enum assay_status status = take(t, 0, &reply, sizeof(reply));

    if (status != ASSAY_OK || (reply.status == ASSAY_OK && reply.bytes == bytes))
        return status;
    if (take_reason(t, &reply, &status))
        return status;
    return assay_fail(t->err, ASSAY_EIO, "rank 0 sent something else than %s", t->step->what);
}

static enum assay_status take_message(const struct turn *t, uint32_t from, struct message wanted)
{
    struct message is;
    enum assay_status status = take(t, from, &is, sizeof(is));

    if (status == ASSAY_OK &&
            (is.call != wanted.call || is.kind != wanted.kind || is.bytes != wanted.bytes))
        status = assay_fail(t->err, ASSAY_EIO,
                "rank %u of %u is at call %llu, rank 0 at call %llu: they do not do the same", from,
                t->s->ranks.world, (unsigned long long)is.call, (unsigned long long)wanted.call);
    return status;
}

static char *piece_at(char *pieces, uint32_t r)
{
    return pieces + r * (size_t)ASSAY_PIECE_BYTES;
}

static char *out_of(void *joined, uint32_t to)
{
    return piece_at(((struct assay_star *)joined)->own, to);
}

static const char *in_of(void *joined, uint32_t from)
{
    return piece_at(((struct assay_star *)joined)->theirs, from);
}

static enum assay_status done(void *joined, const struct assay_step *step, struct assay_error *err)
{
    (void)joined; // pieces are copies
    (void)step;
    (void)err;
    return ASSAY_OK;
}

static size_t total_of(const struct assay_star *s, const size_t *counts)
{
    size_t total = 0;

    for (uint32_t r = 0; r < s->ranks.world; r++)
        total += counts[r];
    return total;
}

static enum assay_status gather_at_first(const struct turn *t, const size_t *bytes)
{
    struct assay_star *s = t->s;
    const struct reply reply = {ASSAY_OK, (uint32_t)total_of(s, bytes)};
    enum assay_status status = ASSAY_OK;

    memcpy(s->theirs, s->own, bytes[0]);
    for (uint32_t r = 1; r < s->ranks.world && status == ASSAY_OK; r++) {
        status = take_message(
                t, r, (struct message){t->step->call, KIND_GATHER, (uint32_t)bytes[r]});
        if (status == ASSAY_OK)
            status = take(t, r, piece_at(s->theirs, r), bytes[r]);
    }
    if (status != ASSAY_OK)
        return tell(t, 1, status);
    for (uint32_t r = 1; r < s->ranks.world && status == ASSAY_OK; r++) {
        status = give(t, r, &reply, sizeof(reply));
        for (uint32_t k = 0; k < s->ranks.world && status == ASSAY_OK; k++)
            status = give(t, r, piece_at(s->theirs, k), bytes[k]);
        if (status != ASSAY_OK)
            return tell(t, r + 1, status);
    }
    return status;
}

static enum assay_status gather(
        void *joined, const size_t *bytes, const struct assay_step *step, struct assay_error *err)
{
    struct assay_star *s = joined;
    const struct turn t = begin(s, step, err);
    const uint32_t me = s->ranks.rank;
    const struct message message = {step->call, KIND_GATHER, (uint32_t)bytes[me]};
    enum assay_status status;

    if (me == 0)
        return gather_at_first(&t, bytes);
    status = give(&t, 0, &message, sizeof(message));
    if (status == ASSAY_OK)
        status = give(&t, 0, s->own, bytes[me]);
    if (status == ASSAY_OK)
        status = take_reply(&t, (uint32_t)total_of(s, bytes));
    for (uint32_t r = 0; r < s->ranks.world && status == ASSAY_OK; r++)
        status = take(&t, 0, piece_at(s->theirs, r), bytes[r]);
    return status;
}

static float *floats_at(char *pieces, uint32_t r)
{
    return (float *)(void *)piece_at(pieces, r);
}

// theirs [world]: the sums. What they begin with comes before anything is added; own[0] is free
// once it was.
static enum assay_status sum_at_first(
        const struct turn *t, const float *begun, bool onto, const size_t *counts)
{
    struct assay_star *s = t->s;
    const uint32_t bytes = (uint32_t)(total_of(s, counts) * sizeof(float));
    enum assay_status status = ASSAY_OK;

    for (uint32_t r = 0; r < s->ranks.world && status == ASSAY_OK; r++) {
        if (r > 0)
            status = take_message(t, r, (struct message){t->step->call, KIND_SUM, bytes});
        if (status == ASSAY_OK && onto && r > 0)
            status = take(t, r, piece_at(s->theirs, r), counts[r] * sizeof(float));
        else if (onto && r == 0)
            memcpy(s->theirs, begun, counts[0] * sizeof(float));
        if (status != ASSAY_OK)
            return status;
        if (onto)
            assay_floats_add(floats_at(s->theirs, r), floats_at(s->own, r), counts[r]);
        else
            memcpy(piece_at(s->theirs, r), piece_at(s->own, r), counts[r] * sizeof(float));
    }
    for (uint32_t r = 1; r < s->ranks.world && status == ASSAY_OK; r++)
        for (uint32_t k = 0; k < s->ranks.world && status == ASSAY_OK; k++) {
            status = take(t, r, s->own, counts[k] * sizeof(float));
            if (status == ASSAY_OK)
                assay_floats_add(floats_at(s->theirs, k), floats_at(s->own, 0), counts[k]);
        }
    return status;
}

static enum assay_status give_sums(const struct turn *t, const size_t *counts)
{
    enum assay_status status = ASSAY_OK;

    for (uint32_t r = 1; r < t->s->ranks.world && status == ASSAY_OK; r++) {
        const struct reply reply = {ASSAY_OK, (uint32_t)(counts[r] * sizeof(float))};

        status = give(t, r, &reply, sizeof(reply));
        if (status == ASSAY_OK)
            status = give(t, r, piece_at(t->s->theirs, r), reply.bytes);
        if (status != ASSAY_OK)
            return tell(t, r + 1, status);
    }
    return status;
}

static enum assay_status sum(void *joined, float *out, bool onto, const size_t *counts,
        const struct assay_step *step, struct assay_error *err)
{
    struct assay_star *s = joined;
    const struct turn t = begin(s, step, err);
    const uint32_t me = s->ranks.rank;
    const size_t own = counts[me] * sizeof(float);
    const struct message message = {
            step->call, KIND_SUM, (uint32_t)(total_of(s, counts) * sizeof(float))};
    enum assay_status status;

    if (me == 0) {
        status = sum_at_first(&t, out, onto, counts);
        if (status != ASSAY_OK)
            return tell(&t, 1, status);
        memcpy(out, s->theirs, own);
        return give_sums(&t, counts);
    }
    status = give(&t, 0, &message, sizeof(message));
    if (status == ASSAY_OK && onto)
        status = give(&t, 0, out, own);
    for (uint32_t r = 0; r < s->ranks.world && status == ASSAY_OK; r++)
        status = give(&t, 0, piece_at(s->own, r), counts[r] * sizeof(float));
    if (status == ASSAY_OK)
        status = take_reply(&t, (uint32_t)own);
    return status == ASSAY_OK ? take(&t, 0, out, own) : status;
}

// --- life ---------------------------------------------------------------------------------------

static void close_star(void *joined)
{
    struct assay_star *s = joined;

    if (!s)
        return;
    for (uint32_t r = 0; r < ASSAY_RANKS_MAX; r++)
        if (s->fds[r] >= 0)
            (void)close(s->fds[r]);
    free(s->own);
    free(s->theirs);
    free(s);
}

enum assay_status assay_join_tcp(const struct assay_join **out, void **joined,
        const struct assay_collective_options *options, struct assay_error *err)
{
    static const struct assay_join tcp = {.out = out_of,
            .sum = sum,
            .gather = gather,
            .in = in_of,
            .done = done,
            .close = close_star};
    const size_t bytes = options->ranks.world * (size_t)ASSAY_PIECE_BYTES;
    struct assay_star *s = calloc(1, sizeof(*s));
    enum assay_status status = ASSAY_OK;

    assert(options->master && options->secret);
    if (!s)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    s->ranks = options->ranks;
    for (uint32_t r = 0; r < ASSAY_RANKS_MAX; r++)
        s->fds[r] = -1;
    s->own = malloc(bytes);
    s->theirs = malloc(bytes);
    if (!s->own || !s->theirs)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK && strlen(options->secret) < ASSAY_SECRET_BYTES_MIN)
        status = assay_fail(err, ASSAY_EINVAL, "the secret of a group has %d characters or more",
                ASSAY_SECRET_BYTES_MIN);
    if (status == ASSAY_OK)
        status = assay_star_meet(s, options, err);
    if (status == ASSAY_OK) {
        *out = &tcp;
        *joined = s;
    } else {
        close_star(s);
    }
    return status;
}
