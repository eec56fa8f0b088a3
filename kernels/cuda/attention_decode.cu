// SPDX-License-Identifier: MIT
// attention_decode.cu - one query a sequence against its pages, bf16, heads 64, 96 or 128 wide.
//
// The heads that share keys are the rows of one tile of queries, so keys and values are read once.
// Four warps share a tile of keys: each scores 16 of them, all weigh all 64, and each sums its own
// columns of the values. Tile after tile, with the arithmetic of attention_tiles.cu: a token that
// is decoded and one that is trained get the same bits, up to ALONE tiles. Longer sequences are
// cut into parts, which a second kernel joins.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/tiles.h"

enum { HEADS_MAX = 16, ALONE = 64, PARTS_MAX = 128, WARPS = TILE_THREADS / 32 };

template <int D> struct room {
    static constexpr int PITCH = width<D>::PITCH, ELEMENTS = width<D>::ELEMENTS; // of a tile
    static constexpr int PAIRS = (D / 16 + WARPS - 1) / WARPS; // of columns of 8, that a warp has
    static constexpr int QUERIES = HEADS_MAX * PITCH;
    static constexpr int SCORES = TILES * 32 * (int)sizeof(float4);
    static constexpr int BYTES = (QUERIES + 4 * ELEMENTS) * (int)sizeof(bf16) + SCORES;
};

// What a part of a sequence gave for one head.
template <int D> struct part {
    float out[D], top, sum;
};

struct cut {
    unsigned parts, tiles; // of a sequence, of a part
    void *found;           // struct part [B, H, parts]; NULL: there is one part
};

template <int D>
__device__ static void load_page(bf16 *ks, bf16 *vs, const struct assay_attention_args &a,
        const struct assay_span *span, size_t tile, size_t g)
{
    const size_t row = (size_t)a.pages[span->slot * a.pages_per_slot + tile] * TILE;
    const size_t stride = a.G * a.D, count = (size_t)span->position + 1 - tile * TILE;

    load_rows<D, TILE>(ks, (const bf16 *)a.k + g * a.D, row, stride, count);
    load_rows<D, TILE>(vs, (const bf16 *)a.v + g * a.D, row, stride, count);
}

// The scores of a tile by all four warps: each makes its own, then has them all.
template <int D>
__device__ static void share_scores(float (&s)[TILES][4], const bf16 *qs, const bf16 *ks,
        float4 (*shared)[32], size_t count, unsigned warp, unsigned lane)
{
    float mine[2][4];

    score<D>(mine, qs, ks + 16 * warp * width<D>::PITCH, lane);
#pragma unroll
    for (int j = 0; j < 2; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (16 * warp + 8 * j + 2 * (lane % 4) + e % 2 >= count)
                mine[j][e] = -INFINITY;
        shared[2 * warp + j][lane] = make_float4(mine[j][0], mine[j][1], mine[j][2], mine[j][3]);
    }
    __syncthreads();
#pragma unroll
    for (int j = 0; j < TILES; j++) {
        const float4 four = shared[j][lane];

        s[j][0] = four.x;
        s[j][1] = four.y;
        s[j][2] = four.z;
        s[j][3] = four.w;
    }
}

// Columns of a warp, for the heads of its rows: the result, or a part of it.
template <int D>
__device__ static void leave(const struct assay_attention_args &a, const struct cut &cut,
        const float (&out)[room<D>::PAIRS][2][4], const struct softness &q, unsigned warp,
        unsigned lane)
{
    const size_t share = a.H / a.G, row = a.spans[blockIdx.z].row;

#pragma unroll
    for (int half = 0; half < 2; half++) {
        const size_t r = lane / 4 + 8 * half, h = blockIdx.y * share + r;

        if (r >= share)
            continue;
        struct part<D> *to = NULL;
        if (cut.found)
            to = (struct part<D> *)cut.found + (blockIdx.z * a.H + h) * cut.parts + blockIdx.x;
        if (warp == 0 && lane % 4 == 0 && to) {
            to->top = q.top[half];
            to->sum = q.sum[half];
        } else if (warp == 0 && lane % 4 == 0 && a.lse) {
            ((float *)a.lse)[row * a.H + h] = q.top[half] / LOG2E + logf(q.sum[half]);
        }
        const float factor = 1 / q.sum[half];
#pragma unroll
        for (int i = 0; i < room<D>::PAIRS; i++)
#pragma unroll
            for (int j = 0; j < 2; j++) {
                const size_t column = 16 * (warp + WARPS * i) + 8 * j + 2 * (lane % 4);
                const float x = out[i][j][2 * half], y = out[i][j][2 * half + 1];

                if (column < D && to)
                    *(float2 *)&to->out[column] = make_float2(x, y);
                else if (column < D)
                    *(uint32_t *)((bf16 *)a.out + (row * a.H + h) * D + column) =
                            two(x * factor, y * factor);
            }
    }
}

template <int D>
static __global__ void __launch_bounds__(TILE_THREADS)
        decode_kernel(const struct assay_attention_args a, const struct cut cut)
{
    extern __shared__ float4 memory[];
    float4(*scores)[32] = (float4(*)[32])memory;
    bf16 *qs = (bf16 *)(memory + TILES * 32), *ks = qs + room<D>::QUERIES;
    bf16 *vs = ks + 2 * width<D>::ELEMENTS;
    const struct assay_span *span = &a.spans[blockIdx.z];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const size_t g = blockIdx.y, share = a.H / a.G, count = (size_t)span->position + 1;
    const size_t first = (size_t)blockIdx.x * cut.tiles, all = (count + TILE - 1) / TILE;
    const size_t end = first + cut.tiles < all ? first + cut.tiles : all;
    float out[room<D>::PAIRS][2][4] = {};
    struct softness q = {.top = {-INFINITY, -INFINITY}, .sum = {0, 0}};

    if (span->row_count == 0 || first >= end)
        return;
    cuda_depend(); // spans and pages were uploaded before
    load_rows<D, HEADS_MAX>(
            qs, (const bf16 *)a.q + ((size_t)span->row * a.H + g * share) * D, 0, D, share);
    load_page<D>(ks, vs, a, span, first, g);
    copies_commit();
    for (size_t tile = first; tile < end; tile++) {
        const int stage = (int)(tile - first) % 2, next = 1 - stage;
        float s[TILES][4], keep[2];

        copies_wait<0>();
        __syncthreads(); // the tile is there, and the other one is free
        if (tile + 1 < end)
            load_page<D>(ks + next * width<D>::ELEMENTS, vs + next * width<D>::ELEMENTS, a, span,
                    tile + 1, g);
        copies_commit();
        share_scores<D>(
                s, qs, ks + stage * width<D>::ELEMENTS, scores, count - tile * TILE, warp, lane);
        soften(&q, keep, s, (float)a.scale * LOG2E);
#pragma unroll
        for (int i = 0; i < room<D>::PAIRS; i++) {
            keep_sums(out[i], keep);
            if (16 * (warp + WARPS * i) < D)
                gather<D>(
                        out[i], s, vs + stage * width<D>::ELEMENTS + 16 * (warp + WARPS * i), lane);
        }
    }
    join_lanes(&q);
    leave<D>(a, cut, out, q, warp, lane);
}

// The parts of a head in their order, as many as the sequence is long.
template <int D>
static __global__ void join_kernel(const struct assay_attention_args a, const struct cut cut)
{
    const struct assay_span *span = &a.spans[blockIdx.y];
    const size_t h = blockIdx.x, all = ((size_t)span->position + TILE) / TILE;
    const unsigned count = (unsigned)((all + cut.tiles - 1) / cut.tiles);
    const struct part<D> *parts =
            (const struct part<D> *)cut.found + (blockIdx.y * a.H + h) * cut.parts;
    float top = -INFINITY, sum = 0, out = 0;

    cuda_depend();
    if (span->row_count == 0)
        return;
    for (unsigned i = 0; i < count; i++)
        top = fmaxf(top, parts[i].top);
    for (unsigned i = 0; i < count; i++) {
        const float keep = exp2f(parts[i].top - top);

        sum += parts[i].sum * keep;
        out += parts[i].out[threadIdx.x] * keep;
    }
    ((bf16 *)a.out)[(span->row * a.H + h) * D + threadIdx.x] = rounded<bf16>(out / sum);
    if (a.lse && threadIdx.x == 0)
        ((float *)a.lse)[span->row * a.H + h] = top / LOG2E + logf(sum);
}

template <int D>
static void decode(const struct assay_attention_args *a, struct assay_stream *stream)
{
    const size_t tiles = a->pages_per_slot;
    struct cut cut = {.parts = 1, .tiles = (unsigned)tiles, .found = NULL};

    if (tiles > ALONE) {
        const size_t each = (tiles + PARTS_MAX - 1) / PARTS_MAX;

        cut.tiles = (unsigned)(each > 16 ? each : 16);
        cut.parts = cuda_blocks(tiles, cut.tiles);
        cut.found = cuda_scratch(stream, a->B * a->H * cut.parts * sizeof(struct part<D>));
        if (!cut.found)
            return;
    }
    if (!cuda_keep(stream,
                cudaFuncSetAttribute(decode_kernel<D>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                        room<D>::BYTES),
                "attention of one query"))
        return;
    cuda_follow(stream, decode_kernel<D>, dim3(cut.parts, (unsigned)a->G, (unsigned)a->B),
            TILE_THREADS, room<D>::BYTES, *a, cut);
    if (cut.found)
        cuda_follow(stream, join_kernel<D>, dim3((unsigned)a->H, (unsigned)a->B), D, 0, *a, cut);
    cuda_launched(stream, "attention of one query");
}

bool cuda_attention_decode(const struct assay_attention_args *args, struct assay_stream *stream)
{
    if (!args->pages || args->H / args->G > HEADS_MAX || args->B > 65535 ||
            !cuda_aligned(args->q, 16) || !cuda_aligned(args->k, 16) ||
            !cuda_aligned(args->v, 16) || !cuda_aligned(args->out, 16))
        return false;
    if (args->D == 64)
        decode<64>(args, stream);
    else if (args->D == 96)
        decode<96>(args, stream);
    else if (args->D == 128)
        decode<128>(args, stream);
    else
        return false;
    return true;
}
