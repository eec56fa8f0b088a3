// SPDX-License-Identifier: MIT
// rows.cu - row by row: embedding, norms, the gate behind lightning attention, rotary positions.
// Bound by memory. A norm's row belongs to one warp, or to a block when it is long; a gradient of
// weights sums rows in rising order within a slice of them, then the slices.
#include "kernels/cuda/cuda.h"

enum { THREADS = 256, PACKS = 16, LINES = THREADS / PACKS };
static constexpr size_t SLICES_MAX = 256;

__device__ static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

// --- embedding ----------------------------------------------------------------------------------

template <class A> static __global__ void embed_kernel(const struct assay_embedding_args a)
{
    const size_t t = blockIdx.x;
    const A *from = (const A *)a.table + (size_t)a.ids[t] * a.C;

    for (size_t c = threadIdx.x; c < a.C; c += THREADS)
        ((A *)a.out)[t * a.C + c] = from[c];
}

CUDA_OP(embedding_forward, embedding)
{
    if (args->T == 0 || args->C == 0)
        return;
    embed_kernel<A><<<(unsigned)args->T, THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "embedding_forward");
}

// One block for the first of a run of equal ids: it adds the run's rows in rising order.
template <class A>
static __global__ void embed_back_kernel(
        const struct assay_embedding_args a, const int32_t *order, const int32_t *sorted)
{
    const size_t first = blockIdx.x;
    const int32_t id = sorted[first];

    if (first > 0 && sorted[first - 1] == id)
        return;
    for (size_t c = threadIdx.x; c < a.C; c += THREADS) {
        float sum = ((const float *)a.dtable)[(size_t)id * a.C + c];

        for (size_t i = first; i < a.T && sorted[i] == id; i++)
            sum += number(((const A *)a.dout)[(size_t)order[i] * a.C + c]);
        ((float *)a.dtable)[(size_t)id * a.C + c] = sum;
    }
}

CUDA_OP(embedding_backward, embedding)
{
    size_t at = 0;
    const size_t room = cuda_sort_bytes(args->T);
    const size_t bytes = 2 * ((args->T * sizeof(int32_t) + 255) / 256 * 256) + room;
    char *base = args->T > 0 && args->C > 0 ? (char *)cuda_scratch(stream, bytes) : NULL;

    if (!base)
        return;
    int32_t *order = cuda_take<int32_t>(base, &at, args->T);
    int32_t *sorted = cuda_take<int32_t>(base, &at, args->T);
    cuda_sort(order, sorted, args->ids, args->T, (int32_t)args->V, base + at, stream);
    embed_back_kernel<A><<<(unsigned)args->T, THREADS, 0, stream->queue>>>(*args, order, sorted);
    cuda_launched(stream, "embedding_backward");
}

CUDA_OP_BOTH(embedding_forward, embedding);
CUDA_OP_BOTH(embedding_backward, embedding);

// --- norms --------------------------------------------------------------------------------------

// Sum over the LANES threads that share a row: half a warp, a warp, or the whole block.
template <int LANES> __device__ static float row_sum(float x, float *room)
{
    if (LANES > 32)
        return block_sum(x, room);
    // The other half of a warp may have no row.
    const unsigned lanes = LANES == 32 ? 0xffffffffu : 0xffffu << (threadIdx.x & 16);
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(lanes, x, offset);
    return x;
}

template <int LANES> __device__ static size_t row_index(void)
{
    return (size_t)blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
}

// What norm and gate have in common; gate NULL: there is none.
struct norm {
    void *y;
    const void *x, *gate, *weight;
    float *rstd;
    size_t T, C;
    float eps;
    void *dx, *dgate;
    float *dweight;
    const void *dy;
    bool accumulate;
};

template <class A, int N, int LANES> static __global__ void norm_kernel(const struct norm a)
{
    __shared__ float room[32];
    const size_t t = row_index<LANES>(), lane = threadIdx.x % LANES;
    const A *x = (const A *)a.x + t * a.C, *gate = (const A *)a.gate + t * a.C;
    float sum = 0;

    cuda_depend();
    if (t >= a.T)
        return;
    for (size_t c = lane * N; c < a.C; c += LANES * N) {
        const pack<A, N> in = *(const pack<A, N> *)(x + c);

#pragma unroll
        for (int i = 0; i < N; i++)
            sum += number(in.at[i]) * number(in.at[i]);
    }
    const float rstd = 1 / sqrtf(row_sum<LANES>(sum, room) / (float)a.C + a.eps);
    for (size_t c = lane * N; c < a.C; c += LANES * N) {
        const pack<A, N> in = *(const pack<A, N> *)(x + c);
        const pack<A, N> w = *(const pack<A, N> *)((const A *)a.weight + c);
        pack<A, N> g, out;

        if (a.gate)
            g = *(const pack<A, N> *)(gate + c);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float n = number(rounded<A>(number(in.at[i]) * rstd)) * number(w.at[i]);

            out.at[i] = rounded<A>(a.gate ? sigmoid(number(g.at[i])) * n : n);
        }
        *(pack<A, N> *)((A *)a.y + t * a.C + c) = out;
    }
    if (a.rstd && lane == 0)
        a.rstd[t] = rstd;
}

// n = x rstd, g = dy open weight:  dx = rstd (g - n mean(g n)); open = sigmoid(gate), or 1.
template <class A, int N, int LANES> static __global__ void norm_back_kernel(const struct norm a)
{
    __shared__ float room[32];
    const size_t t = row_index<LANES>(), lane = threadIdx.x % LANES, row = t * a.C;
    const A *x = (const A *)a.x + row, *dy = (const A *)a.dy + row;
    const A *gate = (const A *)a.gate + row;
    float mean = 0;

    if (t >= a.T)
        return;
    const float rstd = a.rstd[t];
    for (size_t c = lane * N; c < a.C; c += LANES * N) {
        const pack<A, N> in = *(const pack<A, N> *)(x + c), back = *(const pack<A, N> *)(dy + c);
        const pack<A, N> w = *(const pack<A, N> *)((const A *)a.weight + c);

#pragma unroll
        for (int i = 0; i < N; i++) {
            const float open = a.gate ? sigmoid(number(gate[c + (size_t)i])) : 1;

            mean += number(back.at[i]) * open * number(w.at[i]) * number(in.at[i]) * rstd;
        }
    }
    mean = row_sum<LANES>(mean, room) / (float)a.C;
    for (size_t c = lane * N; c < a.C; c += LANES * N) {
        const pack<A, N> in = *(const pack<A, N> *)(x + c), back = *(const pack<A, N> *)(dy + c);
        const pack<A, N> w = *(const pack<A, N> *)((const A *)a.weight + c);
        pack<A, N> dx, dgate;

        if (a.accumulate)
            dx = *(const pack<A, N> *)((A *)a.dx + row + c);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float open = a.gate ? sigmoid(number(gate[c + (size_t)i])) : 1;
            const float n = number(in.at[i]) * rstd, g = number(back.at[i]) * number(w.at[i]);
            const float gradient = rstd * (g * open - n * mean);

            dx.at[i] = rounded<A>(a.accumulate ? number(dx.at[i]) + gradient : gradient);
            dgate.at[i] = rounded<A>(g * n * open * (1 - open));
        }
        *(pack<A, N> *)((A *)a.dx + row + c) = dx;
        if (a.gate)
            *(pack<A, N> *)((A *)a.dgate + row + c) = dgate;
    }
}

// partial[slice, c] = sum over the slice's rows of dy open x rstd; a thread has N columns.
template <class A, int N>
static __global__ void norm_weight_kernel(
        const struct norm a, float *partial, const size_t slice_rows)
{
    __shared__ float room[LINES][PACKS][N];
    const size_t c = ((size_t)blockIdx.x * PACKS + threadIdx.x) * N;
    const size_t first = blockIdx.y * slice_rows;
    const size_t end = first + slice_rows < a.T ? first + slice_rows : a.T;
    float sum[N] = {};

#pragma unroll 4
    for (size_t t = first + threadIdx.y; t < (c < a.C ? end : 0); t += LINES) {
        const size_t at = t * a.C + c;
        const pack<A, N> dy = *(const pack<A, N> *)((const A *)a.dy + at);
        const pack<A, N> x = *(const pack<A, N> *)((const A *)a.x + at);
        const float rstd = a.rstd[t];

#pragma unroll
        for (int i = 0; i < N; i++) {
            const float open = a.gate ? sigmoid(number(((const A *)a.gate)[at + (size_t)i])) : 1;

            sum[i] += number(dy.at[i]) * open * number(x.at[i]) * rstd;
        }
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        room[threadIdx.y][threadIdx.x][i] = sum[i];
    __syncthreads();
    // Neighbours in memory are neighbours in the block.
    const unsigned thread = threadIdx.y * PACKS + threadIdx.x;
    for (unsigned i = thread; i < PACKS * N; i += THREADS) {
        const size_t column = (size_t)blockIdx.x * PACKS * N + i;
        float all = 0;

        for (int line = 0; line < LINES; line++)
            all += room[line][i / N][i % N];
        if (column < a.C)
            partial[blockIdx.y * a.C + column] = all;
    }
}

static __global__ void add_slices_kernel(
        float *out, const float *partial, const size_t slices, const size_t count)
{
    const size_t c = (size_t)blockIdx.x * THREADS + threadIdx.x;
    float sum = 0;

    if (c >= count)
        return;
#pragma unroll 16
    for (size_t s = 0; s < slices; s++)
        sum += partial[s * count + c];
    out[c] += sum;
}

template <class A, int N, int LANES>
static void launch_norm(const struct norm &a, bool backward, struct assay_stream *stream)
{
    const unsigned blocks = cuda_blocks(a.T, THREADS / LANES);

    if (backward)
        norm_back_kernel<A, N, LANES><<<blocks, THREADS, 0, stream->queue>>>(a);
    else
        cuda_follow(stream, norm_kernel<A, N, LANES>, blocks, THREADS, 0, a);
    cuda_launched(stream, "norm");
}

template <class A> static bool is_wide(const struct norm &a)
{
    const void *const all[] = {a.y, a.x, a.gate, a.weight, a.dx, a.dgate, a.dy};
    bool wide = a.C % pack_count<A>() == 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        wide &= cuda_aligned(all[i], 16);
    return wide;
}

template <class A>
static void run_norm(const struct norm &a, bool backward, struct assay_stream *stream)
{
    constexpr int N = pack_count<A>();
    const bool wide = is_wide<A>(a);

    if (a.T == 0 || a.C == 0)
        return;
    if (a.C > 1024 && wide)
        launch_norm<A, N, THREADS>(a, backward, stream);
    else if (a.C > 1024)
        launch_norm<A, 1, THREADS>(a, backward, stream);
    else if (wide && a.C <= 16 * N) // a head
        launch_norm<A, N, 16>(a, backward, stream);
    else if (wide)
        launch_norm<A, N, 32>(a, backward, stream);
    else
        launch_norm<A, 1, 32>(a, backward, stream);
}

template <class A, int N>
static void launch_norm_weight(
        const struct norm &a, float *partial, size_t slices, struct assay_stream *stream)
{
    const dim3 blocks(cuda_blocks(a.C, PACKS * N), (unsigned)slices);

    norm_weight_kernel<A, N><<<blocks, dim3(PACKS, LINES), 0, stream->queue>>>(
            a, partial, (a.T + slices - 1) / slices);
}

template <class A> static void norm_backward(const struct norm &a, struct assay_stream *stream)
{
    const size_t most = (a.T + 63) / 64;
    const size_t slices = most < SLICES_MAX ? most : SLICES_MAX;
    float *partial;

    if (a.T == 0 || a.C == 0)
        return;
    partial = (float *)cuda_scratch(stream, slices * a.C * sizeof(float));
    if (!partial)
        return;
    // Before dx, which may lie where dy is.
    if (is_wide<A>(a))
        launch_norm_weight<A, pack_count<A>()>(a, partial, slices, stream);
    else
        launch_norm_weight<A, 1>(a, partial, slices, stream);
    add_slices_kernel<<<cuda_blocks(a.C, THREADS), THREADS, 0, stream->queue>>>(
            a.dweight, partial, slices, a.C);
    run_norm<A>(a, true, stream);
}

CUDA_OP(rmsnorm_forward, rmsnorm)
{
    const struct norm a = {.y = args->y,
            .x = args->x,
            .weight = args->weight,
            .rstd = (float *)args->rstd,
            .T = args->T,
            .C = args->C,
            .eps = (float)args->eps};

    run_norm<A>(a, false, stream);
}

CUDA_OP(rmsnorm_backward, rmsnorm)
{
    const struct norm a = {.x = args->x,
            .weight = args->weight,
            .rstd = (float *)args->rstd,
            .T = args->T,
            .C = args->C,
            .dx = args->dx,
            .dweight = (float *)args->dweight,
            .dy = args->dy,
            .accumulate = args->accumulate};

    norm_backward<A>(a, stream);
}

CUDA_OP(gate_forward, gate)
{
    const struct norm a = {.y = args->y,
            .x = args->x,
            .gate = args->gate,
            .weight = args->weight,
            .rstd = (float *)args->rstd,
            .T = args->T,
            .C = args->C,
            .eps = (float)args->eps};

    run_norm<A>(a, false, stream);
}

CUDA_OP(gate_backward, gate)
{
    const struct norm a = {.x = args->x,
            .gate = args->gate,
            .weight = args->weight,
            .rstd = (float *)args->rstd,
            .T = args->T,
            .C = args->C,
            .dx = args->dx,
            .dgate = args->dgate,
            .dweight = (float *)args->dweight,
            .dy = args->dy};

    norm_backward<A>(a, stream);
}

CUDA_OP_BOTH(rmsnorm_forward, rmsnorm);
CUDA_OP_BOTH(rmsnorm_backward, rmsnorm);
CUDA_OP_BOTH(gate_forward, gate);
CUDA_OP_BOTH(gate_backward, gate);

// --- rotary positions ---------------------------------------------------------------------------

static __global__ void rope_table_kernel(const struct assay_rope_table_args a)
{
    const size_t half = a.R / 2, i = (size_t)blockIdx.x * THREADS + threadIdx.x;

    if (i >= a.T * half)
        return;
    const float angle = (float)a.position[i / half] * ((const float *)a.inv_freq)[i % half];

    ((float *)a.cosine)[i] = cosf(angle) * (float)a.scale;
    ((float *)a.sine)[i] = sinf(angle) * (float)a.scale;
}

CUDA_OP(rope_table, rope_table)
{
    const size_t count = args->T * (args->R / 2);

    if (count == 0)
        return;
    rope_table_kernel<<<cuda_blocks(count, THREADS), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "rope_table");
}

// A thread turns N neighbouring pairs.
template <class A, int N>
static __global__ void rope_kernel(const struct assay_rope_args a, const float sign)
{
    const size_t half = a.R / 2, i = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;

    cuda_depend();
    if (i >= a.T * a.H * half)
        return;
    const size_t row = i / half, j = i % half, t = row / a.H;
    A *x = (A *)a.x + row * a.D + j;
    const pack<float, N> c = *(const pack<float, N> *)((const float *)a.cosine + t * half + j);
    const pack<float, N> s = *(const pack<float, N> *)((const float *)a.sine + t * half + j);
    pack<A, N> first = *(const pack<A, N> *)x, second = *(const pack<A, N> *)(x + half);

#pragma unroll
    for (int e = 0; e < N; e++) {
        const float p = number(first.at[e]), q = number(second.at[e]);

        first.at[e] = rounded<A>(p * c.at[e] - q * (s.at[e] * sign));
        second.at[e] = rounded<A>(q * c.at[e] + p * (s.at[e] * sign));
    }
    *(pack<A, N> *)x = first;
    *(pack<A, N> *)(x + half) = second;
}

template <class A>
static void rotate(const struct assay_rope_args *args, float sign, struct assay_stream *stream)
{
    constexpr int N = 4; // of float and bf16 a pack of at most 16 bytes
    const size_t half = args->R / 2, count = args->T * args->H * half;

    assert(args->R % 2 == 0 && args->R <= args->D);
    if (count == 0)
        return;
    if (half % N == 0 && args->D % N == 0 && cuda_aligned(args->x, 16) &&
            cuda_aligned(args->cosine, 16) && cuda_aligned(args->sine, 16))
        cuda_follow(stream, rope_kernel<A, N>, cuda_blocks(count, THREADS * N), THREADS, 0, *args,
                sign);
    else
        cuda_follow(
                stream, rope_kernel<A, 1>, cuda_blocks(count, THREADS), THREADS, 0, *args, sign);
    cuda_launched(stream, "rope");
}

CUDA_OP(rope_forward, rope)
{
    rotate<A>(args, 1, stream);
}

CUDA_OP(rope_backward, rope)
{
    rotate<A>(args, -1, stream);
}

CUDA_OP_BOTH(rope_table, rope_table);
CUDA_OP_BOTH(rope_forward, rope);
CUDA_OP_BOTH(rope_backward, rope);
