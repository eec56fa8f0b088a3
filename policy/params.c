// SPDX-License-Identifier: MIT
#include "policy/params.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "policy/convert.h"

#define ALIGN_ELEMENTS 16
#define CHUNK ((uint64_t)1 << 16)

enum assay_status assay_params_lay_out(struct assay_params *out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_params params = {.ops = ops, .layer_count = config->layer_count};
    const size_t place_count = ((size_t)config->layer_count + 1) * ASSAY_TENSOR_ROLE_COUNT;
    enum assay_status status = assay_tensor_list(&params.specs, &params.count, config, arena, err);

    if (status != ASSAY_OK)
        return status;
    params.offsets = assay_arena_array(arena, params.count, sizeof(*params.offsets));
    params.places = assay_arena_array(arena, place_count, sizeof(*params.places));
    if (!params.offsets || !params.places)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < place_count; i++)
        params.places[i] = UINT32_MAX;
    for (size_t i = 0; i < params.count; i++) {
        const struct assay_tensor_spec *spec = &params.specs[i];
        const uint32_t layer =
                spec->layer == ASSAY_TENSOR_NO_LAYER ? params.layer_count : spec->layer;
        const uint64_t elements = assay_tensor_elements(spec);

        params.places[layer * ASSAY_TENSOR_ROLE_COUNT + spec->role] = (uint32_t)i;
        params.offsets[i] = params.element_count;
        params.element_count += (elements + ALIGN_ELEMENTS - 1) / ALIGN_ELEMENTS * ALIGN_ELEMENTS;
    }
    *out = params;
    return ASSAY_OK;
}

enum assay_status assay_params_create(struct assay_params *out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_params params;
    enum assay_status status = assay_params_lay_out(&params, config, ops, arena, err);

    if (status != ASSAY_OK)
        return status;
    status = ops->device.alloc(
            &params.weights, params.element_count * assay_dtype_bytes(ops->weight), err);
    if (status == ASSAY_OK)
        *out = params;
    return status;
}

void assay_params_release(struct assay_params *params)
{
    if (params->ops)
        params->ops->device.release(params->weights);
    params->weights = NULL;
}

size_t assay_params_index(
        const struct assay_params *params, enum assay_tensor_role role, uint32_t layer)
{
    const uint32_t row = layer == ASSAY_TENSOR_NO_LAYER ? params->layer_count : layer;
    const uint32_t place = params->places[row * ASSAY_TENSOR_ROLE_COUNT + role];

    assert(place != UINT32_MAX);
    return place;
}

void *assay_params_at(const struct assay_params *params, void *base, enum assay_dtype dtype,
        enum assay_tensor_role role, uint32_t layer)
{
    const size_t index = assay_params_index(params, role, layer);

    return (char *)base + params->offsets[index] * assay_dtype_bytes(dtype);
}

enum assay_status assay_params_write(struct assay_params *params, struct assay_stream *stream,
        size_t index, uint64_t first, const float *values, uint64_t count, struct assay_error *err)
{
    const struct assay_device *device = &params->ops->device;
    const size_t bytes = assay_dtype_bytes(params->ops->weight);
    char *to = (char *)params->weights + (params->offsets[index] + first) * bytes;
    enum assay_status status = ASSAY_OK;
    void *chunk = malloc(CHUNK * bytes);

    if (!chunk)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint64_t at = 0; at < count && status == ASSAY_OK; at += CHUNK) {
        const uint64_t part = count - at < CHUNK ? count - at : CHUNK;

        assay_convert_from_float(chunk, params->ops->weight, values + at, part);
        device->upload(stream, to + at * bytes, chunk, part * bytes);
        status = device->sync(stream, err);
    }
    free(chunk);
    return status;
}

enum assay_status assay_params_read(const struct assay_params *params, struct assay_stream *stream,
        const void *base, enum assay_dtype dtype, size_t index, uint64_t first, double *values,
        uint64_t count, struct assay_error *err)
{
    const struct assay_device *device = &params->ops->device;
    const size_t bytes = assay_dtype_bytes(dtype);
    const char *from = (const char *)base + (params->offsets[index] + first) * bytes;
    enum assay_status status = ASSAY_OK;
    void *chunk = malloc(CHUNK * bytes);

    if (!chunk)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint64_t at = 0; at < count && status == ASSAY_OK; at += CHUNK) {
        const uint64_t part = count - at < CHUNK ? count - at : CHUNK;

        device->download(stream, chunk, from + at * bytes, part * bytes);
        status = device->sync(stream, err);
        if (status == ASSAY_OK)
            assay_convert_to_double(values + at, chunk, dtype, part);
    }
    free(chunk);
    return status;
}

// --- fresh weights ------------------------------------------------------------------------------

static bool is_norm(enum assay_tensor_role role)
{
    return role == ASSAY_TENSOR_FINAL_NORM || role == ASSAY_TENSOR_ATTN_NORM ||
            role == ASSAY_TENSOR_FFN_NORM || role == ASSAY_TENSOR_LIGHTNING_NORM ||
            role == ASSAY_TENSOR_Q_NORM || role == ASSAY_TENSOR_K_NORM;
}

static bool ends_branch(enum assay_tensor_role role)
{
    return role == ASSAY_TENSOR_LIGHTNING_OUT || role == ASSAY_TENSOR_ATTN_OUT ||
            role == ASSAY_TENSOR_EXPERT_DOWN || role == ASSAY_TENSOR_FFN_DOWN ||
            role == ASSAY_TENSOR_SHARED_DOWN;
}

// Box and Muller; the logarithm's argument is above 0.
static float normal(struct assay_rng *rng)
{
    const double u = 1 - assay_rng_unit(rng), v = assay_rng_unit(rng);

    return (float)(sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

enum assay_status assay_params_init(struct assay_params *params, struct assay_stream *stream,
        uint64_t seed, double sigma, struct assay_error *err)
{
    const float plain = (float)sigma;
    const float last = (float)(sigma / sqrt(2.0 * params->layer_count));
    float *values = malloc(CHUNK * sizeof(*values));
    enum assay_status status = ASSAY_OK;

    if (!values)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < params->count && status == ASSAY_OK; i++) {
        const struct assay_tensor_spec *spec = &params->specs[i];
        const uint64_t count = assay_tensor_elements(spec);
        struct assay_rng rng;

        assay_rng_seed(&rng, seed, i);
        for (uint64_t at = 0; at < count && status == ASSAY_OK; at += CHUNK) {
            uint64_t part = count - at;

            if (part > CHUNK)
                part = CHUNK;
            for (uint64_t j = 0; j < part; j++)
                values[j] = is_norm(spec->role)
                        ? 1
                        : normal(&rng) * (ends_branch(spec->role) ? last : plain);
            status = assay_params_write(params, stream, i, at, values, part, err);
        }
    }
    free(values);
    return status;
}
