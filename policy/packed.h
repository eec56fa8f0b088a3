// SPDX-License-Identifier: MIT
// packed.h - four-bit matrices of safetensors files: compressed-tensors `pack-quantized`, and GPTQ.
// Internal.
#ifndef ASSAY_POLICY_PACKED_H
#define ASSAY_POLICY_PACKED_H

#include "policy/quantization.h"
#include "policy/weight_file.h"

// The tensors that stand in for NAME.weight.
struct assay_packed {
    const struct assay_weight_view
            *values; // weight_packed [rows, cols/8] or qweight [cols/8, rows]
    const struct assay_weight_view *scales; // [rows, groups] or [groups, rows]
    const struct assay_weight_view *zeros;  // weight_zero_point, qzeros; NULL: symmetric
    const struct assay_weight_view *groups; // g_idx [cols]; NULL: in order
    const struct assay_weight_view *shape;  // weight_shape [2]; NULL: GPTQ has none
    bool gptq;
    bool zeros_less_one; // as GPTQ's first format stores them
};

// Is `name` ("....weight") stored packed in the file? Shapes are checked: ASSAY_EINVAL; not there
// at all: ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_packed_find(struct assay_packed *out,
        const struct assay_weight_file *file, const struct assay_quantization *quantization,
        const char *name, uint32_t rows, uint32_t cols, struct assay_error *err);
// Row `row` as floats [cols]: (q - zero) * scale.
void assay_packed_row(float *out, const struct assay_packed *packed, uint32_t row, uint32_t cols);
#endif
