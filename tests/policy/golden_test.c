// SPDX-License-Identifier: MIT
// What must hold: logits and gradients are those of transformers, for every family and shape.
//
// tests/golden/models holds what transformers computed (make_models.py). Bounds: |logit - theirs|
// <= 2e-5 max|logit|, the same argmax; a gradient's difference <= 1e-5 of its norm.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu.h"
#include "policy/formula.h"
#include "policy/pass.h"
#include "policy/weight_file.h"
#include "support/harness.h"

#define MODELS "tests/golden/models/"
#define ROWS_MAX 512

static const char *const cases[] = {"minimax_8", "minimax_256", "minimax_one", "minimax_7",
        "minimax_block", "minimax_9", "minimax_wide", "minimax_linear", "minimax_m1",
        "minimax_m1_deep", "minimax_m1_quiet", "qwen3", "qwen3_untied", "qwen3_yarn", "qwen3_moe",
        "qwen3_moe_top1", "qwen3_moe_raw"};

struct golden {
    const char *name;
    struct assay_weight_file *file;
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_pass *pass;
    int32_t ids[ROWS_MAX];
    struct assay_span spans[8];
    size_t sequences, length;
};

static const struct assay_weight_view *view(const struct golden *g, const char *name)
{
    const struct assay_weight_view *v = assay_weight_file_find(g->file, name);

    if (!v)
        fail_msg("%s has no %s", g->name, name);
    return v;
}

static double number(const struct golden *g, const char *name, uint64_t i)
{
    float value;

    assert_true(assay_weight_to_float(&value, view(g, name), i, 1));
    return (double)value;
}

static int64_t integer(const struct golden *g, const char *name, uint64_t i)
{
    int64_t value;

    memcpy(&value, view(g, name)->data + 8 * i, sizeof(value));
    return value;
}

// Numbers of S or A from device memory.
static void fetch(
        const struct golden *g, double *out, const void *from, enum assay_dtype dtype, size_t count)
{
    double *wide = malloc(count * sizeof(*wide)); // room for either
    float *single = (void *)wide;

    assert_non_null(wide);
    g->ops->device.download(g->stream, single, from, count * assay_dtype_bytes(dtype));
    assert_int_equal(g->ops->device.sync(g->stream, NULL), ASSAY_OK);
    for (size_t i = 0; i < count; i++)
        out[i] = dtype == ASSAY_DTYPE_F64 ? wide[i] : (double)single[i];
    free(wide);
}

// Cases that are named so have small queries, keys and values: the eps of the norm behind counts.
static void make_quiet(const struct golden *g)
{
    struct assay_params *p = &g->model->params;

    for (size_t i = 0; strstr(g->name, "quiet") && i < p->count; i++) {
        const uint64_t count = assay_tensor_elements(&p->specs[i]);
        double *values = malloc(count * sizeof(*values));
        float *small = malloc(count * sizeof(*small));

        assert_true(values && small);
        assert_int_equal(assay_params_read(p, g->stream, p->weights, g->ops->weight, i, 0, values,
                                 count, NULL),
                ASSAY_OK);
        for (uint64_t k = 0; k < count; k++)
            small[k] = (float)(values[k] * 0.25);
        if (p->specs[i].role == ASSAY_TENSOR_LIGHTNING_QKV)
            assert_int_equal(assay_params_write(p, g->stream, i, 0, small, count, NULL), ASSAY_OK);
        free(values);
        free(small);
    }
}

static void open_case(
        struct golden *g, const char *name, const struct assay_ops *ops, bool training)
{
    static const struct assay_model_dialect dialect = {.rope_transformers = true};
    const struct assay_stream_options options = {.thread_count = 2};
    struct assay_pass_options room = {.rows_max = ROWS_MAX, .sequences_max = 8};
    char path[128];

    *g = (struct golden){.name = name, .ops = ops};
    room.training = training;
    (void)snprintf(path, sizeof(path), MODELS "%s.safetensors", name);
    assert_int_equal(assay_weight_file_open(&g->file, path, NULL), ASSAY_OK);
    assert_int_equal(ops->device.stream_create(&g->stream, &options, NULL), ASSAY_OK);
    (void)snprintf(path, sizeof(path), MODELS "%s.json", name);
    g->model = formula_model(path, ops, g->stream, strstr(name, "m1") ? NULL : &dialect);
    make_quiet(g);
    assert_int_equal(assay_pass_create(&g->pass, g->model, &room, g->stream, NULL), ASSAY_OK);
    g->sequences = view(g, "ids")->dims[0];
    g->length = view(g, "ids")->dims[1];
    for (size_t i = 0; i < g->sequences * g->length; i++)
        g->ids[i] = (int32_t)integer(g, "ids", i);
    for (size_t b = 0; b < g->sequences; b++)
        g->spans[b] = (struct assay_span){.row = (uint32_t)(b * g->length),
                .row_count = (uint32_t)g->length,
                .slot = (uint32_t)b};
    assert_int_equal(assay_pass_forward(g->pass, g->ids, g->sequences * g->length, g->spans,
                             g->sequences, NULL, NULL),
            ASSAY_OK);
}

static void close_case(struct golden *g)
{
    assay_pass_destroy(g->pass);
    assay_model_destroy(g->model);
    g->ops->device.stream_destroy(g->stream);
    assay_weight_file_close(g->file);
}

static void compare_row(
        const double *ours, const struct golden *g, uint64_t row, uint32_t vocab, double largest)
{
    uint32_t best = 0, their_best = 0;

    for (uint32_t v = 0; v < vocab; v++) {
        const double theirs = number(g, "logits", row * vocab + v);

        if (!(fabs(ours[v] - theirs) <= 2e-5 * largest))
            fail_msg("logit [%zu, %u] is %.8g, not %.8g", (size_t)row, v, ours[v], theirs);
        if (ours[v] > ours[best])
            best = v;
        if (theirs > number(g, "logits", row * vocab + their_best))
            their_best = v;
    }
    assert_int_equal(best, their_best);
}

static void compare_logits(const struct assay_ops *ops)
{
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct golden g;
        double *ours, largest = 0;
        size_t vocab, rows;

        print_message("%s\n", cases[c]);
        open_case(&g, cases[c], ops, false);
        vocab = g.model->config.vocab_size;
        rows = view(&g, "rows")->dims[0];
        ours = malloc(vocab * sizeof(*ours));
        assert_non_null(ours);
        for (uint64_t i = 0; i < rows * vocab; i++)
            largest = fmax(largest, fabs(number(&g, "logits", i)));
        for (size_t i = 0; i < rows; i++) {
            const int32_t row =
                    (int32_t)((int64_t)((g.sequences - 1) * g.length) + integer(&g, "rows", i));

            fetch(&g, ours, assay_pass_logits(g.pass, &row, 1), ops->sum, vocab);
            compare_row(ours, &g, i, (uint32_t)vocab, largest);
        }
        free(ours);
        close_case(&g);
    }
}

// Mean cross entropy of the next token, over all sequences: targets, and dloss/dlogp.
static double backward(struct golden *g)
{
    const size_t rows = g->sequences * g->length;
    const double weight = g->length > 1 ? 1.0 / (double)(g->sequences * (g->length - 1)) : 0;
    const void *logp = NULL, *aux;
    double values[ROWS_MAX], loss = 0;
    int32_t targets[ROWS_MAX] = {0};
    float single[ROWS_MAX] = {0};
    double wide[ROWS_MAX] = {0};
    void *dlogp = NULL;
    const size_t bytes = rows * assay_dtype_bytes(g->ops->sum);

    for (size_t i = 0; i < rows && g->length > 0; i++) {
        const bool last = i % g->length == g->length - 1;

        targets[i] = last ? -1 : g->ids[i + 1];
        wide[i] = last ? 0 : -weight;
        single[i] = (float)wide[i];
    }
    assay_pass_zero_gradients(g->pass);
    assay_pass_logprob(g->pass, targets, 1, &logp, NULL);
    fetch(g, values, logp, g->ops->sum, rows);
    for (size_t i = 0; i < rows; i++)
        loss -= weight * (targets[i] >= 0 ? values[i] : 0);
    assert_int_equal(g->ops->device.alloc(&dlogp, bytes, NULL), ASSAY_OK);
    g->ops->device.upload(g->stream, dlogp,
            g->ops->sum == ASSAY_DTYPE_F64 ? (void *)wide : (void *)single, bytes);
    aux = assay_pass_aux(g->pass, 1);
    assay_pass_backward(g->pass, dlogp, NULL);
    if (aux) {
        fetch(g, values, aux, g->ops->sum, 1);
        loss += values[0];
    }
    assert_int_equal(g->ops->device.sync(g->stream, NULL), ASSAY_OK);
    g->ops->device.release(dlogp);
    return loss;
}

static void compare_gradient(struct golden *g, size_t index, double *worst)
{
    const struct assay_tensor_spec *spec = &g->model->params.specs[index];
    const uint64_t count = assay_tensor_elements(spec);
    double *ours = malloc(count * sizeof(*ours));
    double norm = 0, difference = 0, theirs_square = 0, theirs_norm;
    char key[64], name[80], places[80];

    assert_non_null(ours);
    formula_key(key, spec);
    (void)snprintf(name, sizeof(name), "grad.%s", key);
    (void)snprintf(places, sizeof(places), "places.%s", key);
    assert_int_equal(assay_params_read(&g->model->params, g->stream, assay_pass_gradients(g->pass),
                             g->ops->sum, index, 0, ours, count, NULL),
            ASSAY_OK);
    for (uint64_t i = 0; i < count; i++)
        norm += ours[i] * ours[i];
    norm = sqrt(norm);
    theirs_norm = number(g, name, 0);
    for (uint64_t i = 0; i < 256; i++) {
        const double theirs = number(g, name, 1 + i);
        const double d = ours[formula_mix(formula_hash(places), i) % (count ? count : 1)] - theirs;

        difference += d * d;
        theirs_square += theirs * theirs;
    }
    free(ours);
    // A gradient that is rounding and nothing else (a router of one expert) has no direction.
    if (theirs_norm < 1e-9 && norm < 1e-9)
        return;
    *worst = fmax(*worst, sqrt(difference / theirs_square));
    if (!(fabs(norm - theirs_norm) <= 1e-5 * theirs_norm) ||
            !(sqrt(difference) <= 1e-5 * sqrt(theirs_square)))
        fail_msg("%s: norm %.8g, not %.8g; difference %.3g of it", key, norm, theirs_norm,
                sqrt(difference / theirs_square));
}

static void compare_gradients(const struct assay_ops *ops)
{
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct golden g;
        double loss, worst = 0;

        open_case(&g, cases[c], ops, true);
        loss = backward(&g);
        print_message("%s: loss %.6f, not %.6f\n", cases[c], loss, number(&g, "loss", 0));
        assert_true(fabs(loss - number(&g, "loss", 0)) <= 2e-6 * fabs(number(&g, "loss", 0)));
        for (size_t i = 0; i < g.model->params.count; i++)
            compare_gradient(&g, i, &worst);
        print_message("    worst gradient: %.2g of its norm\n", worst);
        close_case(&g);
    }
}

static void logits_of_the_reference_are_transformers(void **state)
{
    (void)state;
    compare_logits(assay_ops_ref(ASSAY_DTYPE_F32));
}

static void gradients_of_the_reference_are_transformers(void **state)
{
    (void)state;
    compare_gradients(assay_ops_ref(ASSAY_DTYPE_F64));
}

static void logits_of_the_fast_filling_are_transformers(void **state)
{
    (void)state;
    compare_logits(assay_ops_cpu(NULL));
}

static void gradients_of_the_fast_filling_are_transformers(void **state)
{
    (void)state;
    compare_gradients(assay_ops_cpu(NULL));
}

static const struct assay_ops *gpu_or_skip(void)
{
    struct assay_error err = {0};
    const struct assay_ops *ops = NULL;

    if (assay_ops_cuda(&ops, ASSAY_DTYPE_F32, &err) != ASSAY_OK)
        ASSAY_SKIP(err.message);
    return ops;
}

static void logits_of_the_gpu_are_transformers(void **state)
{
    (void)state;
    compare_logits(gpu_or_skip());
}

static void gradients_of_the_gpu_are_transformers(void **state)
{
    (void)state;
    compare_gradients(gpu_or_skip());
}

// --- planted mistakes ---------------------------------------------------------------------------

// Mistakes that were seen in programs that run these models. Each must be seen here.
enum mistake {
    MISTAKE_NONE,
    MISTAKE_ROPE_WHOLE,  // all dims of a head turned
    MISTAKE_INNER_EPS,   // the config's 1e-5 in the lightning norm, as vLLM and llama.cpp have it
    MISTAKE_SLOPE_LAYER, // decay by the place among lightning layers, not among all
    MISTAKE_QKV_CONCAT,  // q, k, v one after another instead of head by head
    MISTAKE_W1_W3,       // gate and up exchanged
    MISTAKE_UNTIED,      // a head of its own where the embedding is meant
    MISTAKE_RESIDUAL,    // residual of the input, not of the normed input
    MISTAKE_TOPK_RAW,    // router weights not made to sum to 1
    MISTAKE_ROPE_INTERLEAVED, // pairs (2j, 2j + 1): the same as rows of q and k permuted
};

static void change_config(struct assay_model_config *c, enum mistake mistake)
{
    if (mistake == MISTAKE_ROPE_WHOLE)
        c->rotary_dim = c->head_dim;
    if (mistake == MISTAKE_INNER_EPS)
        c->inner_norm_eps = c->norm_eps;
    if (mistake == MISTAKE_UNTIED)
        c->tied_head = false;
    if (mistake == MISTAKE_RESIDUAL)
        c->postnorm = false;
    if (mistake == MISTAKE_TOPK_RAW)
        c->norm_topk = false;
}

// Rows of a [count, cols] matrix in another order; place(i) says where row i comes from.
static void permute(struct assay_model *model, enum assay_tensor_role role, uint32_t layer,
        size_t (*place)(const struct assay_model_config *, size_t))
{
    const struct assay_tensor_spec *spec =
            &model->params.specs[assay_params_index(&model->params, role, layer)];
    float *rows = assay_model_weight(model, role, layer);
    const size_t bytes = (size_t)spec->rows * spec->cols * sizeof(float);
    float *copy = malloc(bytes);

    assert_non_null(copy);
    memcpy(copy, rows, bytes);
    for (size_t i = 0; i < spec->rows; i++)
        memcpy(rows + i * spec->cols, copy + place(&model->config, i) * spec->cols,
                spec->cols * sizeof(float));
    free(copy);
}

static size_t concatenated(const struct assay_model_config *c, size_t row)
{
    const size_t head = row / ((size_t)3 * c->head_dim), part = row / c->head_dim % 3;

    return part * ((size_t)c->head_count * c->head_dim) + head * c->head_dim + row % c->head_dim;
}

static size_t paired(const struct assay_model_config *c, size_t row)
{
    const size_t d = row % c->head_dim, half = c->rotary_dim / 2;

    return row - d + (d < half ? 2 * d : d < c->rotary_dim ? 2 * (d - half) + 1 : d);
}

static void exchange(struct assay_model *model, uint32_t layer)
{
    const bool sparse = model->config.layer_sparse[layer];
    float *gate = assay_model_weight(
            model, sparse ? ASSAY_TENSOR_EXPERT_GATE : ASSAY_TENSOR_FFN_GATE, layer);
    float *up =
            assay_model_weight(model, sparse ? ASSAY_TENSOR_EXPERT_UP : ASSAY_TENSOR_FFN_UP, layer);
    const uint64_t count = assay_tensor_elements(&model->params.specs[assay_params_index(
            &model->params, sparse ? ASSAY_TENSOR_EXPERT_GATE : ASSAY_TENSOR_FFN_GATE, layer)]);

    for (uint64_t i = 0; i < count; i++) {
        const float kept = gate[i];

        gate[i] = up[i];
        up[i] = kept;
    }
}

static void change_weights(struct assay_model *model, enum mistake mistake)
{
    for (uint32_t i = 0; i < model->config.layer_count; i++) {
        const bool lightning = model->config.layer_kinds[i] == ASSAY_LAYER_LIGHTNING;

        if (mistake == MISTAKE_W1_W3)
            exchange(model, i);
        if (mistake == MISTAKE_QKV_CONCAT && lightning)
            permute(model, ASSAY_TENSOR_LIGHTNING_QKV, i, concatenated);
        if (mistake == MISTAKE_ROPE_INTERLEAVED && !lightning) {
            permute(model, ASSAY_TENSOR_Q, i, paired);
            permute(model, ASSAY_TENSOR_K, i, paired);
        }
        // The slope of the layer before, as counting lightning layers alone would give.
        if (mistake == MISTAKE_SLOPE_LAYER && lightning && i > 0)
            memcpy((float *)model->slopes + (size_t)i * model->config.head_count,
                    (float *)model->slopes + (size_t)(i - 1) * model->config.head_count,
                    model->config.head_count * sizeof(float));
    }
}

// Largest difference of the last sequence's logits, as a share of the largest logit.
static double distance(const char *name, enum mistake mistake)
{
    const struct assay_ops *ops = assay_ops_ref(ASSAY_DTYPE_F32);
    const struct assay_pass_options room = {.rows_max = ROWS_MAX, .sequences_max = 8};
    struct golden g;
    struct assay_model *first;
    struct assay_model_config config;
    double *ours, worst = 0, largest = 0;
    size_t vocab;

    open_case(&g, name, ops, false);
    first = g.model;
    config = first->config; // its lists are the first model's
    change_config(&config, mistake);
    assay_pass_destroy(g.pass);
    assert_int_equal(assay_model_create(&g.model, &config, ops, g.stream, NULL), ASSAY_OK);
    assay_model_destroy(first);
    formula_fill(g.model, g.stream);
    make_quiet(&g);
    change_weights(g.model, mistake);
    assert_int_equal(assay_pass_create(&g.pass, g.model, &room, g.stream, NULL), ASSAY_OK);
    assert_int_equal(assay_pass_forward(g.pass, g.ids, g.sequences * g.length, g.spans, g.sequences,
                             NULL, NULL),
            ASSAY_OK);
    vocab = config.vocab_size;
    ours = malloc(vocab * sizeof(*ours));
    assert_non_null(ours);
    for (size_t i = 0; i < view(&g, "rows")->dims[0]; i++) {
        const int32_t row =
                (int32_t)((int64_t)((g.sequences - 1) * g.length) + integer(&g, "rows", i));

        fetch(&g, ours, assay_pass_logits(g.pass, &row, 1), ops->sum, vocab);
        for (size_t v = 0; v < vocab; v++) {
            const double theirs = number(&g, "logits", i * vocab + v);

            worst = fmax(worst, fabs(ours[v] - theirs));
            largest = fmax(largest, fabs(theirs));
        }
    }
    free(ours);
    close_case(&g);
    return worst / largest;
}

static void planted_mistakes_are_seen(void **state)
{
    static const struct {
        const char *name;
        enum mistake mistake;
    } rows[] = {{"minimax_m1", MISTAKE_ROPE_WHOLE}, {"minimax_m1_quiet", MISTAKE_INNER_EPS},
            {"minimax_m1", MISTAKE_SLOPE_LAYER}, {"minimax_8", MISTAKE_SLOPE_LAYER},
            {"minimax_8", MISTAKE_QKV_CONCAT}, {"minimax_m1", MISTAKE_QKV_CONCAT},
            {"minimax_m1", MISTAKE_W1_W3}, {"qwen3", MISTAKE_W1_W3}, {"qwen3_moe", MISTAKE_W1_W3},
            {"qwen3", MISTAKE_UNTIED}, {"minimax_wide", MISTAKE_UNTIED},
            {"minimax_m1", MISTAKE_RESIDUAL}, {"qwen3_moe", MISTAKE_TOPK_RAW},
            {"qwen3", MISTAKE_ROPE_INTERLEAVED}, {"minimax_m1", MISTAKE_ROPE_INTERLEAVED}};

    (void)state;
    assert_true(distance("minimax_m1", MISTAKE_NONE) <= 2e-5);
    assert_true(distance("minimax_m1_quiet", MISTAKE_NONE) <= 2e-5);
    assert_true(distance("qwen3_moe", MISTAKE_NONE) <= 2e-5);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double far = distance(rows[i].name, rows[i].mistake);

        print_message("%s, mistake %d: off by %.2g\n", rows[i].name, (int)rows[i].mistake, far);
        assert_true(far > 2e-4); // ten times the bound
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(logits_of_the_reference_are_transformers),
            cmocka_unit_test(gradients_of_the_reference_are_transformers),
            cmocka_unit_test(logits_of_the_fast_filling_are_transformers),
            cmocka_unit_test(gradients_of_the_fast_filling_are_transformers),
            cmocka_unit_test(logits_of_the_gpu_are_transformers),
            cmocka_unit_test(gradients_of_the_gpu_are_transformers),
            cmocka_unit_test(planted_mistakes_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
