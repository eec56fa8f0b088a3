// SPDX-License-Identifier: MIT
// histogram.h - how long things took, counted in fixed buckets; written as Prometheus reads it.
//
// Thread-safe without a lock: a reading is of about one moment.
#ifndef ASSAY_ORCHESTRATOR_HISTOGRAM_H
#define ASSAY_ORCHESTRATOR_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ASSAY_HISTOGRAM_BUCKETS 14 // from 0.5 ms to 5 minutes; what takes longer is in none

// All zero is empty.
struct assay_histogram {
    atomic_uint_fast64_t buckets[ASSAY_HISTOGRAM_BUCKETS]; // not cumulative
    atomic_uint_fast64_t count, sum_us;
};

void assay_histogram_add(struct assay_histogram *histogram, uint64_t us);
uint64_t assay_histogram_count(struct assay_histogram *histogram);
// Its lines in the text format, in seconds. `labels` ("route=\"/x\"") goes into each; may be "".
void assay_histogram_write(struct assay_buf *out, const char *name, const char *labels,
        struct assay_histogram *histogram);

#endif
