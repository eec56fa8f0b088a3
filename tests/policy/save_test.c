// SPDX-License-Identifier: MIT
// What must hold: what is saved is loaded again bit for bit, whole or in shards, under each
// family's names; wrong weights never load in silence.
#include "policy/save.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "policy/changed_copy.h"
#include "policy/formula.h"
#include "policy/plan.h"
#include "policy/self_check.h"
#include "support/harness.h"
#include "support/temp.h"

#define MODELS "tests/golden/models/"
#define FIXTURES "tests/policy/fixtures/"

static const struct assay_ops *ops;
static struct assay_stream *stream;

static int open_stream(void **state)
{
    const struct assay_stream_options options = {.thread_count = 1};

    (void)state;
    ops = assay_ops_cpu(NULL);
    return ops->device.stream_create(&stream, &options, NULL) == ASSAY_OK ? 0 : -1;
}

static int close_stream(void **state)
{
    (void)state;
    ops->device.stream_destroy(stream);
    return 0;
}

static struct assay_model *open_model(const char *path)
{
    struct assay_model *model = NULL;
    struct assay_error err = {0};

    if (assay_model_open(&model, path, NULL, NULL, ops, stream, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return model;
}

static void assert_same(const struct assay_model *a, const struct assay_model *b)
{
    assert_true(assay_model_config_equal(&a->config, &b->config));
    assert_int_equal(a->params.element_count, b->params.element_count);
    assert_memory_equal(
            a->params.weights, b->params.weights, a->params.element_count * sizeof(float));
}

static void what_is_saved_loads_bit_for_bit(void **state)
{
    static const struct {
        const char *name, *to;
        uint64_t shard;
    } rows[] = {{"minimax_m1", NULL, 0}, {"minimax_m1", "minimax_text_01", 100000},
            {"minimax_m1", "assay", 0}, {"minimax_wide", NULL, 50000}, {"qwen3", NULL, 0},
            {"qwen3_yarn", NULL, 0}, {"qwen3_moe", NULL, 60000}, {"qwen3_moe_top1", "assay", 0},
            {"qwen3_moe_raw", NULL, 0}};
    const struct assay_temp *temp = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_save_options options = {.type = ASSAY_WEIGHT_F32,
                .shard_bytes_max = rows[i].shard,
                .model_type = rows[i].to};
        struct assay_model *model, *again;
        struct assay_error err = {0};
        char path[128], dir[128];

        print_message("%s as %s\n", rows[i].name, rows[i].to ? rows[i].to : "itself");
        (void)snprintf(path, sizeof(path), MODELS "%s.json", rows[i].name);
        (void)snprintf(dir, sizeof(dir), "%s/%zu", temp->path, i);
        model = formula_model(path, ops, stream, NULL);
        if (assay_model_save(model, stream, dir, &options, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        again = open_model(dir);
        assert_same(model, again);
        (void)snprintf(path, sizeof(path), "%s/model.safetensors.index.json", dir);
        assert_int_equal(access(path, F_OK) == 0, rows[i].shard != 0);
        assay_model_destroy(model);
        assay_model_destroy(again);
    }
}

static void a_family_that_cannot_say_a_model_is_refused(void **state)
{
    static const struct {
        const char *name, *to, *message;
    } rows[] = {{"minimax_m1", "minimax", "cannot be said"}, {"minimax_m1", "qwen3", "cannot be"},
            {"qwen3", "minimax_m1", "no name for ffn_gate"}, {"qwen3", "gpt2", "no model_type"},
            {"qwen3_moe", "qwen3", "cannot be"}};
    const struct assay_temp *temp = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_save_options options = {
                .type = ASSAY_WEIGHT_F32, .model_type = rows[i].to};
        struct assay_model *model;
        struct assay_error err = {0};
        char path[128];

        (void)snprintf(path, sizeof(path), MODELS "%s.json", rows[i].name);
        model = formula_model(path, ops, stream, NULL);
        assert_int_equal(assay_model_save(model, stream, temp->path, &options, &err), ASSAY_EINVAL);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].message));
        assay_model_destroy(model);
    }
}

static void halves_are_rounded_to_even_and_refused_when_too_large(void **state)
{
    const struct assay_temp *temp = *state;
    const struct assay_save_options options = {.type = ASSAY_WEIGHT_F16};
    struct assay_model *model = formula_model(MODELS "qwen3.json", ops, stream, NULL), *again;
    const float values[] = {1, 1.00048828125F, 1.001F, 65504, -6e-8F, 5.9604645e-8F, 8.9e-8F,
            6.1035e-5F, 6.0976e-5F, -0.0F, 2047.5F, 0.33325195F};
    const float halves[] = {1, 1, 1.0009765625F, 65504, -5.9604645e-8F, 5.9604645e-8F,
            5.9604645e-8F, 6.1035156e-5F, 6.0975552e-5F, -0.0F, 2048, 0.33325195F};
    const float large = 65520;
    double back[12];
    struct assay_error err = {0};

    assert_int_equal(assay_params_write(&model->params, stream, 0, 0, values, 12, NULL), ASSAY_OK);
    assert_int_equal(assay_model_save(model, stream, temp->path, &options, NULL), ASSAY_OK);
    again = open_model(temp->path);
    assert_int_equal(assay_params_read(&again->params, stream, again->params.weights, ops->weight,
                             0, 0, back, 12, NULL),
            ASSAY_OK);
    for (size_t i = 0; i < 12; i++)
        if (fabs(back[i] - (double)halves[i]) > 1e-7 * fabs((double)halves[i]))
            fail_msg("%zu: %a became %a, not %a", i, (double)values[i], back[i], (double)halves[i]);
    assert_int_equal(assay_params_write(&model->params, stream, 0, 5, &large, 1, NULL), ASSAY_OK);
    assert_int_equal(assay_model_save(model, stream, temp->path, &options, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "which F16 cannot"));
    assay_model_destroy(model);
    assay_model_destroy(again);
}

static void models_that_transformers_saved_are_at_one_with_themselves(void **state)
{
    static const char *const names[] = {"tiny-qwen3", "tiny-qwen3-moe", "tiny-minimax"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct assay_self_check checks[ASSAY_SELF_CHECKS];
        struct assay_model *model;
        const float nan = NAN;
        char path[128];

        (void)snprintf(path, sizeof(path), FIXTURES "%s", names[i]);
        model = open_model(path);
        assert_int_equal(assay_model_self_check(checks, model, stream, NULL), ASSAY_OK);
        for (size_t j = 0; j < ASSAY_SELF_CHECKS; j++)
            if (!checks[j].passed)
                fail_msg("%s: %s: %s", names[i], checks[j].name, checks[j].detail);
        assert_int_equal(assay_params_write(&model->params, stream, 3, 5, &nan, 1, NULL), ASSAY_OK);
        assert_int_equal(assay_model_self_check(checks, model, stream, NULL), ASSAY_OK);
        assert_false(checks[0].passed);
        assay_model_destroy(model);
    }
}

// GGUF files of the package gguf (tests/golden/make_gguf.py), and the models that they were made
// of.
static void gguf_models_are_their_safetensors(void **state)
{
    static const char *const names[] = {"tiny-chat", "tiny-minimax"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct assay_model *model, *same;
        char path[128];

        (void)snprintf(path, sizeof(path), FIXTURES "%s", names[i]);
        model = open_model(path);
        (void)snprintf(path, sizeof(path), FIXTURES "gguf/%s.gguf", names[i]);
        same = open_model(path);
        assert_int_equal(model->params.element_count, same->params.element_count);
        assert_memory_equal(model->params.weights, same->params.weights,
                model->params.element_count * sizeof(float));
        if (i == 0) // minimax-01 has M1's decay, and transformers' class its own
            assert_true(assay_model_config_equal(&model->config, &same->config));
        assert_memory_equal(
                model->config.layer_kinds, same->config.layer_kinds, model->config.layer_count);
        assay_model_destroy(model);
        assay_model_destroy(same);
    }
}

static void weights_of_another_model_are_refused_by_name(void **state)
{
    static const struct {
        const char *name, *from, *to, *message;
    } rows[] = {
            {"tiny-qwen3", "layers.1.self_attn.k_proj", "layers.1.self_attn.kkproj",
                    "layers.1.self_attn.k_proj.weight is missing"},
            {"tiny-qwen3", "\"shape\":[16,24]", "\"shape\":[24,16]",
                    "is [24, 16], not [1, 16, 24]"},
            {"tiny-qwen3", "\"dtype\":\"F32\"", "\"dtype\":\"I32\"", "I32 holds no weights"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_temp *temp = *state;
        struct assay_model *model = NULL;
        struct assay_error err = {0};
        char dir[128];

        (void)snprintf(dir, sizeof(dir), FIXTURES "%s", rows[i].name);
        changed_copy(temp, dir, "model.safetensors", rows[i].from, rows[i].to);
        assert_int_equal(
                assay_model_open(&model, temp->path, NULL, NULL, ops, stream, &err), ASSAY_EINVAL);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].message));
        assert_null(model);
    }
}

static void plans_follow_from_published_figures(void **state)
{
    struct assay_model_config config;
    struct assay_arena *arena = NULL;
    struct assay_plan plan;
    struct assay_plan_request r = {.training = true,
            .gpu = assay_gpu_kind_find("h800"),
            .gpu_count = 512,
            .context = 80000,
            .sequences = 128,
            .weight_bits = 16,
            .utilization = 0.4};

    (void)state;
    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 24, NULL), ASSAY_OK);
    assert_int_equal(
            assay_model_config_load(&config, FIXTURES "minimax_m1.json", NULL, arena, NULL),
            ASSAY_OK);
    // 456 B parameters: 12 bytes of optimizer shared by 512, and six of weights and gradients
    // by 64.
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_true(plan.fits);
    assert_true(fabs(plan.optimizer - 456.09e9 * 12 / 512) < 1e7);
    assert_true(fabs(plan.weights - 456.09e9 * 2 / plan.split) < 1e7);
    assert_true(plan.total <= plan.memory_bytes);
    // Three weeks of all of them cost what the report says.
    r.token_count = (uint64_t)(plan.tokens_per_second * 21 * 86400);
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_true(fabs(plan.cost - 534700) < 10);
    // All at full length do not fit at once; nor does the model on two.
    r.sequences = 1024;
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_false(plan.fits);
    r.sequences = 1;
    r.gpu_count = 2;
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_false(plan.fits);
    // At 4.25 bits its 242 GB fit on two H200, not on two H100.
    r = (struct assay_plan_request){.gpu = assay_gpu_kind_find("h200"),
            .gpu_count = 2,
            .context = 8192,
            .sequences = 1,
            .weight_bits = 4.25,
            .utilization = 0.7};
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_true(plan.fits && plan.split == 2);
    r.gpu = assay_gpu_kind_find("h100");
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_OK);
    assert_false(plan.fits);
    r.gpu_count = 0;
    assert_int_equal(assay_plan_make(&plan, &config, &r, NULL), ASSAY_EINVAL);
    assay_arena_destroy(arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    what_is_saved_loads_bit_for_bit, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(a_family_that_cannot_say_a_model_is_refused,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(halves_are_rounded_to_even_and_refused_when_too_large,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(models_that_transformers_saved_are_at_one_with_themselves),
            cmocka_unit_test(gguf_models_are_their_safetensors),
            cmocka_unit_test_setup_teardown(weights_of_another_model_are_refused_by_name,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(plans_follow_from_published_figures),
    };

    return cmocka_run_group_tests(tests, open_stream, close_stream);
}
