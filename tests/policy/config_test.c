// SPDX-License-Identifier: MIT
// What must hold: a description is what its file says or is refused by field, and it counts the
// parameters that were published.
#include "policy/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "policy/count.h"
#include "policy/tensors.h"
#include "support/harness.h"

#define FIXTURES "tests/policy/fixtures/"

static int make_arena(void **state)
{
    struct assay_arena *arena = NULL;

    assert_int_equal(assay_arena_create(&arena, (size_t)64 << 20, NULL), ASSAY_OK);
    *state = arena;
    return 0;
}

static int drop_arena(void **state)
{
    assay_arena_destroy(*state);
    return 0;
}

static struct assay_model_config load(void **state, const char *file)
{
    struct assay_model_config config;
    struct assay_error err = {0};

    if (assay_model_config_load(&config, file, NULL, *state, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return config;
}

static void minimax_m1_has_456_billion_parameters(void **state)
{
    const struct assay_model_config config = load(state, FIXTURES "minimax_m1.json");
    struct assay_model_counts counts;

    assay_model_count(&counts, &config);
    // 413 shards of 912,210,767,872 bytes: two a parameter, but four for the routers'.
    assert_int_equal(2 * counts.total + 2 * counts.routers, UINT64_C(912210767872));
    assert_int_equal(counts.tensors, 8243);
    assert_int_equal((counts.total + 5000000) / 10000000, 45609); // 456.09 B
    assert_int_equal((counts.active + 5000000) / 10000000, 4594); // 45.94 B
    assert_int_equal(assay_model_state_bytes(&config), UINT64_C(70) * 64 * 128 * 128 * 4);
    assert_int_equal(assay_model_kv_bytes_per_token(&config, 2), 40960);
    assert_int_equal(config.rotary_dim, 64);
    assert_int_equal(config.vocab_sampled, 200032);
}

static void minimind_3_has_its_published_size(void **state)
{
    const struct assay_model_config dense = load(state, FIXTURES "minimind_3.json");
    const struct assay_model_config moe = load(state, FIXTURES "minimind_3_moe.json");
    struct assay_model_counts counts;

    assay_model_count(&counts, &dense);
    assert_int_equal((counts.total + 5000) / 10000, 6391); // 63.91 M
    assay_model_count(&counts, &moe);
    assert_int_equal((counts.total + 50000) / 100000, 1984); // 198.4 M
}

// The share of DeepSeek-R1's operations that facts were worked out for: 61 layers, 128 heads of 192
// and 128 dims, 37 B active.
static void operations_follow_the_three_conventions(void **state)
{
    const struct assay_model_config config = load(state, FIXTURES "minimax_m1.json");
    static const struct {
        double length, marginal, cumulative;
    } rows[] = {{100e3, 0.22, 0.34}, {64e3, 0.29, 0.45}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double weights = 2 * 37e9, key = 2.0 * 61 * 128 * (192 + 128);
        struct assay_model_flops flops;

        assay_model_flops(&flops, &config, (uint64_t)rows[i].length);
        assert_true(
                fabs(flops.marginal / (weights + key * rows[i].length) - rows[i].marginal) < 0.01);
        assert_true(fabs(flops.cumulative / (weights + key * rows[i].length / 2) -
                            rows[i].cumulative) < 0.01);
        assert_true(flops.weights < flops.cumulative && flops.cumulative < flops.marginal);
    }
}

static void tensors_add_up_to_the_counts(void **state)
{
    static const char *const files[] = {FIXTURES "minimax_m1.json", FIXTURES "minimind_3.json",
            FIXTURES "minimind_3_moe.json", FIXTURES "minimax_tiny.json"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const struct assay_model_config config = load(state, files[i]);
        struct assay_tensor_spec *specs = NULL;
        struct assay_model_counts counts;
        uint64_t elements = 0, tensors = 0;
        size_t count = 0;

        assert_int_equal(assay_tensor_list(&specs, &count, &config, *state, NULL), ASSAY_OK);
        for (size_t j = 0; j < count; j++) {
            elements += assay_tensor_elements(&specs[j]);
            tensors += specs[j].expert_count;
        }
        assay_model_count(&counts, &config);
        assert_int_equal(elements, counts.total);
        assert_int_equal(tensors, counts.tensors);
    }
}

static void slopes_are_those_of_each_dialect(void **state)
{
    struct assay_model_config config = load(state, FIXTURES "minimax_m1.json");
    float slopes[64];

    assay_model_slopes(slopes, &config, 0);
    assert_true(fabsf(slopes[0] - 0.917F) < 1e-3F && fabsf(slopes[63] - 0.0039F) < 1e-4F);
    assay_model_slopes(slopes, &config, 78);
    assert_true(fabsf(slopes[0] - 1.16e-2F) < 1e-4F && fabsf(slopes[63] - 4.9e-5F) < 1e-6F);

    // Six heads: the series of four, then the first two odd ones of eight.
    config.head_count = 6;
    config.layer_count = 1;
    assay_model_slopes(slopes, &config, 0);
    const double expected[] = {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125};
    for (size_t h = 0; h < 6; h++)
        assert_true(fabs((double)slopes[h] - expected[h] * (1 + 1e-5)) < 1e-7);
    config.slopes = ASSAY_SLOPES_GEOMETRIC;
    assay_model_slopes(slopes, &config, 0);
    assert_true(fabs((double)slopes[0] - exp2(-8.0 / 6) * (1 + 1e-5)) < 1e-7);

    // The last layer is where transformers differs: 1e-5 + 1e-5 / (L - 1) against 1e-5.
    config.layer_count = 2;
    config.slopes = ASSAY_SLOPES_TRANSFORMERS;
    assay_model_slopes(slopes, &config, 1);
    assert_true(fabs((double)slopes[0] / exp2(-8.0 / 6) / 2e-5 - 1) < 1e-2);
}

static void rope_turns_what_the_weights_were_trained_with(void **state)
{
    const struct assay_model_dialect dialect = {.rope_transformers = true};
    struct assay_model_config config = load(state, FIXTURES "minimax_tiny.json");

    assert_int_equal(config.rotary_dim, 16);
    assert_int_equal(
            assay_model_config_load(&config, FIXTURES "minimax_tiny.json", &dialect, *state, NULL),
            ASSAY_OK);
    assert_int_equal(config.rotary_dim, 32);
}

static void what_is_written_reads_back(void **state)
{
    static const char *const files[] = {FIXTURES "minimax_m1.json", FIXTURES "minimind_3_moe.json",
            FIXTURES "minimax_tiny.json"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct assay_model_config config = load(state, files[i]);
        struct assay_model_counts before, after;
        char *first = NULL, *second = NULL;

        assay_model_count(&before, &config);
        assert_int_equal(
                assay_model_config_write(&first, &config, "assay", *state, NULL), ASSAY_OK);
        assert_int_equal(
                assay_model_config_read(&config, first, strlen(first), "first", NULL, *state, NULL),
                ASSAY_OK);
        assert_int_equal(
                assay_model_config_write(&second, &config, "assay", *state, NULL), ASSAY_OK);
        assert_string_equal(first, second);
        assay_model_count(&after, &config);
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

static void wrong_files_are_refused_by_field(void **state)
{
#define QWEN                                                                                       \
    "{\"model_type\":\"qwen3\",\"vocab_size\":64,\"hidden_size\":8,\"num_hidden_layers\":1,"       \
    "\"num_attention_heads\":2,\"intermediate_size\":8"
    static const struct {
        const char *text, *message;
    } rows[] = {
            {"[]", "not an object"},
            {"{}", "model_type: \"\" is none of"},
            {"{\"model_type\":\"gpt2\"}", "model_type: \"gpt2\" is none of"},
            {"{\"model_type\":\"qwen3\"}", "vocab_size: missing"},
            {QWEN ",\n\"head_dim\":\"x\"}", "x.json:2: head_dim: not a number"},
            {QWEN ",\"head_dim\":1.5}", "head_dim: not a whole number"},
            {QWEN ",\"head_dim\":7}", "rotary_dim is 7: not even"},
            {QWEN ",\"head_dim\":4,\"num_key_value_heads\":3}", "num_key_value_heads (3)"},
            {QWEN ",\"head_dim\":4,\"use_sliding_window\":true}", "windows are not built"},
            {QWEN ",\"head_dim\":4,\"attention_bias\":true}", "biases are not built"},
            {QWEN ",\"head_dim\":4,\"hidden_act\":\"gelu\"}", "only silu is built"},
            {QWEN ",\"head_dim\":4,\"rms_norm_eps\":0}", "rms_norm_eps"},
            {QWEN ",\"head_dim\":4,\"rope_theta\":1e400}", ""},
            {QWEN ",\"head_dim\":4,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", "yarn"},
            {QWEN ",\"head_dim\":4,\"layer_types\":[\"sliding_attention\"]}", "no kind of layer"},
            {QWEN ",\"head_dim\":4,\"layer_types\":[]}", "one element for each layer"},
            {"{\"model_type\":\"assay\",\"vocab_size\":64,\"hidden_size\":8,\"num_hidden_layers\":1,"
             "\"num_attention_heads\":2,\"intermediate_size\":8,\"head_dims\":4}",
                    "head_dims"},
            {"{\"model_type\":\"minimax_m1\",\"vocab_size\":64,\"hidden_size\":8,"
             "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"intermediate_size\":8}",
                    "attn_type_list: missing"},
            {"{\"model_type\":\"minimax_m1\",\"vocab_size\":64,\"hidden_size\":8,"
             "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"intermediate_size\":8,"
             "\"attn_type_list\":[2]}",
                    "no kind of layer"},
            {"{\"model_type\":\"minimax_m1\",\"vocab_size\":64,\"hidden_size\":8,"
             "\"num_hidden_layers\":99999,\"num_attention_heads\":2,\"intermediate_size\":8}",
                    "num_hidden_layers"},
    };
    struct assay_model_config config;

    memset(&config, 7, sizeof(config));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_error err = {0};

        print_message("row %zu\n", i);
        assert_int_equal(assay_model_config_read(&config, rows[i].text, strlen(rows[i].text),
                                 "x.json", NULL, *state, &err),
                ASSAY_EINVAL);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].message));
        assert_non_null(strstr(err.message, "x.json"));
        assert_int_equal(config.layer_count, 0x07070707);
    }
}

static void names_are_written_with_layer_and_expert(void **state)
{
    char name[64];

    (void)state;
    assert_true(assay_tensor_name_write(name, sizeof(name), "a.%L.b.%E.c", 12, 345));
    assert_string_equal(name, "a.12.b.345.c");
    assert_false(assay_tensor_name_write(name, 12, "a.%L.b.%E.c", 12, 345));
    assert_true(assay_tensor_name_ignored(
            assay_tensor_names_of("minimax"), "model.layers.0.self_attn.slope_rate"));
    assert_false(assay_tensor_name_ignored(
            assay_tensor_names_of("minimax"), "model.layers.0.self_attn.slope_rates"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(minimax_m1_has_456_billion_parameters),
            cmocka_unit_test(minimind_3_has_its_published_size),
            cmocka_unit_test(operations_follow_the_three_conventions),
            cmocka_unit_test(tensors_add_up_to_the_counts),
            cmocka_unit_test(slopes_are_those_of_each_dialect),
            cmocka_unit_test(rope_turns_what_the_weights_were_trained_with),
            cmocka_unit_test(what_is_written_reads_back),
            cmocka_unit_test(wrong_files_are_refused_by_field),
            cmocka_unit_test(names_are_written_with_layer_and_expert),
    };

    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
