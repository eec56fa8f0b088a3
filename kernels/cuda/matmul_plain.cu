// SPDX-License-Identifier: MIT
// matmul_plain.cu - products of any shape, stride and alignment, plain and by expert.
//
// A block makes a tile of 64 x 64 from slices of 16 terms in shared memory, a thread 4 x 4 of it,
// in float. For what the library and the tensor cores cannot take.
#include "kernels/cuda/cuda.h"

enum { TILE = 64, SLICE = 16, THREADS = 256, EACH = 4 };

// Rows [from, to) of M (or terms of K, for weights) that this block's expert has.
struct share {
    size_t expert, from, to, row; // row: first of the tile
};

// Tiles are dealt out expert by expert: expert e has as many as its rows need.
__device__ static bool find_share(struct share *out, const struct cuda_product &p, size_t tile)
{
    for (size_t e = 0; e < p.experts; e++) {
        const size_t from = (size_t)p.offset[e], to = (size_t)p.offset[e + 1];
        const size_t tiles = (to - from + TILE - 1) / TILE;

        if (tile < tiles) {
            *out = {e, from, to, from + tile * TILE};
            return true;
        }
        tile -= tiles;
    }
    return false;
}

template <class A, class O> static __global__ void product_kernel(const struct cuda_product p)
{
    __shared__ float as[SLICE][TILE + 1], bs[SLICE][TILE + 1];
    struct share s = {0, 0, p.M, (size_t)blockIdx.y * TILE};
    const size_t column = (size_t)blockIdx.x * TILE;
    const unsigned tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    size_t k_from = 0, k_to = p.K;
    float sum[EACH][EACH] = {};

    if (p.offset && !p.weights && !find_share(&s, p, blockIdx.y))
        return;
    if (p.weights) {
        s.expert = blockIdx.z;
        k_from = (size_t)p.offset[s.expert];
        k_to = (size_t)p.offset[s.expert + 1];
    }
    const A *b = (const A *)p.b + (p.weights ? 0 : s.expert * p.expert_step);
    O *out = (O *)p.out + (p.weights ? s.expert * p.expert_step : 0);

    for (size_t k0 = k_from; k0 < k_to; k0 += SLICE) {
        for (unsigned i = threadIdx.x; i < TILE * SLICE; i += THREADS) {
            // Neighbours in a warp read neighbours in memory.
            const unsigned am = p.ak == 1 ? i / SLICE : i % TILE,
                           ak = p.ak == 1 ? i % SLICE : i / TILE;
            const unsigned bn = p.bk == 1 ? i / SLICE : i % TILE,
                           bk = p.bk == 1 ? i % SLICE : i / TILE;
            const size_t m = s.row + am, n = column + bn;

            as[ak][am] = m < s.to && k0 + ak < k_to
                    ? number(((const A *)p.a)[m * p.am + (k0 + ak) * p.ak])
                    : 0;
            bs[bk][bn] = n < p.N && k0 + bk < k_to ? number(b[n * p.bn + (k0 + bk) * p.bk]) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < SLICE; k++)
#pragma unroll
            for (int i = 0; i < EACH; i++)
#pragma unroll
                for (int j = 0; j < EACH; j++)
                    sum[i][j] += as[k][ty + 16 * i] * bs[k][tx + 16 * j];
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            const size_t m = s.row + ty + 16 * i, n = column + tx + 16 * j;

            if (m >= s.to || n >= p.N)
                continue;
            O *at = out + m * p.N + n;
            *at = rounded<O>(p.accumulate ? number(*at) + sum[i][j] : sum[i][j]);
        }
}

template <class A, class O>
void cuda_product_plain(const struct cuda_product *product, struct assay_stream *stream)
{
    const struct cuda_product p = *product;
    // No more tiles than this, whatever the experts' shares.
    const size_t tiles = cuda_blocks(p.M, TILE) + (p.offset && !p.weights ? p.experts : 0);

    if (p.M == 0 || p.N == 0)
        return;
    product_kernel<A, O>
            <<<dim3(cuda_blocks(p.N, TILE), (unsigned)tiles, p.weights ? (unsigned)p.experts : 1),
                    THREADS, 0, stream->queue>>>(p);
    cuda_launched(stream, "product");
}

template void cuda_product_plain<float, float>(const struct cuda_product *, struct assay_stream *);
template void cuda_product_plain<bf16, bf16>(const struct cuda_product *, struct assay_stream *);
template void cuda_product_plain<bf16, float>(const struct cuda_product *, struct assay_stream *);
