// SPDX-License-Identifier: MIT
#include "kernels/ops.h"

#include <string.h>

extern const struct assay_ops assay_ref32_ops, assay_ref64_ops;
extern const struct assay_ops assay_cpu_plain_ops;
#ifdef ASSAY_CPU_X86
extern const struct assay_ops assay_cpu_avx2_ops, assay_cpu_avx512_ops;
#endif

const struct assay_ops *assay_ops_ref(enum assay_dtype sum)
{
    return sum == ASSAY_DTYPE_F64 ? &assay_ref64_ops : &assay_ref32_ops;
}

const struct assay_ops *assay_ops_cpu(const char *path)
{
#ifdef ASSAY_CPU_X86
    // The compiler's own look at cpuid, which also asks whether the kernel saves the registers.
    if ((path == NULL || strcmp(path, "avx512") == 0) && __builtin_cpu_supports("avx512f"))
        return &assay_cpu_avx512_ops;
    if ((path == NULL || strcmp(path, "avx2") == 0) && __builtin_cpu_supports("avx2") &&
            __builtin_cpu_supports("fma"))
        return &assay_cpu_avx2_ops;
#endif
    return path == NULL || strcmp(path, "plain") == 0 ? &assay_cpu_plain_ops : NULL;
}
