// SPDX-License-Identifier: MIT
// What must hold: the gradients of whole models are what their losses do when weights move. Central
// differences of the double reference, to 1e-6 of a gradient's norm, for every kind of layer and
// every weight; and a gradient that is off by as little as 1e-5 is seen.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/formula.h"
#include "policy/pass.h"
#include "support/harness.h"

#define MODELS "tests/golden/models/"
#define SEQUENCES 2 // or a beginning of both and two ends
#define LENGTH 6
#define ROWS ((size_t)SEQUENCES * LENGTH)
#define STEP 1e-5
#define BOUND 1e-6

struct setting {
    const struct assay_ops *ops; // the reference in double: its memory is the host's
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_pass *pass;
    int32_t ids[ROWS], targets[ROWS];
    double dlogp[ROWS];
    bool tree;
};

static void open_setting(struct setting *s, const char *name)
{
    const struct assay_stream_options options = {.thread_count = 1};
    const struct assay_pass_options room = {
            .rows_max = ROWS, .sequences_max = SEQUENCES + 1, .training = true};
    char path[128];

    *s = (struct setting){.ops = assay_ops_ref(ASSAY_DTYPE_F64)};
    assert_int_equal(s->ops->device.stream_create(&s->stream, &options, NULL), ASSAY_OK);
    (void)snprintf(path, sizeof(path), MODELS "%s.json", name);
    s->model = formula_model(path, s->ops, s->stream, NULL);
    // Enough for a router whose one expert has the weight 1 whatever it says, so that all of its
    // gradient is this loss's.
    s->model->config.router_aux_coef = 0.5F;
    assert_int_equal(assay_pass_create(&s->pass, s->model, &room, s->stream, NULL), ASSAY_OK);
    for (size_t i = 0; i < ROWS; i++) {
        s->ids[i] = (int32_t)(formula_mix(5, i) % s->model->config.vocab_size);
        s->targets[i] = (int32_t)(formula_mix(6, i) % s->model->config.vocab_size);
        // Each token counts differently, and one does not count.
        s->dlogp[i] = -0.1 - 0.02 * (double)i;
    }
    s->targets[3] = -1;
    s->dlogp[3] = 0;
}

static void close_setting(struct setting *s)
{
    assay_pass_destroy(s->pass);
    assay_model_destroy(s->model);
    s->ops->device.stream_destroy(s->stream);
}

// sum(dlogp . logp) + aux, of the weights as they are.
static double loss_of(struct setting *s)
{
    static const struct assay_span apart[] = {
            {.row_count = LENGTH}, {.row = LENGTH, .row_count = LENGTH, .slot = 1}};
    static const struct assay_span tree[] = {{.row_count = 4},
            {.row = 4, .row_count = 3, .position = 4, .up = 1},
            {.row = 7, .row_count = ROWS - 7, .position = 4, .up = 2}};
    const void *logp = NULL;
    const double *aux;
    double loss = 0;

    assert_int_equal(assay_pass_forward(s->pass, s->ids, ROWS, s->tree ? tree : apart,
                             s->tree ? SEQUENCES + 1 : SEQUENCES, NULL, NULL),
            ASSAY_OK);
    assay_pass_logprob(s->pass, s->targets, 1, &logp, NULL);
    aux = assay_pass_aux(s->pass, 1);
    assert_int_equal(s->ops->device.sync(s->stream, NULL), ASSAY_OK);
    for (size_t i = 0; i < ROWS; i++)
        loss += s->targets[i] < 0 ? 0 : s->dlogp[i] * ((const double *)logp)[i];
    return loss + (aux ? *aux : 0);
}

// A unit vector half along the gradient, half anywhere: no part of an error can hide from both.
static double *make_direction(const double *gradient, uint64_t count, double norm)
{
    double *v = malloc((count + 1) * sizeof(*v));
    double square = 0;

    assert_non_null(v);
    for (uint64_t i = 0; i < count; i++) {
        const double sign = formula_mix(count, i) & 1 ? 1 : -1;

        v[i] = (norm > 0 ? gradient[i] / norm : 0) + sign / sqrt((double)count);
        square += v[i] * v[i];
    }
    for (uint64_t i = 0; i < count; i++)
        v[i] /= sqrt(square);
    return v;
}

// |difference quotient - derivative| along one direction, as a share of the gradient's norm.
static double error_of(struct setting *s, const double *gradient, double *weights, uint64_t count)
{
    double norm = 0, derivative = 0, quotient, *v;
    double *kept = malloc((count + 1) * sizeof(*kept));

    assert_non_null(kept);
    memcpy(kept, weights, count * sizeof(*kept));
    for (uint64_t i = 0; i < count; i++)
        norm += gradient[i] * gradient[i];
    norm = sqrt(norm);
    v = make_direction(gradient, count, norm);
    for (uint64_t i = 0; i < count; i++) {
        derivative += gradient[i] * v[i];
        weights[i] = kept[i] + STEP * v[i];
    }
    quotient = loss_of(s);
    for (uint64_t i = 0; i < count; i++)
        weights[i] = kept[i] - STEP * v[i];
    quotient = (quotient - loss_of(s)) / (2 * STEP);
    memcpy(weights, kept, count * sizeof(*kept));
    free(kept);
    free(v);
    return fabs(quotient - derivative) / norm;
}

static double *gradient_of(struct setting *s, size_t index)
{
    return (double *)assay_pass_gradients(s->pass) + s->model->params.offsets[index];
}

static void run_backward(struct setting *s)
{
    (void)loss_of(s);
    assay_pass_zero_gradients(s->pass);
    assay_pass_backward(s->pass, s->dlogp, NULL);
    assert_int_equal(s->ops->device.sync(s->stream, NULL), ASSAY_OK);
}

static void gradients_are_what_losses_do(void **state)
{
    // Lightning with softmax and experts; one kind alone; dense; YaRN; experts of one and of many.
    static const char *const names[] = {"minimax_m1", "minimax_linear", "minimax_wide", "qwen3",
            "qwen3_yarn", "qwen3_moe", "qwen3_moe_top1", "qwen3_moe_raw"};

    (void)state;
    for (size_t n = 0; n < 2 * sizeof(names) / sizeof(names[0]); n++) {
        const char *name = names[n / 2];
        struct setting s;
        double worst = 0;

        open_setting(&s, name);
        s.tree = n % 2 != 0;
        run_backward(&s);
        for (size_t i = 0; i < s.model->params.count; i++) {
            const struct assay_tensor_spec *spec = &s.model->params.specs[i];
            const double error = error_of(&s, gradient_of(&s, i),
                    (double *)s.model->params.weights + s.model->params.offsets[i],
                    assay_tensor_elements(spec));
            char key[64];

            formula_key(key, spec);
            if (!(error <= BOUND))
                fail_msg("%s, %s: off by %.2g of its norm", name, key, error);
            worst = fmax(worst, error);
        }
        print_message("%s%s: %zu weights, at worst off by %.2g\n", name, s.tree ? ", tree" : "",
                s.model->params.count, worst);
        close_setting(&s);
    }
}

// The same check, of gradients that were spoilt.
static void spoilt_gradients_are_seen(void **state)
{
    struct setting s;

    (void)state;
    open_setting(&s, "minimax_m1");
    run_backward(&s);
    for (size_t i = 0; i < s.model->params.count; i += 5) {
        const uint64_t count = assay_tensor_elements(&s.model->params.specs[i]);
        double *gradient = gradient_of(&s, i);

        for (uint64_t k = 0; k < count; k++)
            gradient[k] *= 1 + 1e-5;
        assert_true(error_of(&s, gradient,
                            (double *)s.model->params.weights + s.model->params.offsets[i],
                            count) > BOUND);
    }
    close_setting(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(gradients_are_what_losses_do),
            cmocka_unit_test(spoilt_gradients_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
