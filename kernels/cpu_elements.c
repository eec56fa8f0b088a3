// SPDX-License-Identifier: MIT
// What works element by element: activations, residuals, the optimizer.
#include <assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

enum { PIECE_FLOATS = 16384 };

static size_t lanes_at(size_t i, size_t end)
{
    return end - i < SIMD_LANES ? end - i : SIMD_LANES;
}

static void silu_piece(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_silu_args *args = *(const struct assay_silu_args *const *)context;

    (void)thread;
    for (size_t i = from; i < to; i += SIMD_LANES) {
        const size_t lanes = lanes_at(i, to);
        const v16 x = v_load_some((const float *)args->x + i, lanes);

        v_store_some((float *)args->y + i, v_mul(x, v_sigmoid(x)), lanes);
    }
}

CPU_OP(silu_forward, silu)
{
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, silu_piece, &args);
}

// s (1 + x (1 - s))
static v16 silu_slope(v16 x, v16 s)
{
    return v_mul(s, v_fma(x, v_sub(v_set(1.0f), s), v_set(1.0f)));
}

static void silu_piece_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_silu_args *args = *(const struct assay_silu_args *const *)context;

    (void)thread;
    for (size_t i = from; i < to; i += SIMD_LANES) {
        const size_t lanes = lanes_at(i, to);
        const v16 x = v_load_some((const float *)args->x + i, lanes);
        const v16 dy = v_load_some((const float *)args->dy + i, lanes);

        v_store_some((float *)args->dx + i, v_mul(dy, silu_slope(x, v_sigmoid(x))), lanes);
    }
}

CPU_OP(silu_backward, silu)
{
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, silu_piece_backward, &args);
}

static void swiglu_piece(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_swiglu_args *args = *(const struct assay_swiglu_args *const *)context;

    (void)thread;
    for (size_t i = from; i < to; i += SIMD_LANES) {
        const size_t lanes = lanes_at(i, to);
        const v16 gate = v_load_some((const float *)args->gate + i, lanes);
        const v16 up = v_load_some((const float *)args->up + i, lanes);

        v_store_some((float *)args->y + i, v_mul(v_mul(gate, v_sigmoid(gate)), up), lanes);
    }
}

CPU_OP(swiglu_forward, swiglu)
{
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, swiglu_piece, &args);
}

static void swiglu_piece_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_swiglu_args *args = *(const struct assay_swiglu_args *const *)context;

    (void)thread;
    for (size_t i = from; i < to; i += SIMD_LANES) {
        const size_t lanes = lanes_at(i, to);
        const v16 gate = v_load_some((const float *)args->gate + i, lanes), s = v_sigmoid(gate);
        const v16 up = v_load_some((const float *)args->up + i, lanes);
        const v16 dy = v_load_some((const float *)args->dy + i, lanes);

        v_store_some((float *)args->dgate + i, v_mul(v_mul(dy, up), silu_slope(gate, s)), lanes);
        v_store_some((float *)args->dup + i, v_mul(v_mul(dy, gate), s), lanes);
    }
}

CPU_OP(swiglu_backward, swiglu)
{
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, swiglu_piece_backward, &args);
}

static void scale_add_piece(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_scale_add_args *args = *(const struct assay_scale_add_args *const *)context;
    const float alpha = (float)args->alpha, beta = (float)args->beta;
    const float *a = args->a, *b = args->b;
    float *out = args->out;

    (void)thread;
    for (size_t i = from; i < to; i++)
        out[i] = b != NULL ? alpha * a[i] + beta * b[i] : alpha * a[i];
}

CPU_OP(scale_add, scale_add)
{
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, scale_add_piece, &args);
}

struct squares {
    const struct assay_sumsq_args *args;
    double *sums; // one a piece
};

static void squares_piece(void *context, size_t from, size_t to, size_t thread)
{
    const struct squares *squares = context;
    const float *x = squares->args->x;
    double sum[8] = {0}, total = 0;
    size_t i = from;

    (void)thread;
    for (; i + 8 <= to; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < to; i++)
        sum[0] += (double)x[i] * (double)x[i];
    for (size_t j = 0; j < 8; j++)
        total += sum[j];
    squares->sums[from / PIECE_FLOATS] = total;
}

CPU_OP(sumsq, sumsq)
{
    const size_t pieces = (args->count + PIECE_FLOATS - 1) / PIECE_FLOATS;
    struct squares squares = {.args = args};

    squares.sums = assay_host_shared(stream, pieces * sizeof(double));
    if (squares.sums == NULL)
        return;
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, squares_piece, &squares);
    for (size_t i = 0; i < pieces; i++)
        args->sum[0] += squares.sums[i];
}

static void adamw_piece(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_adamw_args *args = *(const struct assay_adamw_args *const *)context;
    float *param = args->param, *master = args->master != NULL ? args->master : args->param;
    float *m = args->m, *v = args->v;
    const float *grad = args->grad;
    const v16 scale = v_set(args->scale != NULL ? *(const float *)args->scale : 1.0f);
    const v16 beta1 = v_set((float)args->beta1), rest1 = v_set(1.0f - (float)args->beta1);
    const v16 beta2 = v_set((float)args->beta2), rest2 = v_set(1.0f - (float)args->beta2);
    const v16 rate = v_set((float)(args->lr / (1 - pow(args->beta1, (double)args->step))));
    const v16 unbias = v_set((float)(1 / sqrt(1 - pow(args->beta2, (double)args->step))));
    const v16 decay = v_set((float)(args->lr * args->weight_decay)), eps = v_set((float)args->eps);

    (void)thread;
    for (size_t i = from; i < to; i += SIMD_LANES) {
        const size_t lanes = lanes_at(i, to);
        const v16 g = v_mul(v_load_some(grad + i, lanes), scale);
        const v16 p = v_load_some(master + i, lanes);
        const v16 mean = v_fma(beta1, v_load_some(m + i, lanes), v_mul(rest1, g));
        const v16 square = v_fma(beta2, v_load_some(v + i, lanes), v_mul(v_mul(rest2, g), g));
        const v16 root = v_fma(v_sqrt(square), unbias, eps);
        const v16 step = v_fma(decay, p, v_div(v_mul(rate, mean), root));
        const v16 updated = v_sub(p, step);

        v_store_some(m + i, mean, lanes);
        v_store_some(v + i, square, lanes);
        v_store_some(master + i, updated, lanes);
        v_store_some(param + i, updated, lanes);
    }
}

CPU_OP(adamw, adamw)
{
    assert(args->step > 0);
    assay_pool_pieces(stream->pool, args->count, PIECE_FLOATS, adamw_piece, &args);
}
