// SPDX-License-Identifier: MIT
#include "policy/text_stream.h"

#include <string.h>

#define HELD_BYTES_MAX ((size_t)1 << 20)

enum assay_status assay_text_stream_init(struct assay_text_stream *stream, const char *const *stops,
        size_t stop_count, struct assay_error *err)
{
    if (stop_count > ASSAY_STOP_STRINGS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %d stop strings", ASSAY_STOP_STRINGS_MAX);
    for (size_t i = 0; i < stop_count; i++)
        if (stops[i][0] == '\0' || strlen(stops[i]) > ASSAY_STOP_BYTES_MAX)
            return assay_fail(err, ASSAY_EINVAL, "stop string %zu: not 1 to %d bytes", i,
                    ASSAY_STOP_BYTES_MAX);
    *stream = (struct assay_text_stream){.stops = stops, .stop_count = stop_count};
    assay_buf_init(&stream->held, HELD_BYTES_MAX);
    return ASSAY_OK;
}

void assay_text_stream_free(struct assay_text_stream *stream)
{
    assay_buf_free(&stream->held);
}

// Where the first stop string in the held bytes begins; held.len: none.
static size_t find_stop(const struct assay_text_stream *stream)
{
    size_t best = stream->held.len;

    for (size_t i = 0; i < stream->stop_count; i++) {
        const char *at = memmem(
                stream->held.data, stream->held.len, stream->stops[i], strlen(stream->stops[i]));

        if (at && (size_t)(at - stream->held.data) < best)
            best = (size_t)(at - stream->held.data);
    }
    return best;
}

// Where the longest end of the held bytes begins that a stop string begins with.
static size_t find_stop_begin(const struct assay_text_stream *stream)
{
    const char *data = stream->held.data;
    size_t first = stream->held.len;

    for (size_t i = 0; i < stream->stop_count; i++) {
        const size_t len = strlen(stream->stops[i]);
        size_t at = stream->held.len >= len ? stream->held.len - len + 1 : 0;

        while (at < first && memcmp(data + at, stream->stops[i], stream->held.len - at) != 0)
            at++;
        first = at < first ? at : first;
    }
    return first;
}

// Bytes at an unfinished end that may yet become a character: a lead byte whose followers are
// missing.
static size_t unfinished(const char *data, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        const unsigned char c = (unsigned char)data[len - back];

        if ((c & 0xc0) == 0x80)
            continue;
        if ((c >= 0xc2 && c < 0xe0 && back < 2) || (c >= 0xe0 && c < 0xf0 && back < 3) ||
                (c >= 0xf0 && c <= 0xf4))
            return back;
        break;
    }
    return 0;
}

static enum assay_status hand_out(struct assay_text_stream *stream, size_t len,
        struct assay_buf *out, struct assay_error *err)
{
    struct assay_buf *held = &stream->held;

    if (!assay_buf_add(out, held->data, len))
        return assay_buf_check(out, "answer", err);
    memmove(held->data, held->data + len, held->len - len);
    assay_buf_truncate(held, held->len - len);
    return ASSAY_OK;
}

enum assay_status assay_text_stream_add(struct assay_text_stream *stream, const char *bytes,
        size_t len, struct assay_buf *out, struct assay_error *err)
{
    size_t ready;

    if (stream->stopped)
        return ASSAY_OK;
    if (!assay_buf_add(&stream->held, bytes, len))
        return assay_buf_check(&stream->held, "held text", err);
    ready = find_stop(stream);
    if (ready < stream->held.len) {
        stream->stopped = true;
        if (hand_out(stream, ready, out, err) != ASSAY_OK)
            return ASSAY_ENOMEM;
        assay_buf_clear(&stream->held);
        return ASSAY_OK;
    }
    ready = find_stop_begin(stream);
    ready -= unfinished(stream->held.data, ready);
    return hand_out(stream, ready, out, err);
}

enum assay_status assay_text_stream_finish(
        struct assay_text_stream *stream, struct assay_buf *out, struct assay_error *err)
{
    return stream->stopped ? ASSAY_OK : hand_out(stream, stream->held.len, out, err);
}
