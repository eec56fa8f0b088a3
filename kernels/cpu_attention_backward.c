// SPDX-License-Identifier: MIT
// Softmax attention, backward: one task is one tree of spans and key-value head, so that dk and dv
// have one writer. Tiles of queries in rising order, each with its blocks of keys; weights are made
// again from lse.
//     p = exp(scale q.k - lse)    ds = scale p (dout.v - dout.out)    dv += p^T dout    dk += ds^T
//     q    dq += ds k
#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_attention.h"
#include "kernels/cpu_simd.h"

struct scratch {
    float *strip, *packed_q, *packed_dout, *packed;
    float *q, *dout, *dq;   // [rows][D]
    float *weight, *dscore; // [rows][KEYS]
    float *lse, *mean;      // [rows]; mean = dout . out
    float *keys, *sums;     // [KEYS][D]: of a block that lies in pieces, and what it gets
};

struct call {
    const struct assay_attention_args *args;
    struct assay_stream *stream;
    size_t tile_tokens;
};

static size_t carve(struct scratch *scratch, float *memory, size_t rows, size_t D)
{
    const size_t q = CPU(gemm_packed_floats)(rows, D), by_key = CPU(gemm_packed_floats)(KEYS, rows);
    const size_t by_row = CPU(gemm_packed_floats)(rows, KEYS);
    const size_t sizes[] = {CPU(gemm_strip_floats)(), q, q, by_key > by_row ? by_key : by_row,
            rows * D, rows * D, rows * D, rows * KEYS, rows * KEYS, rows, rows, KEYS * D, KEYS * D};
    float **const parts[] = {&scratch->strip, &scratch->packed_q, &scratch->packed_dout,
            &scratch->packed, &scratch->q, &scratch->dout, &scratch->dq, &scratch->weight,
            &scratch->dscore, &scratch->lse, &scratch->mean, &scratch->keys, &scratch->sums};
    size_t used = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (memory != NULL)
            *parts[i] = memory + used;
        used += (sizes[i] + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES;
    }
    return used;
}

static void begin_tile(const struct cpu_tile *tile, const struct scratch *scratch)
{
    const struct assay_attention_args *args = tile->args;
    const size_t D = args->D;
    struct cpu_gemm rows = {.a = scratch->q, .a_row = D, .a_col = 1, .M = tile->rows, .K = D};

    for (size_t row = 0; row < tile->rows; row++) {
        const size_t at = cpu_tile_row(tile, row);
        const float *out = (const float *)args->out + at;
        v16 mean = v_set(0);

        memcpy(scratch->q + row * D, (const float *)args->q + at, D * sizeof(float));
        memcpy(scratch->dout + row * D, (const float *)args->dout + at, D * sizeof(float));
        for (size_t d = 0; d < D; d += SIMD_LANES) {
            const size_t lanes = D - d < SIMD_LANES ? D - d : SIMD_LANES;

            mean = v_fma(v_load_some(out + d, lanes),
                    v_load_some(scratch->dout + row * D + d, lanes), mean);
        }
        scratch->mean[row] = v_sum(mean);
        scratch->lse[row] = ((const float *)args->lse)[at / D];
    }
    memset(scratch->dq, 0, tile->rows * D * sizeof(float));
    CPU(gemm_pack)(scratch->packed_q, &rows);
    rows.a = scratch->dout;
    CPU(gemm_pack)(scratch->packed_dout, &rows);
}

// [rows] x [keys of the block]: rows . their D elements, for q.k and dout.v.
static void against_keys(const struct cpu_tile *tile, const struct scratch *scratch, float *packed,
        const void *rows, size_t key, size_t count,
        float *result) // NOLINT(readability-non-const-parameter): written by the product
{
    const struct cpu_block block = cpu_tile_block(tile, rows, key, count, scratch->keys);
    const struct cpu_gemm gemm = {.c = result,
            .ldc = KEYS,
            .b = block.at,
            .b_row = block.stride,
            .b_col = 1,
            .M = tile->rows,
            .N = count,
            .K = tile->args->D};

    CPU(gemm_packed)(scratch->strip, packed, &gemm);
}

static void weigh(const struct cpu_tile *tile, const struct scratch *scratch, size_t key)
{
    const v16 scale = v_set((float)tile->args->scale);

    for (size_t row = 0; row < tile->rows; row++) {
        float *weight = scratch->weight + row * KEYS, *dscore = scratch->dscore + row * KEYS;
        const size_t seen = cpu_tile_keys(tile, row, key);
        const v16 lse = v_set(scratch->lse[row]), mean = v_set(scratch->mean[row]);

        for (size_t j = 0; j < KEYS; j += SIMD_LANES) {
            const size_t left = seen > j ? seen - j : 0;
            const size_t lanes = left < SIMD_LANES ? left : SIMD_LANES;
            const v16 p = v_exp(v_sub(v_mul(v_load(weight + j), scale), lse));
            const v16 ds = v_mul(v_mul(p, scale), v_sub(v_load(dscore + j), mean));

            v_store(weight + j, v_set(0));
            v_store(dscore + j, v_set(0));
            v_store_some(weight + j, p, lanes);
            v_store_some(dscore + j, ds, lanes);
        }
    }
}

// gradient[key] += sum over rows of factor[row][key] * of[row], for dk and dv.
static void to_keys(const struct cpu_tile *tile, const struct scratch *scratch, const float *factor,
        const float *of, void *gradient, size_t key, size_t count)
{
    const struct assay_attention_args *args = tile->args;
    struct cpu_run run = cpu_tile_run(tile, key, key + count);
    struct cpu_gemm gemm = {.c = (float *)gradient + cpu_tile_at(tile, run.row),
            .ldc = args->G * args->D,
            .a = factor,
            .a_row = 1,
            .a_col = KEYS,
            .b = of,
            .b_row = 1,
            .b_col = args->D,
            .M = count,
            .N = args->D,
            .K = tile->rows,
            .accumulate = true};

    if (run.count == count) {
        CPU(gemm_serial)(scratch->strip, scratch->packed, &gemm);
        return;
    }
    gemm.c = scratch->sums;
    gemm.ldc = args->D;
    gemm.accumulate = false;
    CPU(gemm_serial)(scratch->strip, scratch->packed, &gemm);
    for (size_t i = 0; i < count; i += run.count) {
        run = cpu_tile_run(tile, key + i, key + count);
        for (size_t j = 0; j < run.count; j++) {
            float *to = (float *)gradient + cpu_tile_at(tile, run.row + j);

            for (size_t d = 0; d < args->D; d++)
                to[d] += scratch->sums[(i + j) * args->D + d];
        }
    }
}

static void meet_block(const struct cpu_tile *tile, const struct scratch *scratch, size_t key)
{
    const struct assay_attention_args *args = tile->args;
    const size_t left = cpu_tile_end(tile) - key, count = left < KEYS ? left : KEYS;
    struct cpu_block k;
    struct cpu_gemm queries = {.c = scratch->dq,
            .ldc = args->D,
            .a = scratch->dscore,
            .a_row = KEYS,
            .a_col = 1,
            .b_row = 1,
            .M = tile->rows,
            .N = args->D,
            .K = count,
            .accumulate = true};

    against_keys(tile, scratch, scratch->packed_q, args->k, key, count, scratch->weight);
    against_keys(tile, scratch, scratch->packed_dout, args->v, key, count, scratch->dscore);
    weigh(tile, scratch, key);
    to_keys(tile, scratch, scratch->weight, scratch->dout, args->dv, key, count);
    to_keys(tile, scratch, scratch->dscore, scratch->q, args->dk, key, count);
    k = cpu_tile_block(tile, args->k, key, count, scratch->keys);
    queries.b = k.at;
    queries.b_col = k.stride;
    CPU(gemm_serial)(scratch->strip, scratch->packed, &queries);
}

static void clear_keys(
        const struct assay_attention_args *args, const struct assay_span *span, size_t group)
{
    for (size_t i = 0; i < span->row_count; i++) {
        const size_t at = ((span->row + i) * args->G + group) * args->D;

        memset((float *)args->dk + at, 0, args->D * sizeof(float));
        memset((float *)args->dv + at, 0, args->D * sizeof(float));
    }
}

static void span_backward(
        const struct call *call, const struct assay_span *span, size_t group, size_t thread)
{
    const struct assay_attention_args *args = call->args;
    struct cpu_tile tile = {.args = args, .span = span, .group = group, .share = args->H / args->G};
    struct scratch scratch = {0};

    clear_keys(args, tile.span, tile.group);
    for (; tile.first < tile.span->row_count; tile.first += tile.tokens) {
        tile.tokens = tile.span->row_count - tile.first;
        if (tile.tokens > call->tile_tokens)
            tile.tokens = call->tile_tokens;
        tile.rows = tile.tokens * tile.share;
        (void)carve(&scratch, assay_host_local(call->stream, thread), tile.rows, args->D);
        begin_tile(&tile, &scratch);
        for (size_t key = 0; key < cpu_tile_end(&tile); key += KEYS)
            meet_block(&tile, &scratch, key);
        for (size_t row = 0; row < tile.rows; row++)
            memcpy((float *)args->dq + cpu_tile_row(&tile, row), scratch.dq + row * args->D,
                    args->D * sizeof(float));
    }
}

static void group_task(void *context, size_t task, size_t thread)
{
    const struct call *call = context;
    const struct assay_attention_args *args = call->args;
    size_t b = task / args->G;

    if (args->spans[b].up > 0)
        return; // with its root
    assert(args->spans[b].position == 0);
    do
        span_backward(call, &args->spans[b], task % args->G, thread);
    while (++b < args->B && args->spans[b].up > 0);
}

CPU_OP(attention_backward, attention)
{
    struct call call = {.args = args, .stream = stream};
    size_t rows = 0;

    if (args->B == 0 || args->rows_max == 0)
        return;
    assert(args->pages == NULL && args->G > 0 && args->H % args->G == 0);
    call.tile_tokens = cpu_tile_tokens(args);
    rows = call.tile_tokens * (args->H / args->G);
    if (!assay_host_reserve_local(
                stream, carve(&(struct scratch){0}, NULL, rows, args->D) * sizeof(float)))
        return;
    assay_pool_run(stream->pool, args->B * args->G, group_task, &call);
}
