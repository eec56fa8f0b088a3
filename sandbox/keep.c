// SPDX-License-Identifier: MIT
#include "sandbox/keep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void assay_keep_init(struct assay_keep *keep, size_t head_max, size_t tail_max)
{
    memset(keep, 0, sizeof(*keep));
    assay_buf_init(&keep->head, head_max);
    keep->tail_max = tail_max;
}

static void add_tail(struct assay_keep *keep, const char *bytes, size_t len)
{
    size_t first = 0;

    if (keep->tail_max == 0 || len == 0)
        return;
    if (keep->tail == NULL)
        keep->tail = malloc(keep->tail_max);
    if (keep->tail == NULL) {
        keep->failed = true;
        return;
    }
    if (len > keep->tail_max) {
        bytes += len - keep->tail_max;
        len = keep->tail_max;
    }
    first = keep->tail_max - keep->tail_at;
    if (first > len)
        first = len;
    memcpy(keep->tail + keep->tail_at, bytes, first);
    memcpy(keep->tail, bytes + first, len - first);
    keep->tail_at = (keep->tail_at + len) % keep->tail_max;
    keep->tail_len = keep->tail_len + len < keep->tail_max ? keep->tail_len + len : keep->tail_max;
}

void assay_keep_add(struct assay_keep *keep, const char *bytes, size_t len)
{
    size_t room = keep->head.max - keep->head.len;

    keep->total += len;
    if (room > len)
        room = len;
    if (room > 0 && !assay_buf_add(&keep->head, bytes, room)) {
        keep->failed = true;
        room = 0;
    }
    add_tail(keep, bytes + room, len - room);
}

uint64_t assay_keep_join(struct assay_keep *keep, struct assay_buf *out)
{
    const uint64_t left_out = keep->total - keep->head.len - keep->tail_len;
    const size_t start = keep->tail_len < keep->tail_max ? 0 : keep->tail_at;

    assay_buf_init(out, keep->head.len + keep->tail_len + 64);
    (void)assay_buf_add(out, keep->head.data, keep->head.len);
    if (left_out > 0)
        (void)assay_buf_addf(out, "\n[assay: %" PRIu64 " bytes left out]\n", left_out);
    if (keep->tail_len > 0) {
        (void)assay_buf_add(out, keep->tail + start, keep->tail_len - start);
        (void)assay_buf_add(out, keep->tail, start);
    }
    return left_out;
}

void assay_keep_free(struct assay_keep *keep)
{
    assay_buf_free(&keep->head);
    free(keep->tail);
    keep->tail = NULL;
}
