// SPDX-License-Identifier: MIT
// rig.h - tensors for tests: owned by a rig, filled with seeded numbers, converted between tables.
#ifndef ASSAY_TESTS_KERNELS_RIG_H
#define ASSAY_TESTS_KERNELS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernels/ops.h"

enum { RIG_TENSOR_COUNT_MAX = 4096 };

struct rig {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_rng rng;
    bool bf16; // numbers of A are drawn so that bf16 has them
    void *tensors[RIG_TENSOR_COUNT_MAX];
    size_t tensor_count;
};

// thread_count as in struct assay_stream_options.
void rig_open(struct rig *rig, const struct assay_ops *ops, size_t thread_count);
void rig_close(struct rig *rig); // asserts that no operation failed

// Of the table's A (and W); _sums: of its S. Owned by the rig.
void *rig_zeros(struct rig *rig, size_t count);
void *rig_uniform(struct rig *rig, size_t count, double low, double high);
void *rig_zeros_sums(struct rig *rig, size_t count);
void *rig_uniform_sums(struct rig *rig, size_t count, double low, double high);
void *rig_from(struct rig *rig, const double *values, size_t count);
int32_t *rig_ints(struct rig *rig, size_t count, int32_t low, int32_t end);
void *rig_bytes(struct rig *rig, size_t bytes);
struct assay_span *rig_spans(struct rig *rig, const uint32_t *row_counts, size_t count);
// Spans that go on from those `ups` before them.
struct assay_span *rig_tree(
        struct rig *rig, const uint32_t *row_counts, const uint32_t *ups, size_t count);

double rig_number(const void *tensor, enum assay_dtype dtype, size_t i);
// Of tensors whose type is the table's S.
double rig_get(const struct rig *rig, const void *tensor, size_t i);
void rig_set(const struct rig *rig, void *tensor, size_t i, double value);

// Every path of the cpu filling that this host can run; ends with NULL.
const struct assay_ops *const *rig_cpu_paths(void);

#endif
