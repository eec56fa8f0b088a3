// SPDX-License-Identifier: MIT
// params_load.c - tensors of a file into the layout of a model, by the family's mapping table.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/packed.h"
#include "policy/params.h"

#define NAME_BYTES_MAX 256
#define CHUNK ((uint64_t)1 << 18)

struct loading {
    struct assay_params *params;
    struct assay_stream *stream;
    const struct assay_weight_file *file;
    const struct assay_tensor_names *names;
    const struct assay_quantization *quantization;
    bool *used; // one a tensor of the file
    float *chunk;
    uint64_t chunk_elements;
};

static void mark_used(struct loading *l, const struct assay_weight_view *view)
{
    l->used[view - assay_weight_file_at(l->file, 0)] = true;
}

static enum assay_status wrong_shape(const struct assay_weight_view *view,
        const struct assay_tensor_spec *spec, uint32_t experts, struct assay_error *err)
{
    char found[256] = "";
    size_t len = 0;

    for (uint32_t i = 0; i < view->dim_count; i++)
        len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%llu", i ? ", " : "",
                (unsigned long long)view->dims[i]);
    return assay_fail(err, ASSAY_EINVAL, "tensor %s is [%s], not [%u, %u, %u] of %s", view->name,
            found, experts, spec->rows, spec->cols, assay_tensor_role_name(spec->role));
}

// Does the view hold `experts` matrices of `parts` times the spec's rows? Leading ones may be left
// out.
static bool has_shape(const struct assay_weight_view *view, const struct assay_tensor_spec *spec,
        uint32_t experts, uint32_t parts)
{
    const uint64_t wanted[3] = {experts, (uint64_t)parts * spec->rows, spec->cols};
    uint32_t i = 0;

    while (i < 2 && 3 - i > view->dim_count && wanted[i] == 1)
        i++;
    if (3 - i != view->dim_count)
        return false;
    for (uint32_t j = 0; j < view->dim_count; j++)
        if (view->dims[j] != wanted[i + j])
            return false;
    return true;
}

// Elements of a view from `from` on to elements of a tensor from `to` on.
static enum assay_status copy_elements(struct loading *l, size_t index, uint64_t to,
        const struct assay_weight_view *view, uint64_t from, uint64_t count,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < count && status == ASSAY_OK; at += l->chunk_elements) {
        const uint64_t part = count - at < l->chunk_elements ? count - at : l->chunk_elements;

        if (!assay_weight_to_float(l->chunk, view, from + at, part))
            return assay_fail(err, ASSAY_EINVAL, "tensor %s: %s holds no weights", view->name,
                    assay_weight_type_name(view->type));
        status = assay_params_write(l->params, l->stream, index, to + at, l->chunk, part, err);
    }
    return status;
}

static enum assay_status copy_packed(struct loading *l, size_t index, uint64_t to,
        const struct assay_packed *packed, struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &l->params->specs[index];
    const struct assay_weight_view *const parts[] = {
            packed->values, packed->scales, packed->zeros, packed->groups, packed->shape};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (parts[i])
            mark_used(l, parts[i]);
    for (uint32_t row = 0; row < spec->rows && status == ASSAY_OK; row++) {
        assay_packed_row(l->chunk, packed, row, spec->cols);
        status = assay_params_write(l->params, l->stream, index, to + (uint64_t)row * spec->cols,
                l->chunk, spec->cols, err);
    }
    return status;
}

// One matrix, or all experts in one tensor, or one of `part_count` parts of each.
static enum assay_status load_whole(struct loading *l, size_t index,
        const struct assay_tensor_name *name, const struct assay_weight_view *view,
        struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &l->params->specs[index];
    const uint64_t matrix = (uint64_t)spec->rows * spec->cols;
    enum assay_status status = ASSAY_OK;

    if (!has_shape(view, spec, spec->expert_count, name->part_count))
        return wrong_shape(view, spec, spec->expert_count, err);
    mark_used(l, view);
    for (uint32_t e = 0; e < spec->expert_count && status == ASSAY_OK; e++)
        status = copy_elements(l, index, e * matrix, view,
                ((uint64_t)e * name->part_count + name->part) * matrix, matrix, err);
    return status;
}

// One matrix or one expert of several, perhaps packed. ASSAY_ENOTFOUND: not under this name.
static enum assay_status load_one(
        struct loading *l, size_t index, const char *name, uint32_t expert, struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &l->params->specs[index];
    const struct assay_weight_view *view = assay_weight_file_find(l->file, name);
    const uint64_t matrix = (uint64_t)spec->rows * spec->cols;
    struct assay_packed packed;
    enum assay_status status;

    if (view) {
        if (!has_shape(view, spec, 1, 1))
            return wrong_shape(view, spec, 1, err);
        mark_used(l, view);
        return copy_elements(l, index, expert * matrix, view, 0, matrix, err);
    }
    status =
            assay_packed_find(&packed, l->file, l->quantization, name, spec->rows, spec->cols, err);
    return status == ASSAY_OK ? copy_packed(l, index, expert * matrix, &packed, err) : status;
}

static enum assay_status load_experts(struct loading *l, size_t index,
        const struct assay_tensor_name *row, struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &l->params->specs[index];
    enum assay_status status = ASSAY_OK;

    for (uint32_t e = 0; e < spec->expert_count && status == ASSAY_OK; e++) {
        char name[NAME_BYTES_MAX];

        if (!assay_tensor_name_write(name, sizeof(name), row->pattern, spec->layer, e))
            return assay_fail(err, ASSAY_EINVAL, "a tensor's name is too long");
        status = load_one(l, index, name, e, err);
        if (status == ASSAY_ENOTFOUND && e > 0)
            return assay_fail(err, ASSAY_EINVAL, "tensor %s is missing", name);
    }
    return status;
}

// By the first row of the table that the file knows.
static enum assay_status load_tensor(struct loading *l, size_t index, struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &l->params->specs[index];
    enum assay_status status = ASSAY_ENOTFOUND;
    char first[NAME_BYTES_MAX] = "";

    for (size_t i = 0; i < l->names->row_count && status == ASSAY_ENOTFOUND; i++) {
        const struct assay_tensor_name *row = &l->names->rows[i];
        const struct assay_weight_view *view;
        char name[NAME_BYTES_MAX];

        if (row->role != spec->role)
            continue;
        if (!assay_tensor_name_write(name, sizeof(name), row->pattern, spec->layer, 0))
            return assay_fail(err, ASSAY_EINVAL, "a tensor's name is too long");
        if (first[0] == '\0')
            memcpy(first, name, sizeof(first));
        if (strstr(row->pattern, "%E")) {
            status = load_experts(l, index, row, err);
            continue;
        }
        view = assay_weight_file_find(l->file, name);
        if (view)
            status = load_whole(l, index, row, view, err);
        else if (spec->expert_count == 1 && row->part_count == 1)
            status = load_one(l, index, name, 0, err);
    }
    if (status == ASSAY_ENOTFOUND)
        return assay_fail(err, ASSAY_EINVAL, "tensor %s is missing", first);
    return status;
}

// What is left must be known to be no weight; a tied head may be written out all the same.
static enum assay_status check_unused(
        const struct loading *l, const struct assay_model_config *config, struct assay_error *err)
{
    for (size_t i = 0; i < assay_weight_file_count(l->file); i++) {
        const char *name = assay_weight_file_at(l->file, i)->name;

        if (l->used[i] || assay_tensor_name_ignored(l->names, name) ||
                (config->tied_head && strcmp(name, "lm_head.weight") == 0))
            continue;
        return assay_fail(err, ASSAY_EINVAL,
                "tensor %s is no weight of this description: wrong config, or wrong family?", name);
    }
    return ASSAY_OK;
}

enum assay_status assay_params_load(struct assay_params *params, struct assay_stream *stream,
        const struct assay_model_config *config, const struct assay_weight_file *file,
        const struct assay_tensor_names *names, const struct assay_quantization *quantization,
        struct assay_error *err)
{
    struct loading l = {.params = params,
            .stream = stream,
            .file = file,
            .names = names,
            .quantization = quantization};
    const size_t count = assay_weight_file_count(file);
    enum assay_status status = ASSAY_OK;

    if (count == 0)
        return assay_fail(err, ASSAY_EINVAL, "the file has no tensors");
    l.chunk_elements = CHUNK > ASSAY_MODEL_WIDTH_MAX ? CHUNK : ASSAY_MODEL_WIDTH_MAX;
    l.used = calloc(count, sizeof(*l.used));
    l.chunk = malloc(l.chunk_elements * sizeof(*l.chunk));
    if (!l.used || !l.chunk)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < params->count && status == ASSAY_OK; i++)
        status = load_tensor(&l, i, err);
    if (status == ASSAY_OK)
        status = check_unused(&l, config, err);
    free(l.used);
    free(l.chunk);
    return status;
}
