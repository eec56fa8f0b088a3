// SPDX-License-Identifier: MIT
// device.h - where tensors live and what work is queued on.
#ifndef ASSAY_KERNELS_DEVICE_H
#define ASSAY_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum assay_dtype {
    ASSAY_DTYPE_F32,
    ASSAY_DTYPE_F64,
    ASSAY_DTYPE_BF16,
};

// Bytes of one element.
size_t assay_dtype_bytes(enum assay_dtype dtype);

// Opaque; made and destroyed by the device of one table and used with that table only. One stream
// belongs to one thread at a time; different streams may run at the same time.
struct assay_stream;

struct assay_stream_options {
    size_t thread_count; // cpu: threads that work, the caller among them; 0: the CPUs this process
                         // may use
    int device_index;    // cuda
};

struct assay_device {
    // *out is the caller's to destroy. Errors: ASSAY_ENOMEM, ASSAY_EIO, ASSAY_ECUDA.
    enum assay_status (*stream_create)(struct assay_stream **out,
            const struct assay_stream_options *options, struct assay_error *err);
    void (*stream_destroy)(struct assay_stream *stream); // waits; NULL is allowed

    // Wait for all queued work. Returns, and clears, the first failure since the last sync.
    enum assay_status (*sync)(struct assay_stream *stream, struct assay_error *err);

    // Zeroed, aligned to 64 bytes; the caller's to release. bytes 0 gives a valid pointer.
    // Errors: ASSAY_ENOMEM.
    enum assay_status (*alloc)(void **out, size_t bytes, struct assay_error *err);
    void (*release)(void *memory); // NULL is allowed

    // Queued. The host side of upload and download is borrowed until the next sync.
    void (*upload)(struct assay_stream *stream, void *to, const void *host, size_t bytes);
    void (*download)(struct assay_stream *stream, void *host, const void *from, size_t bytes);
    void (*copy)(struct assay_stream *stream, void *to, const void *from, size_t bytes);
    void (*zero)(struct assay_stream *stream, void *memory, size_t bytes);

    // Work that comes again: between begin and end the caller queues operations (no upload, no
    // download) that for one key are the same each time, pointers and shapes included; what memory
    // holds may differ. False: they were queued from a recording, queue nothing and do not end.
    // NULL: the device has no use for it.
    bool (*graph_begin)(struct assay_stream *stream, uint64_t key);
    void (*graph_end)(struct assay_stream *stream);
    // Memory that recordings of this stream name is about to be released.
    void (*graph_forget)(struct assay_stream *stream);
};

#endif
