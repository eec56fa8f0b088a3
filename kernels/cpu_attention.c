// SPDX-License-Identifier: MIT
// Softmax attention, forward: for each tile of queries, block after block of keys with a running
// maximum m, sum l and output o. What a row adds up, and in what order, depends on its own position
// only: a block's scores are chains over d, its weights 16 lanes and v_sum()'s tree, its outputs a
// chain over the keys added to o e^{m_old - m_new}. Keys that a row may not see have weight 0,
// which adds nothing.
#include "kernels/cpu_attention.h"

#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

struct scratch {
    float *strip, *packed_q, *packed_p;
    float *q, *out;       // [rows][D]
    float *score;         // [rows][KEYS]
    float *top, *sum;     // [rows]: m and l
    float *keys, *values; // [KEYS][D]: of a block that lies in pieces
};

struct call {
    const struct assay_attention_args *args;
    struct assay_stream *stream;
    size_t tile_tokens, tile_count; // tiles of the longest span
};

static size_t carve(struct scratch *scratch, float *memory, size_t rows, size_t D)
{
    const size_t sizes[] = {CPU(gemm_strip_floats)(), CPU(gemm_packed_floats)(rows, D),
            CPU(gemm_packed_floats)(rows, KEYS), rows * D, rows * D, rows * KEYS, rows, rows,
            KEYS * D, KEYS * D};
    float **const parts[] = {&scratch->strip, &scratch->packed_q, &scratch->packed_p, &scratch->q,
            &scratch->out, &scratch->score, &scratch->top, &scratch->sum, &scratch->keys,
            &scratch->values};
    size_t used = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (memory != NULL)
            *parts[i] = memory + used;
        used += (sizes[i] + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES;
    }
    return used;
}

// One row's scores of a block become weights; o and l shrink to the new maximum.
static void soften(const struct scratch *scratch, size_t row, size_t seen, float scale, size_t D)
{
    float *score = scratch->score + row * KEYS, *out = scratch->out + row * D;
    const float before = scratch->top[row];
    v16 top = v_set(before), sum = v_set(0);
    float lanes[SIMD_LANES];

    for (size_t j = 0; j < KEYS; j++)
        score[j] = j < seen ? score[j] * scale : -INFINITY;
    for (size_t j = 0; j < KEYS; j += SIMD_LANES)
        top = v_max(v_load(score + j), top);
    scratch->top[row] = v_top(top);
    top = v_set(scratch->top[row]);
    for (size_t j = 0; j < KEYS; j += SIMD_LANES) {
        const v16 weight = v_exp(v_sub(v_load(score + j), top));

        v_store(score + j, weight);
        sum = v_add(sum, weight);
    }
    v_store(lanes, v_exp(v_sub(v_set(before), top)));
    scratch->sum[row] = scratch->sum[row] * lanes[0] + v_sum(sum);
    for (size_t d = 0; d < D; d++)
        out[d] *= lanes[0];
}

static void meet_block(const struct cpu_tile *tile, const struct scratch *scratch, size_t key)
{
    const struct assay_attention_args *args = tile->args;
    const size_t left = cpu_tile_end(tile) - key, count = left < KEYS ? left : KEYS;
    const struct cpu_block k = cpu_tile_block(tile, args->k, key, count, scratch->keys);
    const struct cpu_block v = cpu_tile_block(tile, args->v, key, count, scratch->values);
    const struct cpu_gemm scores = {.c = scratch->score,
            .ldc = KEYS,
            .b = k.at,
            .b_row = k.stride,
            .b_col = 1,
            .M = tile->rows,
            .N = count,
            .K = args->D};
    const struct cpu_gemm outputs = {.c = scratch->out,
            .ldc = args->D,
            .a = scratch->score,
            .a_row = KEYS,
            .a_col = 1,
            .b = v.at,
            .b_row = 1,
            .b_col = v.stride,
            .M = tile->rows,
            .N = args->D,
            .K = count,
            .accumulate = true};

    CPU(gemm_packed)(scratch->strip, scratch->packed_q, &scores);
    for (size_t row = 0; row < tile->rows; row++) {
        const size_t seen = cpu_tile_keys(tile, row, key);

        if (seen > 0)
            soften(scratch, row, seen, (float)args->scale, args->D);
        else
            memset(scratch->score + row * KEYS, 0, KEYS * sizeof(float));
    }
    CPU(gemm_serial)(scratch->strip, scratch->packed_p, &outputs);
}

static void begin_tile(const struct cpu_tile *tile, const struct scratch *scratch)
{
    const struct assay_attention_args *args = tile->args;
    const struct cpu_gemm queries = {
            .a = scratch->q, .a_row = args->D, .a_col = 1, .M = tile->rows, .K = args->D};

    for (size_t row = 0; row < tile->rows; row++) {
        memcpy(scratch->q + row * args->D, (const float *)args->q + cpu_tile_row(tile, row),
                args->D * sizeof(float));
        scratch->top[row] = -INFINITY;
        scratch->sum[row] = 0;
    }
    memset(scratch->out, 0, tile->rows * args->D * sizeof(float));
    CPU(gemm_pack)(scratch->packed_q, &queries);
}

static void end_tile(const struct cpu_tile *tile, const struct scratch *scratch)
{
    const struct assay_attention_args *args = tile->args;

    for (size_t row = 0; row < tile->rows; row++) {
        const size_t at = cpu_tile_row(tile, row);
        const float *from = scratch->out + row * args->D;
        float *out = (float *)args->out + at;

        for (size_t d = 0; d < args->D; d++)
            out[d] = from[d] / scratch->sum[row];
        if (args->lse != NULL)
            ((float *)args->lse)[at / args->D] = scratch->top[row] + logf(scratch->sum[row]);
    }
}

static void tile_task(void *context, size_t task, size_t thread)
{
    const struct call *call = context;
    const struct assay_attention_args *args = call->args;
    // The last tiles are the longest: they come first.
    const size_t index = call->tile_count - 1 - task / args->G % call->tile_count;
    struct cpu_tile tile = {.args = args,
            .span = &args->spans[task / args->G / call->tile_count],
            .group = task % args->G,
            .share = args->H / args->G,
            .first = index * call->tile_tokens};
    struct scratch scratch = {0};

    if (tile.first >= tile.span->row_count)
        return;
    tile.tokens = tile.span->row_count - tile.first;
    if (tile.tokens > call->tile_tokens)
        tile.tokens = call->tile_tokens;
    tile.rows = tile.tokens * tile.share;
    (void)carve(&scratch, assay_host_local(call->stream, thread), tile.rows, args->D);
    begin_tile(&tile, &scratch);
    for (size_t key = 0; key < cpu_tile_end(&tile); key += KEYS)
        meet_block(&tile, &scratch, key);
    end_tile(&tile, &scratch);
}

CPU_OP(attention_forward, attention)
{
    struct call call = {.args = args, .stream = stream};
    size_t rows = 0;

    if (args->B == 0 || args->rows_max == 0)
        return;
    assert(args->G > 0 && args->H % args->G == 0);
    call.tile_tokens = cpu_tile_tokens(args);
    call.tile_count = (args->rows_max + call.tile_tokens - 1) / call.tile_tokens;
    rows = call.tile_tokens * (args->H / args->G);
    if (!assay_host_reserve_local(
                stream, carve(&(struct scratch){0}, NULL, rows, args->D) * sizeof(float)))
        return;
    assay_pool_run(stream->pool, args->B * call.tile_count * args->G, tile_task, &call);
}
