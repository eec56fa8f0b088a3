// SPDX-License-Identifier: MIT
// table.cu - the doors of libassay_cuda.so, which kernels/gpu.c opens.
#include <stdio.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device.h"

extern "C" {
#include "kernels/gpu.h"
}

template <class A> static struct assay_ops table_of(const char *name)
{
    struct assay_ops ops = {.name = name,
            .activation = cuda_dtype<A>(),
            .weight = cuda_dtype<A>(),
            .sum = ASSAY_DTYPE_F32,
            .device = cuda_device};

#define ROW(op) ops.op = cuda_##op<A>
    ROW(embedding_forward);
    ROW(embedding_backward);
    ROW(rmsnorm_forward);
    ROW(rmsnorm_backward);
    ROW(matmul_forward);
    ROW(matmul_wide);
    ROW(matmul_backward_input);
    ROW(matmul_backward_weight);
    ROW(matmul_grouped_forward);
    ROW(matmul_grouped_backward_input);
    ROW(matmul_grouped_backward_weight);
    ROW(rope_table);
    ROW(rope_forward);
    ROW(rope_backward);
    ROW(attention_forward);
    ROW(attention_backward);
    ROW(kv_write);
    ROW(lightning_forward);
    ROW(lightning_backward);
    ROW(gate_forward);
    ROW(gate_backward);
    ROW(silu_forward);
    ROW(silu_backward);
    ROW(swiglu_forward);
    ROW(swiglu_backward);
    ROW(scale_add);
    ROW(router_forward);
    ROW(router_backward);
    ROW(router_load);
    ROW(router_aux);
    ROW(moe_plan);
    ROW(moe_gather_forward);
    ROW(moe_gather_backward);
    ROW(moe_combine_forward);
    ROW(moe_combine_backward);
    ROW(logprob_forward);
    ROW(logprob_backward);
    ROW(logprob_of_logits);
    ROW(draw);
    ROW(loss);
    ROW(sumsq);
    ROW(clip);
    ROW(adamw);
#undef ROW
    return ops;
}

#define DOOR extern "C" __attribute__((visibility("default")))

DOOR const struct assay_ops *assay_cuda_ops(enum assay_dtype activation, size_t ops_bytes)
{
    static const struct assay_ops wide = table_of<float>("cuda-f32");
    static const struct assay_ops narrow = table_of<bf16>("cuda");

    if (ops_bytes != sizeof(struct assay_ops))
        return NULL;
    return activation == ASSAY_DTYPE_BF16 ? &narrow : &wide;
}

DOOR int assay_cuda_count(void)
{
    int count = 0;

    return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

DOOR enum assay_status assay_cuda_describe(
        struct assay_gpu *out, int index, struct assay_error *err)
{
    struct cudaDeviceProp p;
    const cudaError_t status = cudaGetDeviceProperties(&p, index);

    if (status != cudaSuccess)
        return assay_fail(err, ASSAY_ECUDA, "GPU %d: %s", index, cudaGetErrorString(status));
    *out = (struct assay_gpu){.index = index,
            .major = p.major,
            .minor = p.minor,
            .multiprocessor_count = p.multiProcessorCount,
            .memory_bytes = p.totalGlobalMem};
    (void)snprintf(out->name, sizeof(out->name), "%s", p.name);
    return ASSAY_OK;
}
