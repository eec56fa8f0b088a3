// SPDX-License-Identifier: MIT
// frame.h - bytes as one zstd frame, and back: how the store keeps what is large.
#ifndef ASSAY_TASKS_FRAME_H
#define ASSAY_TASKS_FRAME_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

struct assay_frame {
    const char *data; // borrowed
    size_t len;
    size_t raw_bytes; // of its content
};

// *out (empty, made with its maximum) gets the frame of raw[0..len). `what` names it in messages.
ASSAY_MUST_USE enum assay_status assay_frame_pack(struct assay_buf *out, const char *raw,
        size_t len, const char *what, struct assay_error *err);
// *out (empty) gets the raw_bytes that the frame holds. ASSAY_EIO: it holds something else.
ASSAY_MUST_USE enum assay_status assay_frame_unpack(struct assay_buf *out, struct assay_bytes frame,
        size_t raw_bytes, const char *what, struct assay_error *err);

#endif
