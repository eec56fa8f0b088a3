// SPDX-License-Identifier: MIT
// cpu.h - the fast filling for the host, inside: compiled once for each instruction set.
//
// ASSAY_CPU_PATH is avx512, avx2 or plain; what does not depend on it (threads, memory) is in
// host.h and pool.h.
//
// The order of every sum is fixed by its length alone, which is what ops.h promises:
//   - matmul: blocks of GEMM_K_BLOCK terms; inside a block one chain of fused multiply-adds in
//   rising order;
//     blocks are added to the total in rising order. Lanes run over outputs, never over terms.
//   - sums along a row (norms, softmax): sixteen lanes, then v_sum()'s tree.
//   - attention: keys in blocks of 64 from position 0; lightning: tokens one by one.
#ifndef ASSAY_KERNELS_CPU_H
#define ASSAY_KERNELS_CPU_H

#include "kernels/host.h"
#include "kernels/ops.h"
#include "kernels/pool.h"

#define CPU_JOIN3(a, b, c) a##b##_##c
#define CPU_JOIN(a, b, c) CPU_JOIN3(a, b, c)
#define CPU(name) CPU_JOIN(assay_cpu_, ASSAY_CPU_PATH, name)
#define CPU_OP(name, type)                                                                         \
    void CPU(name)(const struct assay_##type##_args *args, struct assay_stream *stream)

enum { GEMM_K_BLOCK = 256 };

// C[m][n] (+)= sum_k A(m, k) B(n, k);  A(m, k) = a[m * a_row + k * a_col], B(n, k) = b[n * b_row +
// k * b_col]. One of a_row and a_col is 1, and one of b_row and b_col.
struct cpu_gemm {
    float *c;
    size_t ldc;
    const float *a;
    size_t a_row, a_col;
    const float *b;
    size_t b_row, b_col;
    size_t M, N, K;
    bool accumulate;
};

// With the stream's threads and scratch.
void CPU(gemm)(struct assay_stream *stream, const struct cpu_gemm *gemm);

// The same bits for 1 to FEW_ROWS_MAX rows, K > 0 and a_col = b_col = 1, made for reading B once;
// several products at a time.
enum { FEW_ROWS_MAX = 16, FEW_PRODUCTS_MAX = 4 };
void CPU(gemm_few)(struct assay_stream *stream, const struct cpu_gemm *gemms, size_t count);

// Inside a task, on memory of its own: `strip` has gemm_strip_floats() floats, `packed`
// gemm_packed_floats(M, K). gemm_serial is gemm_pack (which reads A, M and K only) and then
// gemm_packed (which reads A there).
size_t CPU(gemm_strip_floats)(void);
size_t CPU(gemm_packed_floats)(size_t M, size_t K);
void CPU(gemm_pack)(float *packed, const struct cpu_gemm *gemm);
void CPU(gemm_packed)(float *strip, float *packed, const struct cpu_gemm *gemm);
void CPU(gemm_serial)(float *strip, float *packed, const struct cpu_gemm *gemm);

CPU_OP(embedding_forward, embedding);
CPU_OP(embedding_backward, embedding);
CPU_OP(rmsnorm_forward, rmsnorm);
CPU_OP(rmsnorm_backward, rmsnorm);
CPU_OP(matmul_forward, matmul);
CPU_OP(matmul_backward_input, matmul);
CPU_OP(matmul_backward_weight, matmul);
CPU_OP(matmul_grouped_forward, matmul_grouped);
CPU_OP(matmul_grouped_backward_input, matmul_grouped);
CPU_OP(matmul_grouped_backward_weight, matmul_grouped);
CPU_OP(rope_table, rope_table);
CPU_OP(rope_forward, rope);
CPU_OP(rope_backward, rope);
CPU_OP(attention_forward, attention);
CPU_OP(attention_backward, attention);
CPU_OP(lightning_forward, lightning);
CPU_OP(lightning_backward, lightning);
CPU_OP(gate_forward, gate);
CPU_OP(gate_backward, gate);
CPU_OP(silu_forward, silu);
CPU_OP(silu_backward, silu);
CPU_OP(swiglu_forward, swiglu);
CPU_OP(swiglu_backward, swiglu);
CPU_OP(scale_add, scale_add);
CPU_OP(moe_gather_forward, moe_route);
CPU_OP(moe_gather_backward, moe_route);
CPU_OP(moe_combine_forward, moe_route);
CPU_OP(moe_combine_backward, moe_route);
CPU_OP(logprob_forward, logprob);
CPU_OP(logprob_backward, logprob);
CPU_OP(logprob_of_logits, logprob);
CPU_OP(draw, draw);
CPU_OP(sumsq, sumsq);
CPU_OP(adamw, adamw);

extern const struct assay_ops CPU(ops);

#endif
