// SPDX-License-Identifier: MIT
// Matrix products. A is packed into panels of MR rows, once for all; B into strips of NR columns
// and GEMM_K_BLOCK terms by the task that uses them: a strip stays in the first-level cache while
// all of a chunk's panels meet it. One row (decoding) takes the same way, so it has the same sums;
// its cost is reading B once.
#include <assert.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

// TW: rows and columns of one transposing step. NV registers of 16 columns make a strip of NR.
#if defined(__AVX512F__)
enum { MR = 12, NV = 2, TW = 16 };
#elif defined(__AVX2__)
enum { MR = 6, NV = 1, TW = 8 };
#else
enum { MR = 4, NV = 1, TW = 4 };
#endif
enum {
    NR = NV * SIMD_LANES,
    ROWS_MAX = MR * (480 / MR),   // rows that share one packed strip
    PACK_FLOATS_MAX = 4 << 20,    // of A packed at a time
    SERIAL_PACK_FLOATS = 1 << 15, // below it, waking others costs more than packing
    SERIAL_PRODUCTS = 1 << 15,
    PREFETCH_ROWS = 12,
    STRIP_FLOATS = GEMM_K_BLOCK * NR + TW,
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// --- transposing: to[j * stride + i] = rows[i][j] ---

#if defined(__AVX512F__)
SIMD __m512 pairs_low(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
SIMD __m512 pairs_high(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

// In groups of 4 rows: u[4 g + j] holds columns j, j + 4, j + 8, j + 12 of rows 4 g ..; then the
// 128-bit quarters of the four groups change places.
SIMD void transpose(float *to, size_t stride, const float *const rows[TW], size_t at)
{
    __m512 u[16];

#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        const __m512 r0 = _mm512_loadu_ps(rows[4 * g] + at),
                     r1 = _mm512_loadu_ps(rows[4 * g + 1] + at);
        const __m512 r2 = _mm512_loadu_ps(rows[4 * g + 2] + at),
                     r3 = _mm512_loadu_ps(rows[4 * g + 3] + at);
        const __m512 t0 = _mm512_unpacklo_ps(r0, r1), t1 = _mm512_unpackhi_ps(r0, r1);
        const __m512 t2 = _mm512_unpacklo_ps(r2, r3), t3 = _mm512_unpackhi_ps(r2, r3);

        u[4 * g] = pairs_low(t0, t2);
        u[4 * g + 1] = pairs_high(t0, t2);
        u[4 * g + 2] = pairs_low(t1, t3);
        u[4 * g + 3] = pairs_high(t1, t3);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512 a = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88); // quarters 0, 2 of both
        const __m512 b = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xdd); // quarters 1, 3
        const __m512 c = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xdd);

        u[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        u[8 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
        u[4 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
        u[12 + j] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    // In rising order: a panel's steps overlap, and the next one writes over the surplus lanes.
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; j++)
        _mm512_storeu_ps(to + j * stride, u[j]);
}
#elif defined(__AVX2__)
SIMD void transpose(float *to, size_t stride, const float *const rows[TW], size_t at)
{
    __m256 u[8];

#pragma GCC unroll 2
    for (int g = 0; g < 2; g++) {
        const __m256 r0 = _mm256_loadu_ps(rows[4 * g] + at),
                     r1 = _mm256_loadu_ps(rows[4 * g + 1] + at);
        const __m256 r2 = _mm256_loadu_ps(rows[4 * g + 2] + at),
                     r3 = _mm256_loadu_ps(rows[4 * g + 3] + at);
        const __m256 t0 = _mm256_unpacklo_ps(r0, r1), t1 = _mm256_unpackhi_ps(r0, r1);
        const __m256 t2 = _mm256_unpacklo_ps(r2, r3), t3 = _mm256_unpackhi_ps(r2, r3);

        u[4 * g] = _mm256_shuffle_ps(t0, t2, 0x44);
        u[4 * g + 1] = _mm256_shuffle_ps(t0, t2, 0xee);
        u[4 * g + 2] = _mm256_shuffle_ps(t1, t3, 0x44);
        u[4 * g + 3] = _mm256_shuffle_ps(t1, t3, 0xee);
    }
    for (size_t j = 0; j < 4; j++)
        _mm256_storeu_ps(to + j * stride, _mm256_permute2f128_ps(u[j], u[4 + j], 0x20));
    for (size_t j = 0; j < 4; j++)
        _mm256_storeu_ps(to + (4 + j) * stride, _mm256_permute2f128_ps(u[j], u[4 + j], 0x31));
}
#else
SIMD void transpose(float *to, size_t stride, const float *const rows[TW], size_t at)
{
    for (size_t j = 0; j < TW; j++)
        for (size_t i = 0; i < TW; i++)
            to[j * stride + i] = rows[i][at + j];
}
#endif

// to[k * stride + i] = from[i * row + k] for i < count (<= TW), k < depth. Rows that do not exist
// repeat the last one: their results are never stored. Meanwhile what lies `ahead` floats further
// is fetched: a matrix that is read once comes at the memory's speed.
static void pack_rows(float *to, size_t stride, const float *from, size_t row, size_t count,
        size_t depth, size_t ahead)
{
    const float *rows[TW];
    size_t k = 0;

    for (size_t i = 0; i < TW; i++)
        rows[i] = from + smaller(i, count - 1) * row;
    for (; k + TW <= depth; k += TW) {
        for (size_t i = 0; ahead > 0 && i < TW; i++)
            __builtin_prefetch(rows[i] + k + ahead, 0, 2);
        transpose(to + k * stride, stride, rows, k);
    }
    for (; k < depth; k++)
        for (size_t i = 0; i < smaller(TW, stride); i++)
            to[k * stride + i] = rows[i][k];
}

// to[k * width + i] = from[k * step + i], i < count; the rest of the width is 0.
static void pack_columns(
        float *to, size_t width, const float *from, size_t step, size_t count, size_t depth)
{
    for (size_t k = 0; k < depth; k++) {
        size_t i = 0;

        __builtin_prefetch(from + (k + PREFETCH_ROWS) * step, 0, 3);
        __builtin_prefetch(from + (k + PREFETCH_ROWS) * step + SIMD_LANES, 0, 3);
        for (; i + SIMD_LANES <= count; i += SIMD_LANES)
            v_store(to + k * width + i, v_load(from + k * step + i));
        for (; i < count; i++)
            to[k * width + i] = from[k * step + i];
        for (; i < width; i++)
            to[k * width + i] = 0;
    }
}

// Panel of rows m.. (at most MR), terms k.. : [depth][MR].
static void pack_panel(float *to, const struct cpu_gemm *g, size_t m, size_t k, size_t depth)
{
    const float *from = g->a + m * g->a_row + k * g->a_col;
    const size_t count = smaller(MR, g->M - m);

    if (g->a_col == 1)
        pack_rows(to, MR, from, g->a_row, count, depth, 0);
    else
        pack_columns(to, MR, from, g->a_col, count, depth);
}

// Strip of columns n.. (at most NR), terms k.. : [depth][NR].
static void pack_strip(float *to, const struct cpu_gemm *g, size_t n, size_t k, size_t depth)
{
    const size_t count = smaller(NR, g->N - n);
    // The next block of these rows, or the first one of the next strip.
    const size_t ahead = k + GEMM_K_BLOCK < g->K ? GEMM_K_BLOCK : NR * g->b_row - k;

    if (g->b_col != 1) {
        pack_columns(to, NR, g->b + n + k * g->b_col, g->b_col, count, depth);
        return;
    }
    for (size_t i = 0; i < NR; i += TW) {
        const size_t first = smaller(i, count - 1);

        pack_rows(to + i, NR, g->b + (n + first) * g->b_row + k, g->b_row,
                i < count ? smaller(TW, count - i) : 1, depth, ahead);
    }
}

// --- the kernel: `rows` x NR results, each one chain over k ---

SIMD void kernel(const size_t rows, size_t depth, const float *a, const float *b, float *c,
        size_t ldc, size_t columns, bool add)
{
    v16 sum[MR][NV];

#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < NV; j++)
            sum[i][j] = v_set(0);
    for (size_t k = 0; k < depth; k++) {
        v16 column[NV];

#pragma GCC unroll 2
        for (size_t j = 0; j < NV; j++)
            column[j] = v_load(b + k * NR + j * SIMD_LANES);
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            const v16 x = v_set(a[k * MR + i]);

#pragma GCC unroll 2
            for (size_t j = 0; j < NV; j++)
                sum[i][j] = v_fma(x, column[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < NV; j++) {
            float *to = c + i * ldc + j * SIMD_LANES;
            const size_t left = columns > j * SIMD_LANES ? columns - j * SIMD_LANES : 0;

            if (left >= SIMD_LANES)
                v_store(to, add ? v_add(v_load(to), sum[i][j]) : sum[i][j]);
            else if (left > 0)
                v_store_some(to, add ? v_add(v_load_some(to, left), sum[i][j]) : sum[i][j], left);
        }
}

#define KERNEL_CASE(rows)                                                                          \
    case rows:                                                                                     \
        kernel(rows, depth, a, b, c, ldc, columns, add);                                           \
        break

static void kernel_rows(size_t rows, size_t depth, const float *a, const float *b, float *c,
        size_t ldc, size_t columns, bool add)
{
    switch (rows) {
        KERNEL_CASE(1);
        KERNEL_CASE(2);
        KERNEL_CASE(3);
        KERNEL_CASE(4);
#if defined(__AVX2__) || defined(__AVX512F__)
        KERNEL_CASE(5);
        KERNEL_CASE(6);
#endif
#if defined(__AVX512F__)
        KERNEL_CASE(7);
        KERNEL_CASE(8);
        KERNEL_CASE(9);
        KERNEL_CASE(10);
        KERNEL_CASE(11);
        KERNEL_CASE(12);
#endif
    default:
        assert(!"a panel has at most MR rows");
    }
}

// --- blocks ---

// Rows row_from.. of A, packed as [k block][panel][depth][MR]. A panel ends with TW floats of
// slack: its last transposing step writes past it.
struct part {
    const struct cpu_gemm *gemm;
    float *packed;
    size_t row_from, row_end, panels;
};

static size_t panel_count(size_t rows)
{
    return (rows + MR - 1) / MR;
}

static size_t packed_floats(size_t rows, size_t depth)
{
    const size_t blocks = (depth + GEMM_K_BLOCK - 1) / GEMM_K_BLOCK;

    return panel_count(rows) * (depth * MR + blocks * TW);
}

static float *panel_at(const struct part *part, size_t panel, size_t k, size_t depth)
{
    float *block = part->packed + part->panels * (k * MR + k / GEMM_K_BLOCK * TW);

    return block + panel * (depth * MR + TW);
}

static void pack_panels(const struct part *part, size_t panel)
{
    const struct cpu_gemm *g = part->gemm;

    for (size_t k = 0; k < g->K; k += GEMM_K_BLOCK) {
        const size_t depth = smaller(GEMM_K_BLOCK, g->K - k);

        pack_panel(panel_at(part, panel, k, depth), g, part->row_from + panel * MR, k, depth);
    }
}

// Panels [from, to) of the part meet columns n..
static void multiply(const struct part *part, float *strip, size_t from, size_t to, size_t n)
{
    const struct cpu_gemm *g = part->gemm;
    const size_t columns = smaller(NR, g->N - n);

    for (size_t k = 0; k < g->K; k += GEMM_K_BLOCK) {
        const size_t depth = smaller(GEMM_K_BLOCK, g->K - k);

        pack_strip(strip, g, n, k, depth);
        for (size_t panel = from; panel < to; panel++) {
            const size_t m = part->row_from + panel * MR;

            kernel_rows(smaller(MR, part->row_end - m), depth, panel_at(part, panel, k, depth),
                    strip, g->c + m * g->ldc + n, g->ldc, columns, k > 0 || g->accumulate);
        }
    }
}

static void clear_product(const struct cpu_gemm *g)
{
    for (size_t m = 0; m < g->M && !g->accumulate; m++)
        memset(g->c + m * g->ldc, 0, g->N * sizeof(float));
}

// --- threads ---

struct region {
    struct part part;
    struct assay_stream *stream;
    // A task is a few strips, one after the other, and one chunk of panels.
    size_t strips, task_strips, chunk_panels;
};

static void pack_task(void *context, size_t task, size_t thread)
{
    const struct region *region = context;

    (void)thread;
    pack_panels(&region->part, task);
}

static size_t pieces(size_t count, size_t size)
{
    return (count + size - 1) / size;
}

static void multiply_task(void *context, size_t task, size_t thread)
{
    const struct region *region = context;
    const size_t groups = pieces(region->strips, region->task_strips);
    const size_t from = task / groups * region->chunk_panels;
    const size_t strip = task % groups * region->task_strips;
    const size_t strip_end = smaller(strip + region->task_strips, region->strips);

    for (size_t i = strip; i < strip_end; i++)
        multiply(&region->part, assay_host_local(region->stream, thread), from,
                smaller(from + region->chunk_panels, region->part.panels), i * NR);
}

// Enough tasks for every thread, but chunks as long as can be: each packs its strips anew.
static void share_out(struct region *region, size_t threads)
{
    const size_t panels = region->part.panels, want = threads > 1 ? 6 * threads : 1;

    region->chunk_panels = smaller(panels, ROWS_MAX / MR);
    while (region->chunk_panels > 1 && region->strips * pieces(panels, region->chunk_panels) < want)
        region->chunk_panels = (region->chunk_panels + 1) / 2;
    region->task_strips = 1;
    while (pieces(region->strips, 2 * region->task_strips) * pieces(panels, region->chunk_panels) >=
                    want &&
            region->task_strips < region->strips)
        region->task_strips *= 2;
}

static void run_part(struct region *region, bool alone)
{
    struct assay_pool *pool = region->stream->pool;
    const struct part *part = &region->part;
    size_t tasks = 0;

    share_out(region, alone ? 1 : assay_pool_thread_count(pool));
    tasks = pieces(region->strips, region->task_strips) *
            pieces(part->panels, region->chunk_panels);
    if (alone || (part->row_end - part->row_from) * part->gemm->K <= SERIAL_PACK_FLOATS)
        for (size_t panel = 0; panel < part->panels; panel++)
            pack_task(region, panel, 0);
    else
        assay_pool_run(pool, part->panels, pack_task, region);
    if (alone)
        for (size_t task = 0; task < tasks; task++)
            multiply_task(region, task, 0);
    else
        assay_pool_run(pool, tasks, multiply_task, region);
}

void CPU(gemm)(struct assay_stream *stream, const struct cpu_gemm *g)
{
    // As many rows at a time as the bound on packed floats allows, in whole panels.
    const size_t rows = (PACK_FLOATS_MAX / (g->K + 1) / MR + 1) * MR;
    const bool alone = g->M * g->N * g->K <= SERIAL_PRODUCTS;
    float *packed = NULL;

    if (g->M == 0 || g->N == 0)
        return;
    if (g->K == 0) {
        clear_product(g);
        return;
    }
    packed = assay_host_shared(stream, packed_floats(smaller(rows, g->M), g->K) * sizeof(float));
    if (packed == NULL || !assay_host_reserve_local(stream, STRIP_FLOATS * sizeof(float)))
        return;
    for (size_t m = 0; m < g->M; m += rows) {
        struct region region = {.stream = stream, .strips = pieces(g->N, NR)};

        region.part = (struct part){.gemm = g, .packed = packed, .row_from = m};
        region.part.row_end = smaller(m + rows, g->M);
        region.part.panels = panel_count(region.part.row_end - m);
        run_part(&region, alone);
    }
}

size_t CPU(gemm_strip_floats)(void)
{
    return STRIP_FLOATS;
}

size_t CPU(gemm_packed_floats)(size_t M, size_t K)
{
    return packed_floats(M, K);
}

void CPU(gemm_pack)(float *packed, const struct cpu_gemm *g)
{
    const struct part part = {
            .gemm = g, .packed = packed, .row_end = g->M, .panels = panel_count(g->M)};

    for (size_t panel = 0; panel < part.panels && g->K > 0; panel++)
        pack_panels(&part, panel);
}

void CPU(gemm_packed)(float *strip, float *packed, const struct cpu_gemm *g)
{
    const struct part part = {
            .gemm = g, .packed = packed, .row_end = g->M, .panels = panel_count(g->M)};

    if (g->K == 0)
        clear_product(g);
    for (size_t n = 0; n < g->N && g->K > 0; n += NR)
        multiply(&part, strip, 0, part.panels, n);
}

void CPU(gemm_serial)(float *strip, float *packed, const struct cpu_gemm *g)
{
    CPU(gemm_pack)(packed, g);
    CPU(gemm_packed)(strip, packed, g);
}
