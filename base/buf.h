// SPDX-License-Identifier: MIT
// buf.h - a growable byte buffer that is born with a maximum.
//
// The content is always followed by a NUL that is not counted, so .data is a
// C string when it holds text (data is never NULL after assay_buf_init()).
// Errors stick: after a failed append, later appends do nothing and
// assay_buf_failed() is true, so a writer checks once at the end.
#ifndef ASSAY_BASE_BUF_H
#define ASSAY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct assay_buf {
    char *data;  // owned; borrow it between appends
    size_t len;  // bytes held
    size_t cap;  // bytes allocated
    size_t max;  // bytes that may ever be held
    bool failed; // an append did not fit, or memory ran out
};

void assay_buf_init(struct assay_buf *buf, size_t max);
void assay_buf_free(struct assay_buf *buf); // back to empty, the maximum kept

// Append; false (and sticky) when max or memory is exceeded; nothing is added then.
bool assay_buf_add(struct assay_buf *buf, const void *bytes, size_t len);
bool assay_buf_adds(struct assay_buf *buf, const char *text);
bool assay_buf_addc(struct assay_buf *buf, char c);
bool assay_buf_addf(struct assay_buf *buf, const char *fmt, ...) ASSAY_PRINTF(2, 3);
bool assay_buf_add_quoted(struct assay_buf *buf, const char *text); // as one word for a shell

// Make room for `more` bytes behind .len, for a caller that writes there itself
// (a read(2)) and then adds to .len and sets the NUL. False as for an append.
bool assay_buf_reserve(struct assay_buf *buf, size_t more);

void assay_buf_truncate(struct assay_buf *buf, size_t len); // len <= buf->len; failed stays
void assay_buf_clear(struct assay_buf *buf);                // len = 0, failed = false, memory kept

// ASSAY_ENOMEM ("<what> is larger than <max> bytes") if an append failed.
ASSAY_MUST_USE enum assay_status assay_buf_check(
        const struct assay_buf *buf, const char *what, struct assay_error *err);

#endif
