// SPDX-License-Identifier: MIT
// unicode_table.h - where HF tokenizers knows another Unicode than our libraries (data only).
#ifndef ASSAY_POLICY_UNICODE_TABLE_H
#define ASSAY_POLICY_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct assay_unicode_range {
    uint32_t first, last, value;
};
// Sorted. Code points whose class differs; value: one that has the class.
extern const struct assay_unicode_range assay_unicode_newer[];
extern const size_t assay_unicode_newer_count;
// Sorted. Code points that HF's normalisation leaves alone; value: 0.
extern const struct assay_unicode_range assay_unicode_inert[];
extern const size_t assay_unicode_inert_count;

#endif
