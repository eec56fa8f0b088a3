// SPDX-License-Identifier: MIT
// lightning_hopper.cu - scans of lightning attention on Hopper's tensor cores, in chunks of 128
// rows; heads 64 or 128 wide, bf16.
//
// A block has one head of one span, and 64 columns of its values: two blocks share a head of 128.
// It walks the chunks in order. Of a chunk, with S before it (in float in registers, in bf16 in
// shared memory),
//     out = diag(lambda^(i+1)) Q S + (Q K^T o lambda^(i-j), j <= i) V
//     S   = lambda^m S + K^T diag(lambda^(m-1-j)) V
// Two warpgroups have 64 rows of Q each, and 64 rows of S. The next chunk is on its way meanwhile.
// Exponents are never positive; weights meet scores in float, before they are rounded.
#include <math.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/wgmma.h"

enum { CHUNK = 128, THREADS = 256, PANEL_BYTES = CHUNK * PANEL_ROW_BYTES };
static constexpr float FAR = 100; // exp(-FAR) is nothing beside float rounding

// Shared memory of a block, in panels; a stage is Q, K and V of one chunk.
template <int D> struct plan_of {
    enum {
        PANELS = D / PANEL_COLUMNS,
        STAGE = (2 * PANELS + 1) * PANEL_BYTES,
        STATE = 2 * STAGE,
        WEIGHED = STATE + D * PANEL_ROW_BYTES, // V with its decay
        BYTES = WEIGHED + PANEL_BYTES + 1024   // to align
    };
};

#ifdef CUDA_HAVE_WGMMA

// What stays the same over a block's chunks.
struct walk {
    uint32_t memory; // shared, aligned
    char *generic;   // the same
    const bf16 *q, *k, *v;
    bf16 *out;
    long q_step, k_step, v_step, out_step; // elements to the next row in the order of the scan
    size_t count;                          // rows
    float slope;
    unsigned group, warp, lane; // warpgroup, warp in it, lane
};

// Rows [0, count) of `from` on to panels of shared memory; rows beyond are zeros.
template <int PANELS>
__device__ static void load(uint32_t to, const bf16 *from, long step, size_t count)
{
    const unsigned piece = threadIdx.x % 8;

#pragma unroll
    for (int i = 0; i < CHUNK / 32; i++) {
        const unsigned row = threadIdx.x / 8 + 32 * i;
        const bool there = row < count;
        const bf16 *at = from + (there ? (long)row * step : 0) + piece * 8;

#pragma unroll
        for (int panel = 0; panel < PANELS; panel++)
            copy_async(to + panel * PANEL_BYTES + swizzled(row, piece), at + panel * PANEL_COLUMNS,
                    there);
    }
}

template <int D> __device__ static void load_chunk(const struct walk &w, size_t first, int stage)
{
    const uint32_t to = w.memory + stage * plan_of<D>::STAGE;
    const size_t left = first < w.count ? w.count - first : 0;
    const size_t at = left > 0 ? first : 0;

    if (left > 0) {
        load<plan_of<D>::PANELS>(to, w.q + (long)at * w.q_step, w.q_step, left);
        load<plan_of<D>::PANELS>(
                to + plan_of<D>::PANELS * PANEL_BYTES, w.k + (long)at * w.k_step, w.k_step, left);
        load<1>(to + 2 * plan_of<D>::PANELS * PANEL_BYTES, w.v + (long)at * w.v_step, w.v_step,
                left);
    }
    copies_commit(); // an empty group, too: groups are counted
}

// WEIGHED = V with row r times exp(-slope distance(r)), distance = base + sign r.
template <int D>
__device__ static void weigh_values(const struct walk &w, int stage, float base, float sign)
{
    const unsigned piece = threadIdx.x % 8;
    const char *from = w.generic + stage * plan_of<D>::STAGE + 2 * plan_of<D>::PANELS * PANEL_BYTES;
    char *to = w.generic + plan_of<D>::WEIGHED;

#pragma unroll
    for (int i = 0; i < CHUNK / 32; i++) {
        const unsigned row = threadIdx.x / 8 + 32 * i;
        const float distance = base + sign * (float)row;
        // Rows beyond the last are zeros, whatever they are multiplied with, if it is a number.
        const float weight = distance > 0 ? expf(-w.slope * distance) : 1;
        pack<bf16, 8> v = *(const pack<bf16, 8> *)(from + swizzled(row, piece));

#pragma unroll
        for (int j = 0; j < 8; j++)
            v.at[j] = rounded<bf16>(number(v.at[j]) * weight);
        *(pack<bf16, 8> *)(to + swizzled(row, piece)) = v;
    }
}

// S (64 rows of a warpgroup) += K^T WEIGHED, queued.
template <int D> __device__ static void add_state(float (&S)[32], const struct walk &w, int stage)
{
    const uint32_t k =
            w.memory + stage * plan_of<D>::STAGE + (plan_of<D>::PANELS + w.group) * PANEL_BYTES;
    const uint32_t v = w.memory + plan_of<D>::WEIGHED;

#pragma unroll
    for (int i = 0; i < CHUNK / 16; i++)
        wgmma_64<DOWN, DOWN>(S, described(k + i * 16 * PANEL_ROW_BYTES),
                described(v + i * 16 * PANEL_ROW_BYTES), 1);
}

// S to shared memory in bf16, for the next chunk's Q S.
template <int D> __device__ static void publish_state(const float (&S)[32], const struct walk &w)
{
    char *to = w.generic + plan_of<D>::STATE;
    const unsigned row = 64 * w.group + 16 * w.warp + w.lane / 4;

#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            *(__nv_bfloat162 *)(to + swizzled(row + 8 * half, (unsigned)j) + 4 * (w.lane % 4)) =
                    __floats2bfloat162_rn(S[4 * j + 2 * half], S[4 * j + 2 * half + 1]);
}

// Scores [64 rows x 8 TILES] times lambda^(i-j), 0 above the diagonal, to bf16 as an operand.
template <int TILES>
__device__ static void weigh_scores(uint32_t *held, const float *p, const struct walk &w)
{
    const int row = (int)(w.lane / 4), column = (int)(2 * (w.lane % 4));
    // Tile that holds the diagonal of the first rows; that of the rows 8 on is the next.
    const int diagonal = (int)(8 * w.group + 2 * w.warp);
    const float step = expf(-8 * w.slope);
    const float near[2] = {
            expf(-w.slope * (float)(row - column)), expf(-w.slope * (float)(row - column - 1))};
    float factor[2] = {1, 1};

#pragma unroll
    for (int j = TILES - 1; j >= 0; j--)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x[2];

#pragma unroll
            for (int e = 0; e < 2; e++) {
                const bool kept =
                        j < diagonal + half || (j == diagonal + half && row >= column + e);

                x[e] = kept ? p[4 * j + 2 * half + e] * near[e] * factor[half] : 0;
            }
            factor[half] *= j <= diagonal + half ? step : 1;
            const __nv_bfloat162 both = __floats2bfloat162_rn(x[0], x[1]);
            held[2 * j + half] = *(const uint32_t *)&both;
        }
}

// out rows of a warp: through its own rows of Q's panel, which nobody needs any more, so that a row
// leaves in whole lines.
template <int D>
__device__ static void store_out(
        const float (&out)[32], const struct walk &w, int stage, size_t first)
{
    char *room = w.generic + stage * plan_of<D>::STAGE;
    const unsigned top = 64 * w.group + 16 * w.warp, row = top + w.lane / 4;

#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            *(__nv_bfloat162 *)(room + swizzled(row + 8 * half, (unsigned)j) + 4 * (w.lane % 4)) =
                    __floats2bfloat162_rn(out[4 * j + 2 * half], out[4 * j + 2 * half + 1]);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const unsigned at = top + 4 * i + w.lane / 8, piece = w.lane % 8;

        if (first + at < w.count)
            *(uint4 *)(w.out + (long)(first + at) * w.out_step + piece * 8) =
                    *(const uint4 *)(room + swizzled(at, piece));
    }
}

// One chunk of a warpgroup whose rows see 8 TILES keys.
template <int D, int TILES>
__device__ static void chunk(float (&S)[32], const struct walk &w, int stage, size_t first)
{
    enum { STEPS = D / 16, PER_PANEL = PANEL_COLUMNS / 16 };
    const uint32_t q = w.memory + stage * plan_of<D>::STAGE + w.group * 64 * PANEL_ROW_BYTES;
    const uint32_t k = w.memory + stage * plan_of<D>::STAGE + plan_of<D>::PANELS * PANEL_BYTES;
    const uint32_t v = k + plan_of<D>::PANELS * PANEL_BYTES, s = w.memory + plan_of<D>::STATE;
    const float rows = (float)(w.count - first < CHUNK ? w.count - first : CHUNK);
    const float row = (float)(64 * w.group + 16 * w.warp + w.lane / 4);
    const float decay[2] = {expf(-w.slope * (row + 1)), expf(-w.slope * (row + 9))};
    const float whole = expf(-w.slope * rows);
    float out[32], p[4 * TILES];
    uint32_t held[2 * TILES];

    wgmma_begin();
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        const uint32_t along = i / PER_PANEL * PANEL_BYTES + i % PER_PANEL * 32;

        if constexpr (TILES == 8)
            wgmma_64<ALONG, ALONG>(p, described(q + along), described(k + along), i > 0);
        else
            wgmma_128<ALONG, ALONG>(p, described(q + along), described(k + along), i > 0);
    }
    wgmma_commit();
#pragma unroll
    for (int i = 0; i < STEPS; i++)
        wgmma_64<ALONG, DOWN>(out, described(q + i / PER_PANEL * PANEL_BYTES + i % PER_PANEL * 32),
                described(s + i * 16 * PANEL_ROW_BYTES), i > 0);
    wgmma_commit();
    weigh_values<D>(w, stage, rows - 1, -1);
    proxy_fence();
    wgmma_wait<1>();
    wgmma_hold(p);
    weigh_scores<TILES>(held, p, w);
    wgmma_wait<0>();
    wgmma_hold(out);
#pragma unroll
    for (int i = 0; i < 32; i++) {
        out[i] *= decay[i / 2 % 2];
        S[i] *= whole;
    }
    __syncthreads(); // WEIGHED is there, and nobody reads the old state
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < TILES / 2; i++)
        wgmma_64_held<DOWN>(out, held + 4 * i, described(v + i * 16 * PANEL_ROW_BYTES));
    wgmma_commit();
    // Of a head of 64 the first warpgroup has all of S.
    if constexpr (TILES == 8 || plan_of<D>::PANELS == 2)
        add_state<D>(S, w, stage);
    wgmma_commit();
    wgmma_wait<1>();
    wgmma_hold(out);
    store_out<D>(out, w, stage, first);
    wgmma_wait<0>();
    wgmma_hold(S);
}

// Rows of another span, which bring S what is left of them at a distance.
template <int D>
__device__ static void add_rows(
        float (&S)[32], const struct walk &w, size_t count, float base, float sign)
{
    for (size_t first = 0; first < count; first += CHUNK) {
        const size_t left = count - first < CHUNK ? count - first : CHUNK;
        const float from = base + sign * (float)first, to = from + sign * (float)(left - 1);

        if (w.slope * fminf(from, to) > FAR)
            continue;
        load<plan_of<D>::PANELS>(w.memory + plan_of<D>::PANELS * PANEL_BYTES,
                w.k + (long)first * w.k_step, w.k_step, left);
        load<1>(w.memory + 2 * plan_of<D>::PANELS * PANEL_BYTES, w.v + (long)first * w.v_step,
                w.v_step, left);
        copies_commit();
        copies_wait<0>();
        __syncthreads();
        weigh_values<D>(w, 0, from, sign);
        proxy_fence();
        __syncthreads();
        if (w.group < plan_of<D>::PANELS) {
            wgmma_begin();
            add_state<D>(S, w, 0);
            wgmma_commit();
            wgmma_wait<0>();
            wgmma_hold(S);
        }
        __syncthreads();
    }
}

// w.k and w.v at the head's first row of all; steps are one row forward.
template <int D>
__device__ static void add_kin(
        float (&S)[32], const struct walk &whole, const struct cuda_scan &a, size_t b)
{
    const struct assay_span *span = &a.spans[b];
    struct walk w = whole;

    w.k_step = (long)a.k_row;
    w.v_step = (long)a.v_row;
    if (!a.reverse) {
        for (const struct assay_span *at = span; at->up > 0;) {
            at -= at->up;
            w.k = whole.k + at->row * a.k_row;
            w.v = whole.v + at->row * a.v_row;
            add_rows<D>(S, w, at->row_count, (float)(span->position - 1 - at->position), -1);
        }
        return;
    }
    const size_t end = (size_t)span->position + span->row_count;
    for (size_t c = b + 1; c < a.B && a.spans[c].up > 0 && c - a.spans[c].up >= b; c++) {
        w.k = whole.k + a.spans[c].row * a.k_row;
        w.v = whole.v + a.spans[c].row * a.v_row;
        add_rows<D>(S, w, a.spans[c].row_count, (float)(a.spans[c].position - end), 1);
    }
}

__device__ static float stored_scale(float slope, size_t p)
{
    return expf(slope * (float)(p % ASSAY_LIGHTNING_BLOCK));
}

// Place of entry i of a thread's S in a stored state.
template <int D> __device__ static size_t state_place(const struct walk &w, int i, bool turned)
{
    const size_t k = 64 * w.group + 16 * w.warp + w.lane / 4 + 8 * (i / 2 % 2);
    const size_t v = blockIdx.x * PANEL_COLUMNS + 8 * (i / 4) + 2 * (w.lane % 4) + i % 2;

    return turned ? v * D + k : k * D + v;
}

// The walk of this block, with q, k, v, out at its head's first row of all.
template <int D> __device__ static struct walk walk_of(const struct cuda_scan &a, char *aligned)
{
    const size_t h = blockIdx.y, column = blockIdx.x * PANEL_COLUMNS;

    return {.memory = shared_address(aligned),
            .generic = aligned,
            .q = (const bf16 *)a.q + h * a.q_head,
            .k = (const bf16 *)a.k + h * a.k_head,
            .v = (const bf16 *)a.v + h * a.v_head + column,
            .out = (bf16 *)a.out + h * a.out_head + column,
            .q_step = (long)a.q_row,
            .k_step = (long)a.k_row,
            .v_step = (long)a.v_row,
            .out_step = (long)a.out_row,
            .count = a.spans[blockIdx.z].row_count,
            .slope = a.slope[h],
            .group = threadIdx.x / 128,
            .warp = threadIdx.x % 128 / 32,
            .lane = threadIdx.x % 32};
}

// To the span's first row in the order of the scan.
__device__ static void enter(struct walk *w, const struct cuda_scan &a)
{
    const struct assay_span span = a.spans[blockIdx.z];
    const size_t row = span.row + (a.reverse && w->count > 0 ? w->count - 1 : 0);

    w->q += row * a.q_row;
    w->k += row * a.k_row;
    w->v += row * a.v_row;
    w->out += row * a.out_row;
    if (!a.reverse)
        return;
    w->q_step = -w->q_step;
    w->k_step = -w->k_step;
    w->v_step = -w->v_step;
    w->out_step = -w->out_step;
}

template <int D>
static __global__ void __launch_bounds__(THREADS, 1) hopper_kernel(const struct cuda_scan a)
{
    extern __shared__ char memory[];
    char *aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
    const struct assay_span span = a.spans[blockIdx.z];
    const size_t state = (span.slot * a.H + blockIdx.y) * D * D;
    struct walk w = walk_of<D>(a, aligned);
    const size_t end = (size_t)span.position + span.row_count;
    const bool holds = w.group < plan_of<D>::PANELS;
    float S[32] = {};

    if (a.state_in && holds) {
        const float scale = a.reverse ? stored_scale(w.slope, end) * expf(w.slope)
                                      : 1 / stored_scale(w.slope, span.position);

#pragma unroll
        for (int i = 0; i < 32; i++)
            S[i] = a.state_in[state + state_place<D>(w, i, a.turned)] * scale;
    }
    add_kin<D>(S, w, a, blockIdx.z);
    enter(&w, a);
    load_chunk<D>(w, 0, 0);
    for (size_t first = 0; first < w.count; first += CHUNK) {
        const int stage = first / CHUNK % 2;

        load_chunk<D>(w, first + CHUNK, 1 - stage);
        if (holds)
            publish_state<D>(S, w);
        copies_wait<1>();
        proxy_fence();
        __syncthreads();
        if (w.group == 0)
            chunk<D, 8>(S, w, stage, first);
        else
            chunk<D, 16>(S, w, stage, first);
        __syncthreads(); // the stage is free
    }
    if (a.state_out && holds) {
        const float scale = a.reverse ? expf(-w.slope) / stored_scale(w.slope, span.position)
                                      : stored_scale(w.slope, end);

#pragma unroll
        for (int i = 0; i < 32; i++)
            a.state_out[state + state_place<D>(w, i, false)] = S[i] * scale;
    }
}

#else
template <int D> static __global__ void hopper_kernel(const struct cuda_scan)
{
}
#endif

template <int D> static bool launch(const struct cuda_scan &scan, struct assay_stream *stream)
{
    const dim3 blocks(plan_of<D>::PANELS, (unsigned)scan.H, (unsigned)scan.B);

    if (!cuda_keep(stream,
                cudaFuncSetAttribute(hopper_kernel<D>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                        plan_of<D>::BYTES),
                "lightning"))
        return true;
    hopper_kernel<D><<<blocks, THREADS, plan_of<D>::BYTES, stream->queue>>>(scan);
    cuda_launched(stream, "lightning on Hopper");
    return true;
}

static bool is_hopper(void)
{
    int device = 0, major = 0;

    return cudaGetDevice(&device) == cudaSuccess &&
            cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
            cudaSuccess &&
            major == 9;
}

bool cuda_lightning_hopper(const struct cuda_scan *scan, struct assay_stream *stream)
{
    const struct cuda_scan &a = *scan;
    const size_t strides =
            a.out_row | a.out_head | a.q_row | a.q_head | a.k_row | a.k_head | a.v_row | a.v_head;

    if ((a.D != 64 && a.D != 128) || strides % 8 || !cuda_aligned(a.q, 16) ||
            !cuda_aligned(a.k, 16) || !cuda_aligned(a.v, 16) || !cuda_aligned(a.out, 16) ||
            a.B > 65535 || a.H > 65535 || !is_hopper())
        return false;
    return a.D == 64 ? launch<64>(a, stream) : launch<128>(a, stream);
}
