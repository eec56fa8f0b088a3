// SPDX-License-Identifier: MIT
// What must hold: advantages, loss, gradient and statistics of each row of the table, with each
// knob, are the numbers of tests/golden/loss (make_loss.py), and those gradients are derivatives.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "kernels/ops.h"
#include "policy/advantage.h"
#include "policy/batch.h"
#include "support/harness.h"

#define CASES "tests/golden/loss/"
enum { ROLLOUTS_MAX = 32, ROWS_MAX = 256, V_MAX = 8, CASES_MIN = 64 };

struct entry { // one rollout, as the file has it
    int32_t ids[ROWS_MAX];
    uint8_t mask[ROWS_MAX];
    double logp_old[ROWS_MAX], logp_ref[ROWS_MAX];
    double logits[ROWS_MAX][V_MAX];
    double reward, advantage;
    bool kept;
    size_t rows;
};

struct world {
    char name[96];
    struct assay_json *json;
    struct assay_objective objective;
    struct entry entries[ROLLOUTS_MAX];
    struct assay_trajectory rollouts[ROLLOUTS_MAX];
    size_t indices[ROLLOUTS_MAX]; // of rollouts, among entries
    size_t entry_count, count, V;
    struct assay_batch *batch;
    struct assay_batch_totals totals;
    struct assay_loss_metrics metrics;
    double x[ROWS_MAX * V_MAX], w[V_MAX * V_MAX], dx[ROWS_MAX * V_MAX], dw[V_MAX * V_MAX];
    double logp[ROWS_MAX], entropy[ROWS_MAX], lse[ROWS_MAX], dlogp[ROWS_MAX], dentropy[ROWS_MAX];
};

static double number(const struct assay_json *object, const char *key)
{
    const struct assay_json *member = assay_json_get(object, key);

    if (!member)
        fail_msg("no member %s", key);
    return assay_json_number(member);
}

static void assert_close(const char *what, double is, double want)
{
    if (!(fabs(is - want) <= 1e-12 + 1e-11 * fabs(want)))
        fail_msg("%s: %.17g, want %.17g", what, is, want);
}

// --- reading -------------------------------------------------------------------------------------

static void read_objective(struct world *w, const struct assay_json *config)
{
    struct assay_objective *o = &w->objective;

    assert_true(assay_objective_default(o, assay_json_text(assay_json_get(config, "loss"))));
    o->is_cap = number(config, "is_cap");
    o->is_floor = number(config, "is_floor");
    o->clip_low = number(config, "clip_low");
    o->clip_high = number(config, "clip_high");
    o->clip_dual = number(config, "clip_dual");
    o->norm = (enum assay_norm)assay_norm_find(assay_json_text(assay_json_get(config, "norm")));
    o->norm_constant = number(config, "norm_constant");
    o->adv_std = (enum assay_adv_std)assay_adv_std_find(
            assay_json_text(assay_json_get(config, "adv_std")));
    o->baseline = (enum assay_baseline)assay_baseline_find(
            assay_json_text(assay_json_get(config, "baseline")));
    o->kl_estimator = (enum assay_loss_kl)assay_loss_kl_find(
            assay_json_text(assay_json_get(config, "kl_estimator")));
    o->kl = number(config, "kl");
    o->entropy = number(config, "entropy");
    assert_int_equal(assay_objective_check(o, NULL), ASSAY_OK);
}

static const struct assay_json *step(const struct assay_json **at)
{
    const struct assay_json *now = *at;

    *at = assay_json_next(now);
    return now;
}

static void read_entry(struct entry *e, size_t *V, const struct assay_json *json)
{
    const struct assay_json *target = assay_json_first(assay_json_get(json, "target"));
    const struct assay_json *mask = assay_json_first(assay_json_get(json, "mask"));
    const struct assay_json *old = assay_json_first(assay_json_get(json, "logp_old"));
    const struct assay_json *ref = assay_json_first(assay_json_get(json, "logp_ref"));
    const struct assay_json *row = assay_json_first(assay_json_get(json, "logits"));

    memset(e, 0, sizeof(*e));
    e->reward = number(json, "reward");
    for (; target; e->rows++) {
        const struct assay_json *logit = assay_json_first(step(&row));

        e->ids[e->rows + 1] = (int32_t)assay_json_number(step(&target));
        e->mask[e->rows + 1] = (uint8_t)assay_json_number(step(&mask));
        e->logp_old[e->rows + 1] = assay_json_number(step(&old));
        e->logp_ref[e->rows + 1] = assay_json_number(step(&ref));
        for (*V = 0; logit; ++*V)
            e->logits[e->rows][*V] = assay_json_number(step(&logit));
    }
}

// The groups in their order, dead ones left out; SFT has advantage 1.
static void read_rollouts(struct world *w)
{
    const bool sft = strcmp(w->objective.loss, "sft") == 0;
    const struct assay_json *at = assay_json_first(assay_json_get(w->json, "rollouts"));
    double rewards[ROLLOUTS_MAX], advantages[ROLLOUTS_MAX] = {0};
    size_t counts[ROLLOUTS_MAX] = {0}, group_count = 0, live[ROLLOUTS_MAX] = {0};
    uint64_t answers[ROLLOUTS_MAX] = {0};
    uint32_t groups[ROLLOUTS_MAX] = {0};

    w->entry_count = 0;
    for (; at; at = assay_json_next(at)) {
        assert_true(w->entry_count < ROLLOUTS_MAX);
        groups[w->entry_count] = (uint32_t)number(at, "group");
        read_entry(&w->entries[w->entry_count++], &w->V, at);
    }
    w->count = 0;
    for (size_t i = 0, end; i < w->entry_count; i = end) {
        double of_group[ROLLOUTS_MAX];

        for (end = i; end < w->entry_count && groups[end] == groups[i]; end++)
            of_group[end - i] = w->entries[end].reward;
        if (!sft && assay_group_judge(of_group, answers, end - i) != ASSAY_GROUP_LIVE)
            continue;
        counts[group_count++] = end - i;
        for (size_t k = i; k < end; k++) {
            live[w->count] = k;
            rewards[w->count++] = w->entries[k].reward;
        }
    }
    assay_advantages(advantages, rewards, counts, group_count, &w->objective);
    for (size_t i = 0; i < w->count; i++) {
        struct entry *e = &w->entries[live[i]];

        e->kept = true;
        e->advantage = sft ? 1 : advantages[i];
        w->indices[i] = live[i];
        w->rollouts[i] = (struct assay_trajectory){.ids = e->ids,
                .mask = e->mask,
                .logp_old = e->logp_old,
                .logp_ref = e->logp_ref,
                .count = e->rows + 1,
                .group = groups[live[i]],
                .advantage = e->advantage};
        assert_int_equal(assay_trajectory_check(&w->rollouts[i], (uint32_t)w->V, NULL), ASSAY_OK);
    }
}

static void open_case(struct world *w, const char *name)
{
    const struct assay_json_limits limits = {(size_t)1 << 20, 16};
    struct assay_error err = {0};
    struct assay_buf text;
    char path[256];

    memset(w, 0, sizeof(*w));
    (void)snprintf(w->name, sizeof(w->name), "%s", name);
    (void)snprintf(path, sizeof(path), CASES "%s", name);
    assay_buf_init(&text, (size_t)1 << 20);
    if (assay_fs_read_file(&text, path, &err) != ASSAY_OK ||
            assay_json_parse(&w->json, text.data, text.len, limits, path, 1, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assay_buf_free(&text);
    read_objective(w, assay_json_get(w->json, "config"));
    read_rollouts(w);
}

static void close_case(struct world *w)
{
    assay_batch_destroy(w->batch);
    assay_json_free(w->json);
}

// --- computing -----------------------------------------------------------------------------------

// Logits are x times the unit matrix, so the gradient on x is the one on logits.
static void compute(struct world *w)
{
    const struct assay_stream_options threads = {.thread_count = 1};
    const struct assay_ops *ops = assay_ops_ref(ASSAY_DTYPE_F64);
    struct assay_stream *stream = NULL;
    const struct assay_trajectory *order[ROLLOUTS_MAX];
    double norms[ROLLOUTS_MAX];
    struct assay_batch *b;

    assert_int_equal(assay_batch_create(&w->batch, ROWS_MAX, ROLLOUTS_MAX, NULL), ASSAY_OK);
    b = w->batch;
    for (size_t i = 0; i < w->count; i++)
        order[i] = &w->rollouts[i];
    assert_int_equal(
            assay_batch_total(&w->totals, norms, order, w->count, &w->objective, NULL), ASSAY_OK);
    // A case has logits of its own for each rollout, also where two begin alike: none share rows.
    for (size_t i = 0; i < w->count; i++)
        w->rollouts[i].group = (uint32_t)i;
    assert_int_equal(assay_batch_fill(b, order, norms, w->count), w->count);
    assert_int_equal(b->span_count, w->count);
    for (size_t i = 0; i < w->count; i++)
        for (size_t t = 0; t < b->spans[i].row_count; t++)
            memcpy(w->x + (b->spans[i].row + t) * w->V, w->entries[w->indices[i]].logits[t],
                    w->V * sizeof(double));
    for (size_t v = 0; v < w->V; v++)
        w->w[v * w->V + v] = 1;

    const struct assay_logprob_args head = {.logp = w->logp,
            .entropy = w->entropy,
            .lse = w->lse,
            .x = w->x,
            .w = w->w,
            .target = b->targets,
            .T = b->row_count,
            .C = w->V,
            .V = w->V,
            .V_valid = w->V,
            .logit_scale = 1,
            .dx = w->dx,
            .dw = w->dw,
            .dlogp = w->dlogp,
            .dentropy = w->dentropy};
    struct assay_loss_args loss = {.dlogp = w->dlogp,
            .dentropy = w->dentropy,
            .metrics = &w->metrics,
            .logp = w->logp,
            .logp_old = b->logp_old,
            .logp_ref = b->logp_ref,
            .entropy = w->entropy,
            .advantage = b->advantage,
            .row = b->token_rows,
            .spans = b->token_spans,
            .norm = b->norm,
            .B = b->sequence_count,
            .T = b->token_count,
            .R = b->row_count,
            .token_count = w->totals.token_count,
            .sequence_count = w->totals.sequence_count,
            .norm_constant = w->totals.norm_constant,
            .kl = w->objective.kl > 0 ? w->objective.kl_estimator : ASSAY_LOSS_KL_NONE,
            .kl_coef = w->objective.kl,
            .entropy_coef = w->objective.entropy};
    assay_objective_kind(&w->objective, &loss.kind);
    assert_int_equal(ops->device.stream_create(&stream, &threads, NULL), ASSAY_OK);
    ops->logprob_forward(&head, stream);
    ops->loss(&loss, stream);
    ops->logprob_backward(&head, stream);
    assert_int_equal(ops->device.sync(stream, NULL), ASSAY_OK);
    ops->device.stream_destroy(stream);
}

// --- comparing -----------------------------------------------------------------------------------

static void compare_statistics(const struct world *w, const struct assay_json *want)
{
    const struct assay_loss_metrics *m = &w->metrics;

    assert_close("token_count", m->token_count, number(want, "token_count"));
    assert_close("ratio_sum", m->ratio_sum, number(want, "ratio_sum"));
    assert_close("ratio_max", m->ratio_max, number(want, "ratio_max"));
    assert_close("logp_diff_max", m->logp_diff_max, number(want, "logp_diff_max"));
    assert_close("capped_positive", m->capped_positive, number(want, "capped_positive"));
    assert_close("capped_negative", m->capped_negative, number(want, "capped_negative"));
    assert_close("masked_count", m->masked_count, number(want, "masked_count"));
    assert_close("grad_mass", m->grad_mass, number(want, "grad_mass_sum"));
    assert_close("rescued_mass", m->rescued_mass, number(want, "rescued_mass_sum"));
    assert_close("kl_old", m->kl_old_sum, number(want, "kl_old_sum"));
    assert_close("kl_ref", m->kl_ref_sum, number(want, "kl_ref_sum"));
    assert_close("entropy", m->entropy_sum, number(want, "entropy_sum"));
}

static void compare_gradient(const struct world *w, const struct assay_json *want)
{
    const struct assay_json *rollout = assay_json_first(want);

    for (size_t e = 0, i = 0; e < w->entry_count; e++, rollout = assay_json_next(rollout)) {
        const struct assay_json *row = assay_json_first(rollout);

        for (size_t t = 0; row; t++, row = assay_json_next(row)) {
            const struct assay_json *value = assay_json_first(row);

            for (size_t v = 0; v < w->V; v++, value = assay_json_next(value))
                assert_close("gradient",
                        w->entries[e].kept ? w->dx[(w->batch->spans[i].row + t) * w->V + v] : 0,
                        assay_json_number(value));
        }
        i += w->entries[e].kept;
    }
}

// L with w, A and N held at the case's numbers: what make_loss.py says the gradient belongs to.
static double surrogate(struct world *w, const double *weights)
{
    const struct assay_objective *o = &w->objective;
    const struct assay_batch *b = w->batch;
    double loss = 0;

    for (size_t i = 0; i < b->sequence_count; i++) {
        const struct assay_span *tokens = &b->token_spans[i];
        const double n[] = {w->totals.token_count, b->norm[i],
                tokens->row_count * w->totals.sequence_count, w->totals.norm_constant};

        for (size_t k = tokens->row; k < tokens->row + tokens->row_count; k++) {
            const size_t t = (size_t)b->token_rows[k];
            const double *z = w->x + t * w->V;
            double sum = exp(z[0]), entropy = 0, l, d;

            for (size_t v = 1; v < w->V; v++)
                sum += exp(z[v]);
            for (size_t v = 0; v < w->V; v++)
                entropy -= exp(z[v]) / sum * (z[v] - log(sum));
            l = z[b->targets[t]] - log(sum);
            d = b->logp_ref[k] - l;
            const double kl[] = {0, -d, d * d / 2, exp(d) - d - 1};

            loss += (-weights[t] * b->advantage[i] * l + o->kl * kl[o->kl_estimator] -
                            o->entropy * entropy) /
                    n[o->norm];
        }
    }
    return loss;
}

static void differentiate(struct world *w, const struct assay_json *want)
{
    const struct assay_json *rollout = assay_json_first(want);
    double weights[ROWS_MAX] = {0}, largest = 0;

    for (size_t e = 0, i = 0; e < w->entry_count; e++, rollout = assay_json_next(rollout)) {
        const struct assay_json *weight = assay_json_first(rollout);

        if (!w->entries[e].kept)
            continue;
        for (size_t t = w->batch->spans[i].row; weight; t++)
            weights[t] = assay_json_number(step(&weight));
        i++;
    }
    for (size_t k = 0; k < w->batch->row_count * w->V; k++)
        largest = fmax(largest, fabs(w->dx[k]));
    for (size_t k = 0; k < w->batch->row_count * w->V; k++) {
        const double kept = w->x[k], h = 1e-5;
        double up, down;

        w->x[k] = kept + h;
        up = surrogate(w, weights);
        w->x[k] = kept - h;
        down = surrogate(w, weights);
        w->x[k] = kept;
        // Far ratios weigh e^20 in some cases: what counts is the size beside the largest.
        if (!(fabs((up - down) / (2 * h) - w->dx[k]) <= 1e-7 * (largest + 1e-3)))
            fail_msg("logit %zu: slope %.12g, gradient %.12g", k, (up - down) / (2 * h), w->dx[k]);
    }
}

static int is_case(const struct dirent *entry)
{
    return strstr(entry->d_name, ".json") != NULL;
}

static void every_golden_vector_is_met(void **state)
{
    static struct world w; // large
    struct dirent **names = NULL;
    const int count = scandir(CASES, &names, is_case, alphasort);

    (void)state;
    assert_true(count >= CASES_MIN);
    for (int i = 0; i < count; i++) {
        const struct assay_json *want;

        print_message("%s\n", names[i]->d_name);
        open_case(&w, names[i]->d_name);
        want = assay_json_get(w.json, "expected");
        compute(&w);
        const struct assay_json *advantage = assay_json_first(assay_json_get(want, "advantages"));
        for (size_t e = 0; e < w.entry_count; e++)
            assert_close("advantage", w.entries[e].advantage, assay_json_number(step(&advantage)));
        assert_close("loss", w.metrics.loss, number(want, "loss"));
        compare_statistics(&w, assay_json_get(want, "statistics"));
        compare_gradient(&w, assay_json_get(want, "gradient"));
        differentiate(&w, assay_json_get(want, "weights"));
        close_case(&w);
        free(names[i]);
    }
    free(names);
}

// A loss by its name alone is what its golden case says it is.
static void defaults_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; assay_loss_kind_at(i); i++) {
        static struct world w;
        struct assay_objective o;
        char name[96];

        (void)snprintf(name, sizeof(name), "%s_0.json", assay_loss_kind_at(i)->name);
        open_case(&w, name);
        assert_true(assay_objective_default(&o, assay_loss_kind_at(i)->name));
        assert_true(o.is_cap == w.objective.is_cap && o.is_floor == w.objective.is_floor &&
                o.clip_low == w.objective.clip_low && o.clip_high == w.objective.clip_high &&
                o.clip_dual == w.objective.clip_dual && o.norm == w.objective.norm &&
                o.norm_constant == w.objective.norm_constant && o.adv_std == w.objective.adv_std &&
                o.baseline == w.objective.baseline && o.kl == w.objective.kl &&
                o.kl_estimator == w.objective.kl_estimator && o.entropy == w.objective.entropy);
        close_case(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_golden_vector_is_met),
            cmocka_unit_test(defaults_are_the_published_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
