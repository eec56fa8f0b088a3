// SPDX-License-Identifier: MIT
#include "kernels/ref.h"

#include "kernels/host.h"

#if ASSAY_REAL_BITS == 64
#define REF_NAME "ref64"
#define REF_DTYPE ASSAY_DTYPE_F64
#else
#define REF_NAME "ref32"
#define REF_DTYPE ASSAY_DTYPE_F32
#endif

real *REF(scratch)(struct assay_stream *stream, size_t count)
{
    return assay_host_shared(stream, count * sizeof(real));
}

#define REF_ROW(name) .name = REF(name)
const struct assay_ops REF(ops) = {
        .name = REF_NAME,
        .activation = REF_DTYPE,
        .weight = REF_DTYPE,
        .sum = REF_DTYPE,
        .device = {.stream_create = assay_host_stream_create,
                .stream_destroy = assay_host_stream_destroy,
                .sync = assay_host_sync,
                .alloc = assay_host_alloc,
                .release = assay_host_release,
                .upload = assay_host_copy,
                .download = assay_host_copy,
                .copy = assay_host_copy,
                .zero = assay_host_zero},
        REF_ROW(embedding_forward),
        REF_ROW(embedding_backward),
        REF_ROW(rmsnorm_forward),
        REF_ROW(rmsnorm_backward),
        REF_ROW(matmul_forward),
        .matmul_wide = REF(matmul_forward),
        REF_ROW(matmul_backward_input),
        REF_ROW(matmul_backward_weight),
        REF_ROW(matmul_grouped_forward),
        REF_ROW(matmul_grouped_backward_input),
        REF_ROW(matmul_grouped_backward_weight),
        REF_ROW(rope_table),
        REF_ROW(rope_forward),
        REF_ROW(rope_backward),
        REF_ROW(attention_forward),
        REF_ROW(attention_backward),
        REF_ROW(kv_write),
        REF_ROW(lightning_forward),
        REF_ROW(lightning_backward),
        REF_ROW(gate_forward),
        REF_ROW(gate_backward),
        REF_ROW(silu_forward),
        REF_ROW(silu_backward),
        REF_ROW(swiglu_forward),
        REF_ROW(swiglu_backward),
        REF_ROW(scale_add),
        REF_ROW(router_forward),
        REF_ROW(router_backward),
        REF_ROW(router_load),
        REF_ROW(router_aux),
        REF_ROW(moe_plan),
        REF_ROW(moe_gather_forward),
        REF_ROW(moe_gather_backward),
        REF_ROW(moe_combine_forward),
        REF_ROW(moe_combine_backward),
        REF_ROW(logprob_forward),
        REF_ROW(logprob_backward),
        REF_ROW(logprob_of_logits),
        REF_ROW(draw),
        REF_ROW(loss),
        REF_ROW(sumsq),
        REF_ROW(clip),
        REF_ROW(adamw),
};
