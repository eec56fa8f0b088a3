// SPDX-License-Identifier: MIT
// quantization.h - what a config.json says of packed weights (`quantization_config`). Internal.
#ifndef ASSAY_POLICY_QUANTIZATION_H
#define ASSAY_POLICY_QUANTIZATION_H

#include <stdbool.h>

#include "base/error.h"

struct assay_quantization {
    // GPTQ's zero points as they are; false: less one, as its files have them but for gptq_v2.
    bool gptq_zeros_whole;
};

// `path`: a config.json, or a directory that holds one. Without a `quantization_config`, *out is
// zero. ASSAY_EINVAL ("FILE: quantization_config.FIELD: why"): a method, format or width that is
// not built, so that packed weights are never read as something else.
ASSAY_MUST_USE enum assay_status assay_quantization_read(
        struct assay_quantization *out, const char *path, struct assay_error *err);

#endif
