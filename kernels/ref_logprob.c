// SPDX-License-Identifier: MIT
// The head: one row of logits at a time.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

// z = scale * x w^T over the valid vocabulary.
static void head_logits(const struct assay_logprob_args *args, real *z, size_t t)
{
    const real *x = (const real *)args->x + t * args->C, *w = args->w;

    for (size_t v = 0; v < args->V_valid; v++) {
        real sum = 0;

        for (size_t c = 0; c < args->C; c++)
            sum += x[c] * w[v * args->C + c];
        z[v] = (real)args->logit_scale * sum;
    }
}

static void row_logprob(const struct assay_logprob_args *args, const real *z, size_t t)
{
    const int32_t target = args->target[t];
    real top = -(real)INFINITY, sum = 0, entropy = 0;

    assert(args->V_valid > 0);
    if (target < 0) {
        ((real *)args->lse)[t] = ((real *)args->logp)[t] = 0;
        if (args->entropy != NULL)
            ((real *)args->entropy)[t] = 0;
        return;
    }
    assert((size_t)target < args->V_valid);
    for (size_t v = 0; v < args->V_valid; v++)
        top = z[v] > top ? z[v] : top;
    for (size_t v = 0; v < args->V_valid; v++)
        sum += exp(z[v] - top);
    for (size_t v = 0; v < args->V_valid; v++)
        entropy -= exp(z[v] - top) / sum * (z[v] - top - log(sum));
    ((real *)args->lse)[t] = top + log(sum);
    ((real *)args->logp)[t] = z[target] - top - log(sum);
    if (args->entropy != NULL)
        ((real *)args->entropy)[t] = entropy;
}

REF_OP(logprob_forward, logprob)
{
    real *z = REF(scratch)(stream, args->V);

    if (z == NULL)
        return;
    for (size_t t = 0; t < args->T; t++) {
        head_logits(args, z, t);
        row_logprob(args, z, t);
    }
}

REF_OP(logprob_of_logits, logprob)
{
    real *z = REF(scratch)(stream, args->V);

    if (z == NULL)
        return;
    for (size_t t = 0; t < args->T; t++) {
        for (size_t v = 0; v < args->V_valid; v++)
            z[v] = (real)args->logit_scale * ((const real *)args->logits)[t * args->V + v];
        row_logprob(args, z, t);
    }
}

// What reaches unit * sum first, or else, when rounding let the sum fall short, the last with
// weight.
static int32_t row_draw(const real *z, size_t count, double unit)
{
    real top = -(real)INFINITY, sum = 0, reached = 0;
    size_t last = 0;

    for (size_t v = 0; v < count; v++)
        top = z[v] > top ? z[v] : top;
    for (size_t v = 0; v < count; v++)
        sum += exp(z[v] - top);
    for (size_t v = 0; v < count; v++) {
        reached += exp(z[v] - top);
        if ((double)reached > unit * (double)sum)
            return (int32_t)v;
        last = exp(z[v] - top) > 0 ? v : last;
    }
    return (int32_t)last;
}

REF_OP(draw, draw)
{
    real *z = REF(scratch)(stream, args->V);
    const struct assay_logprob_args head = {.logp = args->logp,
            .lse = args->lse,
            .target = args->id,
            .T = args->T,
            .V = args->V,
            .V_valid = args->V_valid};

    if (z == NULL)
        return;
    for (size_t t = 0; t < args->T; t++) {
        for (size_t v = 0; v < args->V_valid; v++)
            z[v] = (real)args->logit_scale * ((const real *)args->logits)[t * args->V + v];
        args->id[t] = row_draw(z, args->V_valid, args->unit[t]);
        row_logprob(&head, z, t);
    }
}

// z[v] becomes dL/d(logit v), the scale included.
static void row_gradient(const struct assay_logprob_args *args, real *z, size_t t)
{
    const real lse = ((const real *)args->lse)[t], dlogp = ((const real *)args->dlogp)[t];
    const real dentropy = args->dentropy != NULL ? ((const real *)args->dentropy)[t] : 0;
    const real entropy = args->dentropy != NULL ? ((const real *)args->entropy)[t] : 0;

    for (size_t v = 0; v < args->V_valid; v++) {
        const real log_p = z[v] - lse, p = exp(log_p);
        const real hit = (size_t)args->target[t] == v ? 1 : 0;

        z[v] = (dlogp * (hit - p) - dentropy * p * (log_p + entropy)) * (real)args->logit_scale;
    }
}

REF_OP(logprob_backward, logprob)
{
    real *z = REF(scratch)(stream, args->V), *dw = args->dw;
    const real *w = args->w;

    if (z == NULL)
        return;
    for (size_t t = 0; t < args->T; t++) {
        real *dx = (real *)args->dx + t * args->C;
        const real *x = (const real *)args->x + t * args->C;

        for (size_t c = 0; c < args->C; c++)
            dx[c] = 0;
        if (args->target[t] < 0)
            continue;
        head_logits(args, z, t);
        row_gradient(args, z, t);
        for (size_t v = 0; v < args->V_valid; v++)
            for (size_t c = 0; c < args->C; c++) {
                dx[c] += z[v] * w[v * args->C + c];
                dw[v * args->C + c] += z[v] * x[c];
            }
    }
}
