// SPDX-License-Identifier: MIT
#include "policy/objective.h"

#include <math.h>
#include <string.h>

static const char *const norm_names[] = {"batch_tokens", "prompt", "rollout", "constant"};
static const char *const adv_std_names[] = {"population", "sample", "batch", "none"};
static const char *const baseline_names[] = {"mean", "leave_one_out"};
static const char *const kl_names[] = {"none", "k1", "k2", "k3"};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// Beside the kernel's table: how the published algorithm makes N and A. norm_constant 0 in a row
// stands for what depends on the run (Dr.GRPO: the longest answer).
static const struct published {
    const char *loss;
    enum assay_norm norm;
    enum assay_adv_std adv_std;
    enum assay_baseline baseline;
} published[] = {
        {"cispo", ASSAY_NORM_BATCH_TOKENS, ASSAY_ADV_STD_POPULATION, ASSAY_BASELINE_MEAN},
        {"grpo", ASSAY_NORM_ROLLOUT, ASSAY_ADV_STD_POPULATION, ASSAY_BASELINE_MEAN},
        {"dapo", ASSAY_NORM_BATCH_TOKENS, ASSAY_ADV_STD_POPULATION, ASSAY_BASELINE_MEAN},
        {"gspo", ASSAY_NORM_ROLLOUT, ASSAY_ADV_STD_POPULATION, ASSAY_BASELINE_MEAN},
        {"dr_grpo", ASSAY_NORM_CONSTANT, ASSAY_ADV_STD_NONE, ASSAY_BASELINE_MEAN},
        {"rloo", ASSAY_NORM_CONSTANT, ASSAY_ADV_STD_NONE, ASSAY_BASELINE_LEAVE_ONE_OUT},
        {"reinforce", ASSAY_NORM_BATCH_TOKENS, ASSAY_ADV_STD_NONE, ASSAY_BASELINE_MEAN},
        {"reinforce_is", ASSAY_NORM_BATCH_TOKENS, ASSAY_ADV_STD_NONE, ASSAY_BASELINE_MEAN},
        {"ppo", ASSAY_NORM_ROLLOUT, ASSAY_ADV_STD_POPULATION, ASSAY_BASELINE_MEAN},
        {"sft", ASSAY_NORM_BATCH_TOKENS, ASSAY_ADV_STD_NONE, ASSAY_BASELINE_MEAN},
};

bool assay_objective_default(struct assay_objective *out, const char *loss)
{
    const struct assay_loss_kind *kind = assay_loss_kind_find(loss);

    for (size_t i = 0; kind && i < COUNT_OF(published); i++) {
        if (strcmp(published[i].loss, loss) != 0)
            continue;
        *out = (struct assay_objective){.loss = kind->name,
                .is_cap = kind->cap,
                .is_floor = kind->floor,
                .clip_low = kind->clip_low,
                .clip_high = kind->clip_high,
                .clip_dual = kind->clip_dual,
                .norm = published[i].norm,
                .norm_constant = 1,
                .adv_std = published[i].adv_std,
                .baseline = published[i].baseline,
                .kl_estimator = ASSAY_LOSS_KL_K3};
        return true;
    }
    return false;
}

enum assay_status assay_objective_check(
        const struct assay_objective *objective, struct assay_error *err)
{
    const struct assay_objective *o = objective;

    if (!assay_loss_kind_find(o->loss))
        return assay_fail(err, ASSAY_EINVAL, "loss: \"%s\" is not in the table", o->loss);
    if (!(isfinite(o->is_cap) && o->is_cap > 0))
        return assay_fail(err, ASSAY_EINVAL, "is_cap: %g is not above 0", o->is_cap);
    if (!(o->is_floor >= 0 && o->is_floor <= o->is_cap))
        return assay_fail(err, ASSAY_EINVAL, "is_floor: %g is not in [0, is_cap]", o->is_floor);
    if (!(o->clip_low >= 0 && o->clip_low <= 1))
        return assay_fail(err, ASSAY_EINVAL,
                "clip_low: %g is not in [0, 1]; it is a ratio, not an offset", o->clip_low);
    if (!(isfinite(o->clip_high) && o->clip_high >= 1))
        return assay_fail(err, ASSAY_EINVAL,
                "clip_high: %g is below 1; it is a ratio, not an offset", o->clip_high);
    if (!(o->clip_dual == 0 || (isfinite(o->clip_dual) && o->clip_dual > 1)))
        return assay_fail(
                err, ASSAY_EINVAL, "clip_dual: %g is neither 0 nor above 1", o->clip_dual);
    if (!(isfinite(o->norm_constant) && o->norm_constant > 0))
        return assay_fail(err, ASSAY_EINVAL, "norm_constant: %g is not above 0", o->norm_constant);
    if (!(isfinite(o->kl) && o->kl >= 0))
        return assay_fail(err, ASSAY_EINVAL, "kl: %g is below 0", o->kl);
    if (o->kl > 0 && o->kl_estimator == ASSAY_LOSS_KL_NONE)
        return assay_fail(err, ASSAY_EINVAL, "kl_estimator: kl needs k1, k2 or k3");
    if (!isfinite(o->entropy))
        return assay_fail(err, ASSAY_EINVAL, "entropy: not a number");
    return ASSAY_OK;
}

void assay_objective_kind(const struct assay_objective *objective, struct assay_loss_kind *out)
{
    static const enum assay_loss_norm norms[] = {ASSAY_LOSS_NORM_TOKENS, ASSAY_LOSS_NORM_GIVEN,
            ASSAY_LOSS_NORM_SEQUENCES, ASSAY_LOSS_NORM_CONSTANT};

    *out = *assay_loss_kind_find(objective->loss);
    out->norm = norms[objective->norm];
    out->cap = objective->is_cap;
    out->floor = objective->is_floor;
    out->clip_low = objective->clip_low;
    out->clip_high = objective->clip_high;
    out->clip_dual = objective->clip_dual;
}

static int find(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

const char *assay_norm_name(enum assay_norm norm)
{
    return norm_names[norm];
}
const char *assay_adv_std_name(enum assay_adv_std adv_std)
{
    return adv_std_names[adv_std];
}
const char *assay_baseline_name(enum assay_baseline baseline)
{
    return baseline_names[baseline];
}
const char *assay_loss_kl_name(enum assay_loss_kl kl)
{
    return kl_names[kl];
}
int assay_norm_find(const char *name)
{
    return find(norm_names, COUNT_OF(norm_names), name);
}
int assay_adv_std_find(const char *name)
{
    return find(adv_std_names, COUNT_OF(adv_std_names), name);
}
int assay_baseline_find(const char *name)
{
    return find(baseline_names, COUNT_OF(baseline_names), name);
}
int assay_loss_kl_find(const char *name)
{
    return find(kl_names, COUNT_OF(kl_names), name);
}

// --- in numbers ----------------------------------------------------------------------------------

static void explain_weight(
        const struct assay_objective *o, const struct assay_loss_kind *kind, struct assay_buf *out)
{
    switch (kind->weight) {
    case ASSAY_LOSS_WEIGHT_ONE:
        (void)assay_buf_adds(out, "weight    w = 1: what sampled a token does not matter\n");
        break;
    case ASSAY_LOSS_WEIGHT_RATIO:
        (void)assay_buf_adds(out, "weight    w = r, r = exp(logp - logp_old), exponent in +-20\n");
        break;
    case ASSAY_LOSS_WEIGHT_CAPPED:
        (void)assay_buf_addf(out,
                "weight    w = min(r, %g), at least %g; never 0 by clipping. is_cap is the weight "
                "itself: tools that write\n"
                "          offsets call this %g; a token keeps its gradient however far it moved\n",
                o->is_cap, o->is_floor, o->is_cap - 1);
        break;
    case ASSAY_LOSS_WEIGHT_SEQUENCE:
        (void)assay_buf_adds(out,
                "weight    w = s = exp(mean over the rollout of logp - logp_old), one for all its "
                "tokens\n");
        break;
    }
    if (!kind->masked) {
        (void)assay_buf_addf(out,
                "mask      none; what PPO's bounds [%g, %g] would throw away is counted as "
                "rescued:\n"
                "          clip_low and clip_high move that statistic, and nothing else\n",
                o->clip_low, o->clip_high);
        return;
    }
    (void)assay_buf_addf(out, "mask      0 where A > 0 and r > %g, or A < 0 and r < %g",
            o->clip_high, o->clip_low);
    if (o->clip_dual > 0)
        (void)assay_buf_addf(out, ", or A < 0 and r > %g", o->clip_dual);
    (void)assay_buf_addf(out,
            "\n          so a token that is p = 0.03 when sampled is at most %.3f after one batch\n",
            0.03 * o->clip_high);
}

static void explain_norm(const struct assay_objective *o, const struct assay_objective_setting *s,
        struct assay_buf *out)
{
    const double rollouts =
            (double)s->groups * (double)s->group_size / (double)(s->updates ? s->updates : 1);

    switch (o->norm) {
    case ASSAY_NORM_BATCH_TOKENS:
        (void)assay_buf_addf(out,
                "N         sampled tokens of the update, at most %.0f: every token weighs the "
                "same, long answers more\n",
                rollouts * (double)s->answer_tokens_max);
        break;
    case ASSAY_NORM_PROMPT:
        (void)assay_buf_adds(out,
                "N         sampled tokens of the group times groups of the update: every prompt "
                "weighs the same\n");
        break;
    case ASSAY_NORM_ROLLOUT:
        (void)assay_buf_addf(out,
                "N         sampled tokens of the rollout times %.0f rollouts: every answer weighs "
                "the same, a token of a long one less\n",
                rollouts);
        break;
    case ASSAY_NORM_CONSTANT:
        (void)assay_buf_addf(out, "N         %g times %.0f rollouts = %g, whatever was sampled\n",
                o->norm_constant, rollouts, o->norm_constant * rollouts);
        break;
    }
}

// A group with one success, and one with half of them.
static void explain_advantage(const struct assay_objective *o,
        const struct assay_objective_setting *s, struct assay_buf *out)
{
    const double n = (double)s->group_size;
    const size_t hits[2] = {1, s->group_size / 2};

    (void)assay_buf_addf(out, "A         (R - %s)%s%s\n",
            o->baseline == ASSAY_BASELINE_MEAN ? "mean of the group" : "mean of the others",
            o->adv_std == ASSAY_ADV_STD_NONE ? "" : " / (deviation + 1e-4), ",
            o->adv_std == ASSAY_ADV_STD_NONE ? "" : assay_adv_std_name(o->adv_std));
    for (size_t i = 0; i < 2 && o->adv_std != ASSAY_ADV_STD_BATCH && s->group_size > 1; i++) {
        const double p = (double)hits[i] / n;
        const double stretch = o->baseline == ASSAY_BASELINE_MEAN ? 1 : n / (n - 1);
        const double variance =
                p * (1 - p) * (o->adv_std == ASSAY_ADV_STD_SAMPLE ? n / (n - 1) : 1);
        const double divisor =
                o->adv_std == ASSAY_ADV_STD_NONE ? 1 : sqrt(variance) + ASSAY_ADVANTAGE_EPS;

        (void)assay_buf_addf(out,
                "          %zu of %zu solved: %+.3f for a success, %+.3f for a failure\n", hits[i],
                s->group_size, stretch * (1 - p) / divisor, -stretch * p / divisor);
    }
    (void)assay_buf_addf(out,
            "          a group of equal rewards teaches nothing: at a pass rate of 0.03 that is "
            "%.0f %% of groups, at 0.5 %.2g %%\n",
            100 * (pow(0.03, n) + pow(0.97, n)), 200 * pow(0.5, n));
}

void assay_objective_explain(const struct assay_objective *objective,
        const struct assay_objective_setting *setting, struct assay_buf *out)
{
    const struct assay_objective *o = objective;
    struct assay_loss_kind kind;

    assay_objective_kind(o, &kind);
    (void)assay_buf_addf(
            out, "loss      %s: L = -(1/N) sum m w A logp; w and A are constants\n", o->loss);
    explain_weight(o, &kind, out);
    explain_norm(o, setting, out);
    explain_advantage(o, setting, out);
    if (o->kl > 0)
        (void)assay_buf_addf(out, "kl        %g times %s against the weights that RL began with\n",
                o->kl, assay_loss_kl_name(o->kl_estimator));
    if (o->entropy != 0)
        (void)assay_buf_addf(out, "entropy   bonus of %g a token\n", o->entropy);
    if (setting->updates <= 1)
        (void)assay_buf_adds(out,
                "updates   one a batch: r = 1 for every token, so grpo, dapo and cispo differ in N "
                "and A alone\n");
    else
        (void)assay_buf_addf(out,
                "updates   %zu a batch: the first meets r = 1, later ones meet what moved\n",
                setting->updates);
}
