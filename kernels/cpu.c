// SPDX-License-Identifier: MIT
// The table of one path. What handles one number a token, or one an expert, is the reference's own
// function.
#include "kernels/cpu.h"

#define CPU_TEXT2(name) #name
#define CPU_TEXT(name) CPU_TEXT2(name)

#define REF_ROW(name, type)                                                                        \
    void assay_ref32_##name(const struct assay_##type##_args *args, struct assay_stream *stream)
REF_ROW(kv_write, kv_write);
REF_ROW(router_forward, router);
REF_ROW(router_backward, router);
REF_ROW(router_load, router_aux);
REF_ROW(router_aux, router_aux);
REF_ROW(moe_plan, moe_plan);
REF_ROW(loss, loss);
REF_ROW(clip, clip);

#define CPU_ROW(name) .name = CPU(name)
const struct assay_ops CPU(ops) = {
        .name = "cpu-" CPU_TEXT(ASSAY_CPU_PATH),
        .activation = ASSAY_DTYPE_F32,
        .weight = ASSAY_DTYPE_F32,
        .sum = ASSAY_DTYPE_F32,
        .device = {.stream_create = assay_host_stream_create_threads,
                .stream_destroy = assay_host_stream_destroy,
                .sync = assay_host_sync,
                .alloc = assay_host_alloc,
                .release = assay_host_release,
                .upload = assay_host_copy,
                .download = assay_host_copy,
                .copy = assay_host_copy,
                .zero = assay_host_zero},
        CPU_ROW(embedding_forward),
        CPU_ROW(embedding_backward),
        CPU_ROW(rmsnorm_forward),
        CPU_ROW(rmsnorm_backward),
        CPU_ROW(matmul_forward),
        .matmul_wide = CPU(matmul_forward),
        CPU_ROW(matmul_backward_input),
        CPU_ROW(matmul_backward_weight),
        CPU_ROW(matmul_grouped_forward),
        CPU_ROW(matmul_grouped_backward_input),
        CPU_ROW(matmul_grouped_backward_weight),
        CPU_ROW(rope_table),
        CPU_ROW(rope_forward),
        CPU_ROW(rope_backward),
        CPU_ROW(attention_forward),
        CPU_ROW(attention_backward),
        .kv_write = assay_ref32_kv_write,
        CPU_ROW(lightning_forward),
        CPU_ROW(lightning_backward),
        CPU_ROW(gate_forward),
        CPU_ROW(gate_backward),
        CPU_ROW(silu_forward),
        CPU_ROW(silu_backward),
        CPU_ROW(swiglu_forward),
        CPU_ROW(swiglu_backward),
        CPU_ROW(scale_add),
        .router_forward = assay_ref32_router_forward,
        .router_backward = assay_ref32_router_backward,
        .router_load = assay_ref32_router_load,
        .router_aux = assay_ref32_router_aux,
        .moe_plan = assay_ref32_moe_plan,
        CPU_ROW(moe_gather_forward),
        CPU_ROW(moe_gather_backward),
        CPU_ROW(moe_combine_forward),
        CPU_ROW(moe_combine_backward),
        CPU_ROW(logprob_forward),
        CPU_ROW(logprob_backward),
        CPU_ROW(logprob_of_logits),
        CPU_ROW(draw),
        .loss = assay_ref32_loss,
        CPU_ROW(sumsq),
        .clip = assay_ref32_clip,
        CPU_ROW(adamw),
};
