// SPDX-License-Identifier: MIT
// y = x w^T for a few rows: decoding. It costs as long as w takes to be read, so w goes from memory
// through the registers and nowhere else: TW outputs at a time, their columns turned as they come
// (cpu_transpose.h). The sums are those of cpu_gemm.c: blocks of GEMM_K_BLOCK terms, each one chain
// from 0, added in order.
#include "kernels/cpu.h"
#include "kernels/cpu_transpose.h"

enum {
    TOGETHER = 8,                // rows of x that meet a column while it is in its register
    GROUP_BYTES_MAX = 256 << 10, // of w: two such groups fit in a second-level cache
    NEAR = 64,                   // terms
    ALONE_FLOATS_MAX = 1 << 13,  // below it, waking others costs more than they help
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct call {
    const struct cpu_gemm *gemms;
    size_t count;
    size_t groups, threads; // groups of TW outputs, of all products one after the other
};

static size_t groups_of(const struct cpu_gemm *g)
{
    return (g->N + TW - 1) / TW;
}

// TW rows of w. `ahead` floats further lies what is fetched while they are used: the same terms of
// the next group, which is the fastest here (37 GB/s of 40; next terms of the same rows: 24 to 30),
// or, where there is none or rows are long, the rows' own next terms. Of the TW rows a pass over
// rows of x fetches those from fetch_from to fetch_to, so that memory is never idle.
struct group {
    const float *rows[TW];
    size_t ahead, fetch_from, fetch_to;
};

SIMD void fetch(const struct group *group, size_t k)
{
    for (size_t i = group->fetch_from; i < group->fetch_to; i++)
        __builtin_prefetch(group->rows[i] + k + group->ahead, 0, 2);
}

SIMD void meet(const size_t rows, vt sum[TOGETHER], const float *x, size_t step, vt column)
{
#pragma GCC unroll 8
    for (size_t m = 0; m < rows; m++)
        sum[m] = vt_fma(x[m * step], column, sum[m]);
}

// Terms [from, to) of one block.
SIMD void add_block(const size_t rows, vt sum[TOGETHER], const struct cpu_gemm *g,
        const struct group *group, size_t m, size_t from, size_t to)
{
    const float *x = g->a + m * g->a_row;
    size_t k = from;

    for (; k + TW <= to; k += TW) {
        vt columns[TW];

        fetch(group, k);
        vt_columns(columns, group->rows, k);
#pragma GCC unroll 16
        for (size_t j = 0; j < TW; j++)
            meet(rows, sum, x + k + j, g->a_row, columns[j]);
    }
    for (; k < to; k++) {
        float column[TW];

        for (size_t i = 0; i < TW; i++)
            column[i] = group->rows[i][k];
        meet(rows, sum, x + k, g->a_row, vt_load(column));
    }
}

// Rows [m, m + rows), outputs n.. , terms of the block at k.
SIMD void multiply(const size_t rows, const struct cpu_gemm *g, const struct group *group, size_t m,
        size_t n, size_t k)
{
    const size_t count = smaller(TW, g->N - n);
    vt sum[TOGETHER];

#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        sum[i] = vt_zero();
    add_block(rows, sum, g, group, m, k, smaller(k + GEMM_K_BLOCK, g->K));
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
        float *c = g->c + (m + i) * g->ldc + n;
        float some[TW] = {0};
        float *to = count == TW ? c : some;

        if (count < TW)
            memcpy(some, c, count * sizeof(float));
        vt_store(to, k > 0 || g->accumulate ? vt_add(vt_load(to), sum[i]) : sum[i]);
        if (count < TW)
            memcpy(c, some, count * sizeof(float));
    }
}

#define ROWS_CASE(count)                                                                           \
    case count:                                                                                    \
        multiply(count, g, group, m, n, k);                                                        \
        break

static void multiply_rows(size_t rows, const struct cpu_gemm *g, const struct group *group,
        size_t m, size_t n, size_t k)
{
    switch (rows) {
        ROWS_CASE(1);
        ROWS_CASE(2);
        ROWS_CASE(3);
        ROWS_CASE(4);
        ROWS_CASE(5);
        ROWS_CASE(6);
        ROWS_CASE(7);
        ROWS_CASE(8);
    default:
        break;
    }
}

static void multiply_group(const struct cpu_gemm *g, struct group *group, size_t n)
{
    const size_t passes = (g->M + TOGETHER - 1) / TOGETHER;

    for (size_t k = 0; k < g->K; k += GEMM_K_BLOCK)
        for (size_t pass = 0; pass < passes; pass++) {
            const size_t from = g->M * pass / passes, to = g->M * (pass + 1) / passes;

            group->fetch_from = TW * pass / passes;
            group->fetch_to = TW * (pass + 1) / passes;
            multiply_rows(to - from, g, group, from, n, k);
        }
}

// Pieces for the threads, each 7/8 of a fair share, then 7/8 of what is left, and so on: a thread
// fetches ahead what is its own, and all end together. True: there is a piece of that number.
static bool piece_at(const struct call *call, size_t index, size_t *from, size_t *to)
{
    size_t size = 0, at = 0;

    for (size_t i = 0; i <= index; i++) {
        if (i % call->threads == 0)
            size = (call->groups - at) * 7 / 8 / call->threads;
        *from = at;
        at = smaller(at + (size > 0 ? size : 1), call->groups);
    }
    *to = at;
    return *from < at;
}

// Groups [from, to) of one product.
static void multiply_groups(const struct cpu_gemm *g, size_t from, size_t to)
{
    const bool small = TW * g->K * sizeof(float) <= GROUP_BYTES_MAX;

    for (size_t i = from; i < to; i++) {
        struct group group;

        // Rows that do not exist repeat the last one: their results are not kept.
        for (size_t j = 0; j < TW; j++)
            group.rows[j] = g->b + smaller(i * TW + j, g->N - 1) * g->b_row;
        group.ahead = small && i + 1 < to ? TW * g->b_row : NEAR;
        multiply_group(g, &group, i * TW);
    }
}

static void task(void *context, size_t index, size_t thread)
{
    const struct call *call = context;
    size_t from = 0, to = 0, first = 0;

    (void)thread;
    (void)piece_at(call, index, &from, &to);
    for (size_t i = 0; i < call->count && first < to; i++) {
        const size_t groups = groups_of(&call->gemms[i]);

        if (from < first + groups)
            multiply_groups(
                    &call->gemms[i], from > first ? from - first : 0, smaller(to - first, groups));
        first += groups;
    }
}

void CPU(gemm_few)(struct assay_stream *stream, const struct cpu_gemm *gemms, size_t count)
{
    const size_t threads = assay_pool_thread_count(stream->pool);
    struct call call = {.gemms = gemms, .count = count, .threads = threads};
    size_t from = 0, to = 0, pieces = 0, floats = 0;

    for (size_t i = 0; i < count; i++) {
        call.groups += groups_of(&gemms[i]);
        floats += gemms[i].N * gemms[i].K;
    }
    if (floats <= ALONE_FLOATS_MAX)
        call.threads = 1;
    while (piece_at(&call, pieces, &from, &to))
        pieces++;
    if (call.threads < threads)
        for (size_t i = 0; i < pieces; i++)
            task(&call, i, 0);
    else
        assay_pool_run(stream->pool, pieces, task, &call);
}
