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
// WIDTH columns of S lie in the first-level cache and walk through a block TOKENS tokens at a time:
// S is read and written once for them. Their sums still run over d in rising order each. Then the
// next columns meet the same block, which memory delivers once; a task has all columns of a head
// when there are heads enough for the threads.
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
    STREAM_TOKENS = 256,
    LINE_BYTES = 64,
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
    ptrdiff_t first, step;            // step 1 or -1
    size_t count, D, phase;           // phase: tokens since a block's start, before the first
    size_t column, column_end;        // of S: this task's
    float grow[BLOCK], shrink[BLOCK]; // e^{s (r + 1)}, e^{-s (r + 1)}
    float *s;                         // [(column_end - column) / WIDTH][D][WIDTH]
    float *parent;                    // the same of the span's parent
    float *state_out;                 // [D][D], or NULL; gets S * state_factor in the end
    float *keys, *queries;            // [BLOCK][D] of the block at hand: b scaled, and a
    float state_factor;
    bool streams; // past the caches: a long result would only wait for lines that it overwrites
};

// The columns that walk together.
struct strip {
    float *s;
    size_t column, columns;
};

static struct strip strip_at(const struct walk *walk, size_t column)
{
    const size_t left = walk->column_end - column;

    return (struct strip){.s = walk->s + (column - walk->column) * walk->D,
            .column = column,
            .columns = left < WIDTH ? left : WIDTH};
}

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

SIMD void keep_tokens(const struct walk *walk, const struct strip *strip, const size_t tokens,
        size_t i, v16 out[TOKENS][VECTORS])
{
    for (size_t t = 0; t < tokens; t++) {
        const v16 shrink = v_set(walk->shrink[(walk->phase + i + t) % BLOCK]);
        float *to = walk->out + token_at(walk, i + t) * (ptrdiff_t)walk->out_row + strip->column;

        for (size_t j = 0; j < VECTORS && j * SIMD_LANES < strip->columns; j++) {
            const size_t left = strip->columns - j * SIMD_LANES;

            if (walk->streams && left >= SIMD_LANES)
                v_stream(to + j * SIMD_LANES, v_mul(out[t][j], shrink));
            else
                v_store_some(to + j * SIMD_LANES, v_mul(out[t][j], shrink),
                        left < SIMD_LANES ? left : SIMD_LANES);
        }
    }
}

// `tokens` tokens from number i, all in the block whose copy begins at number `block`.
SIMD void step_tokens(const struct walk *walk, const struct strip *strip, const size_t tokens,
        size_t i, size_t block)
{
    const float *keys = walk->keys + (i - block) * walk->D;
    const float *queries = walk->queries + (i - block) * walk->D;
    v16 value[TOKENS][VECTORS], out[TOKENS][VECTORS];

#pragma GCC unroll 4
    for (size_t t = 0; t < tokens; t++) {
        const float *c =
                walk->c.at + token_at(walk, i + t) * (ptrdiff_t)walk->c.row + strip->column;

#pragma GCC unroll 2
        for (size_t j = 0; j < VECTORS; j++) {
            const size_t from = j * SIMD_LANES;
            const size_t left = strip->columns > from ? strip->columns - from : 0;

            value[t][j] = v_load_some(c + from, left < SIMD_LANES ? left : SIMD_LANES);
            out[t][j] = v_set(0);
        }
    }
    for (size_t d = 0; d < walk->D; d++) {
        float *row = strip->s + d * WIDTH;
        v16 s[VECTORS];

#pragma GCC unroll 2
        for (size_t j = 0; j < VECTORS; j++)
            s[j] = v_load(row + j * SIMD_LANES);
#pragma GCC unroll 4
        for (size_t t = 0; t < tokens; t++) {
            const v16 key = v_set(keys[t * walk->D + d]), query = v_set(queries[t * walk->D + d]);

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
    keep_tokens(walk, strip, tokens, i, out);
}

// A block ahead of token number i, this strip's share of its rows and of its result: a row's
// successor is far away, and the processor would not guess it. A few at a time, since only so many
// can be on their way.
static void fetch(const struct walk *walk, const struct strip *strip, size_t i)
{
    const ptrdiff_t token = token_at(walk, i + BLOCK);

    if (i + BLOCK >= walk->count)
        return;
    for (size_t d = strip->column; d < strip->column + strip->columns; d += SIMD_LANES) {
        __builtin_prefetch(walk->a.at + token * (ptrdiff_t)walk->a.row + d, 0, 2);
        __builtin_prefetch(walk->b.at + token * (ptrdiff_t)walk->b.row + d, 0, 2);
        __builtin_prefetch(walk->c.at + token * (ptrdiff_t)walk->c.row + d, 0, 2);
        if (!walk->streams)
            __builtin_prefetch(walk->out + token * (ptrdiff_t)walk->out_row + d, 1, 2);
    }
}

// Keys and queries of the block side by side: rows of a tensor can lie so that they push each other
// out of a cache.
static void copy_block(const struct walk *walk, size_t block, size_t count)
{
    for (size_t t = 0; t < count; t++) {
        const ptrdiff_t token = token_at(walk, block + t);
        const float *a = walk->a.at + token * (ptrdiff_t)walk->a.row;
        const float *b = walk->b.at + token * (ptrdiff_t)walk->b.row;
        const float grow = walk->grow[(walk->phase + block + t) % BLOCK];
        float *key = walk->keys + t * walk->D, *query = walk->queries + t * walk->D;

        for (size_t d = 0; d < walk->D; d++) {
            key[d] = grow * b[d];
            query[d] = a[d];
        }
    }
}

// The block's tokens [block, end) meet one strip.
static void walk_strip(const struct walk *walk, const struct strip *strip, size_t block, size_t end)
{
    size_t i = block;

    for (; i + TOKENS <= end; i += TOKENS) {
        for (size_t t = 0; t < TOKENS; t++)
            fetch(walk, strip, i + t);
        step_tokens(walk, strip, TOKENS, i, block);
    }
    for (; i < end; i++)
        step_tokens(walk, strip, 1, i, block);
    if ((walk->phase + end) % BLOCK == 0)
        for (size_t j = 0; j < walk->D * WIDTH; j++)
            strip->s[j] *= walk->shrink[BLOCK - 1];
}

// Blocks in the outer loop: the heads of a row lie side by side.
static void run_walks(const struct walk *walks, size_t walk_count)
{
    size_t count = 0;

    for (size_t block = 0; block < walks->count; block += count) {
        count = BLOCK - (walks->phase + block) % BLOCK;
        if (count > walks->count - block)
            count = walks->count - block;
        for (size_t i = 0; i < walk_count; i++) {
            copy_block(&walks[i], block, count);
            for (size_t c = walks[i].column; c < walks[i].column_end; c += WIDTH) {
                const struct strip strip = strip_at(&walks[i], c);

                walk_strip(&walks[i], &strip, block, block + count);
            }
        }
    }
    if (walks->streams)
        v_fence();
}

// This task's columns of a [D][D] state, `transposed` or not, times a factor.
static void load_state(const struct walk *walk, const float *state, bool transposed, float factor)
{
    memset(walk->s, 0, (walk->column_end - walk->column + WIDTH) * walk->D * sizeof(float));
    for (size_t column = walk->column; state != NULL && column < walk->column_end; column++) {
        const struct strip strip = strip_at(walk, column - (column - walk->column) % WIDTH);

        for (size_t d = 0; d < walk->D; d++)
            strip.s[d * WIDTH + column - strip.column] =
                    factor * state[transposed ? column * walk->D + d : d * walk->D + column];
    }
}

static void store_state(const struct walk *walk)
{
    for (size_t column = walk->column; walk->state_out != NULL && column < walk->column_end;
            column++) {
        const struct strip strip = strip_at(walk, column - (column - walk->column) % WIDTH);

        for (size_t d = 0; d < walk->D; d++)
            walk->state_out[d * walk->D + column] =
                    walk->state_factor * strip.s[d * WIDTH + column - strip.column];
    }
}

// --- tasks: (tree of spans, heads, columns, direction) ---
//
// A task walks its tree with a stack of states, one for each generation: along time a child begins
// with what its parent left, against time it adds what it left to its parent's beginning.

enum walk_kind { WALK_OUT, WALK_DQ, WALK_DK, WALK_DV };

// Kinds that walk the same way share a task: they read the same rows.
struct direction {
    enum walk_kind kinds[2];
    size_t count;
    bool along; // time
};
static const struct direction forward = {{WALK_OUT}, 1, true};
static const struct direction backward[2] = {{{WALK_DQ}, 1, true}, {{WALK_DK, WALK_DV}, 2, false}};

enum {
    HEADS_MAX = 16, // of a task
    STATE_FLOATS_MAX =
            1 << 18, // of a task, so that its heads' states stay in the second-level cache
};

struct call {
    const struct assay_lightning_args *args;
    struct assay_stream *stream;
    const struct direction *directions;
    // Of a task: heads and columns. Tasks of a span: directions * head_tasks * column_tasks.
    size_t direction_count, heads, head_tasks, columns, column_tasks;
    size_t generations; // of the deepest tree
    bool in_trees;      // some span has a parent
};

static size_t state_floats(const struct call *call)
{
    return (call->columns + WIDTH) * call->args->D;
}

struct place {
    const struct assay_span *span;
    size_t row, out,
            state; // elements before the span's first q, in [T, H, D], and before its state
    float slope;
};

static struct place place_of(const struct assay_lightning_args *args, size_t span, size_t head)
{
    struct place place = {.span = &args->spans[span]};

    place.row = place.span->row * args->row_stride + head * args->head_stride;
    place.out = (place.span->row * args->H + head) * args->D;
    place.state = (place.span->slot * args->H + head) * args->D * args->D;
    place.slope = ((const float *)args->slope)[head];
    assert(place.slope > 0 && place.slope <= 1.001f);
    return place;
}

static void set_rows(
        struct walk *walk, const struct call *call, const struct place *place, enum walk_kind kind)
{
    const struct assay_lightning_args *args = call->args;
    const struct rows q = {(const float *)args->q + place->row, args->row_stride};
    const struct rows k = {(const float *)args->k + place->row, args->row_stride};
    const struct rows v = {(const float *)args->v + place->row, args->row_stride};
    const struct rows dout = {(const float *)args->dout + place->out, args->H * args->D};

    walk->out_row = args->row_stride;
    switch (kind) {
    case WALK_OUT:
        walk->a = q, walk->b = k, walk->c = v;
        walk->out = (float *)args->out + place->out;
        walk->out_row = args->H * args->D;
        break;
    case WALK_DQ:
        walk->a = dout, walk->b = v, walk->c = k;
        walk->out = (float *)args->dq + place->row;
        break;
    case WALK_DK:
        walk->a = v, walk->b = dout, walk->c = q;
        walk->out = (float *)args->dk + place->row;
        break;
    case WALK_DV:
        walk->a = k, walk->b = q, walk->c = dout;
        walk->out = (float *)args->dv + place->row;
        break;
    }
}

static void along_time(
        struct walk *walk, const struct call *call, const struct place *place, enum walk_kind kind)
{
    float *state = call->args->state;

    if (state != NULL)
        state += place->state;
    walk->phase = place->span->position % BLOCK;
    walk->step = 1;
    set_decay(walk, place->slope);
    if (place->span->up == 0)
        load_state(walk, state, kind == WALK_DQ, 1);
    else
        memcpy(walk->s, walk->parent, state_floats(call) * sizeof(float));
    walk->state_out = kind == WALK_OUT ? state : NULL;
    walk->state_factor = 1;
}

// Against time, block edges count from the end. The gradient of the final state enters as lambda's
// next power would have it: G_{T+1} = dS / lambda, and dS_0 = lambda G_1. A span in a tree has the
// sum of what its children left there already.
static void against_time(
        struct walk *walk, const struct call *call, const struct place *place, enum walk_kind kind)
{
    const size_t before = place->span->position % BLOCK;
    const size_t after = (place->span->position + place->span->row_count) % BLOCK;
    const float *final = call->args->dstate_out;
    float *initial = call->args->dstate_in;

    walk->first = (ptrdiff_t)walk->count - 1;
    walk->step = -1;
    set_decay(walk, place->slope);
    if (!call->in_trees)
        load_state(walk, final != NULL ? final + place->state : NULL, kind == WALK_DK,
                power(place->slope, (double)after + 1));
    walk->state_out = kind == WALK_DV && initial != NULL ? initial + place->state : NULL;
    walk->state_factor = power(-place->slope, (double)(walk->count % BLOCK) + 1 + (double)before);
}

static void set_walk(struct walk *walk, const struct call *call, const struct place *place,
        enum walk_kind kind, size_t column)
{
    const size_t D = call->args->D;

    walk->D = D;
    walk->count = place->span->row_count;
    walk->column = column;
    walk->column_end = D - column < call->columns ? D : column + call->columns;
    set_rows(walk, call, place, kind);
    walk->streams = walk->count >= STREAM_TOKENS && (uintptr_t)walk->out % LINE_BYTES == 0 &&
            walk->out_row * sizeof(float) % LINE_BYTES == 0;
    if (kind == WALK_OUT || kind == WALK_DQ)
        along_time(walk, call, place, kind);
    else
        against_time(walk, call, place, kind);
}

// One task: its share of a tree's heads and columns, one way.
struct part {
    const struct call *call;
    const struct direction *direction;
    size_t head, heads, column;
    float *memory;
};

static float *state_of(const struct part *part, size_t generation, size_t walk)
{
    const struct call *call = part->call;

    return part->memory + (size_t)2 * BLOCK * call->args->D +
            (generation * 2 * call->heads + walk) * state_floats(call);
}

// What a child left at its beginning is part of its parent's end; its place is free for the next.
static void to_parent(const struct part *part, const struct walk *walk, const struct place *place)
{
    const size_t floats = state_floats(part->call);
    const float factor = power(-place->slope, (double)(walk->count % BLOCK));

    for (size_t i = 0; place->span->up > 0 && i < floats; i++)
        walk->parent[i] += factor * walk->s[i];
    memset(walk->s, 0, floats * sizeof(float));
}

static void walk_span(const struct part *part, size_t span, size_t generation)
{
    const struct call *call = part->call;
    struct walk walks[2 * HEADS_MAX] = {0};
    struct place places[2 * HEADS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < part->heads; i++)
        for (size_t kind = 0; kind < part->direction->count; kind++) {
            struct walk *walk = &walks[count];

            places[count] = place_of(call->args, span, part->head + i);
            walk->keys = part->memory;
            walk->queries = part->memory + BLOCK * call->args->D;
            walk->s = state_of(part, generation, count);
            walk->parent = generation > 0 ? state_of(part, generation - 1, count) : NULL;
            set_walk(walk, call, &places[count], part->direction->kinds[kind], part->column);
            count++;
        }
    run_walks(walks, count);
    for (size_t i = 0; i < count; i++) {
        store_state(&walks[i]);
        if (call->in_trees && !part->direction->along)
            to_parent(part, &walks[i], &places[i]);
    }
}

static size_t generation_of(const struct assay_span *span)
{
    size_t generation = 0;

    for (; span->up > 0; span -= span->up)
        generation++;
    return generation;
}

static void walk_tree(const struct part *part, size_t root)
{
    const struct assay_lightning_args *args = part->call->args;
    size_t end = root + 1;

    while (end < args->B && args->spans[end].up > 0)
        end++;
    if (part->call->in_trees && !part->direction->along)
        memset(state_of(part, 0, 0), 0,
                part->call->generations * 2 * part->call->heads * state_floats(part->call) *
                        sizeof(float));
    for (size_t i = 0; i < end - root; i++) {
        const size_t span = part->direction->along ? root + i : end - 1 - i;

        walk_span(part, span, generation_of(&args->spans[span]));
    }
}

static void walk_task(void *context, size_t task, size_t thread)
{
    const struct call *call = context;
    const size_t piece = task / call->direction_count, rest = piece / call->column_tasks;
    const size_t root = rest / call->head_tasks, head = rest % call->head_tasks * call->heads;
    const size_t left = call->args->H - head;
    const struct part part = {.call = call,
            .direction = &call->directions[task % call->direction_count],
            .head = head,
            .heads = left < call->heads ? left : call->heads,
            .column = piece % call->column_tasks * call->columns,
            .memory = assay_host_local(call->stream, thread)};

    if (call->args->spans[root].up == 0)
        walk_tree(&part, root);
}

static size_t pieces(size_t count, size_t size)
{
    return (count + size - 1) / size;
}

// As many heads to a task as leave four tasks for each thread; strips of a head when heads are
// few.
static void run(const struct assay_lightning_args *args, struct assay_stream *stream,
        const struct direction *directions, size_t direction_count)
{
    const size_t threads = assay_pool_thread_count(stream->pool), D = args->D, H = args->H;
    size_t roots = 0;
    struct call call = {.args = args,
            .stream = stream,
            .directions = directions,
            .direction_count = direction_count};

    if (args->B == 0 || H == 0 || D == 0)
        return;
    for (size_t b = 0; b < args->B; b++) {
        const size_t generation = generation_of(&args->spans[b]);

        roots += generation == 0;
        call.generations = generation >= call.generations ? generation + 1 : call.generations;
    }
    call.in_trees = roots < args->B;
    assert(!call.in_trees || (!args->state && !args->dstate_out && !args->dstate_in));
    call.heads = 1;
    while (2 * call.heads <= HEADS_MAX && 2 * call.heads <= H &&
            2 * call.heads * D * D <= STATE_FLOATS_MAX &&
            roots * direction_count * pieces(H, 2 * call.heads) >= 4 * threads)
        call.heads *= 2;
    call.head_tasks = pieces(H, call.heads);
    call.columns = roots * direction_count * H >= threads ? pieces(D, WIDTH) * WIDTH : WIDTH;
    call.column_tasks = pieces(D, call.columns);
    if (assay_host_reserve_local(stream,
                ((size_t)2 * BLOCK * D + call.generations * 2 * call.heads * state_floats(&call)) *
                        sizeof(float)))
        assay_pool_run(stream->pool,
                args->B * call.head_tasks * call.column_tasks * direction_count, walk_task, &call);
}

CPU_OP(lightning_forward, lightning)
{
    run(args, stream, &forward, 1);
}

CPU_OP(lightning_backward, lightning)
{
    run(args, stream, backward, 2);
}
