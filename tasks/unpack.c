// SPDX-License-Identifier: MIT
#include "tasks/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define WINDOW_BYTES ((size_t)64 << 10)
#define GZIP_BITS (15 + 16)    // the largest window, and a gzip header
#define ZSTD_WINDOW_LOG_MAX 27 // 128 MiB: what zstd itself accepts without being told

enum packing { PLAIN, GZIP, ZSTD };

struct assay_unpack {
    int fd;
    enum packing packing;
    unsigned char window[WINDOW_BYTES]; // read, not yet unpacked: [at, filled)
    size_t at, filled;
    bool file_ended, inside; // inside: a member or frame is begun and not ended
    z_stream gzip;
    ZSTD_DCtx *zstd; // owned
};

static enum assay_status fill(struct assay_unpack *unpack, struct assay_error *err)
{
    unpack->at = 0;
    unpack->filled = 0;
    while (unpack->filled < WINDOW_BYTES) {
        const ssize_t got =
                read(unpack->fd, unpack->window + unpack->filled, WINDOW_BYTES - unpack->filled);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return assay_fail_errno(err, errno, "read");
        if (got == 0)
            break;
        unpack->filled += (size_t)got;
    }
    unpack->file_ended = unpack->filled < WINDOW_BYTES;
    return ASSAY_OK;
}

enum assay_status assay_unpack_open(struct assay_unpack **out, int fd, struct assay_error *err)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    struct assay_unpack *unpack = calloc(1, sizeof(*unpack));
    enum assay_status status;

    if (unpack == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    unpack->fd = fd;
    status = fill(unpack, err);
    if (status == ASSAY_OK && unpack->filled >= sizeof(gzip) &&
            memcmp(unpack->window, gzip, sizeof(gzip)) == 0) {
        if (inflateInit2(&unpack->gzip, GZIP_BITS) == Z_OK)
            unpack->packing = GZIP;
        else
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    } else if (status == ASSAY_OK && unpack->filled >= sizeof(zstd) &&
            memcmp(unpack->window, zstd, sizeof(zstd)) == 0) {
        unpack->packing = ZSTD;
        unpack->zstd = ZSTD_createDCtx();
        if (unpack->zstd == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        else
            (void)ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    }
    if (status == ASSAY_OK)
        *out = unpack;
    else
        assay_unpack_close(unpack);
    return status;
}

// One step of either: from the window into [bytes, size). *made and *ended say what came of it.
static enum assay_status step_gzip(struct assay_unpack *unpack, unsigned char *bytes, size_t size,
        size_t *made, struct assay_error *err)
{
    z_stream *z = &unpack->gzip;
    int code;

    z->next_in = unpack->window + unpack->at;
    z->avail_in = (unsigned)(unpack->filled - unpack->at);
    z->next_out = bytes;
    z->avail_out = size > WINDOW_BYTES ? (unsigned)WINDOW_BYTES : (unsigned)size;
    *made = z->avail_out;
    unpack->inside = true;
    code = inflate(z, Z_NO_FLUSH);
    *made -= z->avail_out;
    unpack->at = unpack->filled - z->avail_in;
    if (code == Z_STREAM_END) {
        unpack->inside = false;
        return inflateReset(z) == Z_OK ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (code == Z_OK || code == Z_BUF_ERROR)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EINVAL, "broken gzip: %s", z->msg != NULL ? z->msg : "no reason");
}

// NOLINTNEXTLINE(readability-non-const-parameter): zstd writes there
static enum assay_status step_zstd(struct assay_unpack *unpack, unsigned char *bytes, size_t size,
        size_t *made, struct assay_error *err)
{
    ZSTD_inBuffer in = {unpack->window, unpack->filled, unpack->at};
    ZSTD_outBuffer out = {bytes, size, 0};
    const size_t code = ZSTD_decompressStream(unpack->zstd, &out, &in);

    unpack->at = in.pos;
    *made = out.pos;
    if (ZSTD_isError(code))
        return assay_fail(err, ASSAY_EINVAL, "broken zstd: %s", ZSTD_getErrorName(code));
    unpack->inside = code != 0;
    return ASSAY_OK;
}

static enum assay_status step_plain(
        struct assay_unpack *unpack, unsigned char *bytes, size_t size, size_t *made)
{
    const size_t left = unpack->filled - unpack->at;

    *made = left < size ? left : size;
    memcpy(bytes, unpack->window + unpack->at, *made);
    unpack->at += *made;
    return ASSAY_OK;
}

enum assay_status assay_unpack_read(
        struct assay_unpack *unpack, void *bytes, size_t size, size_t *got, struct assay_error *err)
{
    unsigned char *to = bytes;

    *got = 0;
    while (*got < size) {
        size_t made = 0;
        enum assay_status status = ASSAY_OK;

        if (unpack->at == unpack->filled && !unpack->file_ended)
            status = fill(unpack, err);
        if (status != ASSAY_OK)
            return status;
        if (unpack->at == unpack->filled && !unpack->inside)
            return ASSAY_OK; // the end
        if (unpack->packing == GZIP)
            status = step_gzip(unpack, to + *got, size - *got, &made, err);
        else if (unpack->packing == ZSTD)
            status = step_zstd(unpack, to + *got, size - *got, &made, err);
        else
            status = step_plain(unpack, to + *got, size - *got, &made);
        if (status != ASSAY_OK)
            return status;
        *got += made;
        // Nothing came, and there is nothing more to make it from.
        if (made == 0 && unpack->at == unpack->filled && unpack->file_ended && unpack->inside)
            return assay_fail(err, ASSAY_EINVAL, "the packed file is cut off");
    }
    return ASSAY_OK;
}

void assay_unpack_close(struct assay_unpack *unpack)
{
    if (unpack == NULL)
        return;
    if (unpack->packing == GZIP)
        (void)inflateEnd(&unpack->gzip);
    ZSTD_freeDCtx(unpack->zstd);
    free(unpack);
}
