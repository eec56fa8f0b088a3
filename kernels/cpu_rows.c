// SPDX-License-Identifier: MIT
// What works along rows: embedding, RMSNorm, the output gate, rotary positions. Rows are shared out
// among threads; gradients of weights are shared out by columns, each the sum over all rows in
// their order.
#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

enum {
    PIECE_FLOATS = 8192, // what a thread takes at a time, and what it takes alone
    PIECE_COLUMNS = 32,
    TABLE_COLUMNS = 128,
    TABLE_ROWS = 16,
};

static size_t rows_a_piece(size_t width)
{
    return width < PIECE_FLOATS ? PIECE_FLOATS / (width + 1) + 1 : 1;
}

// Narrow rows are cut finer, or one thread would have them all.
static size_t columns_a_piece(size_t width, size_t most)
{
    while (most > SIMD_LANES && width < 4 * most)
        most /= 2;
    return most;
}

static size_t lanes_at(size_t c, size_t count)
{
    return count - c < SIMD_LANES ? count - c : SIMD_LANES;
}

// --- embedding ---

static void embed_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_embedding_args *args = *(const struct assay_embedding_args *const *)context;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        assert(args->ids[t] >= 0 && (size_t)args->ids[t] < args->V);
        memcpy((float *)args->out + t * args->C,
                (const float *)args->table + (size_t)args->ids[t] * args->C,
                args->C * sizeof(float));
    }
}

CPU_OP(embedding_forward, embedding)
{
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), embed_rows, &args);
}

static void embed_columns(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_embedding_args *args = *(const struct assay_embedding_args *const *)context;

    (void)thread;
    for (size_t t = 0; t < args->T; t++) {
        float *row = (float *)args->dtable + (size_t)args->ids[t] * args->C;
        const float *dout = (const float *)args->dout + t * args->C;

        for (size_t c = from; c < to; c++)
            row[c] += dout[c];
    }
}

CPU_OP(embedding_backward, embedding)
{
    assay_pool_pieces(
            stream->pool, args->C, columns_a_piece(args->C, TABLE_COLUMNS), embed_columns, &args);
}

// --- RMSNorm ---

static float inverse_rms(const float *x, size_t count, double eps)
{
    v16 sum = v_set(0);
    size_t c = 0;

    for (; c + SIMD_LANES <= count; c += SIMD_LANES) {
        const v16 some = v_load(x + c);

        sum = v_fma(some, some, sum);
    }
    if (c < count) {
        const v16 some = v_load_some(x + c, count - c);

        sum = v_fma(some, some, sum);
    }
    return 1.0f / sqrtf(v_sum(sum) / (float)count + (float)eps);
}

static void norm_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_rmsnorm_args *args = *(const struct assay_rmsnorm_args *const *)context;
    const float *weight = args->weight;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        float *y = (float *)args->y + t * args->C;
        const float *x = (const float *)args->x + t * args->C;
        const float rstd = inverse_rms(x, args->C, args->eps);

        for (size_t c = 0; c < args->C; c++)
            y[c] = x[c] * rstd * weight[c];
        if (args->rstd != NULL)
            ((float *)args->rstd)[t] = rstd;
    }
}

CPU_OP(rmsnorm_forward, rmsnorm)
{
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), norm_rows, &args);
}

static void norm_rows_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_rmsnorm_args *args = *(const struct assay_rmsnorm_args *const *)context;
    const float *weight = args->weight;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        float *dx = (float *)args->dx + t * args->C;
        const float *x = (const float *)args->x + t * args->C;
        const float *dy = (const float *)args->dy + t * args->C;
        const float rstd = ((const float *)args->rstd)[t];
        v16 sum = v_set(0);
        float mean = 0;

        for (size_t c = 0; c < args->C; c += SIMD_LANES) {
            const size_t lanes = lanes_at(c, args->C);
            const v16 g = v_mul(v_load_some(dy + c, lanes), v_load_some(weight + c, lanes));

            sum = v_fma(g, v_load_some(x + c, lanes), sum);
        }
        mean = v_sum(sum) * rstd / (float)args->C;
        for (size_t c = 0; c < args->C; c++) {
            const float gradient = rstd * (dy[c] * weight[c] - x[c] * rstd * mean);

            dx[c] = args->accumulate ? dx[c] + gradient : gradient;
        }
    }
}

static void norm_columns_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_rmsnorm_args *args = *(const struct assay_rmsnorm_args *const *)context;
    const float *rstd = args->rstd;
    float sum[PIECE_COLUMNS] = {0};

    (void)thread;
    for (size_t t = 0; t < args->T; t++) {
        const float *x = (const float *)args->x + t * args->C;
        const float *dy = (const float *)args->dy + t * args->C;

        for (size_t c = from; c < to; c++)
            sum[c - from] += dy[c] * (x[c] * rstd[t]);
    }
    for (size_t c = from; c < to; c++)
        ((float *)args->dweight)[c] += sum[c - from];
}

CPU_OP(rmsnorm_backward, rmsnorm)
{
    // Columns first: dx may lie in dy.
    assay_pool_pieces(stream->pool, args->C, columns_a_piece(args->C, PIECE_COLUMNS),
            norm_columns_backward, &args);
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), norm_rows_backward, &args);
}

// --- the gate of lightning attention ---

static void gate_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_gate_args *args = *(const struct assay_gate_args *const *)context;
    const float *weight = args->weight;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        float *y = (float *)args->y + t * args->C;
        const float *x = (const float *)args->x + t * args->C;
        const float *gate = (const float *)args->gate + t * args->C;
        const float rstd = inverse_rms(x, args->C, args->eps);

        for (size_t c = 0; c < args->C; c += SIMD_LANES) {
            const size_t lanes = lanes_at(c, args->C);
            const v16 n = v_mul(
                    v_mul(v_load_some(x + c, lanes), v_set(rstd)), v_load_some(weight + c, lanes));

            v_store_some(y + c, v_mul(v_sigmoid(v_load_some(gate + c, lanes)), n), lanes);
        }
        if (args->rstd != NULL)
            ((float *)args->rstd)[t] = rstd;
    }
}

CPU_OP(gate_forward, gate)
{
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), gate_rows, &args);
}

static void gate_rows_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_gate_args *args = *(const struct assay_gate_args *const *)context;
    const float *weight = args->weight;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        const size_t row = t * args->C;
        const float *x = (const float *)args->x + row, *gate = (const float *)args->gate + row;
        const float *dy = (const float *)args->dy + row, rstd = ((const float *)args->rstd)[t];
        float *dx = (float *)args->dx + row, *dgate = (float *)args->dgate + row;
        v16 sum = v_set(0);
        float mean = 0;

        for (size_t c = 0; c < args->C; c += SIMD_LANES) {
            const size_t lanes = lanes_at(c, args->C);
            const v16 open = v_sigmoid(v_load_some(gate + c, lanes));
            const v16 n = v_mul(v_load_some(x + c, lanes), v_set(rstd));
            const v16 g = v_mul(v_load_some(dy + c, lanes), v_load_some(weight + c, lanes));
            const v16 through = v_mul(g, open);

            sum = v_fma(through, n, sum);
            v_store_some(dx + c, through, lanes);
            v_store_some(dgate + c, v_mul(v_mul(through, n), v_sub(v_set(1.0f), open)), lanes);
        }
        mean = v_sum(sum) / (float)args->C;
        for (size_t c = 0; c < args->C; c += SIMD_LANES) {
            const size_t lanes = lanes_at(c, args->C);
            const v16 n = v_mul(v_load_some(x + c, lanes), v_set(rstd));
            const v16 g = v_sub(v_load_some(dx + c, lanes), v_mul(n, v_set(mean)));

            v_store_some(dx + c, v_mul(v_set(rstd), g), lanes);
        }
    }
}

static void gate_columns_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_gate_args *args = *(const struct assay_gate_args *const *)context;
    v16 sum[PIECE_COLUMNS / SIMD_LANES] = {v_set(0), v_set(0)};

    (void)thread;
    for (size_t t = 0; t < args->T; t++)
        for (size_t c = from; c < to; c += SIMD_LANES) {
            const size_t at = t * args->C + c, lanes = lanes_at(c, to);
            const v16 rstd = v_set(((const float *)args->rstd)[t]);
            const v16 open = v_sigmoid(v_load_some((const float *)args->gate + at, lanes));
            const v16 n = v_mul(v_load_some((const float *)args->x + at, lanes), rstd);
            const v16 g = v_mul(v_load_some((const float *)args->dy + at, lanes), open);

            sum[(c - from) / SIMD_LANES] = v_fma(g, n, sum[(c - from) / SIMD_LANES]);
        }
    for (size_t c = from; c < to; c += SIMD_LANES) {
        float *dweight = (float *)args->dweight + c;
        const size_t lanes = lanes_at(c, to);

        v_store_some(
                dweight, v_add(v_load_some(dweight, lanes), sum[(c - from) / SIMD_LANES]), lanes);
    }
}

CPU_OP(gate_backward, gate)
{
    assay_pool_pieces(stream->pool, args->C, PIECE_COLUMNS, gate_columns_backward, &args);
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), gate_rows_backward, &args);
}

// --- rotary positions ---

void assay_ref32_rope_table(const struct assay_rope_table_args *args, struct assay_stream *stream);

static void table_rows(void *context, size_t from, size_t to, size_t thread)
{
    struct assay_rope_table_args rows = **(const struct assay_rope_table_args *const *)context;
    const size_t half = rows.R / 2;

    (void)thread;
    rows.cosine = (float *)rows.cosine + from * half;
    rows.sine = (float *)rows.sine + from * half;
    rows.position += from;
    rows.T = to - from;
    assay_ref32_rope_table(&rows, NULL);
}

// The reference's numbers, for they are libm's; only shared out.
CPU_OP(rope_table, rope_table)
{
    assay_pool_pieces(stream->pool, args->T, TABLE_ROWS, table_rows, &args);
}

struct rotation {
    const struct assay_rope_args *args;
    float sign;
};

static void rotate_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct rotation *rotation = context;
    const struct assay_rope_args *args = rotation->args;
    const size_t half = args->R / 2;

    (void)thread;
    for (size_t i = from; i < to; i++) {
        const float *cosine = (const float *)args->cosine + i / args->H * half;
        const float *sine = (const float *)args->sine + i / args->H * half;
        float *x = (float *)args->x + i * args->D;

        for (size_t j = 0; j < half; j++) {
            const float first = x[j], second = x[j + half], s = sine[j] * rotation->sign;

            x[j] = first * cosine[j] - second * s;
            x[j + half] = second * cosine[j] + first * s;
        }
    }
}

static void rotate(const struct assay_rope_args *args, struct assay_stream *stream, float sign)
{
    struct rotation rotation = {.args = args, .sign = sign};

    assert(args->R % 2 == 0 && args->R <= args->D);
    assay_pool_pieces(
            stream->pool, args->T * args->H, rows_a_piece(args->D), rotate_rows, &rotation);
}

CPU_OP(rope_forward, rope)
{
    rotate(args, stream, 1);
}

CPU_OP(rope_backward, rope)
{
    rotate(args, stream, -1);
}
