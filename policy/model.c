// SPDX-License-Identifier: MIT
#include "policy/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/convert.h"
#include "policy/gguf.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)

// Values of S in device memory, from host doubles.
static enum assay_status upload(void **out, const struct assay_ops *ops,
        struct assay_stream *stream, const double *values, size_t count, struct assay_error *err)
{
    const size_t bytes = count * assay_dtype_bytes(ops->sum);
    void *host = malloc(bytes > 0 ? bytes : 1), *memory = NULL; // malloc(0) may give NULL
    enum assay_status status;

    if (!host)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_convert_from_double(host, ops->sum, values, count);
    status = ops->device.alloc(&memory, bytes, err);
    if (status == ASSAY_OK) {
        ops->device.upload(stream, memory, host, bytes);
        status = ops->device.sync(stream, err);
    }
    free(host);
    if (status == ASSAY_OK)
        *out = memory;
    else
        ops->device.release(memory);
    return status;
}

// The dimension at which RoPE makes `rotations` turns over the original length.
static double correction(const struct assay_model_config *c, double rotations)
{
    return c->rotary_dim * log(c->yarn.original_positions / (rotations * 2 * M_PI)) /
            (2 * log(c->rope_theta));
}

// theta^(-2j/R); under YaRN slow dimensions are stretched by its factor, fast ones are not, and a
// ramp lies between.
static void frequencies(double *out, const struct assay_model_config *c)
{
    const struct assay_yarn *yarn = &c->yarn;
    double low = 0, high = 1;

    if (yarn->factor > 0) {
        low = fmax(floor(correction(c, yarn->beta_fast)), 0);
        high = fmin(ceil(correction(c, yarn->beta_slow)), c->rotary_dim - 1.0);
        high = low == high ? high + 0.001 : high;
    }
    for (uint32_t j = 0; j < c->rotary_dim / 2; j++) {
        const double plain = pow(c->rope_theta, -2.0 * j / c->rotary_dim);
        const double ramp = fmin(fmax((j - low) / (high - low), 0), 1);

        out[j] = yarn->factor > 0 ? plain / yarn->factor * ramp + plain * (1 - ramp) : plain;
    }
}

static enum assay_status make_tables(
        struct assay_model *model, struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_model_config *c = &model->config;
    const size_t slope_count = (size_t)c->layer_count * c->head_count;
    double *inv_freq = assay_arena_array(model->arena, c->rotary_dim / 2, sizeof(*inv_freq));
    double *slopes = assay_arena_array(model->arena, slope_count, sizeof(*slopes));
    float *layer = assay_arena_array(model->arena, c->head_count, sizeof(*layer));
    enum assay_status status;

    if (!inv_freq || !slopes || !layer)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    frequencies(inv_freq, c);
    for (uint32_t i = 0; i < c->layer_count; i++) {
        assay_model_slopes(layer, c, i);
        for (uint32_t h = 0; h < c->head_count; h++)
            slopes[(size_t)i * c->head_count + h] = (double)layer[h];
    }
    model->rope_scale = c->yarn.factor > 0 ? c->yarn.attention_factor : 1;
    status = upload(&model->inv_freq, model->ops, stream, inv_freq, c->rotary_dim / 2, err);
    if (status == ASSAY_OK)
        status = upload(&model->slopes, model->ops, stream, slopes, slope_count, err);
    return status;
}

static enum assay_status copy_config(
        struct assay_model *model, const struct assay_model_config *config, struct assay_error *err)
{
    struct assay_model_config *c = &model->config;

    *c = *config;
    c->model_type = assay_arena_strdup(model->arena, config->model_type);
    c->layer_kinds =
            (void *)assay_arena_memdup(model->arena, config->layer_kinds, config->layer_count);
    c->layer_sparse = (void *)assay_arena_memdup(
            model->arena, config->layer_sparse, config->layer_count * sizeof(bool));
    if (!c->model_type || !c->layer_kinds || !c->layer_sparse)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (c->shared_ffn_size)
        return assay_fail(err, ASSAY_EINVAL,
                "shared_intermediate_size: shared experts are not "
                "built (no published MiniMax has one)");
    return assay_model_config_check(c, err);
}

enum assay_status assay_model_create(struct assay_model **out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_model *model = calloc(1, sizeof(*model));
    enum assay_status status;

    if (!model)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    model->ops = ops;
    status = assay_arena_create(&model->arena, ARENA_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = copy_config(model, config, err);
    if (status == ASSAY_OK)
        status = make_tables(model, stream, err);
    if (status == ASSAY_OK)
        status = assay_params_create(&model->params, &model->config, ops, model->arena, err);
    if (status == ASSAY_OK)
        *out = model;
    else
        assay_model_destroy(model);
    return status;
}

void assay_model_destroy(struct assay_model *model)
{
    if (!model)
        return;
    assay_params_release(&model->params);
    model->ops->device.release(model->inv_freq);
    model->ops->device.release(model->slopes);
    assay_arena_destroy(model->arena);
    free(model);
}

// --- from files ---------------------------------------------------------------------------------

// The config of a weight file: its own keys (GGUF), or config.json in its directory.
static enum assay_status find_config(struct assay_model_config *out,
        struct assay_quantization *quantization, const struct assay_weight_file *file,
        const char *path, const char *config_path, const struct assay_model_dialect *dialect,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    enum assay_status status;

    if (!config_path && assay_weight_file_gguf(file)) {
        status = assay_model_config_from_gguf(out, file, arena, err);
        return status == ASSAY_OK ? status : assay_wrap(err, "%s", path);
    }
    if (!config_path && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        config_path = path;
    else if (!config_path)
        config_path = slash ? assay_arena_printf(arena, "%.*s", (int)(slash - path), path) : ".";
    if (!config_path)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_model_config_load(out, config_path, dialect, arena, err);
    return status == ASSAY_OK ? assay_quantization_read(quantization, config_path, err) : status;
}

enum assay_status assay_model_open(struct assay_model **out, const char *path,
        const char *config_path, const struct assay_model_dialect *dialect,
        const struct assay_ops *ops, struct assay_stream *stream, struct assay_error *err)
{
    struct assay_weight_file *file = NULL;
    struct assay_arena *arena = NULL;
    struct assay_model *model = NULL;
    struct assay_model_config config;
    struct assay_quantization quantization = {false};
    const struct assay_tensor_names *names;
    enum assay_status status = assay_weight_file_open(&file, path, err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, ARENA_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = find_config(&config, &quantization, file, path, config_path, dialect, arena, err);
    if (status == ASSAY_OK)
        status = assay_model_create(&model, &config, ops, stream, err);
    if (status != ASSAY_OK)
        goto out;
    names = assay_weight_file_gguf(file) ? assay_tensor_names_gguf()
                                         : assay_tensor_names_of(config.model_type);
    status = assay_params_load(
            &model->params, stream, &model->config, file, names, &quantization, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%s", path);

out:
    if (status == ASSAY_OK)
        *out = model;
    else
        assay_model_destroy(model);
    assay_arena_destroy(arena);
    assay_weight_file_close(file);
    return status;
}
