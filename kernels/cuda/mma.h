// SPDX-License-Identifier: MIT
// mma.h - a warp's products of 16 x 8 x 16 in bf16 (sm_80 and later), and what feeds them.
//
// Lane l has g = l / 4, t = l % 4. Of the sums [16 x 8] it holds (g, 2t), (g, 2t+1), (g+8, 2t),
// (g+8, 2t+1); two tiles of sums side by side, rounded, are a left operand [16 x 16] (as_left).
// Tiles in shared memory are rows of D + PAD elements: eight rows meet eight different banks.
#ifndef ASSAY_KERNELS_CUDA_MMA_H
#define ASSAY_KERNELS_CUDA_MMA_H

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/wgmma.h"

enum { PAD = 8 };

struct left {
    uint32_t at[4];
};
// Two right operands [16 terms x 8 columns], side by side.
struct right {
    uint32_t at[2][2];
};

__device__ __forceinline__ void load_matrices(uint32_t (&out)[4], const bf16 *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared_address(row)));
}
__device__ __forceinline__ void load_turned(uint32_t (&out)[4], const bf16 *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared_address(row)));
}

// Rows [0, 16) x columns [0, 16) of x, whose rows are `pitch` apart: terms are columns.
__device__ __forceinline__ struct left left_of(const bf16 *x, int pitch, unsigned lane)
{
    struct left out;

    load_matrices(out.at, x + (lane % 16) * pitch + 8 * (lane / 16));
    return out;
}

// Sixteen columns of the product are rows [0, 16) of x, terms are its columns [0, 16).
__device__ __forceinline__ struct right right_of_rows(const bf16 *x, int pitch, unsigned lane)
{
    uint32_t four[4];

    load_matrices(four, x + (lane % 8 + 8 * (lane / 16)) * pitch + 8 * (lane / 8 % 2));
    return {{{four[0], four[1]}, {four[2], four[3]}}};
}

// Terms are rows [0, 16) of x, sixteen columns of the product its columns [0, 16).
__device__ __forceinline__ struct right right_of_columns(const bf16 *x, int pitch, unsigned lane)
{
    uint32_t four[4];

    load_turned(four, x + (lane % 16) * pitch + 8 * (lane / 16));
    return {{{four[0], four[1]}, {four[2], four[3]}}};
}

__device__ __forceinline__ void multiply(float (&sum)[4], const struct left &a, const uint32_t *b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ uint32_t two(float low, float high)
{
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);

    return *(const uint32_t *)&both;
}

__device__ __forceinline__ struct left as_left(const float (&first)[4], const float (&second)[4])
{
    return {{two(first[0], first[1]), two(first[2], first[3]), two(second[0], second[1]),
            two(second[2], second[3])}};
}

#endif
