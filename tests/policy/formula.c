// SPDX-License-Identifier: MIT
#include "policy/formula.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

uint64_t formula_hash(const char *key)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001B3);
    return h;
}

uint64_t formula_mix(uint64_t start, uint64_t i)
{
    uint64_t z = (start + i) * UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void formula_key(char out[64], const struct assay_tensor_spec *spec)
{
    if (spec->layer == ASSAY_TENSOR_NO_LAYER)
        (void)snprintf(out, 64, "%s.", assay_tensor_role_name(spec->role));
    else
        (void)snprintf(out, 64, "%s.%u", assay_tensor_role_name(spec->role), spec->layer);
}

static float value_of(const struct assay_tensor_spec *spec, uint64_t hash, uint64_t i)
{
    const double u = (double)(formula_mix(hash, i) >> 40) / 8388608 - 1;
    const char *name = assay_tensor_role_name(spec->role);
    const size_t len = strlen(name);

    if (len >= 4 && strcmp(name + len - 4, "norm") == 0)
        return (float)(1 + u * 0.125);
    if (spec->role == ASSAY_TENSOR_EMBEDDING)
        return (float)u;
    return (float)(u * (double)(1.75F / sqrtf((float)spec->cols)));
}

void formula_fill(struct assay_model *model, struct assay_stream *stream)
{
    for (size_t t = 0; t < model->params.count; t++) {
        const struct assay_tensor_spec *spec = &model->params.specs[t];
        const uint64_t count = assay_tensor_elements(spec);
        float *values = malloc(count * sizeof(*values));
        uint64_t hash;
        char key[64];

        if (!values)
            fail_msg("out of memory");
        formula_key(key, spec);
        hash = formula_hash(key);
        for (uint64_t i = 0; values && i < count; i++)
            values[i] = value_of(spec, hash, i);
        assert_int_equal(
                assay_params_write(&model->params, stream, t, 0, values, count, NULL), ASSAY_OK);
        free(values);
    }
}

struct assay_model *formula_model(const char *config_path, const struct assay_ops *ops,
        struct assay_stream *stream, const struct assay_model_dialect *dialect)
{
    struct assay_model_config config;
    struct assay_arena *arena = NULL;
    struct assay_model *model = NULL;
    struct assay_error err = {0};

    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 24, NULL), ASSAY_OK);
    if (assay_model_config_load(&config, config_path, dialect, arena, &err) != ASSAY_OK ||
            assay_model_create(&model, &config, ops, stream, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assay_arena_destroy(arena);
    if (!model)
        return NULL;
    formula_fill(model, stream);
    return model;
}
