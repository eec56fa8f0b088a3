// SPDX-License-Identifier: MIT
// What must hold: each published loss has the weight, the norm and the gradient that
// facts/rl.md 3.1 gives, worked out here again from its formula; equal policies make GRPO, DAPO and
// CISPO one; metrics count what they say.
#include <math.h>
#include <string.h>

#include "support/harness.h"
#include "tests/kernels/rig.h"

enum { B = 3, T = 12 };

struct world {
    struct rig rig;
    struct assay_loss_args args;
    struct assay_loss_metrics metrics;
    struct assay_span spans[B];
    double logp[T], logp_old[T], logp_ref[T], advantage[B], norm[B], dlogp[T], dentropy[T];
    uint8_t mask[T];
};

static void open_world(struct world *w, const char *kind)
{
    static const double ratio_log[T] = {0, 0.3, -0.4, 2, 0.1, -0.1, 0.25, -3, 1.7, 0, 0, 0.5};
    static const uint8_t mask[T] = {1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0};
    static const uint32_t lengths[B] = {4, 5, 3}; // the last one has no sampled token
    uint32_t row = 0;

    memset(w, 0, sizeof(*w));
    rig_open(&w->rig, assay_ops_ref(ASSAY_DTYPE_F64), 1);
    for (size_t b = 0; b < B; b++) {
        w->spans[b] = (struct assay_span){.row = row, .row_count = lengths[b]};
        w->advantage[b] = b == 0 ? 1.5 : -0.5;
        w->norm[b] = 2 + (double)b;
        row += lengths[b];
    }
    memcpy(w->mask, mask, sizeof(mask));
    for (size_t t = 0; t < T; t++) {
        w->logp[t] = -1 - 0.1 * (double)t;
        w->logp_old[t] = w->logp[t] - ratio_log[t];
        w->logp_ref[t] = w->logp[t] + 0.2 * cos((double)t);
    }
    assert_non_null(assay_loss_kind_find(kind));
    w->args = (struct assay_loss_args){.kind = *assay_loss_kind_find(kind),
            .dlogp = w->dlogp,
            .dentropy = w->dentropy,
            .metrics = &w->metrics,
            .logp = w->logp,
            .logp_old = w->logp_old,
            .logp_ref = w->logp_ref,
            .advantage = w->advantage,
            .mask = w->mask,
            .spans = w->spans,
            .norm = w->norm,
            .B = B,
            .T = T,
            .token_count = 20,
            .sequence_count = 2,
            .norm_constant = 64};
}

static void run(struct world *w)
{
    memset(&w->metrics, 0, sizeof(w->metrics));
    w->rig.ops->loss(&w->args, w->rig.stream);
}

static size_t span_of(const struct world *w, size_t t)
{
    size_t b = 0;

    while (t >= w->spans[b].row + w->spans[b].row_count)
        b++;
    return b;
}

static double sampled(const struct world *w, size_t b)
{
    double count = 0;

    for (size_t i = 0; i < w->spans[b].row_count; i++)
        count += w->mask[w->spans[b].row + i];
    return count;
}

static double sequence_ratio(const struct world *w, size_t b)
{
    double sum = 0;

    for (size_t t = w->spans[b].row; t < w->spans[b].row + w->spans[b].row_count; t++)
        sum += w->mask[t] != 0 ? w->logp[t] - w->logp_old[t] : 0;
    return exp(sum / sampled(w, b));
}

static double clipped(double ratio, double A, double low, double high)
{
    return (A > 0 && ratio > high) || (A < 0 && ratio < low) ? 0 : ratio;
}

// The table of facts/rl.md 3.1, line by line: weight and N of each loss.
static double expected(const struct world *w, const char *kind, size_t t)
{
    const size_t b = span_of(w, t);
    const double A = w->advantage[b], r = exp(w->logp[t] - w->logp_old[t]);
    const double per_rollout = sampled(w, b) * 2, tokens = 20, constant = 64;
    const struct {
        const char *name;
        double weight, n;
    } rows[] = {{"cispo", fmin(r, 5), tokens}, {"grpo", clipped(r, A, 0.8, 1.2), per_rollout},
            {"ppo", clipped(r, A, 0.8, 1.2), per_rollout},
            {"dapo", clipped(r, A, 0.8, 1.28), tokens},
            {"dr_grpo", clipped(r, A, 0.8, 1.2), constant},
            {"gspo", clipped(sequence_ratio(w, b), A, 1 - 3e-4, 1 + 4e-4), per_rollout},
            {"rloo", 1, constant}, {"reinforce", 1, tokens}, {"reinforce_is", r, tokens},
            {"sft", 1, tokens}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, kind) == 0)
            return w->mask[t] != 0 ? -rows[i].weight * A / rows[i].n : 0;
    fail_msg("no such row: %s", kind);
    return 0;
}

static void every_published_loss_has_its_formula(void **state)
{
    (void)state;
    assert_string_equal(assay_loss_kind_at(0)->name, "cispo");
    assert_null(assay_loss_kind_find("dpo"));
    for (size_t i = 0; assay_loss_kind_at(i) != NULL; i++) {
        const char *kind = assay_loss_kind_at(i)->name;
        struct world w;

        print_message("%s\n", kind);
        open_world(&w, kind);
        run(&w);
        for (size_t t = 0; t < T; t++)
            assert_true(fabs(w.dlogp[t] - expected(&w, kind, t)) < 1e-14);
        rig_close(&w.rig);
    }
}

static void right_after_sampling_grpo_dapo_and_cispo_weigh_alike(void **state)
{
    static const char *const kinds[] = {"cispo", "dapo", "grpo"};
    double first[T];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world w;

        open_world(&w, kinds[i]);
        w.args.kind.norm = ASSAY_LOSS_NORM_TOKENS;
        memcpy(w.logp_old, w.logp, sizeof(w.logp));
        run(&w);
        if (i == 0)
            memcpy(first, w.dlogp, sizeof(first));
        assert_memory_equal(first, w.dlogp, sizeof(first));
        assert_true(w.metrics.logp_diff_max == 0 && w.metrics.ratio_sum == w.metrics.token_count);
        rig_close(&w.rig);
    }
}

// The unified form of M1 (equations 6 and 7): CISPO times PPO's mask. And what PPO would throw away
// is counted.
static void cispo_with_the_mask_is_the_unified_form(void **state)
{
    struct world w;
    double all = 0, hit = 0;

    (void)state;
    open_world(&w, "cispo");
    run(&w);
    for (size_t t = 0; t < T; t++) {
        const double r = exp(w.logp[t] - w.logp_old[t]), A = w.advantage[span_of(&w, t)];
        const bool masked = (A > 0 && r > 1.2) || (A < 0 && r < 0.8);

        all += fabs(w.dlogp[t]) * 20;
        hit += masked ? fabs(w.dlogp[t]) * 20 : 0;
    }
    assert_true(hit > 0 && fabs(w.metrics.rescued_mass - hit) < 1e-12);
    assert_true(fabs(w.metrics.grad_mass - all) < 1e-12);
    w.args.kind.masked = true;
    run(&w);
    assert_true(w.metrics.rescued_mass == 0 && fabs(w.metrics.grad_mass - (all - hit)) < 1e-12);
    rig_close(&w.rig);
}

static void the_dual_clip_stops_a_growing_negative(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "ppo");
    run(&w);
    assert_true(w.dlogp[8] != 0); // A < 0, r = e^1.7
    w.args.kind.clip_dual = 3;
    run(&w);
    assert_true(w.dlogp[8] == 0 && w.dlogp[6] != 0);
    rig_close(&w.rig);
}

// KL alone: central differences of the metric `loss`, which contains it.
static void kl_estimators_are_the_derivatives_of_their_values(void **state)
{
    (void)state;
    for (int kl = ASSAY_LOSS_KL_K1; kl <= ASSAY_LOSS_KL_K3; kl++) {
        struct world w;

        open_world(&w, "grpo");
        memset(w.advantage, 0, sizeof(w.advantage));
        w.args.kl = (enum assay_loss_kl)kl;
        w.args.kl_coef = 0.3;
        for (size_t t = 0; t < T; t++) {
            const double kept = w.logp[t], h = 1e-5;
            double up = 0, down = 0;

            w.logp[t] = kept + h;
            run(&w);
            up = w.metrics.loss;
            w.logp[t] = kept - h;
            run(&w);
            down = w.metrics.loss;
            w.logp[t] = kept;
            run(&w);
            assert_true(fabs((up - down) / (2 * h) - w.dlogp[t]) < 1e-9);
        }
        rig_close(&w.rig);
    }
}

static void metrics_and_bonus_count_sampled_tokens_only(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "cispo");
    w.args.entropy = w.logp_ref; // any numbers
    w.args.entropy_coef = 0.5;
    w.args.kind.norm = ASSAY_LOSS_NORM_GIVEN;
    run(&w);
    assert_true(w.metrics.token_count == 8);
    assert_true(w.metrics.capped_positive == 1 && w.metrics.capped_negative == 1);
    assert_true(fabs(w.metrics.ratio_max - exp(2)) < 1e-12);
    assert_true(fabs(w.metrics.logp_diff_max - 3) < 1e-12);
    for (size_t t = 0; t < T; t++)
        assert_true(w.dentropy[t] == (w.mask[t] != 0 ? -0.5 / w.norm[span_of(&w, t)] : 0));
    rig_close(&w.rig);
}

// A ratio that is not a number must reach the gradient, and one that overflows must not.
static void a_nan_is_not_hidden_by_the_cap_and_exponents_are_bounded(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "cispo");
    w.logp[1] = nan("");
    w.logp_old[2] = -5000;
    run(&w);
    assert_true(isnan(w.dlogp[1]) && isfinite(w.dlogp[2]));
    assert_true(isnan(w.metrics.logp_diff_max) || w.metrics.logp_diff_max > 4000);
    assert_true(isnan(w.metrics.loss));
    rig_close(&w.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_published_loss_has_its_formula),
            cmocka_unit_test(right_after_sampling_grpo_dapo_and_cispo_weigh_alike),
            cmocka_unit_test(cispo_with_the_mask_is_the_unified_form),
            cmocka_unit_test(the_dual_clip_stops_a_growing_negative),
            cmocka_unit_test(kl_estimators_are_the_derivatives_of_their_values),
            cmocka_unit_test(metrics_and_bonus_count_sampled_tokens_only),
            cmocka_unit_test(a_nan_is_not_hidden_by_the_cap_and_exponents_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
