// SPDX-License-Identifier: MIT
// loss.cu - the losses of kernels/loss.h, in double: they are one number a token.
//
// describe: a block a trajectory sums its tokens; token: a thread a token; rows: a thread a row of
// the head adds its tokens in rising order; metrics: blocks' sums in their order.
#include "kernels/cuda/cuda.h"

enum { THREADS = 256, METRICS = sizeof(struct assay_loss_metrics) / sizeof(double) };

// The metrics as numbers: which are sums and which the largest.
__host__ __device__ static bool is_largest(int i)
{
    return i == (int)(offsetof(struct assay_loss_metrics, ratio_max) / sizeof(double)) ||
            i == (int)(offsetof(struct assay_loss_metrics, logp_diff_max) / sizeof(double));
}

__device__ static double safe_exp(double x)
{
    // Not fmin(): a NaN must stay one.
    if (x > 20)
        x = 20;
    if (x < -20)
        x = -20;
    return exp(x);
}

__device__ static double at(const void *values, size_t i)
{
    return (double)((const float *)values)[i];
}

__device__ static size_t row_of(const struct assay_loss_args &a, size_t t)
{
    return a.row ? (size_t)a.row[t] : t;
}

__device__ static bool is_sampled(const struct assay_loss_args &a, size_t t)
{
    return !a.mask || a.mask[t] != 0;
}

__device__ static double difference_of(const struct assay_loss_args &a, size_t t)
{
    return a.logp_old ? at(a.logp, row_of(a, t)) - at(a.logp_old, t) : 0;
}

struct trajectory {
    double n, sequence_ratio;
};

static __global__ void describe_kernel(struct trajectory *out, const struct assay_loss_args a)
{
    __shared__ double room[32];
    const size_t b = blockIdx.x;
    const struct assay_span span = a.spans[b];
    double tokens = 0, sum = 0;

    for (size_t i = threadIdx.x; i < span.row_count; i += THREADS)
        if (is_sampled(a, span.row + i)) {
            tokens += 1;
            sum += difference_of(a, span.row + i);
        }
    tokens = block_sum(tokens, room);
    sum = block_sum(sum, room);
    if (threadIdx.x > 0)
        return;
    out[b].sequence_ratio = tokens > 0 ? safe_exp(sum / tokens) : 1;
    switch (a.kind.norm) {
    case ASSAY_LOSS_NORM_TOKENS:
        out[b].n = a.token_count;
        break;
    case ASSAY_LOSS_NORM_SEQUENCES:
        out[b].n = tokens * a.sequence_count;
        break;
    case ASSAY_LOSS_NORM_CONSTANT:
        out[b].n = a.norm_constant;
        break;
    case ASSAY_LOSS_NORM_GIVEN:
        out[b].n = at(a.norm, b);
        break;
    }
}

__device__ static bool is_masked(const struct assay_loss_kind &kind, double ratio, double advantage)
{
    if (advantage > 0)
        return ratio > kind.clip_high;
    if (advantage < 0)
        return ratio < kind.clip_low || (kind.clip_dual > 0 && ratio > kind.clip_dual);
    return false;
}

__device__ static double weigh(
        const struct assay_loss_kind &kind, double ratio, double sequence_ratio)
{
    switch (kind.weight) {
    case ASSAY_LOSS_WEIGHT_ONE:
        return 1;
    case ASSAY_LOSS_WEIGHT_RATIO:
        return ratio;
    case ASSAY_LOSS_WEIGHT_CAPPED:
        if (ratio > kind.cap)
            return kind.cap;
        return ratio < kind.floor ? kind.floor : ratio;
    case ASSAY_LOSS_WEIGHT_SEQUENCE:
        return sequence_ratio;
    }
    return 0;
}

__device__ static double kl_value(enum assay_loss_kl kl, double d)
{
    switch (kl) {
    case ASSAY_LOSS_KL_NONE:
        return 0;
    case ASSAY_LOSS_KL_K1:
        return -d;
    case ASSAY_LOSS_KL_K2:
        return d * d / 2;
    case ASSAY_LOSS_KL_K3:
        return safe_exp(d) - d - 1;
    }
    return 0;
}

// d kl / d l, with d = l_ref - l
__device__ static double kl_gradient(enum assay_loss_kl kl, double d)
{
    switch (kl) {
    case ASSAY_LOSS_KL_NONE:
        return 0;
    case ASSAY_LOSS_KL_K1:
        return 1;
    case ASSAY_LOSS_KL_K2:
        return -d;
    case ASSAY_LOSS_KL_K3:
        return 1 - safe_exp(d);
    }
    return 0;
}

// What a token gives to its row, already divided by its norm.
struct given {
    double dlogp, dentropy;
};

__device__ static struct given token(struct assay_loss_metrics *m, const struct assay_loss_args &a,
        const struct trajectory &trajectory, double advantage, size_t t)
{
    const struct assay_loss_kind &kind = a.kind;
    const size_t row = row_of(a, t);
    const double l = at(a.logp, row), difference = difference_of(a, t);
    const double ratio = safe_exp(difference);
    const double judged =
            kind.weight == ASSAY_LOSS_WEIGHT_SEQUENCE ? trajectory.sequence_ratio : ratio;
    const bool hit = is_masked(kind, judged, advantage);
    const double weight = kind.masked && hit ? 0 : weigh(kind, ratio, trajectory.sequence_ratio);
    double loss = -weight * advantage * l, gradient = -weight * advantage;

    if (a.kl != ASSAY_LOSS_KL_NONE) {
        const double d = at(a.logp_ref, t) - l;

        loss += a.kl_coef * kl_value(a.kl, d);
        gradient += a.kl_coef * kl_gradient(a.kl, d);
        m->kl_ref_sum = kl_value(a.kl, d);
    }
    if (a.dentropy && a.entropy)
        loss -= a.entropy_coef * at(a.entropy, row);
    m->token_count = 1;
    m->loss = loss / trajectory.n;
    m->grad_mass = fabs(weight * advantage);
    m->masked_count = hit ? 1 : 0;
    m->rescued_mass = hit ? m->grad_mass : 0;
    m->entropy_sum = a.entropy ? at(a.entropy, row) : 0;
    m->ratio_sum = m->ratio_max = ratio;
    m->logp_diff_max = fabs(difference);
    m->capped_positive = ratio > kind.cap && advantage > 0 ? 1 : 0;
    m->capped_negative = ratio > kind.cap && advantage < 0 ? 1 : 0;
    m->kl_old_sum = safe_exp(-difference) + difference - 1;
    return {gradient / trajectory.n, -a.entropy_coef / trajectory.n};
}

// Of two largest: a NaN wins.
__device__ static double larger(double a, double b)
{
    return !(b <= a) ? b : a;
}

static __global__ void token_kernel(struct given *given, double *partial,
        const struct trajectory *trajectories, const struct assay_loss_args a)
{
    __shared__ double room[THREADS];
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x, b = blockIdx.y;
    const struct assay_span span = a.spans[b];
    union {
        struct assay_loss_metrics metrics;
        double at[METRICS];
    } mine;

    for (int j = 0; j < METRICS; j++)
        mine.at[j] = 0;
    if (i < span.row_count && is_sampled(a, span.row + i))
        given[span.row + i] =
                token(&mine.metrics, a, trajectories[b], at(a.advantage, b), span.row + i);
    else if (i < span.row_count)
        given[span.row + i] = {0, 0};
    for (int j = 0; j < METRICS; j++) {
        __syncthreads();
        room[threadIdx.x] = mine.at[j];
        __syncthreads();
        for (unsigned half = THREADS / 2; half > 0; half /= 2) {
            if (threadIdx.x < half)
                room[threadIdx.x] = is_largest(j)
                        ? larger(room[threadIdx.x], room[threadIdx.x + half])
                        : room[threadIdx.x] + room[threadIdx.x + half];
            __syncthreads();
        }
        if (threadIdx.x == 0)
            partial[((size_t)blockIdx.y * gridDim.x + blockIdx.x) * METRICS + j] = room[0];
    }
}

// A block a metric.
static __global__ void metrics_kernel(double *metrics, const double *partial, const size_t count)
{
    __shared__ double room[THREADS];
    const int j = (int)blockIdx.x;
    double all = 0; // what is largest is never negative

    for (size_t i = threadIdx.x; i < count; i += THREADS) {
        const double value = partial[i * METRICS + j];

        all = is_largest(j) ? larger(all, value) : all + value;
    }
    room[threadIdx.x] = all;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            room[threadIdx.x] = is_largest(j) ? larger(room[threadIdx.x], room[threadIdx.x + half])
                                              : room[threadIdx.x] + room[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        metrics[j] = is_largest(j) ? larger(metrics[j], room[0]) : metrics[j] + room[0];
}

static __global__ void direct_kernel(const struct given *given, const struct assay_loss_args a)
{
    const size_t t = (size_t)blockIdx.x * THREADS + threadIdx.x;

    if (t >= a.T)
        return;
    ((float *)a.dlogp)[t] = (float)given[t].dlogp;
    if (a.dentropy)
        ((float *)a.dentropy)[t] = (float)given[t].dentropy;
}

// The thread at the first of a run of equal rows adds the run, in float as the reference does.
static __global__ void rows_kernel(const struct given *given, const int32_t *order,
        const int32_t *sorted, const struct assay_loss_args a)
{
    const size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x;
    float dlogp = 0, dentropy = 0;

    if (first >= a.T || (first > 0 && sorted[first - 1] == sorted[first]))
        return;
    for (size_t i = first; i < a.T && sorted[i] == sorted[first]; i++) {
        dlogp += (float)given[order[i]].dlogp;
        dentropy += (float)given[order[i]].dentropy;
    }
    ((float *)a.dlogp)[sorted[first]] = dlogp;
    if (a.dentropy)
        ((float *)a.dentropy)[sorted[first]] = dentropy;
}

struct room {
    struct trajectory *trajectories;
    struct given *given;
    double *partial;
    int32_t *order, *sorted;
    void *sort;
    size_t bytes, parts;
};

static void lay_out(struct room *out, char *base, const struct assay_loss_args *a)
{
    size_t at = 0;

    // Spans tile the tokens: no span has more blocks than all tokens together.
    out->parts = cuda_blocks(a->T, THREADS);
    out->trajectories = cuda_take<struct trajectory>(base, &at, a->B);
    out->given = cuda_take<struct given>(base, &at, a->T);
    out->partial = cuda_take<double>(base, &at, out->parts * a->B * METRICS);
    out->order = cuda_take<int32_t>(base, &at, a->T);
    out->sorted = cuda_take<int32_t>(base, &at, a->T);
    out->sort = base + at;
    out->bytes = at + (a->row ? cuda_sort_bytes(a->T) : 0);
}

CUDA_OP(loss, loss)
{
    const size_t rows = args->row ? args->R : args->T;
    struct room room;
    char *base;

    if (rows > 0) {
        (void)cuda_keep(stream,
                cudaMemsetAsync(args->dlogp, 0, rows * sizeof(float), stream->queue), "loss");
        if (args->dentropy)
            (void)cuda_keep(stream,
                    cudaMemsetAsync(args->dentropy, 0, rows * sizeof(float), stream->queue),
                    "loss");
    }
    if (args->T == 0 || args->B == 0)
        return;
    lay_out(&room, NULL, args);
    base = (char *)cuda_scratch(stream, room.bytes);
    if (!base)
        return;
    lay_out(&room, base, args);
    (void)cuda_keep(stream,
            cudaMemsetAsync(room.given, 0, args->T * sizeof(*room.given), stream->queue), "loss");
    describe_kernel<<<(unsigned)args->B, THREADS, 0, stream->queue>>>(room.trajectories, *args);
    token_kernel<<<dim3((unsigned)room.parts, (unsigned)args->B), THREADS, 0, stream->queue>>>(
            room.given, room.partial, room.trajectories, *args);
    metrics_kernel<<<METRICS, THREADS, 0, stream->queue>>>(
            (double *)args->metrics, room.partial, room.parts * args->B);
    if (!args->row) {
        direct_kernel<<<cuda_blocks(args->T, THREADS), THREADS, 0, stream->queue>>>(
                room.given, *args);
    } else {
        cuda_sort(room.order, room.sorted, args->row, args->T, (int32_t)args->R, room.sort, stream);
        rows_kernel<<<cuda_blocks(args->T, THREADS), THREADS, 0, stream->queue>>>(
                room.given, room.order, room.sorted, *args);
    }
    cuda_launched(stream, "loss");
}

CUDA_OP_BOTH(loss, loss);
