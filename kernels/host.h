// SPDX-License-Identifier: MIT
// host.h - streams and memory of the two fillings that run on the host; inside kernels/ only.
//
// Work is done before a call returns, so a stream is its first failure, scratch memory, and (cpu)
// threads.
#ifndef ASSAY_KERNELS_HOST_H
#define ASSAY_KERNELS_HOST_H

#include <stdbool.h>

#include "kernels/device.h"

struct assay_pool;

struct assay_stream {
    struct assay_error failure; // status ASSAY_OK: none
    struct assay_pool *pool;    // owned; NULL for ref
    void *shared;               // owned; scratch that all threads see
    size_t shared_bytes;
    void *aside; // owned; the same, of operations made of others, which have `shared`
    size_t aside_bytes;
    void *local; // owned; one piece of local_bytes a thread
    size_t local_bytes;
};

// The functions of struct assay_device, whose comments are their contract.
enum assay_status assay_host_stream_create(struct assay_stream **out,
        const struct assay_stream_options *options, struct assay_error *err);
enum assay_status assay_host_stream_create_threads(struct assay_stream **out,
        const struct assay_stream_options *options, struct assay_error *err);
void assay_host_stream_destroy(struct assay_stream *stream);
enum assay_status assay_host_sync(struct assay_stream *stream, struct assay_error *err);
enum assay_status assay_host_alloc(void **out, size_t bytes, struct assay_error *err);
void assay_host_release(void *memory);
void assay_host_copy(struct assay_stream *stream, void *to, const void *from, size_t bytes);
void assay_host_zero(struct assay_stream *stream, void *memory, size_t bytes);

// At least `bytes` of scratch, kept until the next call asks for more; contents undefined. NULL:
// the stream has failed, now or before.
void *assay_host_shared(struct assay_stream *stream, size_t bytes);
void *assay_host_aside(struct assay_stream *stream, size_t bytes);

// For every thread of the pool; false: the stream has failed. A thread finds its piece with
// assay_host_local().
bool assay_host_reserve_local(struct assay_stream *stream, size_t bytes);
void *assay_host_local(const struct assay_stream *stream, size_t thread_index);

#endif
