// SPDX-License-Identifier: MIT
// The head: logits are made a piece at a time (ROWS rows x COLUMNS of the vocabulary), used and
// forgotten. Rows without a target are passed over: those with one are brought together first. A
// row's log-sum-exp runs over blocks of COLUMNS entries from 0, whoever made the logits:
// logprob_of_logits gives the same bits.
#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

enum { ROWS = 512, COLUMNS = 1024 };

static const float LEAST_LOG = -69; // v_exp() gives 0 below it

// A row so far: sum = sum of e^{z - top}, moment = sum of e^{z - top} (z - top).
struct running {
    float top, sum, moment, target;
};

struct region {
    const struct assay_logprob_args *args;
    struct running *running; // [ROWS]
    float *piece;            // logits of `rows`, columns column..
    size_t stride, column, columns;
    uint32_t *rows;     // [count] their places among T
    size_t count, next; // next: the first row not looked at yet
    float *x, *dx;      // [count, C] of these rows
};

static void to_top(struct running *r, float top)
{
    float lanes[SIMD_LANES];

    if (r->sum > 0) {
        v_store(lanes, v_exp(v_set(r->top - top)));
        r->moment = lanes[0] * (r->moment + r->sum * (r->top - top));
        r->sum *= lanes[0];
    }
    r->top = top;
}

static void read_piece(struct running *r, const float *z, size_t count, float scale, bool moment)
{
    v16 top = v_set(r->top), sum = v_set(0), sum_z = v_set(0);

    for (size_t v = 0; v < count; v += SIMD_LANES) {
        float values[SIMD_LANES];

        for (size_t i = 0; i < SIMD_LANES; i++)
            values[i] = v + i < count ? z[v + i] * scale : -INFINITY;
        top = v_max(v_load(values), top);
    }
    to_top(r, v_top(top));
    top = v_set(r->top);
    for (size_t v = 0; v < count; v += SIMD_LANES) {
        const size_t lanes = count - v < SIMD_LANES ? count - v : SIMD_LANES;
        const v16 over = v_sub(v_mul(v_load_some(z + v, lanes), v_set(scale)), top);
        float e[SIMD_LANES] = {0};

        v_store_some(e, v_exp(over), lanes);
        sum = v_add(sum, v_load(e));
        if (moment)
            sum_z = v_fma(v_load(e), over, sum_z);
    }
    r->sum += v_sum(sum);
    r->moment += v_sum(sum_z);
}

static void read_row(const struct region *region, size_t i)
{
    const struct assay_logprob_args *args = region->args;
    const float *z = region->piece + i * region->stride;
    struct running *r = &region->running[i];
    const int32_t target = args->target[region->rows[i]];

    read_piece(r, z, region->columns, (float)args->logit_scale, args->entropy != NULL);
    if (target >= 0 && (size_t)target >= region->column &&
            (size_t)target < region->column + region->columns)
        r->target = z[(size_t)target - region->column] * (float)args->logit_scale;
}

static void begin_rows(struct running *running, size_t count)
{
    for (size_t i = 0; i < count; i++)
        running[i] = (struct running){.top = -INFINITY};
}

static void end_row(const struct assay_logprob_args *args, const struct running *r, size_t t)
{
    const float log_sum = logf(r->sum);

    assert(args->target[t] >= 0 && (size_t)args->target[t] < args->V_valid);
    ((float *)args->lse)[t] = r->top + log_sum;
    ((float *)args->logp)[t] = (r->target - r->top) - log_sum;
    if (args->entropy != NULL)
        ((float *)args->entropy)[t] = log_sum - r->moment / r->sum;
}

static void skip_row(const struct assay_logprob_args *args, size_t t)
{
    ((float *)args->lse)[t] = 0;
    ((float *)args->logp)[t] = 0;
    if (args->entropy != NULL)
        ((float *)args->entropy)[t] = 0;
}

static void read_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct region *region = context;

    (void)thread;
    for (size_t i = from; i < to; i++)
        read_row(region, i);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Logits of a piece, into region->piece.
static struct cpu_gemm piece_of(const struct region *region)
{
    const struct assay_logprob_args *args = region->args;

    return (struct cpu_gemm){.c = region->piece,
            .ldc = COLUMNS,
            .a = region->x,
            .a_row = args->C,
            .a_col = 1,
            .b = (const float *)args->w + region->column * args->C,
            .b_row = args->C,
            .b_col = 1,
            .M = region->count,
            .N = region->columns,
            .K = args->C};
}

// Memory for ROWS rows at a time; false: the stream has failed.
static bool open_region(
        struct region *region, const struct assay_logprob_args *args, struct assay_stream *stream)
{
    const size_t rows = smaller(ROWS, args->T);
    float *memory = assay_host_aside(stream,
            rows *
                    ((COLUMNS + 2 * args->C) * sizeof(float) + sizeof(struct running) +
                            sizeof(uint32_t)));

    if (memory == NULL)
        return false;
    *region = (struct region){.args = args, .stride = COLUMNS, .piece = memory};
    region->x = region->piece + rows * COLUMNS;
    region->dx = region->x + rows * args->C;
    region->running = (struct running *)(void *)(region->dx + rows * args->C);
    region->rows = (uint32_t *)(void *)(region->running + rows);
    return true;
}

// The next rows with a target, and their x; false: there are none.
static bool gather(struct region *region)
{
    const struct assay_logprob_args *args = region->args;

    region->count = 0;
    for (; region->next < args->T && region->count < ROWS; region->next++) {
        if (args->target[region->next] < 0)
            continue;
        memcpy(region->x + region->count * args->C, (const float *)args->x + region->next * args->C,
                args->C * sizeof(float));
        region->rows[region->count++] = (uint32_t)region->next;
    }
    return region->count > 0;
}

CPU_OP(logprob_forward, logprob)
{
    struct region region;

    if (!open_region(&region, args, stream))
        return;
    for (size_t t = 0; t < args->T; t++)
        if (args->target[t] < 0)
            skip_row(args, t);
    while (gather(&region)) {
        begin_rows(region.running, region.count);
        for (region.column = 0; region.column < args->V_valid; region.column += COLUMNS) {
            struct cpu_gemm gemm;

            region.columns = smaller(COLUMNS, args->V_valid - region.column);
            gemm = piece_of(&region);
            CPU(gemm)(stream, &gemm);
            assay_pool_pieces(stream->pool, region.count, 8, read_rows, &region);
        }
        for (size_t i = 0; i < region.count; i++)
            end_row(args, &region.running[i], region.rows[i]);
    }
}

// Whole rows: one task reads a row's blocks one after the other.
static void whole_row(const struct assay_logprob_args *args, struct running *running, size_t t)
{
    uint32_t row = (uint32_t)t;
    struct region region = {.args = args, .running = running, .rows = &row};

    begin_rows(running, 1);
    for (; region.column < args->V_valid; region.column += COLUMNS) {
        // Read only: region.piece is written by products alone.
        memcpy(&region.piece, &args->logits, sizeof(region.piece));
        region.piece += t * args->V + region.column;
        region.columns = smaller(COLUMNS, args->V_valid - region.column);
        read_row(&region, 0);
    }
}

static void whole_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_logprob_args *args = *(const struct assay_logprob_args *const *)context;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        struct running running;

        if (args->target[t] < 0) {
            skip_row(args, t);
            continue;
        }
        whole_row(args, &running, t);
        end_row(args, &running, t);
    }
}

CPU_OP(logprob_of_logits, logprob)
{
    assay_pool_pieces(stream->pool, args->T, 1, whole_rows, &args);
}

// The first entry at which the sum of weights is above `goal`; the last one with any weight when
// rounding let the sum fall short.
static size_t reach(const float *z, size_t count, float scale, float top, double goal)
{
    double reached = 0;
    size_t last = 0;

    for (size_t v = 0; v < count; v += SIMD_LANES) {
        const size_t lanes = smaller(SIMD_LANES, count - v);
        float weight[SIMD_LANES] = {0};

        v_store_some(weight,
                v_exp(v_sub(v_mul(v_load_some(z + v, lanes), v_set(scale)), v_set(top))), lanes);
        if (reached + (double)v_sum(v_load(weight)) <= goal && v + lanes < count) {
            reached += (double)v_sum(v_load(weight));
            continue;
        }
        for (size_t i = 0; i < lanes; i++) {
            reached += (double)weight[i];
            if (reached > goal)
                return v + i;
        }
    }
    for (size_t v = 0; v < count; v++)
        last = z[v] * scale - top >= LEAST_LOG ? v : last;
    return last;
}

static void draw_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_draw_args *args = *(const struct assay_draw_args *const *)context;
    const float scale = (float)args->logit_scale;
    const struct assay_logprob_args head = {.logp = args->logp,
            .lse = args->lse,
            .logits = args->logits,
            .target = args->id,
            .T = args->T,
            .V = args->V,
            .V_valid = args->V_valid,
            .logit_scale = args->logit_scale};

    (void)thread;
    for (size_t t = from; t < to; t++) {
        const float *z = (const float *)args->logits + t * args->V;
        struct running running;
        size_t id = 0;

        args->id[t] = -1; // no target yet
        whole_row(&head, &running, t);
        id = reach(z, args->V_valid, scale, running.top, args->unit[t] * (double)running.sum);
        args->id[t] = (int32_t)id;
        running.target = z[id] * scale;
        end_row(&head, &running, t);
    }
}

CPU_OP(draw, draw)
{
    assay_pool_pieces(stream->pool, args->T, 1, draw_rows, &args);
}

// A row of logits becomes dL/dlogit.
static void slope_row(const struct region *region, size_t i)
{
    const struct assay_logprob_args *args = region->args;
    const size_t t = region->rows[i];
    float *z = region->piece + i * region->stride;
    const int32_t target = args->target[t];
    const float scale = (float)args->logit_scale, dlogp = ((const float *)args->dlogp)[t];
    const v16 lse = v_set(((const float *)args->lse)[t]);
    const float dentropy = args->dentropy != NULL ? ((const float *)args->dentropy)[t] : 0;
    const v16 entropy = v_set(args->dentropy != NULL ? ((const float *)args->entropy)[t] : 0);

    for (size_t v = 0; v < region->columns; v += SIMD_LANES) {
        const size_t lanes = smaller(SIMD_LANES, region->columns - v);
        const v16 log_p = v_sub(v_mul(v_load_some(z + v, lanes), v_set(scale)), lse);
        const v16 factor = v_fma(v_set(dentropy), v_add(log_p, entropy), v_set(dlogp));

        v_store_some(z + v, v_mul(v_mul(v_set(-scale), v_exp(log_p)), factor), lanes);
    }
    if ((size_t)target >= region->column && (size_t)target < region->column + region->columns)
        z[(size_t)target - region->column] += dlogp * scale;
}

static void slope_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct region *region = context;

    (void)thread;
    for (size_t i = from; i < to; i++)
        slope_row(region, i);
}

// dx (+)= piece w, dw += piece^T x.
static void piece_backward(struct assay_stream *stream, const struct region *region)
{
    const struct assay_logprob_args *args = region->args;
    const struct cpu_gemm input = {.c = region->dx,
            .ldc = args->C,
            .a = region->piece,
            .a_row = COLUMNS,
            .a_col = 1,
            .b = (const float *)args->w + region->column * args->C,
            .b_row = 1,
            .b_col = args->C,
            .M = region->count,
            .N = args->C,
            .K = region->columns,
            .accumulate = region->column > 0};
    const struct cpu_gemm weight = {.c = (float *)args->dw + region->column * args->C,
            .ldc = args->C,
            .a = region->piece,
            .a_row = 1,
            .a_col = COLUMNS,
            .b = region->x,
            .b_row = 1,
            .b_col = args->C,
            .M = region->columns,
            .N = args->C,
            .K = region->count,
            .accumulate = true};

    CPU(gemm)(stream, &input);
    CPU(gemm)(stream, &weight);
}

CPU_OP(logprob_backward, logprob)
{
    struct region region;

    if (!open_region(&region, args, stream))
        return;
    memset(args->dx, 0, args->T * args->C * sizeof(float));
    while (gather(&region)) {
        for (region.column = 0; region.column < args->V_valid; region.column += COLUMNS) {
            struct cpu_gemm gemm;

            region.columns = smaller(COLUMNS, args->V_valid - region.column);
            gemm = piece_of(&region);
            CPU(gemm)(stream, &gemm);
            assay_pool_pieces(stream->pool, region.count, 8, slope_rows, &region);
            piece_backward(stream, &region);
        }
        for (size_t i = 0; i < region.count; i++)
            memcpy((float *)args->dx + region.rows[i] * args->C, region.dx + i * args->C,
                    args->C * sizeof(float));
    }
}
