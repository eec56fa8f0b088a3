// SPDX-License-Identifier: MIT
// collective.c - the board, and exchanges over it.
//
// The board is a mapped file: a head with a counter for each rank, then a slot for each. A step of
// an exchange is: write to the own slot, meet, read the others' slots, meet. To meet is to raise
// the own counter and wait for the others' to be as high.
#include "kernels/collective.h"

#include <assert.h>
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
#include "kernels/gpu.h"

enum { PIECE_BYTES = 262144, SPINS = 2000, NAP_NS = 50000 };

struct place {
    _Alignas(64) _Atomic uint32_t process; // 0: nobody has come; a line of the cache each
    _Atomic uint64_t met;                  // how often
};

struct board {
    _Atomic uint32_t world; // 0: nobody has come
    char id[ASSAY_BULK_ID_BYTES];
    struct place places[ASSAY_RANKS_MAX];
};

struct assay_collective {
    struct assay_collective_options options;
    struct board *board; // mapped
    char *slots;         // [world][world * PIECE_BYTES]
    size_t bytes;
    uint64_t met;   // how often this rank has
    uint64_t calls; // of the caller's, for errors
    float *sum;     // [PIECE_BYTES]
    const struct assay_bulk *bulk;
    void *bulk_group;
};

static size_t slot_bytes(const struct assay_collective *c)
{
    return c->options.ranks.world * (size_t)PIECE_BYTES;
}

// Where rank `from` leaves what is for rank `to`.
static char *slot_at(const struct assay_collective *c, uint32_t from, uint32_t to)
{
    return c->slots + from * slot_bytes(c) + to * (size_t)PIECE_BYTES;
}

// --- meeting ------------------------------------------------------------------------------------

// Why rank `r` is not there yet, if that is final.
static enum assay_status ask_after(const struct assay_collective *c, uint32_t r, const char *what,
        uint64_t deadline_ms, struct assay_error *err)
{
    const uint32_t process = atomic_load(&c->board->places[r].process);

    if (process != 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH)
        return assay_fail(err, ASSAY_EIO, "rank %u of %u (process %u) is gone before %s, call %llu",
                r, c->options.ranks.world, process, what, (unsigned long long)c->calls);
    if (assay_clock_left_ms(deadline_ms) == 0)
        return assay_fail(err, ASSAY_ETIMEOUT,
                "rank %u of %u (process %u) did not come to %s, call %llu, within %llu ms", r,
                c->options.ranks.world, process, what, (unsigned long long)c->calls,
                (unsigned long long)c->options.deadline_ms);
    return ASSAY_OK;
}

static enum assay_status meet(struct assay_collective *c, const char *what, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + c->options.deadline_ms;
    const struct timespec nap = {.tv_nsec = NAP_NS};

    atomic_store(&c->board->places[c->options.ranks.rank].met, ++c->met);
    for (uint32_t r = 0; r < c->options.ranks.world; r++)
        for (uint64_t spins = 0; atomic_load(&c->board->places[r].met) < c->met; spins++) {
            if (spins < SPINS) {
                (void)sched_yield();
                continue;
            }
            enum assay_status status = ask_after(c, r, what, deadline_ms, err);

            if (status != ASSAY_OK)
                return status;
            (void)nanosleep(&nap, NULL);
        }
    return ASSAY_OK;
}

// --- life ---------------------------------------------------------------------------------------

static enum assay_status map_board(struct assay_collective *c, struct assay_error *err)
{
    const char *path = c->options.board;
    enum assay_status status = ASSAY_OK;
    void *memory;
    int fd;

    c->bytes = sizeof(struct board) + c->options.ranks.world * slot_bytes(c);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // All ranks give it the same length.
    if (fd < 0 || ftruncate(fd, (off_t)c->bytes) != 0) {
        status = assay_fail(err, ASSAY_EIO, "board %s: %s", path,
                strerror(errno)); // NOLINT(concurrency-mt-unsafe): glibc keeps it for each thread
        goto out;
    }
    memory = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        status = assay_fail(err, ASSAY_ENOMEM, "board %s: %zu bytes do not map", path, c->bytes);
        goto out;
    }
    c->board = memory;
    c->slots = (char *)memory + sizeof(struct board);

out:
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum assay_status take_place(struct assay_collective *c, struct assay_error *err)
{
    const struct assay_ranks ranks = c->options.ranks;
    uint32_t nobody = 0, none = 0;

    if (!atomic_compare_exchange_strong(&c->board->world, &nobody, ranks.world) &&
            nobody != ranks.world)
        return assay_fail(err, ASSAY_EINVAL, "board %s is of a group of %u, not %u",
                c->options.board, nobody, ranks.world);
    if (!atomic_compare_exchange_strong(
                &c->board->places[ranks.rank].process, &none, (uint32_t)getpid()))
        return assay_fail(err, ASSAY_EINVAL,
                "board %s: rank %u is there already (process %u); a group needs a file of its own",
                c->options.board, ranks.rank, none);
    return meet(c, "the beginning", err);
}

enum assay_status assay_collective_create(struct assay_collective **out,
        const struct assay_collective_options *options, struct assay_error *err)
{
    struct assay_collective *c = calloc(1, sizeof(*c));
    enum assay_status status = ASSAY_OK;

    assert(options->ranks.world > 0 && options->ranks.world <= ASSAY_RANKS_MAX &&
            options->ranks.rank < options->ranks.world);
    if (!c)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    c->options = *options;
    c->sum = malloc(PIECE_BYTES);
    if (!c->sum)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = map_board(c, err);
    if (status == ASSAY_OK)
        status = take_place(c, err);
    if (status == ASSAY_OK)
        *out = c;
    else
        assay_collective_destroy(c);
    return status;
}

void assay_collective_destroy(struct assay_collective *collective)
{
    struct assay_collective *c = collective;

    if (!c)
        return;
    if (c->bulk_group)
        c->bulk->close(c->bulk_group);
    if (c->board)
        (void)munmap(c->board, c->bytes);
    free(c->sum);
    free(c);
}

struct assay_ranks assay_collective_ranks(const struct assay_collective *collective)
{
    return collective->options.ranks;
}

enum assay_status assay_collective_use_nccl(
        struct assay_collective *collective, struct assay_stream *stream, struct assay_error *err)
{
    struct assay_collective *c = collective;
    const struct assay_bulk *bulk = NULL;
    enum assay_status status = assay_gpu_bulk(&bulk, err);

    c->calls++;
    if (status == ASSAY_OK && c->options.ranks.rank == 0)
        status = bulk->id(c->board->id, err);
    if (status == ASSAY_OK)
        status = meet(c, "NCCL's id", err);
    if (status == ASSAY_OK)
        status = bulk->open(&c->bulk_group, c->board->id, c->options.ranks, stream, err);
    if (status == ASSAY_OK)
        c->bulk = bulk;
    return status;
}

// --- exchanges ----------------------------------------------------------------------------------

static uint64_t longest(const struct assay_collective *c, const uint64_t *bounds)
{
    uint64_t most = 0;

    for (uint32_t r = 0; r < c->options.ranks.world; r++)
        most = bounds[r + 1] - bounds[r] > most ? bounds[r + 1] - bounds[r] : most;
    return most;
}

// Elements of rank r's range in the step that begins `at` elements into every range.
static size_t piece_of(const uint64_t *bounds, uint32_t r, uint64_t at, size_t piece)
{
    const uint64_t count = bounds[r + 1] - bounds[r];

    if (at >= count)
        return 0;
    return count - at < piece ? (size_t)(count - at) : piece;
}

// The own range of one step, all ranks' slots added in their order.
static void add_slots(struct assay_collective *c, size_t count)
{
    const uint32_t me = c->options.ranks.rank;

    for (uint32_t r = 0; r < c->options.ranks.world; r++) {
        const float *from = (const float *)(const void *)slot_at(c, r, me);

        for (size_t i = 0; i < count; i++)
            c->sum[i] = r == 0 ? from[i] : c->sum[i] + from[i];
    }
}

static enum assay_status reduce_on_board(struct assay_collective *c, const struct assay_ops *ops,
        float *data, const uint64_t *bounds, struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_ranks ranks = c->options.ranks;
    const size_t piece = PIECE_BYTES / sizeof(float);
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < longest(c, bounds) && status == ASSAY_OK; at += piece) {
        const size_t own = piece_of(bounds, ranks.rank, at, piece);

        for (uint32_t r = 0; r < ranks.world; r++)
            ops->device.download(stream, slot_at(c, ranks.rank, r), data + bounds[r] + at,
                    piece_of(bounds, r, at, piece) * sizeof(float));
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = meet(c, "a sum", err);
        if (status != ASSAY_OK)
            break;
        add_slots(c, own);
        ops->device.upload(stream, data + bounds[ranks.rank] + at, c->sum, own * sizeof(float));
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = meet(c, "a sum", err);
    }
    return status;
}

enum assay_status assay_collective_reduce_scatter(struct assay_collective *collective,
        const struct assay_ops *ops, float *data, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_collective *c = collective;
    enum assay_status status;

    assert(ops->sum == ASSAY_DTYPE_F32);
    c->calls++;
    if (!c->bulk_group)
        return reduce_on_board(c, ops, data, bounds, stream, err);
    status = meet(c, "a sum", err);
    if (status == ASSAY_OK)
        status = c->bulk->reduce_scatter(c->bulk_group, data, bounds, stream, err);
    return status == ASSAY_OK
            ? c->bulk->wait(c->bulk_group, stream, assay_clock_ms() + c->options.deadline_ms, err)
            : status;
}

static enum assay_status gather_on_board(struct assay_collective *c, const struct assay_ops *ops,
        char *data, size_t element_bytes, const uint64_t *bounds, struct assay_stream *stream,
        struct assay_error *err)
{
    const struct assay_ranks ranks = c->options.ranks;
    const size_t piece = PIECE_BYTES / element_bytes;
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < longest(c, bounds) && status == ASSAY_OK; at += piece) {
        ops->device.download(stream, slot_at(c, ranks.rank, 0),
                data + (bounds[ranks.rank] + at) * element_bytes,
                piece_of(bounds, ranks.rank, at, piece) * element_bytes);
        status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = meet(c, "a gather", err);
        for (uint32_t r = 0; r < ranks.world && status == ASSAY_OK; r++)
            if (r != ranks.rank)
                ops->device.upload(stream, data + (bounds[r] + at) * element_bytes,
                        slot_at(c, r, 0), piece_of(bounds, r, at, piece) * element_bytes);
        if (status == ASSAY_OK)
            status = ops->device.sync(stream, err);
        if (status == ASSAY_OK)
            status = meet(c, "a gather", err);
    }
    return status;
}

enum assay_status assay_collective_all_gather(struct assay_collective *collective,
        const struct assay_ops *ops, void *data, size_t element_bytes, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_collective *c = collective;
    enum assay_status status;

    c->calls++;
    if (!c->bulk_group)
        return gather_on_board(c, ops, data, element_bytes, bounds, stream, err);
    status = meet(c, "a gather", err);
    if (status == ASSAY_OK)
        status = c->bulk->all_gather(c->bulk_group, data, element_bytes, bounds, stream, err);
    return status == ASSAY_OK
            ? c->bulk->wait(c->bulk_group, stream, assay_clock_ms() + c->options.deadline_ms, err)
            : status;
}

enum assay_status assay_collective_share(struct assay_collective *collective, void *all,
        const void *mine, size_t bytes, struct assay_error *err)
{
    struct assay_collective *c = collective;
    enum assay_status status;

    assert(bytes <= ASSAY_SHARE_BYTES_MAX);
    c->calls++;
    memcpy(slot_at(c, c->options.ranks.rank, 0), mine, bytes);
    status = meet(c, "what each has", err);
    if (status != ASSAY_OK)
        return status;
    for (uint32_t r = 0; r < c->options.ranks.world; r++)
        memcpy((char *)all + r * bytes, slot_at(c, r, 0), bytes);
    return meet(c, "what each has", err);
}
