// SPDX-License-Identifier: MIT
// tiles.h - softmax attention in tiles of 64 keys: what training (attention_tiles.cu) and decoding
// (attention_decode.cu) have in common, so that both round alike.
//
// A warp has 16 queries. Scores, weights and sums are in the layout of mma.h.
#ifndef ASSAY_KERNELS_CUDA_TILES_H
#define ASSAY_KERNELS_CUDA_TILES_H

#include <math.h>

#include "kernels/cuda/mma.h"

enum { TILE = 64, TILE_THREADS = 128, TILES = TILE / 8 };
static_assert(TILE == ASSAY_ATTENTION_BLOCK, "a page is a tile");
static constexpr float LOG2E = 1.4426950408889634f;

template <int D> struct width {
    enum { PITCH = D + PAD, ELEMENTS = TILE * PITCH, STEPS = D / 16, COLUMNS = D / 8 };
};

// Rows [row, row + count) of one head to the first ROWS of a tile; the rest of them is zeros. By
// all TILE_THREADS threads of a block.
template <int D, int ROWS>
__device__ __forceinline__ void load_rows(
        bf16 *to, const bf16 *from, size_t row, size_t stride, size_t count)
{
    const uint32_t base = shared_address(to);

#pragma unroll
    for (int i = 0; i < (ROWS * D / 8 + TILE_THREADS - 1) / TILE_THREADS; i++) {
        const unsigned at = threadIdx.x + i * TILE_THREADS, r = at / (D / 8), piece = at % (D / 8);
        const bool there = r < count;

        if (ROWS * D / 8 % TILE_THREADS == 0 || r < ROWS)
            copy_async(base + (r * width<D>::PITCH + piece * 8) * sizeof(bf16),
                    from + (row + (there ? r : 0)) * stride + piece * 8, there);
    }
}

// sums [16 x 8 COUNT] = left rows (16 of `a`) times the first rows of `b`.
template <int D, int COUNT>
__device__ __forceinline__ void score(
        float (&sums)[COUNT][4], const bf16 *a, const bf16 *b, unsigned lane)
{
#pragma unroll
    for (int j = 0; j < COUNT; j++)
        sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0;
#pragma unroll
    for (int i = 0; i < width<D>::STEPS; i++) {
        const struct left left = left_of(a + 16 * i, width<D>::PITCH, lane);

#pragma unroll
        for (int j = 0; j < COUNT; j += 2) {
            const struct right right =
                    right_of_rows(b + 8 * j * width<D>::PITCH + 16 * i, width<D>::PITCH, lane);

            multiply(sums[j], left, right.at[0]);
            multiply(sums[j + 1], left, right.at[1]);
        }
    }
}

// out [16 x 8 COUNT] += weights [16 x 64] times the first columns of the rows of `x`.
template <int D, int COUNT>
__device__ __forceinline__ void gather(
        float (&out)[COUNT][4], const float (&weights)[TILES][4], const bf16 *x, unsigned lane)
{
#pragma unroll
    for (int i = 0; i < TILE / 16; i++) {
        const struct left left = as_left(weights[2 * i], weights[2 * i + 1]);

#pragma unroll
        for (int j = 0; j < COUNT; j += 2) {
            const struct right right =
                    right_of_columns(x + 16 * i * width<D>::PITCH + 8 * j, width<D>::PITCH, lane);

            multiply(out[j], left, right.at[0]);
            multiply(out[j + 1], left, right.at[1]);
        }
    }
}

// Running maxima (of scaled scores, base 2) and sums of rows g and g + 8.
struct softness {
    float top[2], sum[2];
};

// Scores to weights; what was there before is to be multiplied with `keep`.
__device__ __forceinline__ void soften(
        struct softness *q, float (&keep)[2], float (&s)[TILES][4], float scale)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float top = q->top[half], sum = 0;

#pragma unroll
        for (int j = 0; j < TILES; j++)
            top = fmaxf(top, fmaxf(s[j][2 * half], s[j][2 * half + 1]) * scale);
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
        keep[half] = exp2f(q->top[half] - top);
#pragma unroll
        for (int j = 0; j < TILES; j++)
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; e++) {
                s[j][e] = exp2f(__fmaf_rn(s[j][e], scale, -top));
                sum += s[j][e];
            }
        q->top[half] = top;
        q->sum[half] = __fmaf_rn(q->sum[half], keep[half], sum);
    }
}

template <int COUNT>
__device__ __forceinline__ void keep_sums(float (&out)[COUNT][4], const float (&keep)[2])
{
#pragma unroll
    for (int j = 0; j < COUNT; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            out[j][e] *= keep[e / 2];
}

// The sums of the four lanes that share a row.
__device__ __forceinline__ void join_lanes(struct softness *q)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        q->sum[half] += __shfl_xor_sync(0xffffffffu, q->sum[half], 1);
        q->sum[half] += __shfl_xor_sync(0xffffffffu, q->sum[half], 2);
    }
}

#endif
