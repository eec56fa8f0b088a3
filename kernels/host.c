// SPDX-License-Identifier: MIT
#include "kernels/host.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/pool.h"

// A large tensor on large pages: a matrix walked across its rows meets a page a row otherwise.
enum { ALIGNMENT = 64, PAGE_BYTES = 2 << 20 };

size_t assay_dtype_bytes(enum assay_dtype dtype)
{
    switch (dtype) {
    case ASSAY_DTYPE_F32:
        return 4;
    case ASSAY_DTYPE_F64:
        return 8;
    case ASSAY_DTYPE_BF16:
        return 2;
    }
    return 0;
}

static void *aligned(size_t bytes)
{
    const size_t alignment = bytes >= PAGE_BYTES ? PAGE_BYTES : ALIGNMENT;
    void *memory = NULL;

    if (bytes > SIZE_MAX - alignment)
        return NULL;
    memory = aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
    // Advice only: without such pages it is slower, not wrong.
    if (memory != NULL && alignment == PAGE_BYTES)
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

enum assay_status assay_host_alloc(void **out, size_t bytes, struct assay_error *err)
{
    void *memory = aligned(bytes);

    if (memory == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a tensor of %zu bytes", bytes);
    memset(memory, 0, bytes);
    *out = memory;
    return ASSAY_OK;
}

void assay_host_release(void *memory)
{
    free(memory);
}

enum assay_status assay_host_stream_create(struct assay_stream **out,
        const struct assay_stream_options *options, struct assay_error *err)
{
    struct assay_stream *stream = calloc(1, sizeof(*stream));

    (void)options;
    if (stream == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = stream;
    return ASSAY_OK;
}

enum assay_status assay_host_stream_create_threads(struct assay_stream **out,
        const struct assay_stream_options *options, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_stream *stream = NULL;

    status = assay_host_stream_create(&stream, options, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_pool_create(&stream->pool, options->thread_count, err);
    if (status != ASSAY_OK) {
        assay_host_stream_destroy(stream);
        return status;
    }
    *out = stream;
    return ASSAY_OK;
}

void assay_host_stream_destroy(struct assay_stream *stream)
{
    if (stream == NULL)
        return;
    assay_pool_destroy(stream->pool);
    free(stream->shared);
    free(stream->aside);
    free(stream->local);
    free(stream);
}

enum assay_status assay_host_sync(struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_error failure = stream->failure;

    stream->failure.status = ASSAY_OK;
    if (failure.status != ASSAY_OK && err != NULL)
        *err = failure;
    return failure.status;
}

static bool grow(struct assay_stream *stream, void **memory, size_t *have, size_t bytes)
{
    if (stream->failure.status != ASSAY_OK)
        return false;
    if (bytes <= *have)
        return true;
    free(*memory);
    *have = 0;
    *memory = aligned(bytes);
    if (*memory == NULL) {
        (void)assay_fail(
                &stream->failure, ASSAY_ENOMEM, "no memory for %zu bytes of scratch", bytes);
        return false;
    }
    *have = bytes;
    return true;
}

void *assay_host_shared(struct assay_stream *stream, size_t bytes)
{
    if (!grow(stream, &stream->shared, &stream->shared_bytes, bytes > 0 ? bytes : 1))
        return NULL;
    return stream->shared;
}

void *assay_host_aside(struct assay_stream *stream, size_t bytes)
{
    if (!grow(stream, &stream->aside, &stream->aside_bytes, bytes > 0 ? bytes : 1))
        return NULL;
    return stream->aside;
}

bool assay_host_reserve_local(struct assay_stream *stream, size_t bytes)
{
    const size_t count = stream->pool != NULL ? assay_pool_thread_count(stream->pool) : 1;
    const size_t each = (bytes / ALIGNMENT + 1) * ALIGNMENT;
    size_t have = stream->local_bytes * count;

    if (each <= stream->local_bytes)
        return stream->failure.status == ASSAY_OK;
    stream->local_bytes = 0;
    if (!grow(stream, &stream->local, &have, each * count))
        return false;
    stream->local_bytes = each;
    return true;
}

void *assay_host_local(const struct assay_stream *stream, size_t thread_index)
{
    return (char *)stream->local + thread_index * stream->local_bytes;
}

void assay_host_copy(struct assay_stream *stream, void *to, const void *from, size_t bytes)
{
    (void)stream;
    if (bytes > 0)
        memcpy(to, from, bytes);
}

void assay_host_zero(struct assay_stream *stream, void *memory, size_t bytes)
{
    (void)stream;
    if (bytes > 0)
        memset(memory, 0, bytes);
}
