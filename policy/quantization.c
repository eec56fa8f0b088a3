// SPDX-License-Identifier: MIT
#include "policy/quantization.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"

#define CONFIG_BYTES_MAX ((size_t)16 << 20)
#define CONFIG_DEPTH_MAX 32

static enum assay_status check_bits(
        const struct assay_json *object, const char *key, struct assay_error *err)
{
    const double bits = assay_json_number(assay_json_get(object, key));

    return bits == 4 ? ASSAY_OK : assay_fail(err, ASSAY_EINVAL, "%s: only 4 is built", key);
}

static enum assay_status read_gptq(
        struct assay_quantization *out, const struct assay_json *q, struct assay_error *err)
{
    const char *format = "gptq";
    enum assay_status status = check_bits(q, "bits", err);

    if (status == ASSAY_OK)
        status = assay_json_opt_text(&format, q, "checkpoint_format", err);
    if (status != ASSAY_OK)
        return status;
    out->gptq_zeros_whole = strcmp(format, "gptq_v2") == 0;
    if (!out->gptq_zeros_whole && strcmp(format, "gptq") != 0)
        return assay_fail(err, ASSAY_EINVAL,
                "checkpoint_format: \"%.64s\" is neither gptq nor gptq_v2", format);
    return ASSAY_OK;
}

// Groups of layers; all that quantise weights must do it in the one way that is built.
static enum assay_status read_compressed(const struct assay_json *q, struct assay_error *err)
{
    const char *format = "pack-quantized";
    enum assay_status status = assay_json_opt_text(&format, q, "format", err);

    if (status == ASSAY_OK && strcmp(format, "pack-quantized") != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "format: \"%.64s\" is not built, only pack-quantized", format);
    for (const struct assay_json *g = assay_json_first(assay_json_get(q, "config_groups"));
            g && status == ASSAY_OK; g = assay_json_next(g)) {
        const struct assay_json *weights = assay_json_get(g, "weights");
        const struct assay_json *inputs = assay_json_get(g, "input_activations");
        const char *type = "int";

        status = check_bits(weights, "num_bits", err);
        if (status == ASSAY_OK)
            status = assay_json_opt_text(&type, weights, "type", err);
        if (status == ASSAY_OK && strcmp(type, "int") != 0)
            status = assay_fail(err, ASSAY_EINVAL, "type: \"%.64s\" is not built, only int", type);
        if (status == ASSAY_OK && inputs && assay_json_type(inputs) != ASSAY_JSON_NULL)
            status = assay_fail(err, ASSAY_EINVAL, "input_activations: not built");
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "config_groups");
    }
    return status;
}

static enum assay_status read_method(
        struct assay_quantization *out, const struct assay_json *q, struct assay_error *err)
{
    const char *method = NULL;
    enum assay_status status = assay_json_read_text(&method, q, "quant_method", err);

    if (status != ASSAY_OK)
        return status;
    if (strcmp(method, "gptq") == 0)
        return read_gptq(out, q, err);
    if (strcmp(method, "compressed-tensors") == 0)
        return read_compressed(q, err);
    return assay_fail(err, ASSAY_EINVAL,
            "quant_method: \"%.64s\" is not built, only gptq and compressed-tensors", method);
}

enum assay_status assay_quantization_read(
        struct assay_quantization *out, const char *path, struct assay_error *err)
{
    const struct assay_json_limits limits = {CONFIG_BYTES_MAX, CONFIG_DEPTH_MAX};
    struct assay_quantization quantization = {false};
    const struct assay_json *q;
    struct assay_json *root = NULL;
    struct assay_buf text;
    char file[4096];
    struct stat st;
    const bool directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    enum assay_status status;

    if (snprintf(file, sizeof(file), "%s%s", path, directory ? "/config.json" : "") >=
            (int)sizeof(file))
        return assay_fail(err, ASSAY_EINVAL, "%.64s...: too long", path);
    assay_buf_init(&text, CONFIG_BYTES_MAX);
    status = assay_fs_read_file(&text, file, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&root, text.data, text.len, limits, file, 1, err);
    if (status == ASSAY_OK) {
        q = assay_json_get(root, "quantization_config");
        if (q && assay_json_type(q) != ASSAY_JSON_NULL)
            status = read_method(&quantization, q, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s: quantization_config", file);
    }
    assay_json_free(root);
    assay_buf_free(&text);
    if (status == ASSAY_OK)
        *out = quantization;
    return status;
}
