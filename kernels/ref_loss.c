// SPDX-License-Identifier: MIT
// The losses of loss.h, in double whatever `real` is: they are one number a token.
#include <assert.h>
#include <math.h>

#include "base/error.h"
#include "kernels/ref.h"

static const double EXPONENT_MAX = 20;

static double safe_exp(double x)
{
    // Not fmin(): a NaN must stay one.
    if (x > EXPONENT_MAX)
        x = EXPONENT_MAX;
    if (x < -EXPONENT_MAX)
        x = -EXPONENT_MAX;
    return exp(x);
}

static double at(const void *values, size_t i)
{
    return (double)((const real *)values)[i];
}

static size_t row_of(const struct assay_loss_args *args, size_t t)
{
    return args->row != NULL ? (size_t)args->row[t] : t;
}

static bool is_sampled(const struct assay_loss_args *args, size_t t)
{
    return args->mask == NULL || args->mask[t] != 0;
}

// l - l0
static double difference_of(const struct assay_loss_args *args, size_t t)
{
    return args->logp_old != NULL ? at(args->logp, row_of(args, t)) - at(args->logp_old, t) : 0;
}

struct trajectory {
    double advantage, n; // n: the norm N
    double sequence_ratio;
    const struct assay_span *span;
};

static struct trajectory describe(const struct assay_loss_args *args, size_t b)
{
    struct trajectory trajectory = {.advantage = at(args->advantage, b), .span = &args->spans[b]};
    double tokens = 0, sum = 0;

    for (size_t i = 0; i < trajectory.span->row_count; i++) {
        const size_t t = trajectory.span->row + i;

        if (!is_sampled(args, t))
            continue;
        tokens += 1;
        sum += difference_of(args, t);
    }
    trajectory.sequence_ratio = tokens > 0 ? safe_exp(sum / tokens) : 1;
    switch (args->kind.norm) {
    case ASSAY_LOSS_NORM_TOKENS:
        trajectory.n = args->token_count;
        break;
    case ASSAY_LOSS_NORM_SEQUENCES:
        trajectory.n = tokens * args->sequence_count;
        break;
    case ASSAY_LOSS_NORM_CONSTANT:
        trajectory.n = args->norm_constant;
        break;
    case ASSAY_LOSS_NORM_GIVEN:
        trajectory.n = at(args->norm, b);
        break;
    }
    assert(tokens == 0 || trajectory.n > 0);
    return trajectory;
}

// Does the PPO mask hit? clip_dual 0 means there is none.
static bool is_masked(const struct assay_loss_kind *kind, double ratio, double advantage)
{
    if (advantage > 0)
        return ratio > kind->clip_high;
    if (advantage < 0)
        return ratio < kind->clip_low || (kind->clip_dual > 0 && ratio > kind->clip_dual);
    return false;
}

static double weigh(const struct assay_loss_kind *kind, double ratio, double sequence_ratio)
{
    switch (kind->weight) {
    case ASSAY_LOSS_WEIGHT_ONE:
        return 1;
    case ASSAY_LOSS_WEIGHT_RATIO:
        return ratio;
    case ASSAY_LOSS_WEIGHT_CAPPED:
        if (ratio > kind->cap)
            return kind->cap;
        return ratio < kind->floor ? kind->floor : ratio;
    case ASSAY_LOSS_WEIGHT_SEQUENCE:
        return sequence_ratio;
    }
    return 0;
}

static double kl_value(enum assay_loss_kl kl, double d)
{
    switch (kl) {
    case ASSAY_LOSS_KL_NONE:
        return 0;
    case ASSAY_LOSS_KL_K1:
        return -d;
    case ASSAY_LOSS_KL_K2:
        return d * d / 2;
    case ASSAY_LOSS_KL_K3:
        return safe_exp(d) - d - 1;
    }
    return 0;
}

// With respect to l, where d = l_ref - l.
static double kl_gradient(enum assay_loss_kl kl, double d)
{
    switch (kl) {
    case ASSAY_LOSS_KL_NONE:
        return 0;
    case ASSAY_LOSS_KL_K1:
        return 1;
    case ASSAY_LOSS_KL_K2:
        return -d;
    case ASSAY_LOSS_KL_K3:
        return 1 - safe_exp(d);
    }
    return 0;
}

static void count_ratio(struct assay_loss_metrics *metrics, const struct assay_loss_kind *kind,
        double ratio, double difference, double advantage)
{
    metrics->token_count += 1;
    metrics->ratio_sum += ratio;
    if (!(ratio <= metrics->ratio_max))
        metrics->ratio_max = ratio;
    if (!(fabs(difference) <= metrics->logp_diff_max))
        metrics->logp_diff_max = fabs(difference);
    if (ratio > kind->cap && advantage > 0)
        metrics->capped_positive += 1;
    if (ratio > kind->cap && advantage < 0)
        metrics->capped_negative += 1;
    metrics->kl_old_sum += safe_exp(-difference) + difference - 1;
}

static void token(const struct assay_loss_args *args, const struct trajectory *trajectory, size_t t)
{
    const struct assay_loss_kind *kind = &args->kind;
    struct assay_loss_metrics *metrics = args->metrics;
    const size_t row = row_of(args, t);
    const double l = at(args->logp, row), advantage = trajectory->advantage;
    const double difference = difference_of(args, t), ratio = safe_exp(difference);
    const double judged =
            kind->weight == ASSAY_LOSS_WEIGHT_SEQUENCE ? trajectory->sequence_ratio : ratio;
    const bool hit = is_masked(kind, judged, advantage);
    const double weight = kind->masked && hit ? 0 : weigh(kind, ratio, trajectory->sequence_ratio);
    double loss = -weight * advantage * l, gradient = -weight * advantage;

    if (args->kl != ASSAY_LOSS_KL_NONE) {
        const double d = at(args->logp_ref, t) - l;

        loss += args->kl_coef * kl_value(args->kl, d);
        gradient += args->kl_coef * kl_gradient(args->kl, d);
        metrics->kl_ref_sum += kl_value(args->kl, d);
    }
    ((real *)args->dlogp)[row] += (real)(gradient / trajectory->n);
    if (args->dentropy != NULL)
        ((real *)args->dentropy)[row] += (real)(-args->entropy_coef / trajectory->n);
    if (args->dentropy != NULL && args->entropy != NULL)
        loss -= args->entropy_coef * at(args->entropy, row);
    metrics->loss += loss / trajectory->n;
    metrics->grad_mass += fabs(weight * advantage);
    if (hit) {
        metrics->masked_count += 1;
        metrics->rescued_mass += fabs(weight * advantage);
    }
    if (args->entropy != NULL)
        metrics->entropy_sum += at(args->entropy, row);
    count_ratio(metrics, kind, ratio, difference, advantage);
}

REF_OP(loss, loss)
{
    const size_t rows = args->row != NULL ? args->R : args->T;

    (void)stream;
    for (size_t r = 0; r < rows; r++) {
        ((real *)args->dlogp)[r] = 0;
        if (args->dentropy != NULL)
            ((real *)args->dentropy)[r] = 0;
    }
    for (size_t b = 0; b < args->B; b++) {
        const struct trajectory trajectory = describe(args, b);

        for (size_t i = 0; i < trajectory.span->row_count; i++)
            if (is_sampled(args, trajectory.span->row + i))
                token(args, &trajectory, trajectory.span->row + i);
    }
}
