// SPDX-License-Identifier: MIT
// collective_board.c - ranks of one host, joined by a mapped file.
//
// The board is a head with a counter for each rank, then a slot for each. A step is: write to the
// own slot, meet, read the others' slots, meet. To meet is to raise the own counter and wait for
// the others' to be as high.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernels/collective_parts.h"

enum { SPINS = 2000, NAP_NS = 50000 };

struct place {
    _Alignas(64) _Atomic uint32_t process; // 0: nobody has come; a line of the cache each
    _Atomic uint32_t has_left;
    _Atomic uint64_t met; // how often
};

struct head {
    _Atomic uint32_t world; // 0: nobody has come
    struct place places[ASSAY_RANKS_MAX];
};

struct board {
    struct assay_ranks ranks;
    struct head *head; // mapped
    char *slots;       // [world][world * ASSAY_PIECE_BYTES]
    size_t bytes;
    uint64_t met; // how often this rank has
    bool seated;
};

static size_t slot_bytes(const struct board *b)
{
    return b->ranks.world * (size_t)ASSAY_PIECE_BYTES;
}

// Where rank `from` leaves what is for rank `to`.
static char *slot_at(const struct board *b, uint32_t from, uint32_t to)
{
    return b->slots + from * slot_bytes(b) + to * (size_t)ASSAY_PIECE_BYTES;
}

// --- meeting ------------------------------------------------------------------------------------

// Why rank `r` is not there yet, if that is final.
static enum assay_status ask_after(const struct board *b, uint32_t r, const struct assay_step *step,
        uint64_t deadline_ms, struct assay_error *err)
{
    const struct place *place = &b->head->places[r];
    const uint32_t process = atomic_load(&place->process);
    const unsigned long long call = step->call;

    if (atomic_load(&place->has_left) != 0 ||
            (process != 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH))
        return assay_fail(err, ASSAY_EIO, "rank %u of %u (process %u) is gone before %s, call %llu",
                r, b->ranks.world, process, step->what, call);
    if (assay_clock_left_ms(deadline_ms) == 0)
        return assay_fail(err, ASSAY_ETIMEOUT,
                "rank %u of %u (process %u) did not come to %s, call %llu, within %llu ms", r,
                b->ranks.world, process, step->what, call, (unsigned long long)step->wait_ms);
    return ASSAY_OK;
}

static enum assay_status meet(
        struct board *b, const struct assay_step *step, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + step->wait_ms;
    const struct timespec nap = {.tv_nsec = NAP_NS};

    atomic_store(&b->head->places[b->ranks.rank].met, ++b->met);
    for (uint32_t r = 0; r < b->ranks.world; r++)
        for (uint64_t spins = 0; atomic_load(&b->head->places[r].met) < b->met; spins++) {
            if (spins < SPINS) {
                (void)sched_yield();
                continue;
            }
            enum assay_status status = ask_after(b, r, step, deadline_ms, err);

            // Whoever left may have come before.
            if (status == ASSAY_EIO && atomic_load(&b->head->places[r].met) >= b->met)
                break;
            if (status != ASSAY_OK)
                return status;
            (void)nanosleep(&nap, NULL);
        }
    return ASSAY_OK;
}

// --- steps --------------------------------------------------------------------------------------

static char *out_of(void *joined, uint32_t to)
{
    const struct board *b = joined;

    return slot_at(b, b->ranks.rank, to);
}

static const char *in_of(void *joined, uint32_t from)
{
    return slot_at(joined, from, 0);
}

static enum assay_status done(void *joined, const struct assay_step *step, struct assay_error *err)
{
    return meet(joined, step, err);
}

static enum assay_status gather(
        void *joined, const size_t *bytes, const struct assay_step *step, struct assay_error *err)
{
    (void)bytes; // it is all there
    return meet(joined, step, err);
}

static enum assay_status sum(void *joined, float *out, bool onto, const size_t *counts,
        const struct assay_step *step, struct assay_error *err)
{
    struct board *b = joined;
    const uint32_t me = b->ranks.rank;
    enum assay_status status = meet(b, step, err);

    for (uint32_t r = 0; r < b->ranks.world && status == ASSAY_OK; r++) {
        const float *from = (const float *)(const void *)slot_at(b, r, me);

        if (r == 0 && !onto)
            memcpy(out, from, counts[me] * sizeof(*out));
        else
            assay_floats_add(out, from, counts[me]);
    }
    return status;
}

// --- life ---------------------------------------------------------------------------------------

static void close_board(void *joined)
{
    struct board *b = joined;

    if (!b)
        return;
    if (b->head) {
        if (b->seated)
            atomic_store(&b->head->places[b->ranks.rank].has_left, 1);
        (void)munmap(b->head, b->bytes);
    }
    free(b);
}

static enum assay_status map(struct board *b, const char *path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    void *memory;
    int fd;

    b->bytes = sizeof(struct head) + b->ranks.world * slot_bytes(b);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // All ranks give it the same length.
    if (fd < 0 || ftruncate(fd, (off_t)b->bytes) != 0) {
        status = assay_fail_errno(err, errno, "board %s", path);
        goto out;
    }
    memory = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        status = assay_fail(err, ASSAY_ENOMEM, "board %s: %zu bytes do not map", path, b->bytes);
        goto out;
    }
    b->head = memory;
    b->slots = (char *)memory + sizeof(struct head);

out:
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum assay_status take_place(
        struct board *b, const struct assay_collective_options *options, struct assay_error *err)
{
    const struct assay_step step = {"the beginning", 0, options->deadline_ms};
    uint32_t nobody = 0, none = 0;

    if (!atomic_compare_exchange_strong(&b->head->world, &nobody, b->ranks.world) &&
            nobody != b->ranks.world)
        return assay_fail(err, ASSAY_EINVAL, "board %s is of a group of %u, not %u", options->board,
                nobody, b->ranks.world);
    if (!atomic_compare_exchange_strong(
                &b->head->places[b->ranks.rank].process, &none, (uint32_t)getpid()))
        return assay_fail(err, ASSAY_EINVAL,
                "board %s: rank %u is there already (process %u); a group needs a file of its own",
                options->board, b->ranks.rank, none);
    b->seated = true;
    return meet(b, &step, err);
}

enum assay_status assay_join_board(const struct assay_join **out, void **joined,
        const struct assay_collective_options *options, struct assay_error *err)
{
    static const struct assay_join board = {.out = out_of,
            .sum = sum,
            .gather = gather,
            .in = in_of,
            .done = done,
            .close = close_board};
    struct board *b = calloc(1, sizeof(*b));
    enum assay_status status;

    if (!b)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    b->ranks = options->ranks;
    status = map(b, options->board, err);
    if (status == ASSAY_OK)
        status = take_place(b, options, err);
    if (status == ASSAY_OK) {
        *out = &board;
        *joined = b;
    } else {
        close_board(b);
    }
    return status;
}
