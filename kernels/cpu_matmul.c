// SPDX-License-Identifier: MIT
// Linear layers: the three products of each, plain and grouped by expert.
#include "kernels/cpu.h"

// y = x w^T of rows [from, to).
static struct cpu_gemm forward(const void *x, const void *w, void *y, size_t from, size_t to,
        size_t N, size_t K, bool accumulate)
{
    return (struct cpu_gemm){.c = (float *)y + from * N,
            .ldc = N,
            .a = (const float *)x + from * K,
            .a_row = K,
            .a_col = 1,
            .b = w,
            .b_row = K,
            .b_col = 1,
            .M = to - from,
            .N = N,
            .K = K,
            .accumulate = accumulate};
}

// dx = dy w.
static struct cpu_gemm backward_input(const void *dy, const void *w, void *dx, size_t from,
        size_t to, size_t N, size_t K, bool accumulate)
{
    return (struct cpu_gemm){.c = (float *)dx + from * K,
            .ldc = K,
            .a = (const float *)dy + from * N,
            .a_row = N,
            .a_col = 1,
            .b = w,
            .b_row = 1,
            .b_col = K,
            .M = to - from,
            .N = K,
            .K = N,
            .accumulate = accumulate};
}

// dw += dy^T x.
static struct cpu_gemm backward_weight(
        const void *dy, const void *x, void *dw, size_t from, size_t to, size_t N, size_t K)
{
    return (struct cpu_gemm){.c = dw,
            .ldc = K,
            .a = (const float *)dy + from * N,
            .a_row = 1,
            .a_col = N,
            .b = (const float *)x + from * K,
            .b_row = 1,
            .b_col = K,
            .M = N,
            .N = K,
            .K = to - from,
            .accumulate = true};
}

CPU_OP(matmul_forward, matmul)
{
    struct cpu_gemm few[FEW_PRODUCTS_MAX];
    size_t count = 0;

    for (const struct assay_matmul_args *a = args; a != NULL; a = a->beside) {
        const struct cpu_gemm gemm = forward(a->x, a->w, a->y, 0, a->M, a->N, a->K, a->accumulate);

        if (a->M == 0 || a->M > FEW_ROWS_MAX || a->K == 0)
            CPU(gemm)(stream, &gemm);
        else
            few[count++] = gemm;
        if (count == FEW_PRODUCTS_MAX || (a->beside == NULL && count > 0)) {
            CPU(gemm_few)(stream, few, count);
            count = 0;
        }
    }
}

CPU_OP(matmul_backward_input, matmul)
{
    const struct cpu_gemm gemm = backward_input(
            args->dy, args->w, args->dx, 0, args->M, args->N, args->K, args->accumulate);

    CPU(gemm)(stream, &gemm);
}

CPU_OP(matmul_backward_weight, matmul)
{
    const struct cpu_gemm gemm =
            backward_weight(args->dy, args->x, args->dw, 0, args->M, args->N, args->K);

    CPU(gemm)(stream, &gemm);
}

CPU_OP(matmul_grouped_forward, matmul_grouped)
{
    for (size_t e = 0; e < args->E; e++) {
        const struct cpu_gemm gemm = forward(args->x,
                (const float *)args->w + e * args->N * args->K, args->y, (size_t)args->offset[e],
                (size_t)args->offset[e + 1], args->N, args->K, args->accumulate);

        CPU(gemm)(stream, &gemm);
    }
}

CPU_OP(matmul_grouped_backward_input, matmul_grouped)
{
    for (size_t e = 0; e < args->E; e++) {
        const struct cpu_gemm gemm = backward_input(args->dy,
                (const float *)args->w + e * args->N * args->K, args->dx, (size_t)args->offset[e],
                (size_t)args->offset[e + 1], args->N, args->K, args->accumulate);

        CPU(gemm)(stream, &gemm);
    }
}

CPU_OP(matmul_grouped_backward_weight, matmul_grouped)
{
    for (size_t e = 0; e < args->E; e++) {
        const struct cpu_gemm gemm =
                backward_weight(args->dy, args->x, (float *)args->dw + e * args->N * args->K,
                        (size_t)args->offset[e], (size_t)args->offset[e + 1], args->N, args->K);

        CPU(gemm)(stream, &gemm);
    }
}
