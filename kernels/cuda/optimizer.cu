// SPDX-License-Identifier: MIT
// optimizer.cu - global norm and AdamW. No flush to zero anywhere: v reaches 1e-36.
#include <math.h>

#include "kernels/cuda/cuda.h"

enum { THREADS = 256 };
static constexpr size_t PARTS_MAX = 1024;

static __global__ void squares_kernel(double *partial, const float *x, const size_t count)
{
    __shared__ double room[32];
    double sum = 0;

    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count;
            i += (size_t)gridDim.x * THREADS)
        sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

static __global__ void add_squares_kernel(double *sum, const double *partial, const size_t count)
{
    __shared__ double room[32];
    double all = 0;

    for (size_t i = threadIdx.x; i < count; i += THREADS)
        all += partial[i];
    all = block_sum(all, room);
    if (threadIdx.x == 0)
        sum[0] += all;
}

CUDA_OP(sumsq, sumsq)
{
    const size_t wanted = (args->count + 4 * THREADS - 1) / (4 * THREADS);
    const size_t parts = wanted < PARTS_MAX ? wanted : PARTS_MAX;
    double *partial = parts > 0 ? (double *)cuda_scratch(stream, parts * sizeof(double)) : NULL;

    if (!partial)
        return;
    squares_kernel<<<(unsigned)parts, THREADS, 0, stream->queue>>>(
            partial, (const float *)args->x, args->count);
    add_squares_kernel<<<1, THREADS, 0, stream->queue>>>(args->sum, partial, parts);
    cuda_launched(stream, "sumsq");
}

static __global__ void clip_kernel(const struct assay_clip_args a)
{
    const double norm = sqrt(a.sum[0]);
    float scale = 1;

    // A NaN norm must not become scale 1: the comparison is true for it.
    if (a.norm_max > 0 && !(norm <= a.norm_max))
        scale = (float)(a.norm_max / norm);
    ((float *)a.norm)[0] = (float)norm;
    ((float *)a.scale)[0] = scale;
}

CUDA_OP(clip, clip)
{
    clip_kernel<<<1, 1, 0, stream->queue>>>(*args);
    cuda_launched(stream, "clip");
}

struct rates {
    float beta1, beta2, rate, unbias, decay, eps;
};

// A thread has N neighbours.
template <class W, int N>
static __global__ void adamw_kernel(const struct assay_adamw_args a, const struct rates r)
{
    const size_t i = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;

    if (i >= a.count)
        return;
    const float scale = a.scale ? *(const float *)a.scale : 1;
    const pack<float, N> grad = *(const pack<float, N> *)((const float *)a.grad + i);
    pack<float, N> m = *(const pack<float, N> *)((float *)a.m + i);
    pack<float, N> v = *(const pack<float, N> *)((float *)a.v + i), master;
    pack<W, N> param = *(const pack<W, N> *)((W *)a.param + i);

    if (a.master)
        master = *(const pack<float, N> *)((float *)a.master + i);
#pragma unroll
    for (int e = 0; e < N; e++) {
        const float g = grad.at[e] * scale;
        float p = a.master ? master.at[e] : number(param.at[e]);

        m.at[e] = r.beta1 * m.at[e] + (1 - r.beta1) * g;
        v.at[e] = r.beta2 * v.at[e] + (1 - r.beta2) * g * g;
        p -= r.rate * m.at[e] / (sqrtf(v.at[e]) * r.unbias + r.eps) + r.decay * p;
        master.at[e] = p;
        param.at[e] = rounded<W>(p);
    }
    *(pack<float, N> *)((float *)a.m + i) = m;
    *(pack<float, N> *)((float *)a.v + i) = v;
    if (a.master)
        *(pack<float, N> *)((float *)a.master + i) = master;
    *(pack<W, N> *)((W *)a.param + i) = param;
}

CUDA_OP(adamw, adamw)
{
    const double step = (double)args->step;
    const struct rates r = {.beta1 = (float)args->beta1,
            .beta2 = (float)args->beta2,
            .rate = (float)(args->lr / (1 - pow(args->beta1, step))),
            .unbias = (float)(1 / sqrt(1 - pow(args->beta2, step))),
            .decay = (float)(args->lr * args->weight_decay),
            .eps = (float)args->eps};

    assert(args->step > 0 && (args->master || sizeof(A) == sizeof(float)));
    if (args->count == 0)
        return;
    if (args->count % 4 == 0 && cuda_aligned(args->param, 16) && cuda_aligned(args->master, 16) &&
            cuda_aligned(args->m, 16) && cuda_aligned(args->v, 16) && cuda_aligned(args->grad, 16))
        adamw_kernel<A, 4>
                <<<cuda_blocks(args->count, 4 * THREADS), THREADS, 0, stream->queue>>>(*args, r);
    else
        adamw_kernel<A, 1>
                <<<cuda_blocks(args->count, THREADS), THREADS, 0, stream->queue>>>(*args, r);
    cuda_launched(stream, "adamw");
}

CUDA_OP_BOTH(sumsq, sumsq);
CUDA_OP_BOTH(clip, clip);
CUDA_OP_BOTH(adamw, adamw);
