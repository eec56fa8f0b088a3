// SPDX-License-Identifier: MIT
// Rotary positions and softmax attention. One query at a time, all its scores at once: the
// textbook.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

REF_OP(rope_table, rope_table)
{
    real *cosine = args->cosine, *sine = args->sine;
    const real *inv_freq = args->inv_freq;
    const size_t half = args->R / 2;

    (void)stream;
    for (size_t t = 0; t < args->T; t++)
        for (size_t j = 0; j < half; j++) {
            const real angle = (real)args->position[t] * inv_freq[j];

            cosine[t * half + j] = cos(angle) * (real)args->scale;
            sine[t * half + j] = sin(angle) * (real)args->scale;
        }
}

static void rotate(const struct assay_rope_args *args, real sign)
{
    const size_t half = args->R / 2;

    assert(args->R % 2 == 0 && args->R <= args->D);
    for (size_t t = 0; t < args->T; t++)
        for (size_t h = 0; h < args->H; h++) {
            real *x = (real *)args->x + (t * args->H + h) * args->D;

            for (size_t j = 0; j < half; j++) {
                const real c = ((const real *)args->cosine)[t * half + j];
                const real s = ((const real *)args->sine)[t * half + j] * sign;
                const real first = x[j], second = x[j + half];

                x[j] = first * c - second * s;
                x[j + half] = second * c + first * s;
            }
        }
}

REF_OP(rope_forward, rope)
{
    (void)stream;
    rotate(args, 1);
}

REF_OP(rope_backward, rope)
{
    (void)stream;
    rotate(args, -1);
}

// Where position p of the span has its D keys (or values) of key-value head g: elements before it.
static size_t place_of(
        const struct assay_attention_args *args, const struct assay_span *span, size_t p, size_t g)
{
    const size_t block = ASSAY_ATTENTION_BLOCK;
    size_t row;

    if (args->pages != NULL) {
        const int32_t page = args->pages[span->slot * args->pages_per_slot + p / block];

        row = (size_t)page * block + p % block;
    } else {
        const struct assay_span *at = assay_span_of(span, p);

        row = at->row + (p - at->position);
    }
    return (row * args->G + g) * args->D;
}

static const real *row_at(const struct assay_attention_args *args, const void *rows,
        const struct assay_span *span, size_t p, size_t g)
{
    return (const real *)rows + place_of(args, span, p, g);
}

static real dot(const real *a, const real *b, size_t count)
{
    real sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

// weight[j] = softmax of the query at `place` of its span over keys 0..position; returns lse.
static real attend(const struct assay_attention_args *args, real *weight, const real *q,
        const struct assay_span *span, size_t place, size_t g)
{
    const size_t count = span->position + place + 1;
    real top = -(real)INFINITY, sum = 0;

    for (size_t j = 0; j < count; j++) {
        weight[j] = (real)args->scale * dot(q, row_at(args, args->k, span, j, g), args->D);
        top = weight[j] > top ? weight[j] : top;
    }
    for (size_t j = 0; j < count; j++) {
        weight[j] = exp(weight[j] - top);
        sum += weight[j];
    }
    for (size_t j = 0; j < count; j++)
        weight[j] /= sum;
    return top + log(sum);
}

static size_t longest(const struct assay_attention_args *args)
{
    size_t count = 0;

    for (size_t b = 0; b < args->B; b++) {
        const size_t end = (size_t)args->spans[b].position + args->spans[b].row_count;

        count = end > count ? end : count;
    }
    return count;
}

REF_OP(attention_forward, attention)
{
    const size_t share = args->H / args->G;
    real *weight = REF(scratch)(stream, longest(args));
    real *lse = args->lse;

    if (weight == NULL)
        return;
    assert(args->G > 0 && share > 0);
    for (size_t b = 0; b < args->B; b++)
        for (size_t i = 0; i < (size_t)args->spans[b].row_count * args->H; i++) {
            const struct assay_span *span = &args->spans[b];
            const size_t place = i / args->H, h = i % args->H,
                         at = (span->row + place) * args->H + h;
            real *out = (real *)args->out + at * args->D;
            const real *q = (const real *)args->q + at * args->D;
            const real sum = attend(args, weight, q, span, place, h / share);

            for (size_t d = 0; d < args->D; d++)
                out[d] = 0;
            for (size_t j = 0; j <= span->position + place; j++) {
                const real *v = row_at(args, args->v, span, j, h / share);

                for (size_t d = 0; d < args->D; d++)
                    out[d] += weight[j] * v[d];
            }
            if (lse != NULL)
                lse[at] = sum;
        }
}

// dp_j = dout . v_j;  ds_j = p_j (dp_j - sum_i p_i dp_i);  dq += scale ds_j k_j, dk_j += scale ds_j
// q.
static void attention_row_backward(const struct assay_attention_args *args, real *weight,
        const struct assay_span *span, size_t place, size_t h)
{
    const size_t g = h / (args->H / args->G), at = (span->row + place) * args->H + h;
    const size_t last = span->position + place;
    const real *q = (const real *)args->q + at * args->D;
    const real *dout = (const real *)args->dout + at * args->D;
    real *dq = (real *)args->dq + at * args->D;
    real mean = 0;

    (void)attend(args, weight, q, span, place, g);
    for (size_t j = 0; j <= last; j++)
        mean += weight[j] * dot(dout, row_at(args, args->v, span, j, g), args->D);
    for (size_t j = 0; j <= last; j++) {
        const size_t row = place_of(args, span, j, g);
        const real *k = (const real *)args->k + row, *v = (const real *)args->v + row;
        real *dk = (real *)args->dk + row, *dv = (real *)args->dv + row;
        const real ds = (real)args->scale * weight[j] * (dot(dout, v, args->D) - mean);

        for (size_t d = 0; d < args->D; d++) {
            dq[d] += ds * k[d];
            dk[d] += ds * q[d];
            dv[d] += weight[j] * dout[d];
        }
    }
}

REF_OP(attention_backward, attention)
{
    real *weight = REF(scratch)(stream, longest(args));

    if (weight == NULL)
        return;
    assert(args->pages == NULL);
    for (size_t b = 0; b < args->B; b++) {
        const struct assay_span *span = &args->spans[b];
        const size_t heads = (size_t)span->row_count * args->H * args->D;
        const size_t groups = (size_t)span->row_count * args->G * args->D;

        assert(span->up > 0 || span->position == 0);
        for (size_t i = 0; i < heads; i++)
            ((real *)args->dq)[span->row * args->H * args->D + i] = 0;
        for (size_t i = 0; i < groups; i++) {
            ((real *)args->dk)[span->row * args->G * args->D + i] = 0;
            ((real *)args->dv)[span->row * args->G * args->D + i] = 0;
        }
        // A span adds to its parents, which stand before it.
        for (size_t place = 0; place < span->row_count; place++)
            for (size_t h = 0; h < args->H; h++)
                attention_row_backward(args, weight, span, place, h);
    }
}

REF_OP(kv_write, kv_write)
{
    const size_t block = ASSAY_ATTENTION_BLOCK, width = args->G * args->D;

    (void)stream;
    for (size_t b = 0; b < args->B; b++)
        for (size_t i = 0; i < args->spans[b].row_count; i++) {
            const struct assay_span *span = &args->spans[b];
            const size_t p = span->position + i;
            const int32_t page = args->pages[span->slot * args->pages_per_slot + p / block];
            const size_t to = ((size_t)page * block + p % block) * width;
            const size_t from = (span->row + i) * width;

            for (size_t c = 0; c < width; c++) {
                ((real *)args->k_pages)[to + c] = ((const real *)args->k)[from + c];
                ((real *)args->v_pages)[to + c] = ((const real *)args->v)[from + c];
            }
        }
}
