// SPDX-License-Identifier: MIT
// head.cu - log-probabilities of targets, their gradients, and drawing tokens.
//
// Logits exist as one tile at a time: ROWS x COLUMNS floats, made by cuBLASLt (products of bf16 are
// exact in float: the head in full precision at the cost of bf16), read once by a block a row, and
// overwritten by the next.
#include "kernels/cuda/cuda.h"

enum { THREADS = 512, ROWS = 8192, COLUMNS = 8192 };

__host__ __device__ static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// --- sums over the vocabulary -------------------------------------------------------------------

// Of the logits seen so far: their top, and over e^(z - top) the sum and the sum times (z - top).
struct seen {
    float top, sum, slope;
};

__device__ static struct seen joined(const struct seen &a, const struct seen &b)
{
    const float top = fmaxf(a.top, b.top);
    const float da = a.top - top, db = b.top - top;
    struct seen out = {top, 0, 0};

    if (a.sum > 0) {
        const float keep = expf(da);

        out.sum += keep * a.sum;
        out.slope += keep * (a.slope + da * a.sum);
    }
    if (b.sum > 0) {
        const float keep = expf(db);

        out.sum += keep * b.sum;
        out.slope += keep * (b.slope + db * b.sum);
    }
    return out;
}

// Of scale * z[0, count), by the whole block, in an order that depends on count alone.
__device__ static struct seen look(const float *z, size_t count, float scale, float *room)
{
    struct seen out = {-INFINITY, 0, 0};

    for (size_t v = threadIdx.x; v < count; v += THREADS)
        out.top = fmaxf(out.top, scale * z[v]);
    out.top = block_max(out.top, room);
    for (size_t v = threadIdx.x; v < count; v += THREADS) {
        const float d = scale * z[v] - out.top, e = expf(d);

        out.sum += e;
        out.slope += e * d;
    }
    out.sum = block_sum(out.sum, room);
    out.slope = block_sum(out.slope, room);
    return out;
}

// The vocabulary's columns [first, first + count) are z's; begin and end say whether they are the
// first and the last. From tile to tile a row keeps what was seen, and its target's logit in `hit`.
struct tile {
    const float *z;
    size_t ld, row, first, count; // row: of z's first
    bool begin, end;
    struct seen *seen; // [rows of z]
    float *hit;        // [rows of z]
};

static __global__ void tile_kernel(const struct assay_logprob_args a, const struct tile tile)
{
    __shared__ float room[32];
    const size_t i = blockIdx.x, t = tile.row + i;
    const int32_t target = a.target[t];
    const float *z = tile.z + i * tile.ld;
    const float scale = (float)a.logit_scale;
    struct seen seen;

    if (target < 0) {
        if (threadIdx.x == 0) {
            ((float *)a.logp)[t] = ((float *)a.lse)[t] = 0;
            if (a.entropy)
                ((float *)a.entropy)[t] = 0;
        }
        return;
    }
    seen = look(z, tile.count, scale, room);
    if (threadIdx.x > 0)
        return;
    if (!tile.begin)
        seen = joined(tile.seen[i], seen);
    if ((size_t)target >= tile.first && (size_t)target < tile.first + tile.count)
        tile.hit[i] = scale * z[(size_t)target - tile.first];
    tile.seen[i] = seen;
    if (!tile.end)
        return;
    const float rest = logf(seen.sum);
    ((float *)a.lse)[t] = seen.top + rest;
    ((float *)a.logp)[t] = tile.hit[i] - seen.top - rest;
    if (a.entropy)
        ((float *)a.entropy)[t] = rest - seen.slope / seen.sum;
}

// --- tiles of logits ----------------------------------------------------------------------------

template <class A>
static void make_tile(float *z, const struct assay_logprob_args *a, size_t row, size_t rows,
        size_t first, size_t count, struct assay_stream *stream)
{
    const A *x = (const A *)a->x + row * a->C, *w = (const A *)a->w + first * a->C;
    const struct cuda_gemm gemm = {.m = count,
            .n = rows,
            .k = a->C,
            .transpose_a = true,
            .a = w,
            .b = x,
            .out = z,
            .lda = a->C,
            .ldb = a->C,
            .ldo = count,
            .in = cuda_dtype<A>(),
            .to = ASSAY_DTYPE_F32};
    const struct cuda_product plain = {.M = rows,
            .N = count,
            .K = a->C,
            .a = x,
            .b = w,
            .am = a->C,
            .ak = 1,
            .bn = a->C,
            .bk = 1,
            .out = z};

    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, float>(&plain, stream);
}

CUDA_OP(logprob_forward, logprob)
{
    const size_t rows = least(args->T, ROWS), columns = least(args->V_valid, COLUMNS);
    size_t at = 0;

    (void)cuda_take<float>(NULL, &at, rows * columns);
    (void)cuda_take<struct seen>(NULL, &at, rows);
    (void)cuda_take<float>(NULL, &at, rows);
    char *base = rows > 0 ? (char *)cuda_scratch(stream, at) : NULL;
    if (!base)
        return;
    at = 0;
    float *z = cuda_take<float>(base, &at, rows * columns);
    struct seen *seen = cuda_take<struct seen>(base, &at, rows);
    float *hit = cuda_take<float>(base, &at, rows);

    for (size_t t = 0; t < args->T; t += rows)
        for (size_t v = 0; v < args->V_valid; v += columns) {
            const size_t here = least(rows, args->T - t), count = least(columns, args->V_valid - v);
            const struct tile tile = {.z = z,
                    .ld = count,
                    .row = t,
                    .first = v,
                    .count = count,
                    .begin = v == 0,
                    .end = v + count == args->V_valid,
                    .seen = seen,
                    .hit = hit};

            make_tile<A>(z, args, t, here, v, count, stream);
            tile_kernel<<<(unsigned)here, THREADS, 0, stream->queue>>>(*args, tile);
        }
    cuda_launched(stream, "logprob_forward");
}

CUDA_OP(logprob_of_logits, logprob)
{
    size_t at = 0;
    const size_t T = args->T;
    char *base;

    (void)cuda_take<struct seen>(NULL, &at, T);
    (void)cuda_take<float>(NULL, &at, T);
    base = T > 0 ? (char *)cuda_scratch(stream, at) : NULL;
    if (!base)
        return;
    at = 0;
    struct seen *seen = cuda_take<struct seen>(base, &at, T);
    const struct tile tile = {.z = (const float *)args->logits,
            .ld = args->V,
            .count = args->V_valid,
            .begin = true,
            .end = true,
            .seen = seen,
            .hit = cuda_take<float>(base, &at, T)};

    tile_kernel<<<(unsigned)T, THREADS, 0, stream->queue>>>(*args, tile);
    cuda_launched(stream, "logprob_of_logits");
}

// --- gradients ----------------------------------------------------------------------------------

// dz of a tile, the scale included.
template <class A>
static __global__ void gradient_kernel(
        A *dz, const struct assay_logprob_args a, const struct tile tile)
{
    const size_t i = blockIdx.x, t = tile.row + i;
    const int32_t target = a.target[t];
    const float lse = ((const float *)a.lse)[t], scale = (float)a.logit_scale;
    const float dlogp = target < 0 ? 0 : ((const float *)a.dlogp)[t];
    const float dentropy = a.dentropy && target >= 0 ? ((const float *)a.dentropy)[t] : 0;
    const float entropy = a.dentropy ? ((const float *)a.entropy)[t] : 0;

    for (size_t v = threadIdx.x; v < tile.count; v += THREADS) {
        const float log_p = scale * tile.z[i * tile.ld + v] - lse;
        // A row that is passed over has no lse: what log_p is there must not matter.
        const float p = target < 0 ? 0 : expf(log_p);
        const float hit = target >= 0 && (size_t)target == tile.first + v ? 1 : 0;
        const float bonus = dentropy != 0 && p > 0 ? dentropy * p * (log_p + entropy) : 0;

        dz[i * tile.ld + v] = rounded<A>((dlogp * (hit - p) - bonus) * scale);
    }
}

template <class A>
static __global__ void settle_kernel(A *out, const float *sum, const size_t count)
{
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;

    if (i < count)
        out[i] = rounded<A>(sum[i]);
}

// dx (float) (+)= dz w
template <class A>
static void add_input(float *dx, const A *dz, const struct assay_logprob_args *a,
        const struct tile &tile, size_t rows, struct assay_stream *stream)
{
    const A *w = (const A *)a->w + tile.first * a->C;
    const struct cuda_gemm gemm = {.m = a->C,
            .n = rows,
            .k = tile.count,
            .a = w,
            .b = dz,
            .out = dx,
            .lda = a->C,
            .ldb = tile.ld,
            .ldo = a->C,
            .in = cuda_dtype<A>(),
            .to = ASSAY_DTYPE_F32,
            .accumulate = !tile.begin};
    const struct cuda_product plain = {.M = rows,
            .N = a->C,
            .K = tile.count,
            .a = dz,
            .b = w,
            .am = tile.ld,
            .ak = 1,
            .bn = 1,
            .bk = a->C,
            .out = dx,
            .accumulate = !tile.begin};

    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, float>(&plain, stream);
}

// dw += dz^T x
template <class A>
static void add_weight(const A *dz, const struct assay_logprob_args *a, const struct tile &tile,
        size_t rows, struct assay_stream *stream)
{
    const A *x = (const A *)a->x + tile.row * a->C;
    float *dw = (float *)a->dw + tile.first * a->C;
    const struct cuda_gemm gemm = {.m = a->C,
            .n = tile.count,
            .k = rows,
            .transpose_b = true,
            .a = x,
            .b = dz,
            .out = dw,
            .lda = a->C,
            .ldb = tile.ld,
            .ldo = a->C,
            .in = cuda_dtype<A>(),
            .to = ASSAY_DTYPE_F32,
            .accumulate = true,
            .split = true};
    const struct cuda_product plain = {.M = tile.count,
            .N = a->C,
            .K = rows,
            .a = dz,
            .b = x,
            .am = 1,
            .ak = tile.ld,
            .bn = 1,
            .bk = a->C,
            .out = dw,
            .accumulate = true};

    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, float>(&plain, stream);
}

CUDA_OP(logprob_backward, logprob)
{
    const size_t rows = least(args->T, ROWS), columns = least(args->V_valid, COLUMNS);
    const size_t C = args->C;
    size_t at = 0;

    (void)cuda_take<float>(NULL, &at, rows * columns);
    (void)cuda_take<A>(NULL, &at, rows * columns);
    (void)cuda_take<float>(NULL, &at, rows * C);
    char *base = rows > 0 && C > 0 ? (char *)cuda_scratch(stream, at) : NULL;
    if (!base)
        return;
    at = 0;
    float *z = cuda_take<float>(base, &at, rows * columns);
    A *dz = cuda_take<A>(base, &at, rows * columns);
    float *dx = cuda_take<float>(base, &at, rows * C);

    for (size_t t = 0; t < args->T; t += rows) {
        const size_t here = least(rows, args->T - t);

        for (size_t v = 0; v < args->V_valid; v += columns) {
            const size_t count = least(columns, args->V_valid - v);
            const struct tile tile = {
                    .z = z, .ld = count, .row = t, .first = v, .count = count, .begin = v == 0};

            make_tile<A>(z, args, t, here, v, count, stream);
            gradient_kernel<A><<<(unsigned)here, THREADS, 0, stream->queue>>>(dz, *args, tile);
            add_input<A>(dx, dz, args, tile, here, stream);
            add_weight<A>(dz, args, tile, here, stream);
        }
        settle_kernel<A><<<cuda_blocks(here * C, THREADS), THREADS, 0, stream->queue>>>(
                (A *)args->dx + t * C, dx, here * C);
    }
    cuda_launched(stream, "logprob_backward");
}

// --- drawing ------------------------------------------------------------------------------------

// A thread has a run of neighbours: it sums them, and the one whose run reaches the unit walks it.
static __global__ void draw_kernel(const struct assay_draw_args a)
{
    __shared__ float room[32];
    __shared__ double before[THREADS + 1];
    __shared__ int chosen, last;
    const size_t t = blockIdx.x, each = (a.V_valid + THREADS - 1) / THREADS;
    const size_t from = least(threadIdx.x * each, a.V_valid), to = least(from + each, a.V_valid);
    const float *z = (const float *)a.logits + t * a.V;
    const float scale = (float)a.logit_scale;
    const struct seen seen = look(z, a.V_valid, scale, room);
    double sum = 0;
    int heaviest = -1; // the last that has weight

    for (size_t v = from; v < to; v++) {
        const float p = expf(scale * z[v] - seen.top);

        sum += (double)p;
        heaviest = p > 0 ? (int)v : heaviest;
    }
    if (threadIdx.x == 0)
        chosen = last = -1;
    before[threadIdx.x + 1] = sum;
    __syncthreads();
    atomicMax(&last, heaviest);
    if (threadIdx.x == 0) {
        before[0] = 0;
        for (int i = 1; i <= THREADS; i++)
            before[i] += before[i - 1];
    }
    __syncthreads();
    const double wanted = a.unit[t] * before[THREADS];
    if (before[threadIdx.x] <= wanted && before[threadIdx.x + 1] > wanted) {
        double reached = before[threadIdx.x];
        int id = -1;

        for (size_t v = from; v < to && id < 0; v++) {
            reached += (double)expf(scale * z[v] - seen.top);
            id = reached > wanted ? (int)v : id;
        }
        chosen = id;
    }
    __syncthreads();
    if (threadIdx.x > 0)
        return;
    const int id = chosen >= 0 ? chosen : last;
    const float rest = logf(seen.sum);
    a.id[t] = id;
    ((float *)a.lse)[t] = seen.top + rest;
    ((float *)a.logp)[t] = scale * z[id] - seen.top - rest;
}

CUDA_OP(draw, draw)
{
    if (args->T == 0)
        return;
    draw_kernel<<<(unsigned)args->T, THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "draw");
}

CUDA_OP_BOTH(logprob_forward, logprob);
CUDA_OP_BOTH(logprob_of_logits, logprob);
CUDA_OP_BOTH(logprob_backward, logprob);
CUDA_OP_BOTH(draw, draw);
