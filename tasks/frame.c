// SPDX-License-Identifier: MIT
#include "tasks/frame.h"

#include <zstd.h>

#define ZSTD_LEVEL 3

enum assay_status assay_frame_pack(struct assay_buf *out, const char *raw, size_t len,
        const char *what, struct assay_error *err)
{
    const size_t bound = ZSTD_compressBound(len);
    size_t size;

    if (!assay_buf_reserve(out, bound))
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", what);
    size = ZSTD_compress(out->data, bound, raw, len, ZSTD_LEVEL);
    if (ZSTD_isError(size))
        return assay_fail(err, ASSAY_ENOMEM, "%s: %s", what, ZSTD_getErrorName(size));
    out->len = size;
    return ASSAY_OK;
}

enum assay_status assay_frame_unpack(struct assay_buf *out, struct assay_bytes frame,
        size_t raw_bytes, const char *what, struct assay_error *err)
{
    size_t size;

    if (!assay_buf_reserve(out, raw_bytes))
        return assay_fail(err, ASSAY_ENOMEM, "store: %s are too large", what);
    size = ZSTD_decompress(out->data, raw_bytes, frame.data, frame.len);
    if (ZSTD_isError(size) || size != raw_bytes)
        return assay_fail(err, ASSAY_EIO, "store: %s are damaged", what);
    out->len = size;
    out->data[size] = '\0';
    return ASSAY_OK;
}
