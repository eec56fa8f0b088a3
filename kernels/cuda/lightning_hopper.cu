// SPDX-License-Identifier: MIT
// lightning_hopper.cu - scans of lightning attention on Hopper's tensor cores, in chunks of 128
// rows; heads 64 or 128 wide, bf16.
//
// A block has one head of one span, and 64 columns of its values: two blocks share a head of 128.
// It walks the chunks in order. Of a chunk, with S before it (in float in registers, in bf16 in
// shared memory),
//     out = diag(lambda^(i+1)) Q S + (Q K^T o lambda^(i-j), j <= i) V
//     S   = lambda^m S + K^T diag(lambda^(m-1-j)) V
// Two warpgroups have 64 rows of Q each, and 64 rows of S. A third brings the chunks, two stages of
// shared memory in turn, and weighs V; it has few registers, the others many. A chunk's products
// are queued at once: while scores are weighed the tensor cores have Q S and the state to do, and
// while the new state is rounded the weights times V. One barrier a chunk: the state that Q meets
// has two places, too. Exponents are never positive; weights meet scores in float, before they are
// rounded.
#include <math.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/wgmma.h"

enum { CHUNK = 128, WORKERS = 256, BRINGERS = 128, THREADS = WORKERS + BRINGERS };
static constexpr int PANEL_BYTES = CHUNK * (int)PANEL_ROW_BYTES;
enum { BARRIER_WORKERS = 1, BARRIER_BRINGERS = 2 };

// Shared memory of a block, in panels; a stage is what one chunk needs.
template <int D> struct plan_of {
    enum {
        PANELS = D / (int)PANEL_COLUMNS,
        STAGE = (2 * PANELS + 2) * PANEL_BYTES, // Q, K, V, and V with its decay
        VALUES = 2 * PANELS * PANEL_BYTES,      // in a stage
        WEIGHED = VALUES + PANEL_BYTES,         // in a stage
        STATE = 2 * STAGE,
        STATE_BYTES = D * (int)PANEL_ROW_BYTES, // of one of two
        BYTES = STATE + 2 * STATE_BYTES + 1024  // to align
    };
};

#ifdef CUDA_HAVE_WGMMA

static constexpr int WORKER_REGISTERS = 224, BRINGER_REGISTERS = 56;
static constexpr float FAR = 100; // exp(-FAR) is nothing beside float rounding

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
    // Powers of lambda that no chunk changes: of a whole chunk, of a thread's two rows up to the
    // chunk's end (plus one), of eight columns, and of its first rows over its first columns.
    float whole, decay[2], step, near[2];
};

// Some of a block's threads wait for each other.
template <int NUMBER, int COUNT> __device__ __forceinline__ void meet(void)
{
    asm volatile("bar.sync %0, %1;" ::"n"(NUMBER), "n"(COUNT) : "memory");
}

// Rows [0, count) of `from` on to panels of shared memory, by COUNT threads; rows beyond are zeros.
template <int PANELS, int COUNT>
__device__ static void load(uint32_t to, const bf16 *from, long step, size_t count, unsigned thread)
{
    const unsigned piece = thread % 8;

#pragma unroll
    for (int i = 0; i < 8 * CHUNK / COUNT; i++) {
        const unsigned row = thread / 8 + COUNT / 8 * i;
        const bool there = row < count;
        const bf16 *at = from + (there ? (long)row * step : 0) + piece * 8;

#pragma unroll
        for (int panel = 0; panel < PANELS; panel++)
            copy_async(to + panel * PANEL_BYTES + swizzled(row, piece), at + panel * PANEL_COLUMNS,
                    there);
    }
}

template <int COUNT> struct row_weights {
    float at[8 * CHUNK / COUNT]; // of a thread's rows of V
};

// exp(-slope distance(r)) of row r, distance = base + sign r.
template <int COUNT>
__device__ static struct row_weights<COUNT> weights_of(
        const struct walk &w, float base, float sign, unsigned thread) {
    struct row_weights<COUNT> out;

#pragma unroll
    for (int i = 0; i < 8 * CHUNK / COUNT; i++) {
        const float distance = base + sign * (float)(thread / 8 + COUNT / 8 * i);
        // Rows beyond the last are zeros, whatever they are multiplied with, if it is a number.
        out.at[i] = distance > 0 ? expf(-w.slope * distance) : 1;
    }
    return out;
}

// WEIGHED = V with its rows' weights.
template <int D, int COUNT>
__device__ static void weigh_values(
        const struct walk &w, int stage, const struct row_weights<COUNT> &weights, unsigned thread)
{
    const unsigned piece = thread % 8;
    char *values = w.generic + stage * plan_of<D>::STAGE + plan_of<D>::VALUES;

#pragma unroll
    for (int i = 0; i < 8 * CHUNK / COUNT; i++) {
        const unsigned row = thread / 8 + COUNT / 8 * i;
        pack<bf16, 8> v = *(const pack<bf16, 8> *)(values + swizzled(row, piece));

#pragma unroll
        for (int j = 0; j < 8; j++)
            v.at[j] = rounded<bf16>(number(v.at[j]) * weights.at[i]);
        *(pack<bf16, 8> *)(values + PANEL_BYTES + swizzled(row, piece)) = v;
    }
}

// S (64 rows of a warpgroup) += K^T WEIGHED, queued.
template <int D> __device__ static void add_state(float (&S)[32], const struct walk &w, int stage)
{
    const uint32_t k =
            w.memory + stage * plan_of<D>::STAGE + (plan_of<D>::PANELS + w.group) * PANEL_BYTES;
    const uint32_t v = w.memory + stage * plan_of<D>::STAGE + plan_of<D>::WEIGHED;

#pragma unroll
    for (int i = 0; i < CHUNK / 16; i++)
        wgmma_64<DOWN, DOWN>(S, described(k + i * 16 * PANEL_ROW_BYTES),
                described(v + i * 16 * PANEL_ROW_BYTES), 1);
}

// S to shared memory in bf16, for the next chunk's Q S.
template <int D>
__device__ static void publish_state(const float (&S)[32], const struct walk &w, int stage)
{
    char *to = w.generic + plan_of<D>::STATE + stage * plan_of<D>::STATE_BYTES;
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
    float factor[2][2] = {{w.near[0], w.near[1]}, {w.near[0], w.near[1]}};

#pragma unroll
    for (int j = TILES - 1; j >= 0; j--)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x[2] = {0, 0};

            // The same way for the whole warp: most tiles are beside the diagonal.
            if (j <= diagonal + half) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    x[e] = p[4 * j + 2 * half + e] * factor[half][e];
                    factor[half][e] *= w.step;
                }
            }
            if (j == diagonal + half) {
                x[0] = row >= column ? x[0] : 0;
                x[1] = row >= column + 1 ? x[1] : 0;
            }
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
    // Of a head of 64 the first warpgroup has all of S.
    constexpr bool HOLDS = TILES == 8 || plan_of<D>::PANELS == 2;
    const uint32_t q = w.memory + stage * plan_of<D>::STAGE + w.group * 64 * PANEL_ROW_BYTES;
    const uint32_t k = w.memory + stage * plan_of<D>::STAGE + plan_of<D>::PANELS * PANEL_BYTES;
    const uint32_t v = w.memory + stage * plan_of<D>::STAGE + plan_of<D>::VALUES;
    const uint32_t s = w.memory + plan_of<D>::STATE + stage * plan_of<D>::STATE_BYTES;
    const size_t rows = w.count - first;
    const float whole = rows < CHUNK ? expf(-w.slope * (float)rows) : w.whole;
    float out[32], p[4 * TILES];
    uint32_t held[2 * TILES];

#pragma unroll
    for (int i = 0; i < 32; i++)
        S[i] *= whole;
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
    if constexpr (HOLDS)
        add_state<D>(S, w, stage);
    wgmma_commit();
    wgmma_wait<2>();
    wgmma_hold(p);
    weigh_scores<TILES>(held, p, w);
    wgmma_wait<1>();
    wgmma_hold(out);
#pragma unroll
    for (int i = 0; i < 32; i++)
        out[i] *= w.decay[i / 2 % 2];
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < TILES / 2; i++)
        wgmma_64_held<DOWN>(out, held + 4 * i, described(v + i * 16 * PANEL_ROW_BYTES));
    wgmma_commit();
    wgmma_wait<1>();
    wgmma_hold(S);
    if constexpr (HOLDS)
        publish_state<D>(S, w, 1 - stage);
    wgmma_wait<0>();
    wgmma_hold(out);
    store_out<D>(out, w, stage, first);
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
        load<plan_of<D>::PANELS, WORKERS>(w.memory + plan_of<D>::PANELS * PANEL_BYTES,
                w.k + (long)first * w.k_step, w.k_step, left, threadIdx.x);
        load<1, WORKERS>(w.memory + plan_of<D>::VALUES, w.v + (long)first * w.v_step, w.v_step,
                left, threadIdx.x);
        copies_commit();
        copies_wait<0>();
        meet<BARRIER_WORKERS, WORKERS>();
        weigh_values<D, WORKERS>(
                w, 0, weights_of<WORKERS>(w, from, sign, threadIdx.x), threadIdx.x);
        proxy_fence();
        meet<BARRIER_WORKERS, WORKERS>();
        if (w.group < plan_of<D>::PANELS) {
            wgmma_begin();
            add_state<D>(S, w, 0);
            wgmma_commit();
            wgmma_wait<0>();
            wgmma_hold(S);
        }
        meet<BARRIER_WORKERS, WORKERS>();
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

__device__ static void set_powers(struct walk *w)
{
    const float row = (float)(64 * w->group + 16 * w->warp + w->lane / 4);
    const float ahead = (float)(w->lane / 4) - (float)(2 * (w->lane % 4));

    w->whole = expf(-w->slope * CHUNK);
    w->step = expf(-8 * w->slope);
    for (int i = 0; i < 2; i++) {
        w->decay[i] = expf(-w->slope * (row + 1 + 8 * (float)i));
        w->near[i] = expf(-w->slope * (ahead - (float)i));
    }
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

// --- stages in turn -----------------------------------------------------------------------------

// A stage is full when every bringer has arrived, and empty when a lane of every worker's warp has.
struct turns {
    uint64_t full[2], empty[2];
};

__device__ static void barrier_make(uint64_t *barrier, unsigned count)
{
    asm volatile(
            "mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count)
            : "memory");
}
__device__ static void barrier_arrive(uint64_t *barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                 : "memory");
}
// Wait until the phase of this parity is over.
__device__ static void barrier_wait(uint64_t *barrier, unsigned parity)
{
    uint32_t done;

    do {
        asm volatile("{\n.reg .pred done;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, done;\n}\n"
                     : "=r"(done)
                     : "r"(shared_address(barrier)), "r"(parity)
                     : "memory");
    } while (!done);
}

// Chunk c is on its way while the workers have chunk c - 1, and its V is weighed when it is there.
template <int D> __device__ static void bring(const struct walk &w, struct turns *turns)
{
    const unsigned thread = threadIdx.x - WORKERS;
    struct row_weights<BRINGERS> weights = weights_of<BRINGERS>(w, CHUNK - 1, -1, thread);

    for (size_t first = 0; first < w.count; first += CHUNK) {
        const size_t c = first / CHUNK, left = w.count - first;
        const int stage = (int)(c % 2);
        const uint32_t to = w.memory + stage * plan_of<D>::STAGE;

        if (c >= 2)
            barrier_wait(&turns->empty[stage], (unsigned)(c / 2 - 1) % 2);
        load<1, BRINGERS>(
                to + plan_of<D>::VALUES, w.v + (long)first * w.v_step, w.v_step, left, thread);
        copies_commit();
        load<plan_of<D>::PANELS, BRINGERS>(to + plan_of<D>::PANELS * PANEL_BYTES,
                w.k + (long)first * w.k_step, w.k_step, left, thread);
        load<plan_of<D>::PANELS, BRINGERS>(
                to, w.q + (long)first * w.q_step, w.q_step, left, thread);
        copies_commit();
        copies_wait<1>();
        meet<BARRIER_BRINGERS, BRINGERS>(); // V is of all
        if (left < CHUNK)                   // the last
            weights = weights_of<BRINGERS>(w, (float)(left - 1), -1, thread);
        weigh_values<D, BRINGERS>(w, stage, weights, thread);
        copies_wait<0>();
        proxy_fence();
        barrier_arrive(&turns->full[stage]);
    }
}

template <int D>
__device__ static void work(float (&S)[32], const struct walk &w, struct turns *turns)
{
    if (w.group < plan_of<D>::PANELS)
        publish_state<D>(S, w, 0);
    for (size_t first = 0; first < w.count; first += CHUNK) {
        const size_t c = first / CHUNK;
        const int stage = (int)(c % 2);

        proxy_fence();
        meet<BARRIER_WORKERS, WORKERS>(); // the state is there
        barrier_wait(&turns->full[stage], (unsigned)(c / 2) % 2);
        if (w.group == 0)
            chunk<D, 8>(S, w, stage, first);
        else
            chunk<D, 16>(S, w, stage, first);
        __syncwarp();
        if (w.lane == 0)
            barrier_arrive(&turns->empty[stage]);
    }
}

template <int D>
static __global__ void __launch_bounds__(THREADS, 1) hopper_kernel(const struct cuda_scan a)
{
    extern __shared__ char memory[];
    __shared__ struct turns turns;
    char *aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
    const struct assay_span span = a.spans[blockIdx.z];
    const size_t state = (span.slot * a.H + blockIdx.y) * D * D;
    struct walk w = walk_of<D>(a, aligned);
    const size_t end = (size_t)span.position + span.row_count;

    if (threadIdx.x == 0)
        for (int i = 0; i < 2; i++) {
            barrier_make(&turns.full[i], BRINGERS);
            barrier_make(&turns.empty[i], WORKERS / 32);
        }
    if (threadIdx.x >= WORKERS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"((int)BRINGER_REGISTERS));
        meet<0, THREADS>(); // the workers are done with the span's kin, and the barriers are made
        enter(&w, a);
        bring<D>(w, &turns);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"((int)WORKER_REGISTERS));
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
        meet<0, THREADS>();
        enter(&w, a);
        set_powers(&w);
        work<D>(S, w, &turns);
        if (a.state_out && holds) {
            const float scale = a.reverse ? expf(-w.slope) / stored_scale(w.slope, span.position)
                                          : stored_scale(w.slope, end);

#pragma unroll
            for (int i = 0; i < 32; i++)
                a.state_out[state + state_place<D>(w, i, false)] = S[i] * scale;
        }
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
