// SPDX-License-Identifier: MIT
// keep.h - the first and the last bytes of a stream, and how many there were.
#ifndef ASSAY_SANDBOX_KEEP_H
#define ASSAY_SANDBOX_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct assay_keep {
    struct assay_buf head;
    char *tail; // owned; a ring of tail_max bytes, allocated when first needed
    size_t tail_max;
    size_t tail_len; // bytes in the ring
    size_t tail_at;  // where the next byte goes
    uint64_t total;  // bytes seen
    bool failed;     // memory ran out: what could not be kept was only counted
};

void assay_keep_init(struct assay_keep *keep, size_t head_max, size_t tail_max);
void assay_keep_add(struct assay_keep *keep, const char *bytes, size_t len);
// Head, "\n[assay: N bytes left out]\n" where N > 0, tail. Returns N. `out` is initialised here.
uint64_t assay_keep_join(struct assay_keep *keep, struct assay_buf *out);
void assay_keep_free(struct assay_keep *keep);

#endif
