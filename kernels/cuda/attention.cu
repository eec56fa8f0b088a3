// SPDX-License-Identifier: MIT
// attention.cu - softmax attention for any head width, pages or rows: the plain way.
//
// A query of one head belongs to SPLIT warps, which share out its keys 32 at a time: a lane scores
// one key, then the warp sums weights times values. attention_tiles.cu and
// attention_decode.cu are the fast ways.
#include "kernels/cuda/cuda.h"

enum { WARPS = 8, THREADS = 32 * WARPS, WIDTH_MAX = 256, PARTS = WIDTH_MAX / 32 };

// Elements before the keys (or values) of position p of the span, key-value head g.
__device__ static size_t place_of(
        const struct assay_attention_args &a, const struct assay_span *span, size_t p, size_t g)
{
    size_t row;

    if (a.pages) {
        const int32_t page = a.pages[span->slot * a.pages_per_slot + p / ASSAY_ATTENTION_BLOCK];

        row = (size_t)page * ASSAY_ATTENTION_BLOCK + p % ASSAY_ATTENTION_BLOCK;
    } else {
        const struct assay_span *at = span_of(span, p);

        row = at->row + (p - at->position);
    }
    return (row * a.G + g) * a.D;
}

// WIDTH: what the compiler may know of `count`, so that all loads are on their way at once; or 0.
template <class A, int N, int WIDTH>
__device__ static float dot(const float *shared, const A *x, size_t count)
{
    const size_t end = WIDTH > 0 ? WIDTH : count;
    float sum = 0;

#pragma unroll
    for (size_t d = 0; d < end; d += N) {
        const pack<A, N> in = *(const pack<A, N> *)(x + d);

#pragma unroll
        for (int i = 0; i < N; i++)
            sum += shared[d + i] * number(in.at[i]);
    }
    return sum;
}

template <class A>
__device__ static void fetch(float *shared, const A *x, size_t count, unsigned lane)
{
    for (size_t d = lane; d < count; d += 32)
        shared[d] = number(x[d]);
}

// What one warp has of a query: running maximum, sum of weights, sums of weights times values.
struct partial {
    float top, sum, out[PARTS];
};

template <class A, int N, int WIDTH>
__device__ static void attend(struct partial *p, const struct assay_attention_args &a,
        const struct assay_span *span, const float *q, size_t g, size_t first, size_t step,
        size_t count)
{
    const unsigned lane = threadIdx.x % 32;
    constexpr int HERE = WIDTH > 0 ? (WIDTH + 31) / 32 : PARTS;

    for (size_t base = first; base < count; base += step) {
        const size_t j = base + lane;
        const size_t place = place_of(a, span, j < count ? j : base, g);
        const float score = j < count
                ? (float)a.scale * dot<A, N, WIDTH>(q, (const A *)a.k + place, a.D)
                : -INFINITY;
        const float top = fmaxf(p->top, warp_max(score)), keep = expf(p->top - top);
        const float weight = expf(score - top);

        p->top = top;
        p->sum = p->sum * keep + warp_sum(weight);
#pragma unroll
        for (int i = 0; i < HERE; i++)
            p->out[i] *= keep;
            // Lanes beyond the last key have weight 0 and the place of some other.
#pragma unroll 8
        for (int l = 0; l < 32; l++) {
            const float w = __shfl_sync(0xffffffffu, weight, l);
            const A *v = (const A *)a.v + __shfl_sync(0xffffffffu, place, l);

#pragma unroll
            for (int i = 0; i < HERE; i++)
                if (WIDTH % 32 == 0 && WIDTH > 0)
                    p->out[i] += w * number(v[lane + 32 * i]);
                else if (lane + 32 * i < a.D)
                    p->out[i] += w * number(v[lane + 32 * i]);
        }
    }
}

// SPLIT warps' parts of one query to one, in the order of the warps.
template <int SPLIT>
__device__ static void join(struct partial *p, float (*tops)[2], float (*outs)[WIDTH_MAX], size_t D)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float top = -INFINITY, sum = 0, out[PARTS] = {};

    if (lane == 0) {
        tops[warp][0] = p->top;
        tops[warp][1] = p->sum;
    }
    for (int i = 0; i < PARTS; i++)
        if (lane + 32 * i < D)
            outs[warp][lane + 32 * i] = p->out[i];
    __syncthreads();
    for (int w = 0; w < SPLIT; w++)
        top = fmaxf(top, tops[w][0]);
    for (int w = 0; w < SPLIT; w++) {
        const float keep = expf(tops[w][0] - top);

        sum += tops[w][1] * keep;
        for (int i = 0; i < PARTS; i++)
            if (lane + 32 * i < D)
                out[i] += outs[w][lane + 32 * i] * keep;
    }
    p->top = top;
    p->sum = sum;
    for (int i = 0; i < PARTS; i++)
        p->out[i] = out[i];
}

template <class A, int N, int SPLIT, int WIDTH>
static __global__ void attention_kernel(const struct assay_attention_args a)
{
    __shared__ float qs[WARPS][WIDTH_MAX], outs[SPLIT > 1 ? WARPS : 1][WIDTH_MAX];
    __shared__ float tops[WARPS][2];
    const struct assay_span *span = &a.spans[blockIdx.y];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const size_t i = (size_t)blockIdx.x * (WARPS / SPLIT) + warp / SPLIT;
    struct partial p = {-INFINITY, 0, {}};

    if (i >= (size_t)span->row_count * a.H)
        return;
    const size_t place = i / a.H, h = i % a.H, at = (span->row + place) * a.H + h;
    fetch(qs[warp], (const A *)a.q + at * a.D, a.D, lane);
    __syncwarp();
    attend<A, N, WIDTH>(&p, a, span, qs[warp], h / (a.H / a.G), 32 * (warp % SPLIT), 32 * SPLIT,
            span->position + place + 1);
    if (SPLIT > 1)
        join<SPLIT>(&p, tops, outs, a.D);
    if (warp % SPLIT > 0)
        return;
    for (int d = 0; d < PARTS; d++)
        if (lane + 32 * d < a.D)
            ((A *)a.out)[at * a.D + lane + 32 * d] = rounded<A>(p.out[d] / p.sum);
    if (a.lse && lane == 0)
        ((float *)a.lse)[at] = p.top + logf(p.sum);
}

template <class A> static bool is_wide(const struct assay_attention_args *a)
{
    return a->D % pack_count<A>() == 0 && cuda_aligned(a->k, 16) && cuda_aligned(a->v, 16) &&
            cuda_aligned(a->q, 16) && cuda_aligned(a->dout, 16);
}

// A query for each sequence: with one warp each most of the chip would be idle.
template <class A, int N, int WIDTH>
static void one_query(const struct assay_attention_args *args, struct assay_stream *stream)
{
    attention_kernel<A, N, WARPS, WIDTH>
            <<<dim3((unsigned)args->H, (unsigned)args->B), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "attention of one query");
}

template <class A, int N>
static void forward(const struct assay_attention_args *args, struct assay_stream *stream)
{
    const dim3 blocks(cuda_blocks(args->rows_max * args->H, WARPS), (unsigned)args->B);

    if (args->rows_max > 1) {
        attention_kernel<A, N, 1, 0><<<blocks, THREADS, 0, stream->queue>>>(*args);
        cuda_launched(stream, "attention_forward");
    } else if (args->D == 64) {
        one_query<A, N, 64>(args, stream);
    } else if (args->D == 96) {
        one_query<A, N, 96>(args, stream);
    } else if (args->D == 128) {
        one_query<A, N, 128>(args, stream);
    } else {
        one_query<A, N, 0>(args, stream);
    }
}

CUDA_OP(attention_forward, attention)
{
    assert(args->D <= WIDTH_MAX && args->G > 0 && args->H % args->G == 0);
    if (args->B == 0 || args->rows_max == 0 || args->D == 0)
        return;
    if (sizeof(A) == sizeof(bf16) &&
            (args->rows_max > 1 ? cuda_attention_tiles(args, stream)
                                : cuda_attention_decode(args, stream)))
        return;
    if (is_wide<A>(args))
        forward<A, pack_count<A>()>(args, stream);
    else
        forward<A, 1>(args, stream);
}

// --- backward -----------------------------------------------------------------------------------

// delta[t, h] = dout . out, which is what the weights' gradients have in common.
template <class A>
static __global__ void delta_kernel(const struct assay_attention_args a, float *delta)
{
    const size_t at = (size_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const unsigned lane = threadIdx.x % 32;
    float sum = 0;

    if (at >= a.T * a.H)
        return;
    for (size_t d = lane; d < a.D; d += 32)
        sum += number(((const A *)a.out)[at * a.D + d]) * number(((const A *)a.dout)[at * a.D + d]);
    sum = warp_sum(sum);
    if (lane == 0)
        delta[at] = sum;
}

template <class A>
void cuda_attention_delta(
        float *delta, const struct assay_attention_args *a, struct assay_stream *stream)
{
    delta_kernel<A><<<cuda_blocks(a->T * a->H, WARPS), THREADS, 0, stream->queue>>>(*a, delta);
    cuda_launched(stream, "delta");
}

template void cuda_attention_delta<bf16>(
        float *, const struct assay_attention_args *, struct assay_stream *);

// dq = sum_j ds_j k_j, ds_j = scale p_j (dout . v_j - delta)
template <class A, int N>
static __global__ void query_back_kernel(const struct assay_attention_args a, const float *delta)
{
    __shared__ float qs[WARPS][WIDTH_MAX], dos[WARPS][WIDTH_MAX];
    const struct assay_span *span = &a.spans[blockIdx.y];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const size_t i = (size_t)blockIdx.x * WARPS + warp;
    float out[PARTS] = {};

    if (i >= (size_t)span->row_count * a.H)
        return;
    const size_t place = i / a.H, h = i % a.H, g = h / (a.H / a.G);
    const size_t at = (span->row + place) * a.H + h, count = span->position + place + 1;
    const float lse = ((const float *)a.lse)[at];
    fetch(qs[warp], (const A *)a.q + at * a.D, a.D, lane);
    fetch(dos[warp], (const A *)a.dout + at * a.D, a.D, lane);
    __syncwarp();
    for (size_t base = 0; base < count; base += 32) {
        const size_t j = base + lane, key = j < count ? place_of(a, span, j, g) : 0;
        const unsigned here = (unsigned)(count - base < 32 ? count - base : 32);
        float ds = 0;

        if (j < count) {
            const float score = (float)a.scale * dot<A, N, 0>(qs[warp], (const A *)a.k + key, a.D);

            ds = (float)a.scale * expf(score - lse) *
                    (dot<A, N, 0>(dos[warp], (const A *)a.v + key, a.D) - delta[at]);
        }
        for (unsigned l = 0; l < here; l++) {
            const float w = __shfl_sync(0xffffffffu, ds, l);
            const A *k = (const A *)a.k + __shfl_sync(0xffffffffu, key, l);

            for (int d = 0; d < PARTS; d++)
                if (lane + 32 * d < a.D)
                    out[d] += w * number(k[lane + 32 * d]);
        }
    }
    for (int d = 0; d < PARTS; d++)
        if (lane + 32 * d < a.D)
            ((A *)a.dq)[at * a.D + lane + 32 * d] = rounded<A>(out[d]);
}

struct key_sums {
    float dk[PARTS], dv[PARTS];
};

// What rows [first, row_count) of `span`, heads of group g, give to the key that ks and vs hold.
template <class A, int N>
__device__ static void add_queries(struct key_sums *sums, const struct assay_attention_args &a,
        const struct assay_span *span, size_t first, size_t g, const float *ks, const float *vs,
        const float *delta)
{
    const unsigned lane = threadIdx.x % 32;
    const size_t share = a.H / a.G, count = (size_t)span->row_count * share;

    for (size_t base = first * share; base < count; base += 32) {
        const size_t i = base + lane;
        const size_t at = (span->row + i / share) * a.H + g * share + i % share;
        const unsigned here = (unsigned)(count - base < 32 ? count - base : 32);
        float p = 0, ds = 0;

        if (i < count) {
            p = expf((float)a.scale * dot<A, N, 0>(ks, (const A *)a.q + at * a.D, a.D) -
                    ((const float *)a.lse)[at]);
            ds = (float)a.scale * p *
                    (dot<A, N, 0>(vs, (const A *)a.dout + at * a.D, a.D) - delta[at]);
        }
        for (unsigned l = 0; l < here; l++) {
            const float weight = __shfl_sync(0xffffffffu, p, l);
            const float gradient = __shfl_sync(0xffffffffu, ds, l);
            const size_t row = __shfl_sync(0xffffffffu, at, l) * a.D;

            for (int d = 0; d < PARTS; d++)
                if (lane + 32 * d < a.D) {
                    sums->dk[d] += gradient * number(((const A *)a.q)[row + lane + 32 * d]);
                    sums->dv[d] += weight * number(((const A *)a.dout)[row + lane + 32 * d]);
                }
        }
    }
}

// A key belongs to a warp; its queries are the later rows of its span, and all of the spans that go
// on from it, which stand behind it.
template <class A, int N>
static __global__ void key_back_kernel(const struct assay_attention_args a, const float *delta)
{
    __shared__ float ks[WARPS][WIDTH_MAX], vs[WARPS][WIDTH_MAX];
    const size_t b = blockIdx.y;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const size_t i = (size_t)blockIdx.x * WARPS + warp;
    struct key_sums sums = {};

    if (i >= (size_t)a.spans[b].row_count * a.G)
        return;
    const size_t place = i / a.G, g = i % a.G, at = (a.spans[b].row + place) * a.G + g;
    fetch(ks[warp], (const A *)a.k + at * a.D, a.D, lane);
    fetch(vs[warp], (const A *)a.v + at * a.D, a.D, lane);
    __syncwarp();
    add_queries<A, N>(&sums, a, &a.spans[b], place, g, ks[warp], vs[warp], delta);
    for (size_t c = b + 1; c < a.B && a.spans[c].up > 0 && c - a.spans[c].up >= b; c++)
        add_queries<A, N>(&sums, a, &a.spans[c], 0, g, ks[warp], vs[warp], delta);
    for (int d = 0; d < PARTS; d++)
        if (lane + 32 * d < a.D) {
            ((A *)a.dk)[at * a.D + lane + 32 * d] = rounded<A>(sums.dk[d]);
            ((A *)a.dv)[at * a.D + lane + 32 * d] = rounded<A>(sums.dv[d]);
        }
}

template <class A, int N>
static void backward(const struct assay_attention_args *a, struct assay_stream *stream)
{
    float *delta = (float *)cuda_scratch(stream, a->T * a->H * sizeof(float));
    const dim3 queries(cuda_blocks(a->rows_max * a->H, WARPS), (unsigned)a->B);
    const dim3 keys(cuda_blocks(a->rows_max * a->G, WARPS), (unsigned)a->B);

    if (!delta)
        return;
    cuda_attention_delta<A>(delta, a, stream);
    query_back_kernel<A, N><<<queries, THREADS, 0, stream->queue>>>(*a, delta);
    key_back_kernel<A, N><<<keys, THREADS, 0, stream->queue>>>(*a, delta);
    cuda_launched(stream, "attention_backward");
}

CUDA_OP(attention_backward, attention)
{
    assert(!args->pages && args->D <= WIDTH_MAX);
    if (args->B == 0 || args->rows_max == 0 || args->D == 0)
        return;
    if (sizeof(A) == sizeof(bf16) && cuda_attention_tiles_backward(args, stream))
        return;
    if (is_wide<A>(args))
        backward<A, pack_count<A>()>(args, stream);
    else
        backward<A, 1>(args, stream);
}

// --- pages --------------------------------------------------------------------------------------

template <class A> static __global__ void kv_write_kernel(const struct assay_kv_write_args a)
{
    const struct assay_span *span = &a.spans[blockIdx.y];
    const size_t i = blockIdx.x, width = a.G * a.D, p = span->position + i;

    cuda_depend();
    if (i >= span->row_count)
        return;
    const int32_t page = a.pages[span->slot * a.pages_per_slot + p / ASSAY_ATTENTION_BLOCK];
    const size_t to = ((size_t)page * ASSAY_ATTENTION_BLOCK + p % ASSAY_ATTENTION_BLOCK) * width;
    const size_t from = (span->row + i) * width;
    for (size_t c = threadIdx.x; c < width; c += THREADS) {
        ((A *)a.k_pages)[to + c] = ((const A *)a.k)[from + c];
        ((A *)a.v_pages)[to + c] = ((const A *)a.v)[from + c];
    }
}

CUDA_OP(kv_write, kv_write)
{
    if (args->B == 0 || args->rows_max == 0)
        return;
    cuda_follow(stream, kv_write_kernel<A>, dim3((unsigned)args->rows_max, (unsigned)args->B),
            THREADS, 0, *args);
    cuda_launched(stream, "kv_write");
}

CUDA_OP_BOTH(attention_forward, attention);
CUDA_OP_BOTH(attention_backward, attention);
CUDA_OP_BOTH(kv_write, kv_write);
