// SPDX-License-Identifier: MIT
// packed.c - (nibble - zero) * scale. Eight nibbles a 32-bit word, lowest first.
//
// compressed-tensors: words along a row, zero 8 when symmetric; zero points packed along the rows.
// GPTQ: words along a column, zeros packed along the rows and stored less one (gptq_v2: as they
// are).
#include "policy/packed.h"

#include <stdio.h>
#include <string.h>

#include "policy/weight_read.h"

#define NAME_BYTES_MAX 512
#define SYMMETRIC_ZERO 8

// "....weight" with another ending.
static const struct assay_weight_view *sibling(
        const struct assay_weight_file *file, const char *name, const char *ending)
{
    const size_t len = strlen(name), tail = strlen(".weight");
    char other[NAME_BYTES_MAX];

    if (len < tail || strcmp(name + len - tail, ".weight") != 0)
        return NULL;
    if (snprintf(other, sizeof(other), "%.*s%s", (int)(len - tail), name, ending) >=
            (int)sizeof(other))
        return NULL;
    return assay_weight_file_find(file, other);
}

static bool is_matrix(const struct assay_weight_view *view, uint64_t rows, uint64_t cols)
{
    return view->dim_count == 2 && view->dims[0] == rows && view->dims[1] == cols;
}

static bool is_float(const struct assay_weight_view *view)
{
    return view->type == ASSAY_WEIGHT_F32 || view->type == ASSAY_WEIGHT_F16 ||
            view->type == ASSAY_WEIGHT_BF16;
}

static bool is_shape(const struct assay_weight_view *view, uint64_t rows, uint64_t cols)
{
    const uint64_t bytes = view->type == ASSAY_WEIGHT_I64 ? 8 : 4;

    return (view->type == ASSAY_WEIGHT_I64 || view->type == ASSAY_WEIGHT_I32) &&
            view->dim_count == 1 && view->dims[0] == 2 &&
            assay_load_le(view->data, (unsigned)bytes) == rows &&
            assay_load_le(view->data + bytes, (unsigned)bytes) == cols;
}

// NULL, or what is wrong with how columns are put into groups.
static const char *check_groups(const struct assay_packed *p, uint32_t cols, uint64_t groups)
{
    if (!p->groups && cols % groups != 0)
        return "its groups do not divide its columns";
    if (p->groups &&
            (p->groups->type != ASSAY_WEIGHT_I32 || p->groups->dim_count != 1 ||
                    p->groups->dims[0] != cols))
        return "its group indices have another shape";
    for (uint32_t c = 0; p->groups && c < cols; c++)
        if (assay_load_le(p->groups->data + (size_t)c * 4, 4) >= groups)
            return "a group index is out of range";
    return NULL;
}

// NULL, or what is wrong.
static const char *check(const struct assay_packed *p, uint32_t rows, uint32_t cols)
{
    const uint64_t words = cols / 8;
    const uint64_t groups = p->scales ? p->scales->dims[p->gptq ? 0 : 1] : 0;
    const bool g = p->gptq;
    const char *why;

    if (cols % 8 != 0 || p->values->type != ASSAY_WEIGHT_I32 ||
            !is_matrix(p->values, g ? words : rows, g ? rows : words))
        return "its packed values are no I32 of the right shape (only 4 bits are read)";
    if (!p->scales || !is_float(p->scales) || p->scales->dim_count != 2 || groups == 0 ||
            !is_matrix(p->scales, g ? groups : rows, g ? rows : groups))
        return "its scales are missing, or have another shape";
    why = check_groups(p, cols, groups);
    if (why)
        return why;
    if (p->zeros &&
            (rows % 8 != 0 || p->zeros->type != ASSAY_WEIGHT_I32 ||
                    !is_matrix(p->zeros, g ? groups : rows / 8, g ? rows / 8 : groups)))
        return "its zero points have another shape";
    if (p->shape && !is_shape(p->shape, rows, cols))
        return "its weight_shape is another one";
    return NULL;
}

enum assay_status assay_packed_find(struct assay_packed *out, const struct assay_weight_file *file,
        const struct assay_quantization *quantization, const char *name, uint32_t rows,
        uint32_t cols, struct assay_error *err)
{
    struct assay_packed p = {.values = sibling(file, name, ".weight_packed")};
    const char *why;

    if (p.values) {
        p.scales = sibling(file, name, ".weight_scale");
        p.zeros = sibling(file, name, ".weight_zero_point");
        p.groups = sibling(file, name, ".weight_g_idx");
        p.shape = sibling(file, name, ".weight_shape");
    } else {
        p.gptq = true;
        p.zeros_less_one = !quantization->gptq_zeros_whole;
        p.values = sibling(file, name, ".qweight");
        p.scales = sibling(file, name, ".scales");
        p.zeros = sibling(file, name, ".qzeros");
        p.groups = sibling(file, name, ".g_idx");
    }
    if (!p.values)
        return assay_fail(err, ASSAY_ENOTFOUND, "tensor %s is missing", name);
    why = check(&p, rows, cols);
    if (why)
        return assay_fail(err, ASSAY_EINVAL, "tensor %s: %s", name, why);
    *out = p;
    return ASSAY_OK;
}

static unsigned nibble(const struct assay_weight_view *view, uint64_t word, unsigned place)
{
    return (unsigned)(assay_load_le(view->data + word * 4, 4) >> (4 * place)) & 15U;
}

static unsigned zero_of(const struct assay_packed *p, uint32_t row, uint64_t group)
{
    if (!p->zeros)
        return SYMMETRIC_ZERO;
    if (p->gptq)
        return nibble(p->zeros, group * p->zeros->dims[1] + row / 8, row % 8) + p->zeros_less_one;
    return nibble(p->zeros, row / 8 * p->zeros->dims[1] + group, row % 8);
}

void assay_packed_row(float *out, const struct assay_packed *packed, uint32_t row, uint32_t cols)
{
    const uint64_t groups = packed->scales->dims[packed->gptq ? 0 : 1];
    const uint64_t rows = packed->scales->dims[packed->gptq ? 1 : 0];

    for (uint32_t c = 0; c < cols; c++) {
        const uint64_t group = packed->groups
                ? assay_load_le(packed->groups->data + (size_t)c * 4, 4)
                : c / (cols / groups);
        const unsigned q = packed->gptq
                ? nibble(packed->values, c / 8 * rows + row, c % 8)
                : nibble(packed->values, (uint64_t)row * (cols / 8) + c / 8, c % 8);
        float scale;

        (void)assay_weight_to_float(&scale, packed->scales,
                packed->gptq ? group * rows + row : row * groups + group, 1);
        out[c] = (float)((int)q - (int)zero_of(packed, row, group)) * scale;
    }
}
