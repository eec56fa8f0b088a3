// SPDX-License-Identifier: MIT
// nccl.cu - NCCL for kernels/collective.c: opened at run time, so that a host with one GPU needs
// none. Ranges of different lengths are one reduction or broadcast each, in one group.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device.h"

extern "C" {
#include "base/clock.h"
#include "kernels/collective.h"
}

// As the library has them; its header need not be there.
typedef void *nccl_comm;
struct nccl_id {
    char bytes[ASSAY_BULK_ID_BYTES];
};
enum { NCCL_OK = 0, NCCL_IN_PROGRESS = 7, NCCL_BYTES = 0, NCCL_FLOAT = 7, NCCL_SUM = 0 };

struct nccl {
    int (*get_id)(struct nccl_id *id);
    int (*init)(nccl_comm *comm, int world, struct nccl_id id, int rank);
    int (*destroy)(nccl_comm comm);
    int (*abort)(nccl_comm comm);
    int (*async_error)(nccl_comm comm, int *result);
    int (*group_start)(void);
    int (*group_end)(void);
    int (*reduce)(const void *from, void *to, size_t count, int type, int op, int root,
            nccl_comm comm, cudaStream_t queue);
    int (*broadcast)(const void *from, void *to, size_t count, int type, int root, nccl_comm comm,
            cudaStream_t queue);
    const char *(*error)(int result);
};

struct bulk {
    struct nccl nccl;
    nccl_comm comm; // NULL: given up
    struct assay_ranks ranks;
};

static bool find(void *library, const char *name, void *function)
{
    void *const symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static enum assay_status open_nccl(struct nccl *out, struct assay_error *err)
{
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return assay_fail(err, ASSAY_ENOTFOUND, "no libnccl.so.2: %s", dlerror());
    // Multicast has put hosts out of service that others shared.
    (void)setenv("NCCL_NVLS_ENABLE", "0", 1);
    if (!find(library, "ncclGetUniqueId", &out->get_id) ||
            !find(library, "ncclCommInitRank", &out->init) ||
            !find(library, "ncclCommDestroy", &out->destroy) ||
            !find(library, "ncclCommAbort", &out->abort) ||
            !find(library, "ncclCommGetAsyncError", &out->async_error) ||
            !find(library, "ncclGroupStart", &out->group_start) ||
            !find(library, "ncclGroupEnd", &out->group_end) ||
            !find(library, "ncclReduce", &out->reduce) ||
            !find(library, "ncclBroadcast", &out->broadcast) ||
            !find(library, "ncclGetErrorString", &out->error))
        return assay_fail(err, ASSAY_ENOTFOUND, "libnccl.so.2 lacks a function");
    return ASSAY_OK;
}

static enum assay_status told(
        const struct nccl *nccl, int result, const char *what, struct assay_error *err)
{
    if (result == NCCL_OK || result == NCCL_IN_PROGRESS)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_ECUDA, "NCCL, %s: %s", what, nccl->error(result));
}

static enum assay_status make_id(char *id, struct assay_error *err)
{
    struct nccl nccl;
    struct nccl_id made;
    enum assay_status status = open_nccl(&nccl, err);

    if (status == ASSAY_OK)
        status = told(&nccl, nccl.get_id(&made), "an id", err);
    if (status == ASSAY_OK)
        memcpy(id, made.bytes, sizeof(made.bytes));
    return status;
}

static void close_bulk(void *opaque)
{
    struct bulk *b = (struct bulk *)opaque;

    if (b && b->comm)
        (void)b->nccl.destroy(b->comm);
    free(b);
}

static enum assay_status open_bulk(void **out, const char *id, struct assay_ranks ranks,
        struct assay_stream *, struct assay_error *err)
{
    struct bulk *b = (struct bulk *)calloc(1, sizeof(*b));
    struct nccl_id ours;
    enum assay_status status;

    if (!b)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(ours.bytes, id, sizeof(ours.bytes));
    b->ranks = ranks;
    status = open_nccl(&b->nccl, err);
    // The stream's GPU is this thread's since the stream was made.
    if (status == ASSAY_OK)
        status = told(&b->nccl, b->nccl.init(&b->comm, (int)ranks.world, ours, (int)ranks.rank),
                "a group", err);
    if (status == ASSAY_OK)
        *out = b;
    else
        close_bulk(b);
    return status;
}

// One call for each range, in one group.
template <class Call>
static enum assay_status each_range(
        struct bulk *b, const uint64_t *bounds, const Call &call, struct assay_error *err)
{
    enum assay_status status;

    if (!b->comm)
        return assay_fail(err, ASSAY_ECUDA, "NCCL was given up before");
    status = told(&b->nccl, b->nccl.group_start(), "begin", err);
    for (uint32_t r = 0; r < b->ranks.world && status == ASSAY_OK; r++)
        if (bounds[r + 1] > bounds[r])
            status = told(&b->nccl, call(r, bounds[r], bounds[r + 1] - bounds[r]), "a range", err);
    if (status == ASSAY_OK)
        status = told(&b->nccl, b->nccl.group_end(), "end", err);
    return status;
}

static enum assay_status reduce_scatter(void *opaque, float *data, const uint64_t *bounds,
        struct assay_stream *stream, struct assay_error *err)
{
    struct bulk *b = (struct bulk *)opaque;

    return each_range(
            b, bounds,
            [&](uint32_t r, uint64_t at, uint64_t count) {
                return b->nccl.reduce(data + at, data + at, count, NCCL_FLOAT, NCCL_SUM, (int)r,
                        b->comm, stream->queue);
            },
            err);
}

static enum assay_status all_gather(void *opaque, void *data, size_t element_bytes,
        const uint64_t *bounds, struct assay_stream *stream, struct assay_error *err)
{
    struct bulk *b = (struct bulk *)opaque;

    return each_range(
            b, bounds,
            [&](uint32_t r, uint64_t at, uint64_t count) {
                char *range = (char *)data + at * element_bytes;

                return b->nccl.broadcast(range, range, count * element_bytes, NCCL_BYTES, (int)r,
                        b->comm, stream->queue);
            },
            err);
}

static enum assay_status wait_bulk(
        void *opaque, struct assay_stream *stream, uint64_t deadline_ms, struct assay_error *err)
{
    struct bulk *b = (struct bulk *)opaque;
    const struct timespec nap = {.tv_sec = 0, .tv_nsec = 20000};
    enum assay_status status = ASSAY_OK;
    int trouble = NCCL_OK;
    cudaError_t done;

    while ((done = cudaStreamQuery(stream->queue)) == cudaErrorNotReady && status == ASSAY_OK) {
        status = told(&b->nccl, b->nccl.async_error(b->comm, &trouble), "its state", err);
        if (status == ASSAY_OK)
            status = told(&b->nccl, trouble, "the group", err);
        if (status == ASSAY_OK && assay_clock_left_ms(deadline_ms) == 0)
            status = assay_fail(err, ASSAY_ETIMEOUT,
                    "rank %u of %u: all came, but NCCL was not done by the deadline", b->ranks.rank,
                    b->ranks.world);
        if (status == ASSAY_OK)
            (void)nanosleep(&nap, NULL);
    }
    if (status != ASSAY_OK) {
        (void)b->nccl.abort(b->comm);
        b->comm = NULL;
        return status;
    }
    (void)cuda_keep(stream, done, "NCCL");
    return cuda_device.sync(stream, err);
}

extern "C" __attribute__((visibility("default"))) const struct assay_bulk *assay_cuda_bulk(void)
{
    static const struct assay_bulk bulk = {
            make_id, open_bulk, close_bulk, reduce_scatter, all_gather, wait_bulk};

    return &bulk;
}
