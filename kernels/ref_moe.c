// SPDX-License-Identifier: MIT
// Router, load balance, and the way of tokens to their experts and back.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

enum { EXPERT_COUNT_MAX = 1024 };

static void softmax(real *prob, const real *logits, size_t count)
{
    real top = -(real)INFINITY, sum = 0;

    for (size_t e = 0; e < count; e++)
        top = logits[e] > top ? logits[e] : top;
    for (size_t e = 0; e < count; e++) {
        prob[e] = exp(logits[e] - top);
        sum += prob[e];
    }
    for (size_t e = 0; e < count; e++)
        prob[e] /= sum;
}

// The largest p that is not taken; on a tie the lower index.
static size_t best_of(const real *prob, const bool *taken, size_t count)
{
    size_t best = count;

    for (size_t e = 0; e < count; e++)
        if (!taken[e] && (best == count || prob[e] > prob[best]))
            best = e;
    return best;
}

REF_OP(router_forward, router)
{
    (void)stream;
    assert(args->K <= args->E && args->E <= EXPERT_COUNT_MAX);
    for (size_t t = 0; t < args->T; t++) {
        bool taken[EXPERT_COUNT_MAX] = {false};
        real *prob = (real *)args->prob + t * args->E, *weight = (real *)args->weight + t * args->K;
        real sum = 0;

        softmax(prob, (const real *)args->logits + t * args->E, args->E);
        for (size_t k = 0; k < args->K; k++) {
            const size_t e = best_of(prob, taken, args->E);

            taken[e] = true;
            args->expert[t * args->K + k] = (int32_t)e;
            weight[k] = prob[e];
            sum += prob[e];
        }
        for (size_t k = 0; args->renormalise && k < args->K; k++)
            weight[k] /= sum;
    }
}

// w_k = p_k / s:  dp_k = (dw_k - sum_i dw_i w_i) / s.  Then through the softmax: dz = p (dp - sum p
// dp).
REF_OP(router_backward, router)
{
    const real *aux = args->aux_grad;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        real dprob[EXPERT_COUNT_MAX];
        const real *prob = (const real *)args->prob + t * args->E;
        const real *weight = (const real *)args->weight + t * args->K;
        const real *dweight = (const real *)args->dweight + t * args->K;
        const int32_t *expert = args->expert + t * args->K;
        real *dlogits = (real *)args->dlogits + t * args->E;
        real sum = 0, mean = 0;

        for (size_t e = 0; e < args->E; e++)
            dprob[e] = aux != NULL ? aux[e] : 0;
        for (size_t k = 0; k < args->K; k++) {
            sum += prob[expert[k]];
            mean += dweight[k] * weight[k];
        }
        for (size_t k = 0; k < args->K; k++)
            dprob[expert[k]] += args->renormalise ? (dweight[k] - mean) / sum : dweight[k];
        mean = 0;
        for (size_t e = 0; e < args->E; e++)
            mean += prob[e] * dprob[e];
        for (size_t e = 0; e < args->E; e++)
            dlogits[e] = prob[e] * (dprob[e] - mean);
    }
}

REF_OP(router_load, router_aux)
{
    real *count = args->count, *prob_sum = args->prob_sum;
    const real *prob = args->prob;

    (void)stream;
    for (size_t t = 0; t < args->T; t++) {
        for (size_t k = 0; k < args->K; k++)
            count[args->expert[t * args->K + k]] += 1;
        for (size_t e = 0; e < args->E; e++)
            prob_sum[e] += prob[t * args->E + e];
    }
}

REF_OP(router_aux, router_aux)
{
    real *loss = args->loss, *grad = args->grad;
    const real *count = args->count, *prob_sum = args->prob_sum;
    const real factor = (real)(args->coef * (double)args->E /
            ((double)args->row_count * (double)args->row_count));

    (void)stream;
    if (args->row_count == 0)
        return;
    for (size_t e = 0; e < args->E; e++) {
        grad[e] = factor * count[e];
        loss[0] += grad[e] * prob_sum[e];
    }
}

REF_OP(moe_plan, moe_plan)
{
    const size_t pairs = args->T * args->K;
    int32_t row = 0;

    (void)stream;
    for (size_t e = 0; e < args->E; e++) {
        args->offset[e] = row;
        for (size_t i = 0; i < pairs; i++)
            if ((size_t)args->expert[i] == e) {
                args->source[row] = (int32_t)(i / args->K);
                args->slot[i] = row++;
            }
    }
    args->offset[args->E] = row;
    assert((size_t)row == pairs);
}

REF_OP(moe_gather_forward, moe_route)
{
    (void)stream;
    for (size_t r = 0; r < args->T * args->K; r++)
        for (size_t c = 0; c < args->C; c++)
            ((real *)args->xs)[r * args->C + c] =
                    ((const real *)args->x)[(size_t)args->source[r] * args->C + c];
}

REF_OP(moe_gather_backward, moe_route)
{
    (void)stream;
    for (size_t t = 0; t < args->T; t++)
        for (size_t c = 0; c < args->C; c++) {
            real *dx = (real *)args->dx + t * args->C + c;
            real sum = args->accumulate ? *dx : 0;

            for (size_t k = 0; k < args->K; k++)
                sum += ((const real *)args->dxs)[(size_t)args->slot[t * args->K + k] * args->C + c];
            *dx = sum;
        }
}

REF_OP(moe_combine_forward, moe_route)
{
    const real *weight = args->weight;

    (void)stream;
    for (size_t t = 0; t < args->T; t++)
        for (size_t c = 0; c < args->C; c++) {
            real sum = 0;

            for (size_t k = 0; k < args->K; k++) {
                const size_t pair = t * args->K + k, row = (size_t)args->slot[pair];

                sum += weight[pair] * ((const real *)args->ys)[row * args->C + c];
            }
            ((real *)args->y)[t * args->C + c] = sum;
        }
}

REF_OP(moe_combine_backward, moe_route)
{
    real *dweight = args->dweight;
    const real *weight = args->weight;

    (void)stream;
    for (size_t pair = 0; pair < args->T * args->K; pair++) {
        const size_t row = (size_t)args->slot[pair] * args->C, token = pair / args->K * args->C;
        real sum = 0;

        for (size_t c = 0; c < args->C; c++) {
            const real dy = ((const real *)args->dy)[token + c];

            sum += dy * ((const real *)args->ys)[row + c];
            ((real *)args->dys)[row + c] = weight[pair] * dy;
        }
        dweight[pair] = sum;
    }
}
