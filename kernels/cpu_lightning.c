// SPDX-License-Identifier: MIT
// Lightning attention as the recurrence itself, for prefill, decoding and training alike: o_t = q_t
// S_t after S_t = lambda S_{t-1} + k_t v_t^T is 2 D^2 multiply-adds a token and head, less than the
// chunked form's 2 D^2 + C D, and its sums do not know how long the call was.
//
// Decay without touching S at every token: inside a block of 32 positions S is kept as S e^{s r}, r
// tokens after the block's start, so a token adds e^{s (r + 1)} k v^T, reads e^{-s (r + 1)} q S,
// and the block's end multiplies once by e^{-32 s}. Factors stay below e^{32.01} and none is a
// product of others, so the decay over n tokens is wrong by n / 32 roundings, not n.
//
// A task holds the columns [column, column + WIDTH) of one head's S in the first-level cache and
// walks the tokens TOKENS at a time: S is read and written once for them. Their sums still run over
// d in rising order each.
//
// Backward is the same walk with roles changed (per token, facts/model.md 2b: dq_t = S_t do_t, dv_t
// = G_t^T k_t, dk_t = G_t v_t, G_t = q_t do_t^T + lambda G_{t+1}): three walks, nothing stored
// between chunks.
#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

#if defined(__AVX512F__)
enum { TOKENS = 4, VECTORS = 2 };
#else
enum { TOKENS = 2, VECTORS = 1 };
#endif
enum {
    BLOCK = ASSAY_LIGHTNING_BLOCK,
    WIDTH = VECTORS * SIMD_LANES,
};

// Rows of one head: element d of token i is at[i * row + d].
struct rows {
    const float *at;
    size_t row;
};

// out_t = a_t S, S = lambda S + b_t c_t^T, for the tokens first, first + step, ...
struct walk {
    struct rows a, b, c;
    float *out;
    size_t out_row;
    ptrdiff_t first, step; // step 1 or -1
    size_t count, D, column, columns,
            phase;                    // phase: tokens since a block's start, before the first
    float grow[BLOCK], shrink[BLOCK]; // e^{s (r + 1)}, e^{-s (r + 1)}
    float *s;                         // [D][WIDTH], this task's columns
    float *keys;                      // [TOKENS][D]
};

static float power(float slope, double r)
{
    return (float)exp((double)slope * r);
}

static void set_decay(struct walk *walk, float slope)
{
    for (size_t i = 0; i < BLOCK && i < walk->count; i++) {
        const size_t r = (walk->phase + i) % BLOCK;

        walk->grow[r] = power(slope, (double)(r + 1));
        walk->shrink[r] = power(-slope, (double)(r + 1));
    }
}

static ptrdiff_t token_at(const struct walk *walk, size_t i)
{
    return walk->first + (ptrdiff_t)i * walk->step;
}

// `tokens` tokens from number i, all in one block.
SIMD void step_tokens(const struct walk *walk, const size_t tokens, size_t i)
{
    const float *a[TOKENS];
    v16 value[TOKENS][VECTORS], out[TOKENS][VECTORS];

#pragma GCC unroll 4
    for (size_t t = 0; t < tokens; t++) {
        const ptrdiff_t token = token_at(walk, i + t);
        const float *c = walk->c.at + token * (ptrdiff_t)walk->c.row + walk->column;

        a[t] = walk->a.at + token * (ptrdiff_t)walk->a.row;
#pragma GCC unroll 2
        for (size_t j = 0; j < VECTORS; j++) {
            const size_t from = j * SIMD_LANES,
                         left = walk->columns > from ? walk->columns - from : 0;

            value[t][j] = v_load_some(c + from, left < SIMD_LANES ? left : SIMD_LANES);
            out[t][j] = v_set(0);
        }
    }
    for (size_t d = 0; d < walk->D; d++) {
        float *row = walk->s + d * WIDTH;
        v16 s[VECTORS];

#pragma GCC unroll 2
        for (size_t j = 0; j < VECTORS; j++)
            s[j] = v_load(row + j * SIMD_LANES);
#pragma GCC unroll 4
        for (size_t t = 0; t < tokens; t++) {
            const v16 key = v_set(walk->keys[t * walk->D + d]), query = v_set(a[t][d]);

#pragma GCC unroll 2
            for (size_t j = 0; j < VECTORS; j++) {
                s[j] = v_fma(key, value[t][j], s[j]);
                out[t][j] = v_fma(query, s[j], out[t][j]);
            }
        }
#pragma GCC unroll 2
        for (size_t j = 0; j < VECTORS; j++)
            v_store(row + j * SIMD_LANES, s[j]);
    }
    for (size_t t = 0; t < tokens; t++) {
        const v16 shrink = v_set(walk->shrink[(walk->phase + i + t) % BLOCK]);
        float *to = walk->out + token_at(walk, i + t) * (ptrdiff_t)walk->out_row + walk->column;

        for (size_t j = 0; j < VECTORS && j * SIMD_LANES < walk->columns; j++) {
            const size_t left = walk->columns - j * SIMD_LANES;

            v_store_some(to + j * SIMD_LANES, v_mul(out[t][j], shrink),
                    left < SIMD_LANES ? left : SIMD_LANES);
        }
    }
}

static void scale_keys(const struct walk *walk, size_t i, size_t tokens)
{
    for (size_t t = 0; t < tokens; t++) {
        const float *b = walk->b.at + token_at(walk, i + t) * (ptrdiff_t)walk->b.row;
        const float grow = walk->grow[(walk->phase + i + t) % BLOCK];

        for (size_t d = 0; d < walk->D; d++)
            walk->keys[t * walk->D + d] = grow * b[d];
    }
}

static void scale_state(const struct walk *walk, float factor)
{
    for (size_t i = 0; i < walk->D * WIDTH; i++)
        walk->s[i] *= factor;
}

static void run_walk(const struct walk *walk)
{
    for (size_t i = 0; i < walk->count;) {
        const size_t r = (walk->phase + i) % BLOCK;
        const size_t left = walk->count - i < BLOCK - r ? walk->count - i : BLOCK - r;
        const size_t tokens = left >= TOKENS ? TOKENS : 1;

        scale_keys(walk, i, tokens);
        if (tokens == TOKENS)
            step_tokens(walk, TOKENS, i);
        else
            step_tokens(walk, 1, i);
        i += tokens;
        if (r + tokens == BLOCK)
            scale_state(walk, walk->shrink[BLOCK - 1]);
    }
}

// This task's columns of a [D][D] state, `transposed` or not, times a factor.
static void load_state(const struct walk *walk, const float *state, bool transposed, float factor)
{
    memset(walk->s, 0, walk->D * WIDTH * sizeof(float));
    for (size_t d = 0; state != NULL && d < walk->D; d++)
        for (size_t e = 0; e < walk->columns; e++) {
            const size_t column = walk->column + e;

            walk->s[d * WIDTH + e] =
                    factor * state[transposed ? column * walk->D + d : d * walk->D + column];
        }
}

static void store_state(const struct walk *walk, float *state, float factor)
{
    for (size_t d = 0; state != NULL && d < walk->D; d++)
        for (size_t e = 0; e < walk->columns; e++)
            state[d * walk->D + walk->column + e] = factor * walk->s[d * WIDTH + e];
}

// --- tasks: (span, head, columns[, which walk]) ---

struct call {
    const struct assay_lightning_args *args;
    struct assay_stream *stream;
    size_t column_tasks;
};

struct place {
    const struct assay_span *span;
    size_t head, row, state; // row: elements before the span's first q; state: before its state
    size_t out;              // the same in [T, H, D]
    float slope;
};

static struct place place_of(const struct assay_lightning_args *args, size_t index)
{
    struct place place = {.span = &args->spans[index / args->H], .head = index % args->H};

    place.row = place.span->row * args->row_stride + place.head * args->head_stride;
    place.out = (place.span->row * args->H + place.head) * args->D;
    place.state = (place.span->slot * args->H + place.head) * args->D * args->D;
    place.slope = ((const float *)args->slope)[place.head];
    assert(place.slope > 0 && place.slope <= 1.001f);
    return place;
}

static void begin(struct walk *walk, const struct call *call, const struct place *place,
        size_t column_task, size_t thread)
{
    const size_t D = call->args->D;

    walk->D = D;
    walk->count = place->span->row_count;
    walk->column = column_task * WIDTH;
    walk->columns = D - walk->column < WIDTH ? D - walk->column : WIDTH;
    walk->step = 1;
    walk->s = assay_host_local(call->stream, thread);
    walk->keys = walk->s + D * WIDTH;
}

static bool reserve(struct assay_stream *stream, size_t D)
{
    return assay_host_reserve_local(stream, (D * WIDTH + TOKENS * D) * sizeof(float));
}

static void forward_task(void *context, size_t task, size_t thread)
{
    const struct call *call = context;
    const struct assay_lightning_args *args = call->args;
    const struct place place = place_of(args, task / call->column_tasks);
    float *state = args->state != NULL ? (float *)args->state + place.state : NULL;
    struct walk walk = {0};

    if (place.span->row_count == 0)
        return;
    begin(&walk, call, &place, task % call->column_tasks, thread);
    walk.a = (struct rows){(const float *)args->q + place.row, args->row_stride};
    walk.b = (struct rows){(const float *)args->k + place.row, args->row_stride};
    walk.c = (struct rows){(const float *)args->v + place.row, args->row_stride};
    walk.out = (float *)args->out + place.out;
    walk.out_row = args->H * args->D;
    walk.phase = place.span->position % BLOCK;
    set_decay(&walk, place.slope);
    load_state(&walk, state, false, 1);
    run_walk(&walk);
    store_state(&walk, state, 1);
}

CPU_OP(lightning_forward, lightning)
{
    struct call call = {
            .args = args, .stream = stream, .column_tasks = (args->D + WIDTH - 1) / WIDTH};

    if (!reserve(stream, args->D))
        return;
    assay_pool_run(stream->pool, args->B * args->H * call.column_tasks, forward_task, &call);
}

enum walk_kind { WALK_DQ, WALK_DK, WALK_DV, WALK_COUNT };

// Against time, block edges count from the end. The gradient of the final state enters as lambda's
// next power would have it: G_{T+1} = dS / lambda, and dS_0 = lambda G_1.
static void backward_in_time(
        struct walk *walk, const struct call *call, const struct place *place, enum walk_kind kind)
{
    const struct assay_lightning_args *args = call->args;
    const size_t before = place->span->position % BLOCK;
    const size_t after = (place->span->position + place->span->row_count) % BLOCK;
    const float *final = args->dstate_out;
    float *initial = NULL;

    walk->first = (ptrdiff_t)place->span->row_count - 1;
    walk->step = -1;
    set_decay(walk, place->slope);
    if (final != NULL)
        final += place->state;
    if (kind == WALK_DV && args->dstate_in != NULL)
        initial = (float *)args->dstate_in + place->state;
    load_state(walk, final, kind == WALK_DK, power(place->slope, (double)after + 1));
    run_walk(walk);
    store_state(walk, initial,
            power(-place->slope, (double)(walk->count % BLOCK) + 1 + (double)before));
}

static void along_time(struct walk *walk, const struct call *call, const struct place *place)
{
    const float *state = call->args->state;

    walk->phase = place->span->position % BLOCK;
    set_decay(walk, place->slope);
    load_state(walk, state != NULL ? state + place->state : NULL, true, 1);
    run_walk(walk);
}

static void backward_task(void *context, size_t task, size_t thread)
{
    const struct call *call = context;
    const struct assay_lightning_args *args = call->args;
    const enum walk_kind kind = (enum walk_kind)(task % WALK_COUNT);
    const struct place place = place_of(args, task / WALK_COUNT / call->column_tasks);
    const struct rows q = {(const float *)args->q + place.row, args->row_stride};
    const struct rows k = {(const float *)args->k + place.row, args->row_stride};
    const struct rows v = {(const float *)args->v + place.row, args->row_stride};
    const struct rows dout = {(const float *)args->dout + place.out, args->H * args->D};
    float *const out[] = {args->dq, args->dk, args->dv};
    struct walk walk = {0};

    begin(&walk, call, &place, task / WALK_COUNT % call->column_tasks, thread);
    walk.out = out[kind] + place.row;
    walk.out_row = args->row_stride;
    walk.a = kind == WALK_DQ ? dout : kind == WALK_DK ? v : k;
    walk.b = kind == WALK_DQ ? v : kind == WALK_DK ? dout : q;
    walk.c = kind == WALK_DQ ? k : kind == WALK_DK ? q : dout;
    if (kind == WALK_DQ)
        along_time(&walk, call, &place);
    else
        backward_in_time(&walk, call, &place, kind);
}

CPU_OP(lightning_backward, lightning)
{
    struct call call = {
            .args = args, .stream = stream, .column_tasks = (args->D + WIDTH - 1) / WIDTH};

    if (!reserve(stream, args->D))
        return;
    assay_pool_run(
            stream->pool, args->B * args->H * call.column_tasks * WALK_COUNT, backward_task, &call);
}
