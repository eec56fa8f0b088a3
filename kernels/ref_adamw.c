// SPDX-License-Identifier: MIT
// Global norm and AdamW.
#include <assert.h>
#include <tgmath.h>

#include "kernels/ref.h"

REF_OP(sumsq, sumsq)
{
    const real *x = args->x;
    double sum = 0;

    (void)stream;
    for (size_t i = 0; i < args->count; i++)
        sum += (double)x[i] * (double)x[i];
    args->sum[0] += sum;
}

REF_OP(clip, clip)
{
    const double norm = sqrt(args->sum[0]);
    real *scale = args->scale;

    (void)stream;
    ((real *)args->norm)[0] = (real)norm;
    scale[0] = 1;
    // A NaN norm must not become scale 1: the comparison is true for it.
    if (args->norm_max > 0 && !(norm <= args->norm_max))
        scale[0] = (real)(args->norm_max / norm);
}

REF_OP(adamw, adamw)
{
    real *param = args->param, *master = args->master != NULL ? args->master : args->param;
    real *m = args->m, *v = args->v;
    const real *grad = args->grad, scale = args->scale != NULL ? *(const real *)args->scale : 1;
    const real beta1 = (real)args->beta1, beta2 = (real)args->beta2;
    const real rate = (real)(args->lr / (1 - pow(args->beta1, (double)args->step)));
    const real unbias = (real)(1 / sqrt(1 - pow(args->beta2, (double)args->step)));
    const real decay = (real)(args->lr * args->weight_decay);

    (void)stream;
    assert(args->step > 0);
    for (size_t i = 0; i < args->count; i++) {
        const real g = grad[i] * scale;

        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        master[i] -= rate * m[i] / (sqrt(v[i]) * unbias + (real)args->eps) + decay * master[i];
        param[i] = master[i];
    }
}
