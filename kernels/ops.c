// SPDX-License-Identifier: MIT
#include "kernels/ops.h"

extern const struct assay_ops assay_ref32_ops, assay_ref64_ops;

const struct assay_ops *assay_ops_ref(enum assay_dtype sum)
{
    return sum == ASSAY_DTYPE_F64 ? &assay_ref64_ops : &assay_ref32_ops;
}

const struct assay_ops *assay_ops_cpu(const char *path)
{
    return path == NULL ? &assay_ref32_ops : NULL;
}
