// SPDX-License-Identifier: MIT
// lightning.cu - lightning attention as scans, plain and for one token.
//
//     scan(q, k, v):  S_t = lambda S_{t-1} + k_t v_t^T,  out_t = q_t S_t
//
// Forward is one scan. So is each gradient (facts of model.md 2b, written per token): with a state
// that is turned over, dq is the scan (dout, v, k), and backward in time dk is (v, dout, q) and dv
// is (k, q, dout). A span's first state is what was given, or the sum of what its parents (in time
// reversed: its descendants) leave: each of their rows with its own decay, in any order.
#include "kernels/cuda/cuda.h"

enum { WIDTH_MAX = 192, FAR = 100 }; // exp(-FAR) is nothing beside float rounding

template <class A>
__device__ static const A *row_of(
        const void *x, size_t row, size_t h, size_t row_stride, size_t head_stride)
{
    return (const A *)x + row * row_stride + h * head_stride;
}

// What a stored state after p tokens is to be divided by.
__device__ static float stored_scale(float slope, size_t p)
{
    return expf(slope * (float)(p % ASSAY_LIGHTNING_BLOCK));
}

// Factor on the state that is read, and on the one that is written.
__device__ static float scale_in(const struct cuda_scan &a, const struct assay_span &span, float s)
{
    // Backward in time the last row comes first, and sees the state without a decay.
    return a.reverse ? stored_scale(s, (size_t)span.position + span.row_count) * expf(s)
                     : 1 / stored_scale(s, span.position);
}
__device__ static float scale_out(const struct cuda_scan &a, const struct assay_span &span, float s)
{
    return a.reverse ? expf(-s) / stored_scale(s, span.position)
                     : stored_scale(s, (size_t)span.position + span.row_count);
}

// S += weight k v^T for one row; a thread has column e.
template <class A>
__device__ static void add_row(
        float *S, const struct cuda_scan &a, float *ks, size_t row, size_t h, float weight)
{
    const size_t e = threadIdx.x;

    __syncthreads();
    if (e < a.D)
        ks[e] = number(row_of<A>(a.k, row, h, a.k_row, a.k_head)[e]);
    __syncthreads();
    if (e >= a.D)
        return;
    const float v = weight * number(row_of<A>(a.v, row, h, a.v_row, a.v_head)[e]);
    for (size_t d = 0; d < a.D; d++)
        S[d * a.D + e] += ks[d] * v;
}

// What the spans around this one bring to its first state.
template <class A>
__device__ static void add_kin(
        float *S, const struct cuda_scan &a, float *ks, size_t b, size_t h, float slope)
{
    const struct assay_span *span = &a.spans[b];
    const size_t end = (size_t)span->position + span->row_count;

    if (!a.reverse) {
        for (size_t p = 0; span->up > 0 && p < span->position; p++) {
            const struct assay_span *at = span_of(span, p);
            const float distance = slope * (float)(span->position - 1 - p);

            if (distance < FAR)
                add_row<A>(S, a, ks, at->row + (p - at->position), h, expf(-distance));
        }
        return;
    }
    for (size_t c = b + 1; c < a.B && a.spans[c].up > 0 && c - a.spans[c].up >= b; c++)
        for (size_t i = 0; i < a.spans[c].row_count; i++) {
            const float distance = slope * (float)(a.spans[c].position + i - end);

            if (distance < FAR)
                add_row<A>(S, a, ks, a.spans[c].row + i, h, expf(-distance));
        }
}

// A block has one head of one span; S in shared memory, a thread a column of it.
template <class A> static __global__ void scan_kernel(const struct cuda_scan a)
{
    extern __shared__ float S[];
    __shared__ float ks[WIDTH_MAX], qs[WIDTH_MAX];
    const size_t b = blockIdx.y, h = blockIdx.x, e = threadIdx.x, D = a.D;
    const struct assay_span span = a.spans[b];
    const float slope = a.slope[h], lambda = expf(-slope);
    const size_t state = (span.slot * a.H + h) * D * D;

    for (size_t d = 0; e < D && d < D; d++) {
        const size_t at = state + (a.turned ? e * D + d : d * D + e);

        S[d * D + e] = a.state_in ? a.state_in[at] * scale_in(a, span, slope) : 0;
    }
    add_kin<A>(S, a, ks, b, h, slope);
    for (size_t i = 0; i < span.row_count; i++) {
        const size_t row = span.row + (a.reverse ? span.row_count - 1 - i : i);
        float out = 0;

        __syncthreads();
        if (e < D) {
            ks[e] = number(row_of<A>(a.k, row, h, a.k_row, a.k_head)[e]);
            qs[e] = number(row_of<A>(a.q, row, h, a.q_row, a.q_head)[e]);
        }
        __syncthreads();
        if (e >= D)
            continue;
        const float v = number(row_of<A>(a.v, row, h, a.v_row, a.v_head)[e]);
        for (size_t d = 0; d < D; d++) {
            const float now = lambda * S[d * D + e] + ks[d] * v;

            S[d * D + e] = now;
            out += qs[d] * now;
        }
        ((A *)a.out)[row * a.out_row + h * a.out_head + e] = rounded<A>(out);
    }
    for (size_t d = 0; a.state_out && e < D && d < D; d++)
        a.state_out[state + d * D + e] = S[d * D + e] * scale_out(a, span, slope);
}

// --- one token ----------------------------------------------------------------------------------

enum { TOKEN_THREADS = 256, AT_ONCE = 8 };

// Bound by reading and writing the state, 4 columns a thread; the stored form decays once a block.
template <class A> static __global__ void token_kernel(const struct cuda_scan a)
{
    extern __shared__ float sums[]; // [lines][D]
    __shared__ float ks[WIDTH_MAX], qs[WIDTH_MAX];
    const size_t h = blockIdx.x, D = a.D, columns = D / 4, lines = TOKEN_THREADS / columns;
    const struct assay_span span = a.spans[blockIdx.y];
    const size_t line = threadIdx.x / columns, e = threadIdx.x % columns * 4;
    const float slope = a.slope[h];
    const size_t after = span.position % ASSAY_LIGHTNING_BLOCK + 1;
    const float grow = expf(slope * (float)after), undo = 1 / grow;
    const bool decays = after == ASSAY_LIGHTNING_BLOCK;
    float4 *S = (float4 *)(a.state_out + (span.slot * a.H + h) * D * D);
    float4 out = {0, 0, 0, 0};

    if (span.row_count == 0)
        return;
    for (size_t d = threadIdx.x; d < D; d += TOKEN_THREADS) {
        ks[d] = number(row_of<A>(a.k, span.row, h, a.k_row, a.k_head)[d]) * grow;
        qs[d] = number(row_of<A>(a.q, span.row, h, a.q_row, a.q_head)[d]);
    }
    __syncthreads();
    if (line < lines) {
        const A *v = row_of<A>(a.v, span.row, h, a.v_row, a.v_head) + e;
        const float v0 = number(v[0]), v1 = number(v[1]), v2 = number(v[2]), v3 = number(v[3]);

        for (size_t first = line; first < D; first += lines * AT_ONCE) {
            float4 s[AT_ONCE];

            // All reads before the first write: the compiler may not know that they differ.
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++)
                if (first + i * lines < D)
                    s[i] = S[((first + i * lines) * D + e) / 4];
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++) {
                const size_t d = first + i * lines;

                if (d >= D)
                    break;
                const float k = ks[d], q = qs[d];

                s[i].x += k * v0;
                s[i].y += k * v1;
                s[i].z += k * v2;
                s[i].w += k * v3;
                out.x += q * s[i].x;
                out.y += q * s[i].y;
                out.z += q * s[i].z;
                out.w += q * s[i].w;
                if (decays)
                    s[i] = {s[i].x * undo, s[i].y * undo, s[i].z * undo, s[i].w * undo};
                S[(d * D + e) / 4] = s[i];
            }
        }
        *(float4 *)&sums[line * D + e] = out;
    }
    __syncthreads();
    for (size_t c = threadIdx.x; c < D; c += TOKEN_THREADS) {
        float sum = 0;

        for (size_t l = 0; l < lines; l++)
            sum += sums[l * D + c];
        ((A *)a.out)[span.row * a.out_row + h * a.out_head + c] = rounded<A>(sum * undo);
    }
}

// --- the operations -----------------------------------------------------------------------------

template <class A> static void run(const struct cuda_scan &scan, struct assay_stream *stream)
{
    const size_t D = scan.D, bytes = D * D * sizeof(float);
    const dim3 blocks((unsigned)scan.H, (unsigned)scan.B);

    assert(D <= WIDTH_MAX);
    if (scan.B == 0 || scan.H == 0 || D == 0)
        return;
    if (scan.rows_max == 1 && !scan.reverse && !scan.turned && scan.state_out &&
            scan.state_in == scan.state_out && D % 4 == 0) {
        const size_t lines = TOKEN_THREADS / (D / 4);

        token_kernel<A><<<blocks, TOKEN_THREADS, lines * D * sizeof(float), stream->queue>>>(scan);
        cuda_launched(stream, "lightning of one token");
        return;
    }
    if (sizeof(A) == sizeof(bf16) && cuda_lightning_hopper(&scan, stream))
        return;
    if (!cuda_keep(stream,
                cudaFuncSetAttribute(
                        scan_kernel<A>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                "lightning"))
        return;
    scan_kernel<A><<<blocks, (unsigned)((D + 31) / 32 * 32), bytes, stream->queue>>>(scan);
    cuda_launched(stream, "lightning");
}

static struct cuda_scan scan_of(const struct assay_lightning_args *a)
{
    return (struct cuda_scan){.out = a->out,
            .q = a->q,
            .k = a->k,
            .v = a->v,
            .out_row = a->H * a->D,
            .out_head = a->D,
            .q_row = a->row_stride,
            .q_head = a->head_stride,
            .k_row = a->row_stride,
            .k_head = a->head_stride,
            .v_row = a->row_stride,
            .v_head = a->head_stride,
            .slope = (const float *)a->slope,
            .spans = a->spans,
            .B = a->B,
            .rows_max = a->rows_max,
            .H = a->H,
            .D = a->D};
}

CUDA_OP(lightning_forward, lightning)
{
    struct cuda_scan scan = scan_of(args);

    scan.state_in = (const float *)args->state;
    scan.state_out = (float *)args->state;
    run<A>(scan, stream);
}

CUDA_OP(lightning_backward, lightning)
{
    struct cuda_scan dq = scan_of(args), dk, dv;

    dq.out_row = args->row_stride;
    dq.out_head = args->head_stride;
    dk = dv = dq;
    dk.reverse = dv.reverse = true;
    dk.state_in = dv.state_in = (const float *)args->dstate_out;
    dv.state_out = (float *)args->dstate_in;

    dq.out = args->dq;
    dq.q = args->dout;
    dq.q_row = args->H * args->D;
    dq.q_head = args->D;
    dq.k = args->v;
    dq.v = args->k;
    dq.state_in = (const float *)args->state;
    dq.turned = true;

    dk.out = args->dk;
    dk.q = args->v;
    dk.k = args->dout;
    dk.k_row = args->H * args->D;
    dk.k_head = args->D;
    dk.v = args->q;
    dk.turned = true;

    dv.out = args->dv;
    dv.q = args->k;
    dv.k = args->q;
    dv.v = args->dout;
    dv.v_row = args->H * args->D;
    dv.v_head = args->D;

    run<A>(dq, stream);
    run<A>(dk, stream);
    run<A>(dv, stream);
}

CUDA_OP_BOTH(lightning_forward, lightning);
CUDA_OP_BOTH(lightning_backward, lightning);
