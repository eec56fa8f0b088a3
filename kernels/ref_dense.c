// SPDX-License-Identifier: MIT
// Embedding, norms, linear layers, gates.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

REF_OP(embedding_forward, embedding)
{
    real *out = args->out;
    const real *table = args->table;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        assert(args->ids[t] >= 0 && (size_t)args->ids[t] < args->V);
        for (size_t c = 0; c < args->C; c++)
            out[t * args->C + c] = table[(size_t)args->ids[t] * args->C + c];
    }
}

REF_OP(embedding_backward, embedding)
{
    real *dtable = args->dtable;
    const real *dout = args->dout;

    (void)stream;
    for (size_t t = 0; t < args->T; t++)
        for (size_t c = 0; c < args->C; c++)
            dtable[(size_t)args->ids[t] * args->C + c] += dout[t * args->C + c];
}

static real inverse_rms(const real *x, size_t count, double eps)
{
    real sum = 0;

    for (size_t c = 0; c < count; c++)
        sum += x[c] * x[c];
    return 1 / sqrt(sum / (real)count + (real)eps);
}

REF_OP(rmsnorm_forward, rmsnorm)
{
    real *rstd = args->rstd;
    const real *weight = args->weight;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        real *y = (real *)args->y + t * args->C;
        const real *x = (const real *)args->x + t * args->C;
        const real scale = inverse_rms(x, args->C, args->eps);

        for (size_t c = 0; c < args->C; c++)
            y[c] = x[c] * scale * weight[c];
        if (rstd != NULL)
            rstd[t] = scale;
    }
}

// With n = x rstd and g = dy weight:  dx = rstd (g - n mean(g n)),  dweight += dy n.
REF_OP(rmsnorm_backward, rmsnorm)
{
    real *dweight = args->dweight;
    const real *rstd = args->rstd, *weight = args->weight;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        real *dx = (real *)args->dx + t * args->C;
        const real *x = (const real *)args->x + t * args->C;
        const real *dy = (const real *)args->dy + t * args->C;
        real mean = 0;

        for (size_t c = 0; c < args->C; c++)
            mean += dy[c] * weight[c] * x[c] * rstd[t];
        mean /= (real)args->C;
        for (size_t c = 0; c < args->C; c++) {
            const real n = x[c] * rstd[t];
            const real gradient = rstd[t] * (dy[c] * weight[c] - n * mean);

            dweight[c] += dy[c] * n;
            dx[c] = args->accumulate ? dx[c] + gradient : gradient;
        }
    }
}

// Rows [from, to) of y = x w^T.
static void linear(real *y, const real *x, const real *w, size_t from, size_t to, size_t n_count,
        size_t k_count, bool accumulate)
{
    for (size_t m = from; m < to; m++)
        for (size_t n = 0; n < n_count; n++) {
            real sum = accumulate ? y[m * n_count + n] : 0;

            for (size_t k = 0; k < k_count; k++)
                sum += x[m * k_count + k] * w[n * k_count + k];
            y[m * n_count + n] = sum;
        }
}

static void linear_input(real *dx, const real *dy, const real *w, size_t from, size_t to,
        size_t n_count, size_t k_count, bool accumulate)
{
    for (size_t m = from; m < to; m++)
        for (size_t k = 0; k < k_count; k++) {
            real sum = accumulate ? dx[m * k_count + k] : 0;

            for (size_t n = 0; n < n_count; n++)
                sum += dy[m * n_count + n] * w[n * k_count + k];
            dx[m * k_count + k] = sum;
        }
}

static void linear_weight(real *dw, const real *dy, const real *x, size_t from, size_t to,
        size_t n_count, size_t k_count)
{
    for (size_t m = from; m < to; m++)
        for (size_t n = 0; n < n_count; n++)
            for (size_t k = 0; k < k_count; k++)
                dw[n * k_count + k] += dy[m * n_count + n] * x[m * k_count + k];
}

REF_OP(matmul_forward, matmul)
{
    (void)stream;
    for (const struct assay_matmul_args *a = args; a != NULL; a = a->beside)
        linear(a->y, a->x, a->w, 0, a->M, a->N, a->K, a->accumulate);
}

REF_OP(matmul_backward_input, matmul)
{
    (void)stream;
    linear_input(args->dx, args->dy, args->w, 0, args->M, args->N, args->K, args->accumulate);
}

REF_OP(matmul_backward_weight, matmul)
{
    (void)stream;
    linear_weight(args->dw, args->dy, args->x, 0, args->M, args->N, args->K);
}

REF_OP(matmul_grouped_forward, matmul_grouped)
{
    const real *w = args->w;

    (void)stream;
    for (size_t e = 0; e < args->E; e++)
        linear(args->y, args->x, w + e * args->N * args->K, (size_t)args->offset[e],
                (size_t)args->offset[e + 1], args->N, args->K, args->accumulate);
}

REF_OP(matmul_grouped_backward_input, matmul_grouped)
{
    const real *w = args->w;

    (void)stream;
    for (size_t e = 0; e < args->E; e++)
        linear_input(args->dx, args->dy, w + e * args->N * args->K, (size_t)args->offset[e],
                (size_t)args->offset[e + 1], args->N, args->K, args->accumulate);
}

REF_OP(matmul_grouped_backward_weight, matmul_grouped)
{
    real *dw = args->dw;

    (void)stream;
    for (size_t e = 0; e < args->E; e++)
        linear_weight(dw + e * args->N * args->K, args->dy, args->x, (size_t)args->offset[e],
                (size_t)args->offset[e + 1], args->N, args->K);
}

REF_OP(gate_forward, gate)
{
    real *rstd = args->rstd;
    const real *weight = args->weight;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        real *y = (real *)args->y + t * args->C;
        const real *x = (const real *)args->x + t * args->C;
        const real *gate = (const real *)args->gate + t * args->C;
        const real scale = inverse_rms(x, args->C, args->eps);

        for (size_t c = 0; c < args->C; c++)
            y[c] = sigmoid(gate[c]) * (x[c] * scale * weight[c]);
        if (rstd != NULL)
            rstd[t] = scale;
    }
}

REF_OP(gate_backward, gate)
{
    real *dweight = args->dweight;
    const real *rstd = args->rstd, *weight = args->weight;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        const size_t row = t * args->C;
        real *dx = (real *)args->dx + row, *dgate = (real *)args->dgate + row;
        const real *x = (const real *)args->x + row, *gate = (const real *)args->gate + row;
        const real *dy = (const real *)args->dy + row;
        real mean = 0;

        for (size_t c = 0; c < args->C; c++)
            mean += dy[c] * sigmoid(gate[c]) * weight[c] * x[c] * rstd[t];
        mean /= (real)args->C;
        for (size_t c = 0; c < args->C; c++) {
            const real open = sigmoid(gate[c]), n = x[c] * rstd[t];

            dweight[c] += dy[c] * open * n;
            dgate[c] = dy[c] * n * weight[c] * open * (1 - open);
            dx[c] = rstd[t] * (dy[c] * open * weight[c] - n * mean);
        }
    }
}

REF_OP(silu_forward, silu)
{
    real *y = args->y;
    const real *x = args->x;

    (void)stream;
    for (size_t i = 0; i < args->count; i++)
        y[i] = x[i] * sigmoid(x[i]);
}

static real silu_slope(real x)
{
    const real s = sigmoid(x);

    return s * (1 + x * (1 - s));
}

REF_OP(silu_backward, silu)
{
    real *dx = args->dx;
    const real *x = args->x, *dy = args->dy;

    (void)stream;
    for (size_t i = 0; i < args->count; i++)
        dx[i] = dy[i] * silu_slope(x[i]);
}

REF_OP(swiglu_forward, swiglu)
{
    real *y = args->y;
    const real *gate = args->gate, *up = args->up;

    (void)stream;
    for (size_t i = 0; i < args->count; i++)
        y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

REF_OP(swiglu_backward, swiglu)
{
    real *dgate = args->dgate, *dup = args->dup;
    const real *gate = args->gate, *up = args->up, *dy = args->dy;

    (void)stream;
    for (size_t i = 0; i < args->count; i++) {
        const real g = gate[i], u = up[i]; // dgate and dup may lie there

        dgate[i] = dy[i] * u * silu_slope(g);
        dup[i] = dy[i] * g * sigmoid(g);
    }
}

REF_OP(scale_add, scale_add)
{
    real *out = args->out;
    const real *a = args->a, *b = args->b;

    (void)stream;
    for (size_t i = 0; i < args->count; i++) {
        const real other = b != NULL ? (real)args->beta * b[i] : 0; // out may be b

        out[i] = (real)args->alpha * a[i] + other;
    }
}
