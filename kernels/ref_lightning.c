// SPDX-License-Identifier: MIT
// Lightning attention, token by token as the recurrence is written, with the true state S; and
// backward by the chunked formulas of facts/model.md 2b, one chunk of C = the whole span: two
// derivations that share nothing.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

static const real *element(
        const struct assay_lightning_args *args, const void *x, size_t row, size_t h)
{
    return (const real *)x + row * args->row_stride + h * args->head_stride;
}

static size_t row_of(const struct assay_span *span, size_t position)
{
    const struct assay_span *at = assay_span_of(span, position);

    return at->row + (position - at->position);
}

// What a stored state after p tokens is to be divided by.
static real stored_scale(real slope, size_t p)
{
    return exp(slope * (real)(p % ASSAY_LIGHTNING_BLOCK));
}

static void step(const struct assay_lightning_args *args, real *s, size_t row, size_t h)
{
    const real lambda = exp(-((const real *)args->slope)[h]);
    const real *q = element(args, args->q, row, h), *k = element(args, args->k, row, h);
    const real *v = element(args, args->v, row, h);
    real *out = (real *)args->out + (row * args->H + h) * args->D;

    for (size_t e = 0; e < args->D; e++)
        out[e] = 0;
    for (size_t d = 0; d < args->D; d++)
        for (size_t e = 0; e < args->D; e++) {
            s[d * args->D + e] = lambda * s[d * args->D + e] + k[d] * v[e];
            out[e] += q[d] * s[d * args->D + e];
        }
}

REF_OP(lightning_forward, lightning)
{
    const size_t area = args->D * args->D;
    real *s = REF(scratch)(stream, area);

    if (s == NULL)
        return;
    for (size_t b = 0; b < args->B; b++)
        for (size_t h = 0; h < args->H; h++) {
            const struct assay_span *span = &args->spans[b];
            const real slope = ((const real *)args->slope)[h];
            real *state = NULL;

            if (args->state != NULL)
                state = (real *)args->state + (span->slot * args->H + h) * area;
            for (size_t i = 0; i < area; i++)
                s[i] = state != NULL ? state[i] / stored_scale(slope, span->position) : 0;
            // Its parents once more: their rows come out as they did.
            for (size_t p = span->up > 0 ? 0 : span->position;
                    p < (size_t)span->position + span->row_count; p++)
                step(args, s, row_of(span, p), h);
            for (size_t i = 0; state != NULL && i < area; i++)
                state[i] = s[i] * stored_scale(slope, span->position + span->row_count);
        }
}

static real dot(const real *a, const real *b, size_t count)
{
    real sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

// The pair of positions (i, j), i >= j: weight lambda^(i - j) on k_j, q_i and dout_i.
static void pair_backward(const struct assay_lightning_args *args, const struct assay_span *span,
        size_t i, size_t j, size_t h)
{
    const size_t query = row_of(span, i), key = row_of(span, j), D = args->D;
    const real decay = exp(-((const real *)args->slope)[h] * (real)(i - j));
    const real *q = element(args, args->q, query, h), *k = element(args, args->k, key, h);
    const real *v = element(args, args->v, key, h);
    const real *dout = (const real *)args->dout + (query * args->H + h) * D;
    real *dq = (real *)args->dq + query * args->row_stride + h * args->head_stride;
    real *dk = (real *)args->dk + key * args->row_stride + h * args->head_stride;
    real *dv = (real *)args->dv + key * args->row_stride + h * args->head_stride;
    const real score = decay * dot(q, k, D), gradient = decay * dot(dout, v, D);

    for (size_t d = 0; d < D; d++) {
        dq[d] += gradient * k[d];
        dk[d] += gradient * q[d];
        dv[d] += score * dout[d];
    }
}

// What the state before the span gives to row i, and row i to the state after it. s and ds are true
// states.
static void edge_backward(const struct assay_lightning_args *args, const struct assay_span *span,
        size_t i, size_t h, const real *s, const real *ds)
{
    const size_t row = span->row + i, D = args->D, left = span->row_count - 1 - i;
    const real slope = ((const real *)args->slope)[h];
    const real from_start = exp(-slope * (real)(i + 1)), to_end = exp(-slope * (real)left);
    const real *k = element(args, args->k, row, h), *v = element(args, args->v, row, h);
    const real *dout = (const real *)args->dout + (row * args->H + h) * D;
    real *dq = (real *)args->dq + row * args->row_stride + h * args->head_stride;
    real *dk = (real *)args->dk + row * args->row_stride + h * args->head_stride;
    real *dv = (real *)args->dv + row * args->row_stride + h * args->head_stride;

    for (size_t d = 0; d < D; d++)
        for (size_t e = 0; e < D; e++) {
            dq[d] += from_start * s[d * D + e] * dout[e];
            dk[d] += to_end * ds[d * D + e] * v[e];
            dv[e] += to_end * ds[d * D + e] * k[d];
        }
}

static void state_backward(const struct assay_lightning_args *args, const struct assay_span *span,
        size_t h, const real *ds)
{
    const size_t D = args->D;
    const real slope = ((const real *)args->slope)[h];
    const real stored = stored_scale(slope, span->position);
    real *out = (real *)args->dstate_in + (span->slot * args->H + h) * D * D;

    for (size_t d = 0; d < D; d++)
        for (size_t e = 0; e < D; e++) {
            real sum = exp(-slope * (real)span->row_count) * ds[d * D + e];

            for (size_t i = 0; i < span->row_count; i++) {
                const size_t row = span->row + i;

                sum += exp(-slope * (real)(i + 1)) * element(args, args->q, row, h)[d] *
                        ((const real *)args->dout)[(row * args->H + h) * D + e];
            }
            out[d * D + e] = sum / stored;
        }
}

static void head_backward(const struct assay_lightning_args *args, const struct assay_span *span,
        size_t h, real *s, real *ds)
{
    const size_t area = args->D * args->D, at = (span->slot * args->H + h) * area;
    const real slope = ((const real *)args->slope)[h];
    const real *state = args->state, *dstate = args->dstate_out;

    for (size_t i = 0; i < area; i++) {
        s[i] = state != NULL ? state[at + i] / stored_scale(slope, span->position) : 0;
        ds[i] = dstate != NULL
                ? dstate[at + i] * stored_scale(slope, span->position + span->row_count)
                : 0;
    }
    for (size_t i = 0; i < span->row_count; i++)
        for (size_t d = 0; d < args->D; d++) {
            const size_t to = (span->row + i) * args->row_stride + h * args->head_stride + d;

            ((real *)args->dq)[to] = ((real *)args->dk)[to] = ((real *)args->dv)[to] = 0;
        }
    // A span adds to its parents, which stand before it.
    assert(span->up == 0 || (state == NULL && dstate == NULL && args->dstate_in == NULL));
    for (size_t i = 0; i < span->row_count; i++) {
        const size_t at_i = span->position + i;

        edge_backward(args, span, i, h, s, ds);
        for (size_t j = span->up > 0 ? 0 : span->position; j <= at_i; j++)
            pair_backward(args, span, at_i, j, h);
    }
    if (args->dstate_in != NULL)
        state_backward(args, span, h, ds);
}

REF_OP(lightning_backward, lightning)
{
    const size_t area = args->D * args->D;
    real *s = REF(scratch)(stream, 2 * area);

    if (s == NULL)
        return;
    for (size_t b = 0; b < args->B; b++)
        for (size_t h = 0; h < args->H; h++)
            head_backward(args, &args->spans[b], h, s, s + area);
}
