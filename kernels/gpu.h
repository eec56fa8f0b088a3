// SPDX-License-Identifier: MIT
// gpu.h - the GPUs of this host, and the filling that works on them.
//
// The filling lives in libassay_cuda.so, which is looked for where $ASSAY_CUDA_LIBRARY says, beside
// the program, one folder up, then where the loader looks. A program without it, or on a host
// without a GPU, is whole: these functions say why there is none.
#ifndef ASSAY_KERNELS_GPU_H
#define ASSAY_KERNELS_GPU_H

#include <stdint.h>

#include "kernels/ops.h"

struct assay_gpu {
    char name[256];
    int index, major, minor; // compute capability
    int multiprocessor_count;
    uint64_t memory_bytes;
};

// activation BF16: "cuda", activations and weights in bf16, sums in float; F32: "cuda-f32". Static,
// borrowed; the library stays open. Errors: ASSAY_ENOTFOUND (no library, no GPU), ASSAY_EINVAL (a
// library of another build).
ASSAY_MUST_USE enum assay_status assay_ops_cuda(
        const struct assay_ops **out, enum assay_dtype activation, struct assay_error *err);

// NCCL for collective.c. Errors: ASSAY_ENOTFOUND (no library), ASSAY_EINVAL.
struct assay_bulk;
ASSAY_MUST_USE enum assay_status assay_gpu_bulk(
        const struct assay_bulk **out, struct assay_error *err);

// 0 without library or GPU.
int assay_gpu_count(void);
// Errors: ASSAY_ENOTFOUND, ASSAY_ECUDA.
ASSAY_MUST_USE enum assay_status assay_gpu_describe(
        struct assay_gpu *out, int index, struct assay_error *err);

#endif
