// SPDX-License-Identifier: MIT
// attention_tiles.cu - softmax attention on tensor cores: tiles of 64 queries by 64 keys, bf16,
// heads 64, 96 or 128 wide; rows or pages forward, rows backward.
//
// A block of four warps has 64 queries (or, for the gradients of keys, 64 keys) of one head; a warp
// has 16 of them and meets the others tile by tile, of which the next is on its way. Scores, their
// weights and gradients stay in registers, in float until they are an operand. Backward makes the
// scores anew from lse, once for dq and once for dk and dv, so that nobody adds to another's sums.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/tiles.h"

enum { THREADS = TILE_THREADS };

// --- the keys of a query ------------------------------------------------------------------------

// Tiles of keys that a tile of queries meets: of its own span up to `end`, then of its parents; or
// page after page.
struct keys {
    const struct assay_span *at;
    size_t first, end; // of the tile, and of the span's keys, relative to its rows (pages: to 0)
    size_t row, position;
    bool more;
};

__device__ static void look_up(struct keys *k, const struct assay_attention_args &a)
{
    if (a.pages) {
        k->row = (size_t)a.pages[k->at->slot * a.pages_per_slot + k->first / TILE] * TILE;
        k->position = k->first;
    } else {
        k->row = k->at->row + k->first;
        k->position = k->at->position + k->first;
    }
}

__device__ static void advance(struct keys *k, const struct assay_attention_args &a)
{
    k->first += TILE;
    while (k->first >= k->end) {
        if (a.pages || k->at->up == 0) {
            k->more = false;
            return;
        }
        k->at -= k->at->up;
        k->first = 0;
        k->end = k->at->row_count;
    }
    look_up(k, a);
}

__device__ static struct keys keys_of(
        const struct assay_attention_args &a, const struct assay_span *span, size_t query)
{
    const size_t last = query + TILE < span->row_count ? query + TILE : span->row_count;
    struct keys k = {.at = span, .end = a.pages ? span->position + last : last, .more = true};

    look_up(&k, a);
    return k;
}

template <int D>
__device__ static void load_keys(
        bf16 *ks, bf16 *vs, const struct keys &k, const struct assay_attention_args &a, size_t g)
{
    const size_t stride = a.G * a.D, count = k.more ? k.end - k.first : 0;

    if (k.more) {
        load_rows<D, TILE>(ks, (const bf16 *)a.k + g * a.D, k.row, stride, count);
        load_rows<D, TILE>(vs, (const bf16 *)a.v + g * a.D, k.row, stride, count);
    }
    copies_commit();
}

// Rows g and g + 8 of a warp's sums, times factor, to memory, `to` being its row 0.
template <int D>
__device__ static void store_rows(bf16 *to, size_t stride,
        const float (&sums)[width<D>::COLUMNS][4], const float (&factor)[2], size_t count,
        unsigned lane)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const size_t row = lane / 4 + 8 * half;

        if (row >= count)
            continue;
#pragma unroll
        for (int j = 0; j < width<D>::COLUMNS; j++)
            *(uint32_t *)(to + row * stride + 8 * j + 2 * (lane % 4)) =
                    two(sums[j][2 * half] * factor[half], sums[j][2 * half + 1] * factor[half]);
    }
}

// --- forward ------------------------------------------------------------------------------------

// Keys behind a query, or beyond the last, get no weight. `query`: position of the warp's first.
__device__ static void mask_keys(
        float (&s)[TILES][4], const struct keys &k, size_t query, unsigned lane)
{
    const size_t count = k.end - k.first;

    if (count >= TILE && k.position + TILE - 1 <= query)
        return;
#pragma unroll
    for (int j = 0; j < TILES; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const size_t column = 8 * j + 2 * (lane % 4) + e % 2;

            if (column >= count || k.position + column > query + lane / 4 + 8 * (e / 2))
                s[j][e] = -INFINITY;
        }
}

template <int D>
static __global__ void __launch_bounds__(THREADS)
        forward_kernel(const struct assay_attention_args a)
{
    extern __shared__ bf16 memory[];
    bf16 *qs = memory, *ks = qs + width<D>::ELEMENTS, *vs = ks + 2 * width<D>::ELEMENTS;
    const struct assay_span *span = &a.spans[blockIdx.z];
    // Long ones first.
    const size_t first = (size_t)(gridDim.x - 1 - blockIdx.x) * TILE, h = blockIdx.y;
    const size_t g = h / (a.H / a.G);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const float scale = (float)a.scale * LOG2E;
    float out[width<D>::COLUMNS][4] = {}, keep[2];
    struct softness q = {.top = {-INFINITY, -INFINITY}, .sum = {0, 0}};

    if (first >= span->row_count)
        return;
    struct keys now = keys_of(a, span, first), next = now;
    load_rows<D, TILE>(
            qs, (const bf16 *)a.q + h * a.D, span->row + first, a.H * a.D, span->row_count - first);
    load_keys<D>(ks, vs, now, a, g);
    for (int stage = 0; now.more; stage = 1 - stage) {
        const bf16 *k = ks + stage * width<D>::ELEMENTS, *v = vs + stage * width<D>::ELEMENTS;
        float s[TILES][4];

        copies_wait<0>();
        __syncthreads(); // the tile is there, and the other one is free
        advance(&next, a);
        load_keys<D>(ks + (1 - stage) * width<D>::ELEMENTS, vs + (1 - stage) * width<D>::ELEMENTS,
                next, a, g);
        score<D>(s, qs + 16 * warp * width<D>::PITCH, k, lane);
        mask_keys(s, now, span->position + first + 16 * warp, lane);
        soften(&q, keep, s, scale);
        keep_sums(out, keep);
        gather<D>(out, s, v, lane);
        now = next;
    }
    float factor[2];
    const size_t row = first + 16 * warp;
    const size_t count = row < span->row_count ? span->row_count - row : 0;

    join_lanes(&q);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        factor[half] = 1 / q.sum[half];
        if (a.lse && lane % 4 == 0 && lane / 4 + 8 * half < count)
            ((float *)a.lse)[(span->row + row + lane / 4 + 8 * half) * a.H + h] =
                    q.top[half] / LOG2E + logf(q.sum[half]);
    }
    store_rows<D>((bf16 *)a.out + ((span->row + row) * a.H + h) * a.D, a.H * a.D, out, factor,
            count, lane);
}

// --- gradients of queries -----------------------------------------------------------------------

// s becomes ds = p (dp - delta) with p = 2^(s scale - lse); the caller's scale comes last.
__device__ static void differentiate(float (&s)[TILES][4], const float (&dp)[TILES][4], float scale,
        const float (&lse)[2], const float (&delta)[2])
{
#pragma unroll
    for (int j = 0; j < TILES; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            s[j][e] = exp2f(s[j][e] * scale - lse[e / 2]) * (dp[j][e] - delta[e / 2]);
}

template <int D>
static __global__ void __launch_bounds__(THREADS)
        query_back_kernel(const struct assay_attention_args a, const float *deltas)
{
    extern __shared__ bf16 memory[];
    bf16 *qs = memory, *dos = qs + width<D>::ELEMENTS, *ks = dos + width<D>::ELEMENTS;
    bf16 *vs = ks + 2 * width<D>::ELEMENTS;
    const struct assay_span *span = &a.spans[blockIdx.z];
    const size_t first = (size_t)(gridDim.x - 1 - blockIdx.x) * TILE, h = blockIdx.y;
    const size_t g = h / (a.H / a.G);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const size_t row = first + 16 * warp;
    const size_t count = row < span->row_count ? span->row_count - row : 0;
    float out[width<D>::COLUMNS][4] = {}, lse[2], delta[2];

    if (first >= span->row_count)
        return;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const bool there = lane / 4 + 8 * half < count;
        const size_t at = (span->row + row + lane / 4 + 8 * half) * a.H + h;

        lse[half] = there ? ((const float *)a.lse)[at] * LOG2E : INFINITY;
        delta[half] = there ? deltas[at] : 0;
    }
    struct keys now = keys_of(a, span, first), next = now;
    load_rows<D, TILE>(
            qs, (const bf16 *)a.q + h * a.D, span->row + first, a.H * a.D, span->row_count - first);
    load_rows<D, TILE>(dos, (const bf16 *)a.dout + h * a.D, span->row + first, a.H * a.D,
            span->row_count - first);
    load_keys<D>(ks, vs, now, a, g);
    for (int stage = 0; now.more; stage = 1 - stage) {
        const bf16 *k = ks + stage * width<D>::ELEMENTS, *v = vs + stage * width<D>::ELEMENTS;
        float s[TILES][4], dp[TILES][4];

        copies_wait<0>();
        __syncthreads();
        advance(&next, a);
        load_keys<D>(ks + (1 - stage) * width<D>::ELEMENTS, vs + (1 - stage) * width<D>::ELEMENTS,
                next, a, g);
        score<D>(s, qs + 16 * warp * width<D>::PITCH, k, lane);
        mask_keys(s, now, span->position + row, lane);
        score<D>(dp, dos + 16 * warp * width<D>::PITCH, v, lane);
        differentiate(s, dp, (float)a.scale * LOG2E, lse, delta);
        gather<D>(out, s, k, lane);
        now = next;
    }
    const float factor[2] = {(float)a.scale, (float)a.scale};
    store_rows<D>((bf16 *)a.dq + ((span->row + row) * a.H + h) * a.D, a.H * a.D, out, factor, count,
            lane);
}

// --- gradients of keys and values ---------------------------------------------------------------

// Tiles of queries that a tile of keys meets: of its own span from its first row on, then of all
// spans that go on from it; head after head of its group.
struct asking {
    size_t span, first, head; // of the tile, relative to the span's rows; head: in the group
    bool more;
};

__device__ static void find(struct asking *q, const struct assay_attention_args &a, size_t b)
{
    while (q->more && q->first >= a.spans[q->span].row_count) {
        const size_t next = q->span + 1;

        q->span = next;
        q->first = 0;
        q->more = next < a.B && a.spans[next].up > 0 && next - a.spans[next].up >= b;
    }
}

__device__ static void advance(struct asking *q, const struct assay_attention_args &a, size_t b)
{
    if (++q->head < a.H / a.G)
        return;
    q->head = 0;
    q->first += TILE;
    find(q, a, b);
}

// Q, dO, lse (base 2; infinite where there is no row: weight 0) and delta of a tile of queries.
template <int D>
__device__ static void load_asking(bf16 *qs, bf16 *dos, float *numbers, const struct asking &q,
        const struct assay_attention_args &a, size_t g, const float *deltas)
{
    if (q.more) {
        const struct assay_span *span = &a.spans[q.span];
        const size_t h = g * (a.H / a.G) + q.head, count = span->row_count - q.first;
        const size_t row = span->row + q.first;

        load_rows<D, TILE>(qs, (const bf16 *)a.q + h * a.D, row, a.H * a.D, count);
        load_rows<D, TILE>(dos, (const bf16 *)a.dout + h * a.D, row, a.H * a.D, count);
        if (threadIdx.x < TILE) {
            const bool there = threadIdx.x < count;
            const size_t at = (row + (there ? threadIdx.x : 0)) * a.H + h;

            numbers[threadIdx.x] = there ? ((const float *)a.lse)[at] * LOG2E : INFINITY;
            numbers[TILE + threadIdx.x] = there ? deltas[at] : 0;
        }
    }
    copies_commit();
}

// Scores of keys (rows) by queries (columns): weights, and from dp their gradients.
__device__ static void weigh(float (&p)[TILES][4], float (&dp)[TILES][4], const float *numbers,
        float scale, long ahead, unsigned lane)
{
#pragma unroll
    for (int j = 0; j < TILES; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int column = 8 * j + 2 * (int)(lane % 4) + e % 2;
            const int row = (int)(lane / 4) + 8 * (e / 2);
            // `ahead`: the first query's position less the warp's first key's.
            const bool seen = ahead + column >= row;

            p[j][e] = seen ? exp2f(p[j][e] * scale - numbers[column]) : 0;
            dp[j][e] = p[j][e] * (dp[j][e] - numbers[TILE + column]);
        }
}

template <int D>
static __global__ void __launch_bounds__(THREADS)
        key_back_kernel(const struct assay_attention_args a, const float *deltas)
{
    extern __shared__ bf16 memory[];
    bf16 *ks = memory, *vs = ks + width<D>::ELEMENTS, *qs = vs + width<D>::ELEMENTS;
    bf16 *dos = qs + 2 * width<D>::ELEMENTS;
    float *numbers = (float *)(dos + 2 * width<D>::ELEMENTS);
    const size_t b = blockIdx.z, g = blockIdx.y, first = (size_t)blockIdx.x * TILE;
    const struct assay_span *span = &a.spans[b];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float dk[width<D>::COLUMNS][4] = {}, dv[width<D>::COLUMNS][4] = {};

    if (first >= span->row_count)
        return;
    struct asking now = {.span = b, .first = first, .head = 0, .more = true}, next;
    load_rows<D, TILE>(
            ks, (const bf16 *)a.k + g * a.D, span->row + first, a.G * a.D, span->row_count - first);
    load_rows<D, TILE>(
            vs, (const bf16 *)a.v + g * a.D, span->row + first, a.G * a.D, span->row_count - first);
    load_asking<D>(qs, dos, numbers, now, a, g, deltas);
    next = now;
    for (int stage = 0; now.more; stage = 1 - stage) {
        const bf16 *q = qs + stage * width<D>::ELEMENTS, *d = dos + stage * width<D>::ELEMENTS;
        const long ahead = (long)(a.spans[now.span].position + now.first) -
                (long)(span->position + first + 16 * warp);
        float p[TILES][4], dp[TILES][4];

        copies_wait<0>();
        __syncthreads();
        advance(&next, a, b);
        load_asking<D>(qs + (1 - stage) * width<D>::ELEMENTS,
                dos + (1 - stage) * width<D>::ELEMENTS, numbers + (1 - stage) * 2 * TILE, next, a,
                g, deltas);
        score<D>(p, ks + 16 * warp * width<D>::PITCH, q, lane);
        score<D>(dp, vs + 16 * warp * width<D>::PITCH, d, lane);
        weigh(p, dp, numbers + stage * 2 * TILE, (float)a.scale * LOG2E, ahead, lane);
        gather<D>(dv, p, d, lane);
        gather<D>(dk, dp, q, lane);
        now = next;
    }
    const size_t row = first + 16 * warp, at = ((span->row + row) * a.G + g) * a.D;
    const size_t count = row < span->row_count ? span->row_count - row : 0;
    const float scale[2] = {(float)a.scale, (float)a.scale}, one[2] = {1, 1};
    store_rows<D>((bf16 *)a.dk + at, a.G * a.D, dk, scale, count, lane);
    store_rows<D>((bf16 *)a.dv + at, a.G * a.D, dv, one, count, lane);
}

// --- launches -----------------------------------------------------------------------------------

static bool fits(const struct assay_attention_args *a)
{
    return (a->D == 64 || a->D == 96 || a->D == 128) && cuda_aligned(a->q, 16) &&
            cuda_aligned(a->k, 16) && cuda_aligned(a->v, 16) && cuda_aligned(a->out, 16) &&
            cuda_aligned(a->dout, 16) && cuda_aligned(a->dq, 16) && cuda_aligned(a->dk, 16) &&
            cuda_aligned(a->dv, 16) && a->H <= 65535 && a->B <= 65535;
}

template <class Kernel> static bool allow(Kernel kernel, size_t bytes, struct assay_stream *stream)
{
    return cuda_keep(stream,
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
            "attention");
}

template <int D>
static void forward(const struct assay_attention_args *a, struct assay_stream *stream)
{
    const size_t bytes = 5 * width<D>::ELEMENTS * sizeof(bf16);
    const dim3 blocks(cuda_blocks(a->rows_max, TILE), (unsigned)a->H, (unsigned)a->B);

    if (!allow(forward_kernel<D>, bytes, stream))
        return;
    forward_kernel<D><<<blocks, THREADS, bytes, stream->queue>>>(*a);
    cuda_launched(stream, "attention in tiles");
}

template <int D>
static void backward(const struct assay_attention_args *a, struct assay_stream *stream)
{
    const size_t bytes = 6 * width<D>::ELEMENTS * sizeof(bf16);
    const size_t more = bytes + 4 * TILE * sizeof(float);
    const unsigned tiles = cuda_blocks(a->rows_max, TILE);
    float *delta = (float *)cuda_scratch(stream, a->T * a->H * sizeof(float));

    if (!delta || !allow(query_back_kernel<D>, bytes, stream) ||
            !allow(key_back_kernel<D>, more, stream))
        return;
    cuda_attention_delta<bf16>(delta, a, stream);
    query_back_kernel<D>
            <<<dim3(tiles, (unsigned)a->H, (unsigned)a->B), THREADS, bytes, stream->queue>>>(
                    *a, delta);
    key_back_kernel<D>
            <<<dim3(tiles, (unsigned)a->G, (unsigned)a->B), THREADS, more, stream->queue>>>(
                    *a, delta);
    cuda_launched(stream, "attention_backward in tiles");
}

bool cuda_attention_tiles(const struct assay_attention_args *args, struct assay_stream *stream)
{
    if (!fits(args))
        return false;
    if (args->D == 64)
        forward<64>(args, stream);
    else if (args->D == 96)
        forward<96>(args, stream);
    else
        forward<128>(args, stream);
    return true;
}

bool cuda_attention_tiles_backward(
        const struct assay_attention_args *args, struct assay_stream *stream)
{
    if (!fits(args))
        return false;
    if (args->D == 64)
        backward<64>(args, stream);
    else if (args->D == 96)
        backward<96>(args, stream);
    else
        backward<128>(args, stream);
    return true;
}
