// SPDX-License-Identifier: MIT
// text_stream.h - an answer as text while its tokens come: whole characters only, and an end where
// a stop string begins.
//
// Bytes are held back while they may be the beginning of a character, or of a stop string. What has
// been handed out is never taken back.
#ifndef ASSAY_POLICY_TEXT_STREAM_H
#define ASSAY_POLICY_TEXT_STREAM_H

#include "base/buf.h"

#define ASSAY_STOP_STRINGS_MAX 64
#define ASSAY_STOP_BYTES_MAX 4096 // of one

struct assay_text_stream {
    const char *const *stops; // [stop_count] borrowed; none is empty
    size_t stop_count;
    struct assay_buf held; // not handed out yet
    bool stopped;          // a stop string has come: nothing more is handed out
};

// Errors: ASSAY_EINVAL (a stop string is empty or too long, or there are too many).
ASSAY_MUST_USE enum assay_status assay_text_stream_init(struct assay_text_stream *stream,
        const char *const *stops, size_t stop_count, struct assay_error *err);
void assay_text_stream_free(struct assay_text_stream *stream);

// More bytes of the answer; what can be handed out is appended to out. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_text_stream_add(struct assay_text_stream *stream,
        const char *bytes, size_t len, struct assay_buf *out, struct assay_error *err);
// The answer is over: the rest, with whatever is no character as it is.
ASSAY_MUST_USE enum assay_status assay_text_stream_finish(
        struct assay_text_stream *stream, struct assay_buf *out, struct assay_error *err);

#endif
