// SPDX-License-Identifier: MIT
#include "orchestrator/histogram.h"

#include <inttypes.h>

static const uint64_t bounds_us[ASSAY_HISTOGRAM_BUCKETS] = {500, 1000, 2500, 5000, 10000, 25000,
        100000, 250000, 1000000, 2500000, 10000000, 30000000, 60000000, 300000000};

void assay_histogram_add(struct assay_histogram *histogram, uint64_t us)
{
    for (size_t i = 0; i < ASSAY_HISTOGRAM_BUCKETS; i++) {
        if (us > bounds_us[i])
            continue;
        atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
        break;
    }
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
}

uint64_t assay_histogram_count(struct assay_histogram *histogram)
{
    return atomic_load_explicit(&histogram->count, memory_order_relaxed);
}

void assay_histogram_write(struct assay_buf *out, const char *name, const char *labels,
        struct assay_histogram *histogram)
{
    // The whole is read first, so that no bucket is larger than it.
    const uint64_t count = assay_histogram_count(histogram);
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t sum = 0;

    for (size_t i = 0; i < ASSAY_HISTOGRAM_BUCKETS; i++) {
        sum += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        assay_buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma,
                (double)bounds_us[i] / 1e6, sum < count ? sum : count);
    }
    assay_buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, count);
    assay_buf_addf(out, "%s_sum{%s} %g\n", name, labels,
            (double)atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) / 1e6);
    assay_buf_addf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, count);
}
