// SPDX-License-Identifier: MIT
// What must hold: an update follows the derivative of the objective, however it is cut into
// micro-batches and threads; a token's ratio is 1 to the bit right after sampling; outliers and
// numbers that are none leave the weights alone.
#include "policy/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/formula.h"
#include "policy/generate.h"
#include "support/harness.h"

#define MODELS "tests/golden/models/"
enum { COUNT = 6, LENGTH = 9, PROMPT = 4 };

struct world {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_trainer *trainer;
    int32_t ids[COUNT][LENGTH];
    uint8_t mask[COUNT][LENGTH];
    double logp[COUNT][LENGTH];
    struct assay_trajectory trajectories[COUNT];
    double *moment; // owned; of first_moment()
};

static struct assay_trainer_options options_of(const char *loss)
{
    struct assay_trainer_options options = {.optimizer = {.lr = 1e-3,
                                                    .beta1 = 0.9,
                                                    .beta2 = 0.95,
                                                    .eps = 1e-15,
                                                    .grad_norm_max = 1},
            .temperature = 1,
            .rows_max = 64,
            .sequences_max = 8};

    assert_true(assay_objective_default(&options.objective, loss));
    return options;
}

static void open_world(struct world *w, const struct assay_ops *ops, const char *name,
        size_t threads, const struct assay_trainer_options *options)
{
    const struct assay_stream_options stream = {.thread_count = threads};
    struct assay_error err = {0};
    char path[128];

    memset(w, 0, sizeof(*w));
    w->ops = ops;
    assert_int_equal(ops->device.stream_create(&w->stream, &stream, NULL), ASSAY_OK);
    (void)snprintf(path, sizeof(path), MODELS "%s.json", name);
    w->model = formula_model(path, ops, w->stream, NULL);
    w->model->config.router_aux_coef = 0; // its loss is of a micro-batch, not of the trajectories
    if (assay_trainer_create(&w->trainer, w->model, options, w->stream, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < COUNT; i++) {
        w->trajectories[i] = (struct assay_trajectory){.ids = w->ids[i],
                .mask = w->mask[i],
                .logp_old = w->logp[i],
                .count = LENGTH - i % 3,
                .group = (uint32_t)(i / 3),
                .advantage = i % 3 == 0 ? 1.5 : -0.7};
        for (size_t k = 0; k < LENGTH; k++) {
            w->ids[i][k] = (int32_t)(formula_mix(5 + i, k) % w->model->config.vocab_size);
            w->mask[i][k] = k >= PROMPT && k != PROMPT + 1;
            w->logp[i][k] = -0.3 - (double)(formula_mix(50 + i, k) % 100) / 25;
        }
    }
}

static void close_world(struct world *w)
{
    free(w->moment);
    assay_trainer_destroy(w->trainer);
    assay_model_destroy(w->model);
    w->ops->device.stream_destroy(w->stream);
}

// Of a world of doubles.
static const double *first_moment(struct world *w)
{
    w->moment = calloc((size_t)w->model->params.element_count, sizeof(*w->moment));
    assert_non_null(w->moment);
    assert_int_equal(
            assay_trainer_collect(w->trainer, ASSAY_MOMENT_FIRST, w->moment, NULL), ASSAY_OK);
    return w->moment;
}

static struct assay_update update(struct world *w)
{
    struct assay_update out = {0};
    struct assay_error err = {0};

    if (assay_trainer_update(w->trainer, w->trajectories, COUNT, &out, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return out;
}

static void score(struct world *w, double logp[COUNT][LENGTH])
{
    double *rows[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        rows[i] = logp[i];
    assert_int_equal(assay_trainer_score(w->trainer, w->trajectories, COUNT, rows, NULL), ASSAY_OK);
}

// L with CISPO's weights held at those of `base`.
static double surrogate(struct world *w, double base[COUNT][LENGTH])
{
    double now[COUNT][LENGTH], loss = 0, tokens = 0;

    score(w, now);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 1; k < w->trajectories[i].count; k++) {
            if (!w->mask[i][k])
                continue;
            tokens += 1;
            loss -= fmin(exp(base[i][k] - w->logp[i][k]), 5) * w->trajectories[i].advantage *
                    now[i][k];
        }
    return loss / tokens;
}

static void an_update_follows_the_derivative(void **state)
{
    static const char *const models[] = {"minimax_m1", "qwen3"};

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct assay_trainer_options options = options_of("cispo");
        double base[COUNT][LENGTH], *weights, largest = 0;
        const double *first;
        struct world w;

        options.rows_max = 17; // two trajectories at a time
        options.optimizer.lr = 0;
        options.optimizer.grad_norm_max = 0;
        open_world(&w, assay_ops_ref(ASSAY_DTYPE_F64), models[m], 1, &options);
        score(&w, base);
        const struct assay_update out = update(&w);
        assert_true(out.metrics.token_count == COUNT * (LENGTH - PROMPT - 1) - 6);
        assert_true(out.row_count == COUNT * (LENGTH - 1) - 6 && !out.skipped);
        weights = w.model->params.weights;
        first = first_moment(&w);
        for (uint64_t e = 0; e < w.model->params.element_count; e++)
            largest = fmax(largest, fabs(first[e]) / 0.1);
        for (size_t s = 0; s < w.model->params.count; s += 5) { // one element of every fifth tensor
            const uint64_t size = assay_tensor_elements(&w.model->params.specs[s]);
            const uint64_t e = w.model->params.offsets[s] + formula_mix(9, s) % size;
            const double kept = weights[e], h = 1e-5;
            double up, down;

            weights[e] = kept + h;
            up = surrogate(&w, base);
            weights[e] = kept - h;
            down = surrogate(&w, base);
            weights[e] = kept;
            if (!(fabs((up - down) / (2 * h) - first[e] / 0.1) <= 1e-6 * largest))
                fail_msg("%s: tensor %zu: slope %.10g, gradient %.10g", models[m], s,
                        (up - down) / (2 * h), first[e] / 0.1);
        }
        close_world(&w);
    }
}

static void the_cut_into_micro_batches_does_not_matter(void **state)
{
    static const char *const losses[] = {"cispo", "grpo", "gspo", "dr_grpo", "rloo"};
    static const size_t rows_max[] = {64, 8, 20};

    (void)state;
    for (size_t l = 0; l < sizeof(losses) / sizeof(losses[0]); l++) {
        double *whole = NULL;

        for (size_t r = 0; r < 3; r++) {
            struct assay_trainer_options options = options_of(losses[l]);
            struct world w;
            const double *moment;

            options.rows_max = rows_max[r];
            options.objective.norm = l == 0 ? ASSAY_NORM_PROMPT : options.objective.norm;
            open_world(&w, assay_ops_ref(ASSAY_DTYPE_F64), "qwen3", 1, &options);
            (void)update(&w);
            moment = first_moment(&w);
            if (!whole) {
                whole = malloc(w.model->params.element_count * sizeof(*whole));
                assert_non_null(whole);
                memcpy(whole, moment, w.model->params.element_count * sizeof(*whole));
            }
            for (uint64_t e = 0; e < w.model->params.element_count; e++)
                assert_true(fabs(whole[e] - moment[e]) < 1e-14);
            close_world(&w);
        }
        free(whole);
    }
}

// One group: a prompt, answers that part ways at every place, and twins. Sharing is of rows alone:
// numbers, clip and statistics are those of every rollout by itself.
static void begin_alike(struct world *w)
{
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < LENGTH; k++)
            if (k < PROMPT + i % 4)
                w->ids[i][k] = w->ids[0][k];
        w->trajectories[i].count = i == 5 ? LENGTH - 2 : LENGTH;
    }
    memcpy(w->ids[4], w->ids[2], sizeof(w->ids[4])); // twins with other advantages
    memcpy(w->logp[4], w->logp[2], sizeof(w->logp[4]));
}

static void what_is_shared_is_counted_for_each(void **state)
{
    static const char *const losses[] = {"cispo", "grpo", "gspo", "dr_grpo", "rloo", "cispo"};
    static const char *const models[] = {"minimax_m1", "qwen3"};

    (void)state;
    for (size_t l = 0; l < 2 * sizeof(losses) / sizeof(losses[0]); l++) {
        double *alone = NULL, norm = 0;
        struct assay_update out[2];

        for (size_t shared = 0; shared < 2; shared++) {
            struct assay_trainer_options options = options_of(losses[l / 2]);
            struct world w;
            const double *moment;

            options.objective.entropy = l / 2 == 5 ? 0.01 : 0;
            open_world(&w, assay_ops_ref(ASSAY_DTYPE_F64), models[l % 2], 1, &options);
            begin_alike(&w);
            for (size_t i = 0; i < COUNT; i++)
                w.trajectories[i].group = shared ? 0 : (uint32_t)i;
            out[shared] = update(&w);
            moment = first_moment(&w);
            if (!alone) {
                alone = malloc(w.model->params.element_count * sizeof(*alone));
                assert_non_null(alone);
                memcpy(alone, moment, w.model->params.element_count * sizeof(*alone));
            }
            for (uint64_t e = 0; e < w.model->params.element_count; e++)
                norm = fmax(norm, fabs(alone[e]));
            for (uint64_t e = 0; e < w.model->params.element_count; e++)
                assert_true(fabs(alone[e] - moment[e]) <= 1e-12 * norm);
            close_world(&w);
        }
        assert_true(out[1].row_count < out[0].row_count);
        assert_true(out[1].metrics.token_count == out[0].metrics.token_count);
        assert_true(fabs(out[1].metrics.loss - out[0].metrics.loss) < 1e-12);
        assert_true(fabs(out[1].metrics.grad_mass - out[0].metrics.grad_mass) < 1e-12);
        assert_true(fabs(out[1].metrics.entropy_sum - out[0].metrics.entropy_sum) < 1e-9);
        assert_true(out[1].metrics.capped_positive == out[0].metrics.capped_positive);
        assert_true(out[1].metrics.masked_count == out[0].metrics.masked_count);
        free(alone);
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    float *one = NULL;

    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        const struct assay_trainer_options options = options_of("cispo");
        struct world w;
        size_t bytes;

        open_world(&w, assay_ops_cpu(NULL), "minimax_m1", threads, &options);
        begin_alike(&w);
        for (int i = 0; i < 3; i++)
            (void)update(&w);
        bytes = w.model->params.element_count * sizeof(float);
        if (!one) {
            one = malloc(bytes);
            assert_non_null(one);
            memcpy(one, w.model->params.weights, bytes);
        }
        assert_memory_equal(one, w.model->params.weights, bytes);
        close_world(&w);
    }
    free(one);
}

// --- sampling and training -----------------------------------------------------------------------

struct record {
    struct world *w;
    size_t lengths[COUNT];
};

static bool on_token(void *user, const struct assay_generated *token)
{
    struct record *r = user;
    const size_t at = r->lengths[token->sample]++;

    assert_true(at < LENGTH);
    r->w->ids[token->sample][at] = token->id;
    r->w->mask[token->sample][at] = 1;
    r->w->logp[token->sample][at] = token->logp;
    return true;
}

static void sample(struct world *w, double temperature)
{
    const struct assay_generator_options room = {
            .sequences_max = COUNT + 1, .rows_max = 32, .positions_max = LENGTH};
    struct record record = {.w = w};
    struct assay_generation request = {.prompt = w->ids[0],
            .prompt_count = PROMPT,
            .sample_count = COUNT,
            .token_count_max = LENGTH - PROMPT,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = 3,
            .on_token = on_token,
            .user = &record};
    struct assay_generator *g = NULL;
    size_t left = 1;

    request.sampling.temperature = temperature;
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(w->ids[i], w->ids[0], PROMPT * sizeof(int32_t));
        memset(w->mask[i], 0, PROMPT);
        record.lengths[i] = PROMPT;
    }
    assert_int_equal(assay_generator_create(&g, w->model, &room, w->stream, NULL), ASSAY_OK);
    assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
    while (left > 0)
        assert_int_equal(assay_generator_step(g, &left, NULL), ASSAY_OK);
    assay_generator_destroy(g);
    for (size_t i = 0; i < COUNT; i++)
        w->trajectories[i].count = record.lengths[i];
}

static void right_after_sampling_every_ratio_is_one_to_the_bit(void **state)
{
    static const char *const models[] = {"minimax_m1", "minimax_wide", "qwen3", "qwen3_moe_top1"};
    static const double temperatures[] = {1, 0.7};

    (void)state;
    for (size_t m = 0; m < 4; m++)
        for (size_t k = 0; k < 2; k++) {
            struct assay_trainer_options options = options_of("cispo");
            struct assay_agreement a;
            struct world w;

            options.temperature = temperatures[k];
            options.rows_max = 19;
            open_world(&w, assay_ops_cpu(NULL), models[m], 2, &options);
            for (int step = 0; step < 3; step++) { // again with weights that have moved
                sample(&w, temperatures[k]);
                assert_int_equal(
                        assay_trainer_agree(&a, w.trainer, w.trajectories, COUNT, NULL), ASSAY_OK);
                assert_true(a.token_count == (size_t)COUNT * (LENGTH - PROMPT));
                assert_true(a.differing_count == 0 && a.gap_max == 0 && a.correlation == 1);
                const struct assay_update out = update(&w);
                assert_true(out.metrics.logp_diff_max == 0 && out.metrics.ratio_max == 1);
                assert_int_equal(
                        assay_trainer_agree(&a, w.trainer, w.trajectories, COUNT, NULL), ASSAY_OK);
                // minimax_wide is certain of all it says: nothing can move it.
                assert_true(
                        m == 1 || (a.differing_count > 0 && a.gap_max > 0 && a.correlation < 1));
            }
            close_world(&w);
        }
}

static void what_is_rewarded_becomes_likely(void **state)
{
    static const char *const losses[] = {
            "cispo", "grpo", "dapo", "gspo", "dr_grpo", "rloo", "reinforce", "sft"};

    (void)state;
    for (size_t l = 0; l < sizeof(losses) / sizeof(losses[0]); l++) {
        struct assay_trainer_options options = options_of(losses[l]);
        double before[COUNT][LENGTH], after[COUNT][LENGTH], moved = 0;
        struct world w;

        options.objective.norm_constant = 5;
        options.optimizer.lr = 1e-6; // the first step of Adam is as long for all weights
        open_world(&w, assay_ops_cpu(NULL), "qwen3", 1, &options);
        sample(&w, 1);
        for (size_t i = 0; i < COUNT && l == 7; i++)
            w.trajectories[i].advantage = 1;
        score(&w, before);
        (void)update(&w);
        score(&w, after);
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = PROMPT; k < w.trajectories[i].count; k++)
                moved += w.trajectories[i].advantage * (after[i][k] - before[i][k]);
        if (!(moved > 0))
            fail_msg("%s: %g", losses[l], moved);
        close_world(&w);
    }
}

// --- what is not applied -------------------------------------------------------------------------

static void an_outlier_is_skipped_and_changes_nothing(void **state)
{
    struct assay_trainer_options options = options_of("cispo");
    struct assay_trainer_counts *counts;
    struct world w;
    void *before;
    size_t bytes;

    (void)state;
    options.optimizer.outlier_z = 6;
    open_world(&w, assay_ops_cpu(NULL), "qwen3", 1, &options);
    bytes = w.model->params.element_count * sizeof(float);
    before = malloc(bytes);
    assert_non_null(before);
    counts = assay_trainer_counts(w.trainer);
    assert_false(update(&w).skipped); // the window is not full: nothing is known yet
    for (size_t i = 0; i < ASSAY_NORM_WINDOW; i++)
        counts->norms[i] = 1e-3 + 1e-5 * (double)(i % 7);
    counts->updates = ASSAY_NORM_WINDOW;
    memcpy(before, w.model->params.weights, bytes);
    const struct assay_update out = update(&w);
    assert_true(out.skipped && out.outlier_score > 6 && counts->skipped == 1 &&
            counts->applied == 1 && counts->updates == ASSAY_NORM_WINDOW + 1);
    assert_memory_equal(before, w.model->params.weights, bytes);
    // It is part of the window from now on, so that a new level is not skipped for ever.
    assert_true(counts->norms[0] == out.grad_norm);
    free(before);
    close_world(&w);
}

static void a_number_that_is_none_stops_before_the_weights(void **state)
{
    const struct assay_trainer_options options = options_of("cispo");
    struct assay_update out = {.lr = 7};
    struct assay_error err = {0};
    struct world w;
    float *weights, kept;
    void *before;
    size_t bytes;

    (void)state;
    open_world(&w, assay_ops_cpu(NULL), "qwen3", 1, &options);
    bytes = w.model->params.element_count * sizeof(float);
    weights = w.model->params.weights;
    kept = weights[w.model->params.offsets[w.model->params.count - 1]];
    weights[w.model->params.offsets[w.model->params.count - 1]] = NAN;
    before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, weights, bytes);
    assert_int_equal(
            assay_trainer_update(w.trainer, w.trajectories, COUNT, &out, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "update 0: loss nan"));
    assert_true(out.lr == 7); // untouched
    assert_memory_equal(before, weights, bytes);
    assert_true(assay_trainer_counts(w.trainer)->updates == 0);
    weights[w.model->params.offsets[w.model->params.count - 1]] = kept;
    (void)update(&w); // and it goes on
    w.logp[2][PROMPT] = (double)NAN;
    assert_int_equal(
            assay_trainer_update(w.trainer, w.trajectories, COUNT, &out, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "trajectory 2 of 6: token 4: logp_old nan"));
    free(before);
    close_world(&w);
}

static void a_long_rollout_and_wrong_settings_are_refused(void **state)
{
    struct assay_trainer_options options = options_of("cispo");
    struct assay_trainer *trainer = NULL;
    struct assay_update out;
    struct assay_error err = {0};
    struct world w;

    (void)state;
    options.rows_max = LENGTH - 2;
    open_world(&w, assay_ops_cpu(NULL), "qwen3", 1, &options);
    assert_int_equal(
            assay_trainer_update(w.trainer, w.trajectories, COUNT, &out, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "8 tokens are more than a micro-batch has (7)"));
    options.optimizer.beta2 = 1;
    assert_int_equal(
            assay_trainer_create(&trainer, w.model, &options, w.stream, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "beta2: 1 is not in"));
    options = options_of("cispo");
    options.objective.clip_high = 0.2; // an offset
    assert_int_equal(
            assay_trainer_create(&trainer, w.model, &options, w.stream, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "it is a ratio, not an offset"));
    assert_null(trainer);
    close_world(&w);
}

static void the_learning_rate_runs_its_course(void **state)
{
    struct assay_optimizer o = {.lr = 2, .warmup = 4, .updates = 14, .lr_floor = 0.1};

    (void)state;
    assert_true(assay_optimizer_lr(&o, 0) == 0.5 && assay_optimizer_lr(&o, 3) == 2);
    assert_true(assay_optimizer_lr(&o, 100) == 2);
    o.schedule = ASSAY_SCHEDULE_LINEAR;
    assert_true(fabs(assay_optimizer_lr(&o, 4) - 2) < 1e-12);
    assert_true(fabs(assay_optimizer_lr(&o, 9) - 1.1) < 1e-12);
    assert_true(fabs(assay_optimizer_lr(&o, 14) - 0.2) < 1e-12);
    assert_true(fabs(assay_optimizer_lr(&o, 99) - 0.2) < 1e-12);
    o.schedule = ASSAY_SCHEDULE_COSINE;
    assert_true(fabs(assay_optimizer_lr(&o, 9) - 1.1) < 1e-12);
    assert_true(fabs(assay_optimizer_lr(&o, 14) - 0.2) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_update_follows_the_derivative),
            cmocka_unit_test(the_cut_into_micro_batches_does_not_matter),
            cmocka_unit_test(what_is_shared_is_counted_for_each),
            cmocka_unit_test(threads_do_not_change_a_bit),
            cmocka_unit_test(right_after_sampling_every_ratio_is_one_to_the_bit),
            cmocka_unit_test(what_is_rewarded_becomes_likely),
            cmocka_unit_test(an_outlier_is_skipped_and_changes_nothing),
            cmocka_unit_test(a_number_that_is_none_stops_before_the_weights),
            cmocka_unit_test(a_long_rollout_and_wrong_settings_are_refused),
            cmocka_unit_test(the_learning_rate_runs_its_course),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
