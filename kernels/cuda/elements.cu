// SPDX-License-Identifier: MIT
// elements.cu - element by element: bound by memory, 16 bytes a thread where addresses allow it.
#include "kernels/cuda/cuda.h"

enum { THREADS = 256 };

__device__ static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

__device__ static float silu_slope(float x)
{
    const float s = sigmoid(x);

    return s * (1 + x * (1 - s));
}

// f(results, inputs): up to two of the first, three of the second; pointers beyond are NULL.
template <class A> struct streams {
    A *out[2];
    const A *in[3];
};

template <class A, int N, class F>
static __global__ void each_kernel(const streams<A> s, const F f, const size_t count)
{
    const size_t first = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;

    cuda_depend();
    if (first + N <= count) {
        pack<A, N> in[3], out[2];

#pragma unroll
        for (int j = 0; j < F::INPUTS; j++)
            in[j] = *(const pack<A, N> *)(s.in[j] + first);
#pragma unroll
        for (int i = 0; i < N; i++) {
            float x[3] = {0, 0, 0}, y[2];

#pragma unroll
            for (int j = 0; j < F::INPUTS; j++)
                x[j] = number(in[j].at[i]);
            f(y, x);
#pragma unroll
            for (int j = 0; j < F::OUTPUTS; j++)
                out[j].at[i] = rounded<A>(y[j]);
        }
#pragma unroll
        for (int j = 0; j < F::OUTPUTS; j++)
            *(pack<A, N> *)(s.out[j] + first) = out[j];
        return;
    }
    for (size_t i = first; i < count; i++) {
        float x[3] = {0, 0, 0}, y[2];

        for (int j = 0; j < F::INPUTS; j++)
            x[j] = number(s.in[j][i]);
        f(y, x);
        for (int j = 0; j < F::OUTPUTS; j++)
            s.out[j][i] = rounded<A>(y[j]);
    }
}

template <class A, class F>
static void each(const streams<A> &s, const F &f, size_t count, struct assay_stream *stream)
{
    constexpr int N = pack_count<A>();
    bool aligned = true;

    if (count == 0)
        return;
    for (int j = 0; j < F::INPUTS; j++)
        aligned &= cuda_aligned(s.in[j], 16);
    for (int j = 0; j < F::OUTPUTS; j++)
        aligned &= cuda_aligned(s.out[j], 16);
    if (aligned)
        cuda_follow(stream, each_kernel<A, N, F>, cuda_blocks(count, THREADS * N), THREADS, 0, s, f,
                count);
    else
        cuda_follow(
                stream, each_kernel<A, 1, F>, cuda_blocks(count, THREADS), THREADS, 0, s, f, count);
    cuda_launched(stream, "elements");
}

struct silu_of {
    enum { INPUTS = 1, OUTPUTS = 1 };
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = x[0] * sigmoid(x[0]);
    }
};

struct silu_back {
    enum { INPUTS = 2, OUTPUTS = 1 };
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = x[1] * silu_slope(x[0]);
    }
};

struct swiglu_of {
    enum { INPUTS = 2, OUTPUTS = 1 };
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = x[0] * sigmoid(x[0]) * x[1];
    }
};

struct swiglu_back {
    enum { INPUTS = 3, OUTPUTS = 2 };
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = x[2] * x[1] * silu_slope(x[0]);
        y[1] = x[2] * x[0] * sigmoid(x[0]);
    }
};

struct scaled {
    enum { INPUTS = 1, OUTPUTS = 1 };
    float alpha;
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = alpha * x[0];
    }
};

struct blended {
    enum { INPUTS = 2, OUTPUTS = 1 };
    float alpha, beta;
    __device__ void operator()(float *y, const float *x) const
    {
        y[0] = alpha * x[0] + beta * x[1];
    }
};

CUDA_OP(silu_forward, silu)
{
    each<A>({{(A *)args->y}, {(const A *)args->x}}, silu_of(), args->count, stream);
}

CUDA_OP(silu_backward, silu)
{
    each<A>({{(A *)args->dx}, {(const A *)args->x, (const A *)args->dy}}, silu_back(), args->count,
            stream);
}

CUDA_OP(swiglu_forward, swiglu)
{
    each<A>({{(A *)args->y}, {(const A *)args->gate, (const A *)args->up}}, swiglu_of(),
            args->count, stream);
}

CUDA_OP(swiglu_backward, swiglu)
{
    each<A>({{(A *)args->dgate, (A *)args->dup},
                    {(const A *)args->gate, (const A *)args->up, (const A *)args->dy}},
            swiglu_back(), args->count, stream);
}

CUDA_OP(scale_add, scale_add)
{
    const float alpha = (float)args->alpha, beta = (float)args->beta;

    if (args->b)
        each<A>({{(A *)args->out}, {(const A *)args->a, (const A *)args->b}}, blended{alpha, beta},
                args->count, stream);
    else
        each<A>({{(A *)args->out}, {(const A *)args->a}}, scaled{alpha}, args->count, stream);
}

CUDA_OP_BOTH(silu_forward, silu);
CUDA_OP_BOTH(silu_backward, silu);
CUDA_OP_BOTH(swiglu_forward, swiglu);
CUDA_OP_BOTH(swiglu_backward, swiglu);
CUDA_OP_BOTH(scale_add, scale_add);
