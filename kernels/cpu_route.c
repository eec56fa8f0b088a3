// SPDX-License-Identifier: MIT
// Rows on their way to the experts and back.
#include "kernels/cpu.h"
#include "kernels/cpu_simd.h"

enum { PIECE_FLOATS = 8192 };

static size_t rows_a_piece(size_t width)
{
    return width < PIECE_FLOATS ? PIECE_FLOATS / (width + 1) + 1 : 1;
}

static void gather_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_moe_route_args *args = *(const struct assay_moe_route_args *const *)context;

    (void)thread;
    for (size_t r = from; r < to; r++)
        memcpy((float *)args->xs + r * args->C,
                (const float *)args->x + (size_t)args->source[r] * args->C,
                args->C * sizeof(float));
}

CPU_OP(moe_gather_forward, moe_route)
{
    assay_pool_pieces(stream->pool, args->T * args->K, rows_a_piece(args->C), gather_rows, &args);
}

static void gather_rows_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_moe_route_args *args = *(const struct assay_moe_route_args *const *)context;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        float *dx = (float *)args->dx + t * args->C;

        if (!args->accumulate)
            memset(dx, 0, args->C * sizeof(float));
        for (size_t k = 0; k < args->K; k++) {
            const size_t row = (size_t)args->slot[t * args->K + k];
            const float *dxs = (const float *)args->dxs + row * args->C;

            for (size_t c = 0; c < args->C; c++)
                dx[c] += dxs[c];
        }
    }
}

CPU_OP(moe_gather_backward, moe_route)
{
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), gather_rows_backward, &args);
}

static void combine_rows(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_moe_route_args *args = *(const struct assay_moe_route_args *const *)context;

    (void)thread;
    for (size_t t = from; t < to; t++) {
        float *y = (float *)args->y + t * args->C;

        memset(y, 0, args->C * sizeof(float));
        for (size_t k = 0; k < args->K; k++) {
            const size_t pair = t * args->K + k, row = (size_t)args->slot[pair];
            const float weight = ((const float *)args->weight)[pair];
            const float *ys = (const float *)args->ys + row * args->C;

            for (size_t c = 0; c < args->C; c++)
                y[c] += weight * ys[c];
        }
    }
}

CPU_OP(moe_combine_forward, moe_route)
{
    assay_pool_pieces(stream->pool, args->T, rows_a_piece(args->C), combine_rows, &args);
}

static void combine_rows_backward(void *context, size_t from, size_t to, size_t thread)
{
    const struct assay_moe_route_args *args = *(const struct assay_moe_route_args *const *)context;

    (void)thread;
    for (size_t pair = from; pair < to; pair++) {
        const size_t row = (size_t)args->slot[pair] * args->C;
        const float *dy = (const float *)args->dy + pair / args->K * args->C;
        const float *ys = (const float *)args->ys + row;
        const v16 weight = v_set(((const float *)args->weight)[pair]);
        float *dys = (float *)args->dys + row;
        v16 sum = v_set(0);

        for (size_t c = 0; c < args->C; c += SIMD_LANES) {
            const size_t lanes = args->C - c < SIMD_LANES ? args->C - c : SIMD_LANES;
            const v16 gradient = v_load_some(dy + c, lanes);

            sum = v_fma(gradient, v_load_some(ys + c, lanes), sum);
            v_store_some(dys + c, v_mul(weight, gradient), lanes);
        }
        ((float *)args->dweight)[pair] = v_sum(sum);
    }
}

CPU_OP(moe_combine_backward, moe_route)
{
    assay_pool_pieces(
            stream->pool, args->T * args->K, rows_a_piece(args->C), combine_rows_backward, &args);
}
