// SPDX-License-Identifier: MIT
// What must hold: four-bit weights are the floats that their formats' makers meant, and what says
// to be packed otherwise is refused by name. The fixtures: tests/golden/make_packed.py.
#include "policy/packed.h"

#include <stdio.h>
#include <string.h>

#include "policy/changed_copy.h"
#include "policy/model.h"
#include "support/harness.h"
#include "support/temp.h"

#define FIXTURES "tests/policy/fixtures/packed/"

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

static void packed_weights_are_what_was_meant(void **state)
{
    static const char *const names[] = {"w4a16", "w4a16-zeros", "gptq", "gptq-v2"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct assay_model *packed = NULL, *meant = NULL;
        struct assay_error err = {0};
        char path[128], config[128];

        print_message("%s\n", names[i]);
        (void)snprintf(path, sizeof(path), FIXTURES "%s", names[i]);
        if (assay_model_open(&packed, path, NULL, NULL, ops, stream, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        (void)snprintf(path, sizeof(path), FIXTURES "%s.safetensors", names[i]);
        (void)snprintf(config, sizeof(config), FIXTURES "%s/config.json", names[i]);
        if (assay_model_open(&meant, path, config, NULL, ops, stream, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        assert_int_equal(packed->params.element_count, meant->params.element_count);
        assert_memory_equal(packed->params.weights, meant->params.weights,
                packed->params.element_count * sizeof(float));
        assay_model_destroy(packed);
        assay_model_destroy(meant);
    }
}

static void what_is_packed_otherwise_is_refused(void **state)
{
    static const struct {
        const char *name, *file, *from, *to, *message;
    } rows[] = {
            {"gptq", "config.json", "\"gptq\"", "\"awq\"",
                    "quantization_config: quant_method: \"awq\" is not built, only gptq"},
            {"gptq", "config.json", "\"bits\": 4", "\"bits\": 8",
                    "quantization_config: bits: only 4"},
            {"gptq", "config.json", "\"bits\": 4", "\"bits\": \"4\"", "bits: only 4"},
            {"gptq", "config.json", "\"quant_method\"", "\"method\"", "quant_method"},
            {"gptq-v2", "config.json", "gptq_v2", "marlin",
                    "checkpoint_format: \"marlin\" is neither"},
            {"w4a16", "config.json", "pack-quantized", "float-quantized",
                    "format: \"float-quantized\" is not built"},
            {"w4a16", "config.json", "\"num_bits\": 4", "\"num_bits\": 8",
                    "config_groups: num_bits: only 4"},
            {"w4a16", "config.json", "\"type\": \"int\"", "\"type\": \"float\"",
                    "type: \"float\" is not built"},
            {"w4a16", "config.json", "\"input_activations\": null", "\"input_activations\": {}",
                    "input_activations: not built"},
            // A scale of weights that are not packed, as FP8 files have.
            {"w4a16", "model.safetensors", "q_proj.weight_shape", "x_proj.weight_scale",
                    "x_proj.weight_scale is no weight of this description"},
            {"w4a16", "model.safetensors", "q_proj.weight_scale", "q_proj.weight_stale",
                    "its scales are missing"},
            {"w4a16-zeros", "model.safetensors", "q_proj.weight_zero_point",
                    "q_proj.weight_zero_paint", "q_proj.weight_zero_paint is no weight"},
            {"gptq", "model.safetensors", "k_proj.g_idx", "k_proj.g_ids",
                    "k_proj.g_ids is no weight"},
            {"gptq", "model.safetensors", "v_proj.qweight", "v_proj.xweight",
                    "v_proj.weight is missing"},
            {"gptq", "model.safetensors", "\"I32\",\"shape\":[3,16]", "\"F32\",\"shape\":[3,16]",
                    "its packed values are no I32"},
    };
    const struct assay_temp *temp = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_model *model = NULL;
        struct assay_error err = {0};
        char dir[128];

        (void)snprintf(dir, sizeof(dir), FIXTURES "%s", rows[i].name);
        changed_copy(temp, dir, rows[i].file, rows[i].from, rows[i].to);
        if (assay_model_open(&model, temp->path, NULL, NULL, ops, stream, &err) != ASSAY_EINVAL)
            fail_msg("row %zu: %s is taken", i, rows[i].to);
        if (!strstr(err.message, rows[i].message))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.message, rows[i].message);
        assert_null(model);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(packed_weights_are_what_was_meant),
            cmocka_unit_test_setup_teardown(
                    what_is_packed_otherwise_is_refused, assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, open_stream, close_stream);
}
