// SPDX-License-Identifier: MIT
// ref.h - the reference filling: compiled twice, with `real` float and double.
//
// Slow and obvious on purpose: loops in the order of the formulas, no blocks, no threads. Every
// array is `real` (A, W and S of ops.h alike).
#ifndef ASSAY_KERNELS_REF_H
#define ASSAY_KERNELS_REF_H

#include "kernels/ops.h"

#if ASSAY_REAL_BITS == 64
typedef double real;
#define REF(name) assay_ref64_##name
#else
typedef float real;
#define REF(name) assay_ref32_##name
#endif

#define REF_OP(name, type)                                                                         \
    void REF(name)(const struct assay_##type##_args *args, struct assay_stream *stream)

REF_OP(embedding_forward, embedding);
REF_OP(embedding_backward, embedding);
REF_OP(rmsnorm_forward, rmsnorm);
REF_OP(rmsnorm_backward, rmsnorm);
REF_OP(matmul_forward, matmul);
REF_OP(matmul_backward_input, matmul);
REF_OP(matmul_backward_weight, matmul);
REF_OP(matmul_grouped_forward, matmul_grouped);
REF_OP(matmul_grouped_backward_input, matmul_grouped);
REF_OP(matmul_grouped_backward_weight, matmul_grouped);
REF_OP(rope_table, rope_table);
REF_OP(rope_forward, rope);
REF_OP(rope_backward, rope);
REF_OP(attention_forward, attention);
REF_OP(attention_backward, attention);
REF_OP(kv_write, kv_write);
REF_OP(lightning_forward, lightning);
REF_OP(lightning_backward, lightning);
REF_OP(gate_forward, gate);
REF_OP(gate_backward, gate);
REF_OP(silu_forward, silu);
REF_OP(silu_backward, silu);
REF_OP(swiglu_forward, swiglu);
REF_OP(swiglu_backward, swiglu);
REF_OP(scale_add, scale_add);
REF_OP(router_forward, router);
REF_OP(router_backward, router);
REF_OP(router_load, router_aux);
REF_OP(router_aux, router_aux);
REF_OP(moe_plan, moe_plan);
REF_OP(moe_gather_forward, moe_route);
REF_OP(moe_gather_backward, moe_route);
REF_OP(moe_combine_forward, moe_route);
REF_OP(moe_combine_backward, moe_route);
REF_OP(logprob_forward, logprob);
REF_OP(logprob_backward, logprob);
REF_OP(logprob_of_logits, logprob);
REF_OP(draw, draw);
REF_OP(loss, loss);
REF_OP(sumsq, sumsq);
REF_OP(clip, clip);
REF_OP(adamw, adamw);

// Scratch of the stream, or NULL with the failure recorded there.
real *REF(scratch)(struct assay_stream *stream, size_t count);

extern const struct assay_ops REF(ops);

#endif
