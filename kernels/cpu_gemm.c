// SPDX-License-Identifier: MIT
// Matrix products. A is packed into panels of MR rows, once for all; B into strips of NR columns
// and GEMM_K_BLOCK terms by the task that uses them: a strip stays in the first-level cache while
// all of a chunk's panels meet it. One row (decoding) takes the same way, so it has the same sums;
// its cost is reading B once.
#include <assert.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"
#include "kernels/cpu_transpose.h"

// NV registers of 16 columns make a strip of NR.
#if defined(__AVX512F__)
enum { MR = 12, NV = 2 };
#elif defined(__AVX2__)
enum { MR = 6, NV = 1 };
#else
enum { MR = 4, NV = 1 };
#endif
enum {
    NR = NV * SIMD_LANES,
    ROWS_MAX = MR * (960 / MR),   // rows that share one packed strip
    PART_ROWS = MR * (4096 / MR), // see choose_part()
    PACK_FLOATS_MAX = 1 << 19,
    WIDE_FLOATS_MAX = 4 << 20,
    SERIAL_PACK_FLOATS = 1 << 15, // below it, waking others costs more than packing
    SERIAL_PRODUCTS = 1 << 15,
    AHEAD = 20, // terms
    STRIPS = 4, // packed together where rows of B are long
    PANELS = 4, // packed by one task
    STRIP_FLOATS = GEMM_K_BLOCK * NR + TW,
    LOCAL_FLOATS = STRIPS * STRIP_FLOATS,
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// to[j * stride + i] = rows[i][at + j]. In rising order: a panel's steps overlap, and the next one
// writes over the surplus lanes.
SIMD void transpose(float *to, size_t stride, const float *const rows[TW], size_t at)
{
    vt columns[TW];

    vt_columns(columns, rows, at);
#pragma GCC unroll 16
    for (size_t j = 0; j < TW; j++)
        vt_store(to + j * stride, columns[j]);
}

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
SIMD void pack_columns(
        float *to, const size_t width, const float *from, size_t step, size_t count, size_t depth)
{
    for (size_t k = 0; k < depth; k++) {
        const float *row = from + k * step;

        for (size_t i = 0; i < width && count == width; i++)
            to[k * width + i] = row[i];
        for (size_t i = 0; i < width && count < width; i++)
            to[k * width + i] = i < count ? row[i] : 0;
    }
}

// Columns as they lie, several panels or strips side by side: a row of the matrix is visited once
// for all of them, for each row may be another page. Number i of them begins at to + i * apart.
SIMD void pack_many(float *to, size_t apart, const size_t width, const float *from, size_t step,
        size_t count, size_t depth)
{
    enum { FEW = 8 };

    for (size_t k = 0; k < depth; k += FEW)
        for (size_t i = 0; i < count; i += width)
            pack_columns(to + i / width * apart + k * width, width, from + k * step + i, step,
                    smaller(width, count - i), smaller(FEW, depth - k));
}

// Columns n.. of B (at most `count`), terms k.. , as strips [depth][NR].
static void pack_strips(
        float *to, const struct cpu_gemm *g, size_t n, size_t count, size_t k, size_t depth)
{
    // The same terms of the next strip.
    const size_t ahead = NR * g->b_row;

    if (g->b_col != 1) {
        pack_many(to, STRIP_FLOATS, NR, g->b + n + k * g->b_col, g->b_col, count, depth);
        return;
    }
    assert(count <= NR);
    for (size_t i = 0; i < NR; i += TW) {
        const size_t first = smaller(i, count - 1);

        pack_rows(to + i, NR, g->b + (n + first) * g->b_row + k, g->b_row,
                i < count ? smaller(TW, count - i) : 1, depth, ahead);
    }
}

// --- the kernel: `rows` x NR results, each one chain over k ---

// What is added to is wanted when the sums are done.
SIMD void fetch(const size_t rows, const float *c, size_t ldc, size_t columns, bool add)
{
    for (size_t i = 0; i < rows && add; i++)
        for (size_t j = 0; j < columns; j += SIMD_LANES)
            __builtin_prefetch(c + i * ldc + j, 1, 3);
}

SIMD void keep(const size_t rows, float *c, size_t ldc, size_t columns, v16 sum[MR][NV], bool add)
{
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

SIMD void kernel(const size_t rows, size_t depth, const float *a, const float *b, float *c,
        size_t ldc, size_t columns, bool add)
{
    v16 sum[MR][NV];

#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < NV; j++)
            sum[i][j] = v_set(0);
    fetch(rows, c, ldc, columns, add);
    for (size_t k = 0; k < depth; k++) {
        v16 column[NV];

        __builtin_prefetch(a + (k + AHEAD) * MR, 0,
                3); // from the second-level cache; panels follow each other
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
    keep(rows, c, ldc, columns, sum, add);
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
        assert(rows <= MR);
    }
}

// --- blocks ---

// Rows [row_from, row_end) and terms [k_from, k_end) of A, packed as [k block][panel][depth][MR]. A
// panel ends with TW floats of slack: its last transposing step writes past it.
struct part {
    const struct cpu_gemm *gemm;
    float *packed;
    size_t row_from, row_end, panels, k_from, k_end;
};

static size_t panel_count(size_t rows)
{
    return (rows + MR - 1) / MR;
}

static size_t panel_floats(size_t depth)
{
    return depth * MR + TW;
}

static size_t packed_floats(size_t rows, size_t depth)
{
    const size_t blocks = (depth + GEMM_K_BLOCK - 1) / GEMM_K_BLOCK;

    return panel_count(rows) * (depth * MR + blocks * TW);
}

static float *panel_at(const struct part *part, size_t panel, size_t k, size_t depth)
{
    const size_t before = k - part->k_from;
    float *block = part->packed + part->panels * (before * MR + before / GEMM_K_BLOCK * TW);

    return block + panel * panel_floats(depth);
}

// Panels [from, to).
static void pack_panels(const struct part *part, size_t from, size_t to)
{
    const struct cpu_gemm *g = part->gemm;
    const size_t m = part->row_from + from * MR,
                 rows = smaller((to - from) * MR, part->row_end - m);

    for (size_t k = part->k_from; k < part->k_end; k += GEMM_K_BLOCK) {
        const size_t depth = smaller(GEMM_K_BLOCK, part->k_end - k);
        float *panels = panel_at(part, from, k, depth);
        const float *a = g->a + m * g->a_row + k * g->a_col;

        if (g->a_col != 1) {
            pack_many(panels, panel_floats(depth), MR, a, g->a_col, rows, depth);
            continue;
        }
        for (size_t i = 0; i < rows; i += MR)
            pack_rows(panels + i / MR * panel_floats(depth), MR, a + i * g->a_row, g->a_row,
                    smaller(MR, rows - i), depth, 0);
    }
}

// Panels [from, to) of the part meet columns n.. (at most `columns`).
static void multiply(
        const struct part *part, float *strips, size_t from, size_t to, size_t n, size_t columns)
{
    const struct cpu_gemm *g = part->gemm;

    for (size_t k = part->k_from; k < part->k_end; k += GEMM_K_BLOCK) {
        const size_t depth = smaller(GEMM_K_BLOCK, part->k_end - k);

        pack_strips(strips, g, n, columns, k, depth);
        for (size_t i = 0; i < columns; i += NR)
            for (size_t panel = from; panel < to; panel++) {
                const size_t m = part->row_from + panel * MR;

                kernel_rows(smaller(MR, part->row_end - m), depth, panel_at(part, panel, k, depth),
                        strips + i / NR * STRIP_FLOATS, g->c + m * g->ldc + n + i, g->ldc,
                        smaller(NR, columns - i), k > 0 || g->accumulate);
            }
    }
}

// All columns from n to end; B is packed as it is read best.
static void multiply_range(
        const struct part *part, float *strips, size_t from, size_t to, size_t n, size_t end)
{
    const size_t step = part->gemm->b_col != 1 ? STRIPS * NR : NR;

    for (; n < end; n += step)
        multiply(part, strips, from, to, n, smaller(step, end - n));
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
    pack_panels(&region->part, task * PANELS, smaller((task + 1) * PANELS, region->part.panels));
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
    const size_t end = smaller((strip + region->task_strips) * NR, region->part.gemm->N);

    multiply_range(&region->part, assay_host_local(region->stream, thread), from,
            smaller(from + region->chunk_panels, region->part.panels), strip * NR, end);
}

// Enough tasks for every thread, but chunks as long as can be: each packs its strips anew.
static void share_out(struct region *region, size_t threads)
{
    const size_t panels = region->part.panels, want = threads > 1 ? 6 * threads : 1;

    // Of equal length: a short last chunk would pack for few.
    region->chunk_panels = pieces(panels, pieces(panels, ROWS_MAX / MR));
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
    if (alone ||
            (part->row_end - part->row_from) * (part->k_end - part->k_from) <= SERIAL_PACK_FLOATS)
        pack_panels(part, 0, part->panels);
    else
        assay_pool_run(pool, pieces(part->panels, PANELS), pack_task, region);
    if (alone)
        for (size_t task = 0; task < tasks; task++)
            multiply_task(region, task, 0);
    else
        assay_pool_run(pool, tasks, multiply_task, region);
}

// How much of A is packed at a time. A wide product packs all terms, so that its results are
// finished in the caches; a deep one packs few, so that what is packed stays there.
static void choose_part(const struct cpu_gemm *g, size_t *rows, size_t *terms)
{
    *rows = smaller(PART_ROWS, g->M);
    *terms = g->K;
    if (*rows * g->K <= PACK_FLOATS_MAX)
        return;
    if (g->N >= g->K && WIDE_FLOATS_MAX / g->K >= MR)
        *rows = smaller(*rows, WIDE_FLOATS_MAX / g->K / MR * MR);
    else
        *terms = (PACK_FLOATS_MAX / (*rows * GEMM_K_BLOCK) + 1) * GEMM_K_BLOCK;
}

void CPU(gemm)(struct assay_stream *stream, const struct cpu_gemm *g)
{
    const bool alone = g->M * g->N * g->K <= SERIAL_PRODUCTS;
    struct region region = {.stream = stream, .strips = pieces(g->N, NR)};
    size_t rows = 0, terms = 0;

    if (g->M == 0 || g->N == 0)
        return;
    if (g->K == 0) {
        clear_product(g);
        return;
    }
    choose_part(g, &rows, &terms);
    region.part = (struct part){.gemm = g};
    region.part.packed = assay_host_shared(stream, packed_floats(rows, terms) * sizeof(float));
    if (region.part.packed == NULL ||
            !assay_host_reserve_local(stream, LOCAL_FLOATS * sizeof(float)))
        return;
    for (size_t m = 0; m < g->M; m += rows) {
        region.part.row_from = m;
        region.part.row_end = smaller(m + rows, g->M);
        region.part.panels = panel_count(region.part.row_end - m);
        for (size_t k = 0; k < g->K; k += terms) {
            region.part.k_from = k;
            region.part.k_end = smaller(k + terms, g->K);
            run_part(&region, alone);
        }
    }
}

size_t CPU(gemm_strip_floats)(void)
{
    return LOCAL_FLOATS;
}

size_t CPU(gemm_packed_floats)(size_t M, size_t K)
{
    return packed_floats(M, K);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the part
void CPU(gemm_pack)(float *packed, const struct cpu_gemm *g)
{
    const struct part part = {.gemm = g,
            .packed = packed,
            .row_end = g->M,
            .panels = panel_count(g->M),
            .k_end = g->K};

    if (g->M > 0)
        pack_panels(&part, 0, part.panels);
}

// NOLINTNEXTLINE(readability-non-const-parameter): a part may be written
void CPU(gemm_packed)(float *strip, float *packed, const struct cpu_gemm *g)
{
    const struct part part = {.gemm = g,
            .packed = packed,
            .row_end = g->M,
            .panels = panel_count(g->M),
            .k_end = g->K};

    if (g->K == 0)
        clear_product(g);
    else
        multiply_range(&part, strip, 0, part.panels, 0, g->N);
}

void CPU(gemm_serial)(float *strip, float *packed, const struct cpu_gemm *g)
{
    CPU(gemm_pack)(packed, g);
    CPU(gemm_packed)(strip, packed, g);
}
