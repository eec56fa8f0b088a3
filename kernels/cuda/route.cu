// SPDX-License-Identifier: MIT
// route.cu - experts: router, load balance, and the way of rows to experts and back. A warp has a
// row of the router, up to 1024 experts, 32 a lane.
#include <cub/device/device_radix_sort.cuh>

#include "kernels/cuda/cuda.h"

enum { THREADS = 256, EXPERTS_MAX = 1024 };

// --- sorting ------------------------------------------------------------------------------------

static size_t sort_room(size_t count)
{
    size_t bytes = 0;

    (void)cub::DeviceRadixSort::SortPairs(NULL, bytes, (const int32_t *)NULL, (int32_t *)NULL,
            (const int32_t *)NULL, (int32_t *)NULL, (int)count);
    return (bytes + 255) / 256 * 256;
}

size_t cuda_sort_bytes(size_t count)
{
    return sort_room(count) + (count * sizeof(int32_t) + 255) / 256 * 256;
}

static __global__ void count_up_kernel(int32_t *out, const size_t count)
{
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;

    if (i < count)
        out[i] = (int32_t)i;
}

void cuda_sort(int32_t *order, int32_t *sorted, const int32_t *keys, size_t count, int32_t end,
        void *room, struct assay_stream *stream)
{
    const size_t bytes = sort_room(count);
    int32_t *numbers = (int32_t *)((char *)room + bytes);
    size_t have = bytes;
    int bits = 1;

    while (bits < 31 && ((int32_t)1 << bits) < end)
        bits++;
    count_up_kernel<<<cuda_blocks(count, THREADS), THREADS, 0, stream->queue>>>(numbers, count);
    (void)cuda_keep(stream,
            cub::DeviceRadixSort::SortPairs(
                    room, have, keys, sorted, numbers, order, (int)count, 0, bits, stream->queue),
            "sort");
}

// --- router -------------------------------------------------------------------------------------

// The larger value, on a tie the lower index, of two.
__device__ static void keep_better(float *value, int *index, float other, int other_index)
{
    if (other > *value || (other == *value && other_index < *index)) {
        *value = other;
        *index = other_index;
    }
}

template <class A> static __global__ void router_kernel(const struct assay_router_args a)
{
    const size_t t = (size_t)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const unsigned lane = threadIdx.x % 32;
    float top = -INFINITY, sum = 0, chosen = 0, best_before = INFINITY;
    int index_before = -1;

    if (t >= a.T)
        return;
    const A *logits = (const A *)a.logits + t * a.E;
    float *prob = (float *)a.prob + t * a.E, *weight = (float *)a.weight + t * a.K;
    for (size_t e = lane; e < a.E; e += 32)
        top = fmaxf(top, number(logits[e]));
    top = warp_max(top);
    for (size_t e = lane; e < a.E; e += 32)
        sum += expf(number(logits[e]) - top);
    sum = warp_sum(sum);
    for (size_t e = lane; e < a.E; e += 32)
        prob[e] = expf(number(logits[e]) - top) / sum;
    for (size_t k = 0; k < a.K; k++) {
        float best = -1;
        int index = EXPERTS_MAX;

        // Of those that come after the last choice in the order of (falling p, rising index).
        for (size_t e = lane; e < a.E; e += 32)
            if (prob[e] < best_before || (prob[e] == best_before && (int)e > index_before))
                keep_better(&best, &index, prob[e], (int)e);
        for (int offset = 16; offset > 0; offset /= 2)
            keep_better(&best, &index, __shfl_xor_sync(0xffffffffu, best, offset),
                    __shfl_xor_sync(0xffffffffu, index, offset));
        best_before = best;
        index_before = index;
        chosen += best;
        if (lane == 0) {
            a.expert[t * a.K + k] = index;
            weight[k] = best;
        }
    }
    if (lane == 0 && a.renormalise)
        for (size_t k = 0; k < a.K; k++)
            weight[k] /= chosen;
}

CUDA_OP(router_forward, router)
{
    assert(args->K <= args->E && args->E <= EXPERTS_MAX);
    if (args->T == 0 || args->E == 0)
        return;
    router_kernel<A><<<cuda_blocks(args->T, THREADS / 32), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "router_forward");
}

// Gradient of p[e], from the chosen ones and the balance.
__device__ static float prob_gradient(const struct assay_router_args &a, const float *dweight,
        const int32_t *expert, size_t e, float mean, float sum)
{
    float gradient = a.aux_grad ? ((const float *)a.aux_grad)[e] : 0;

    for (size_t k = 0; k < a.K; k++)
        if ((size_t)expert[k] == e)
            gradient += a.renormalise ? (dweight[k] - mean) / sum : dweight[k];
    return gradient;
}

template <class A> static __global__ void router_back_kernel(const struct assay_router_args a)
{
    const size_t t = (size_t)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    const unsigned lane = threadIdx.x % 32;
    float sum = 0, mean = 0, total = 0;

    if (t >= a.T)
        return;
    const float *prob = (const float *)a.prob + t * a.E;
    const float *weight = (const float *)a.weight + t * a.K;
    const float *dweight = (const float *)a.dweight + t * a.K;
    const int32_t *expert = a.expert + t * a.K;
    for (size_t k = 0; k < a.K; k++) {
        sum += prob[expert[k]];
        mean += dweight[k] * weight[k];
    }
    for (size_t e = lane; e < a.E; e += 32)
        total += prob[e] * prob_gradient(a, dweight, expert, e, mean, sum);
    total = warp_sum(total);
    for (size_t e = lane; e < a.E; e += 32)
        ((A *)a.dlogits)[t * a.E + e] =
                rounded<A>(prob[e] * (prob_gradient(a, dweight, expert, e, mean, sum) - total));
}

CUDA_OP(router_backward, router)
{
    if (args->T == 0 || args->E == 0)
        return;
    router_back_kernel<A><<<cuda_blocks(args->T, THREADS / 32), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "router_backward");
}

// --- load balance -------------------------------------------------------------------------------

// A block an expert: a tree over its threads, each of which takes every 256th row.
static __global__ void load_kernel(const struct assay_router_aux_args a)
{
    __shared__ float room[32];
    const size_t e = blockIdx.x;
    float count = 0, sum = 0;

    for (size_t t = threadIdx.x; t < a.T; t += THREADS) {
        sum += ((const float *)a.prob)[t * a.E + e];
        for (size_t k = 0; k < a.K; k++)
            count += (size_t)a.expert[t * a.K + k] == e ? 1 : 0;
    }
    count = block_sum(count, room);
    sum = block_sum(sum, room);
    if (threadIdx.x > 0)
        return;
    ((float *)a.count)[e] += count;
    ((float *)a.prob_sum)[e] += sum;
}

CUDA_OP(router_load, router_aux)
{
    if (args->E == 0)
        return;
    load_kernel<<<(unsigned)args->E, THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "router_load");
}

static __global__ void aux_kernel(const struct assay_router_aux_args a, const float factor)
{
    __shared__ float room[32];
    float sum = 0;

    for (size_t e = threadIdx.x; e < a.E; e += THREADS) {
        const float gradient = factor * ((const float *)a.count)[e];

        ((float *)a.grad)[e] = gradient;
        sum += gradient * ((const float *)a.prob_sum)[e];
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0)
        ((float *)a.loss)[0] += sum;
}

CUDA_OP(router_aux, router_aux)
{
    const double rows = (double)args->row_count;

    if (args->row_count == 0)
        return;
    aux_kernel<<<1, THREADS, 0, stream->queue>>>(
            *args, (float)(args->coef * (double)args->E / (rows * rows)));
    cuda_launched(stream, "router_aux");
}

CUDA_OP_BOTH(router_forward, router);
CUDA_OP_BOTH(router_backward, router);
CUDA_OP_BOTH(router_load, router_aux);
CUDA_OP_BOTH(router_aux, router_aux);

// --- rows to experts and back -------------------------------------------------------------------

// order[r] is the pair in sorted row r.
static __global__ void plan_kernel(
        const struct assay_moe_plan_args a, const int32_t *order, const int32_t *sorted)
{
    const size_t r = (size_t)blockIdx.x * THREADS + threadIdx.x, pairs = a.T * a.K;

    if (r < pairs) {
        a.source[r] = order[r] / (int32_t)a.K;
        a.slot[order[r]] = (int32_t)r;
    }
    // Where each expert's rows begin: a binary search.
    if (r > a.E)
        return;
    size_t low = 0, high = pairs;
    while (low < high) {
        const size_t middle = (low + high) / 2;

        if ((size_t)sorted[middle] < r)
            low = middle + 1;
        else
            high = middle;
    }
    a.offset[r] = (int32_t)low;
}

CUDA_OP(moe_plan, moe_plan)
{
    const size_t pairs = args->T * args->K, most = pairs > args->E + 1 ? pairs : args->E + 1;
    const size_t list = (pairs * sizeof(int32_t) + 255) / 256 * 256;
    char *base = (char *)cuda_scratch(stream, 2 * list + cuda_sort_bytes(pairs) + 256);
    size_t at = 0;

    if (!base)
        return;
    int32_t *order = cuda_take<int32_t>(base, &at, pairs);
    int32_t *sorted = cuda_take<int32_t>(base, &at, pairs);
    if (pairs > 0)
        cuda_sort(order, sorted, args->expert, pairs, (int32_t)args->E, base + at, stream);
    plan_kernel<<<cuda_blocks(most, THREADS), THREADS, 0, stream->queue>>>(*args, order, sorted);
    cuda_launched(stream, "moe_plan");
}

template <class A> static __global__ void gather_kernel(const struct assay_moe_route_args a)
{
    const size_t r = blockIdx.x;
    const A *from = (const A *)a.x + (size_t)a.source[r] * a.C;

    for (size_t c = threadIdx.x; c < a.C; c += THREADS)
        ((A *)a.xs)[r * a.C + c] = from[c];
}

CUDA_OP(moe_gather_forward, moe_route)
{
    if (args->T * args->K == 0 || args->C == 0)
        return;
    gather_kernel<A><<<(unsigned)(args->T * args->K), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "moe_gather_forward");
}

template <class A> static __global__ void gather_back_kernel(const struct assay_moe_route_args a)
{
    const size_t t = blockIdx.x;

    for (size_t c = threadIdx.x; c < a.C; c += THREADS) {
        A *dx = (A *)a.dx + t * a.C + c;
        float sum = a.accumulate ? number(*dx) : 0;

        for (size_t k = 0; k < a.K; k++)
            sum += number(((const A *)a.dxs)[(size_t)a.slot[t * a.K + k] * a.C + c]);
        *dx = rounded<A>(sum);
    }
}

CUDA_OP(moe_gather_backward, moe_route)
{
    if (args->T == 0 || args->C == 0)
        return;
    gather_back_kernel<A><<<(unsigned)args->T, THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "moe_gather_backward");
}

template <class A> static __global__ void combine_kernel(const struct assay_moe_route_args a)
{
    const size_t t = blockIdx.x;

    for (size_t c = threadIdx.x; c < a.C; c += THREADS) {
        float sum = 0;

        for (size_t k = 0; k < a.K; k++) {
            const size_t pair = t * a.K + k;

            sum += ((const float *)a.weight)[pair] *
                    number(((const A *)a.ys)[(size_t)a.slot[pair] * a.C + c]);
        }
        ((A *)a.y)[t * a.C + c] = rounded<A>(sum);
    }
}

CUDA_OP(moe_combine_forward, moe_route)
{
    if (args->T == 0 || args->C == 0)
        return;
    combine_kernel<A><<<(unsigned)args->T, THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "moe_combine_forward");
}

template <class A> static __global__ void combine_back_kernel(const struct assay_moe_route_args a)
{
    __shared__ float room[32];
    const size_t pair = blockIdx.x, row = (size_t)a.slot[pair] * a.C, token = pair / a.K * a.C;
    const float weight = ((const float *)a.weight)[pair];
    float sum = 0;

    for (size_t c = threadIdx.x; c < a.C; c += THREADS) {
        const float dy = number(((const A *)a.dy)[token + c]);

        sum += dy * number(((const A *)a.ys)[row + c]);
        ((A *)a.dys)[row + c] = rounded<A>(weight * dy);
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0)
        ((float *)a.dweight)[pair] = sum;
}

CUDA_OP(moe_combine_backward, moe_route)
{
    if (args->T * args->K == 0)
        return;
    combine_back_kernel<A><<<(unsigned)(args->T * args->K), THREADS, 0, stream->queue>>>(*args);
    cuda_launched(stream, "moe_combine_backward");
}

CUDA_OP_BOTH(moe_plan, moe_plan);
CUDA_OP_BOTH(moe_gather_forward, moe_route);
CUDA_OP_BOTH(moe_gather_backward, moe_route);
CUDA_OP_BOTH(moe_combine_forward, moe_route);
CUDA_OP_BOTH(moe_combine_backward, moe_route);
