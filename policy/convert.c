// SPDX-License-Identifier: MIT
#include "policy/convert.h"

#include <string.h>

static uint16_t to_bf16(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if (value != value) // a NaN must not round up to infinity
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void assay_convert_from_float(void *out, enum assay_dtype dtype, const float *in, uint64_t count)
{
    if (dtype == ASSAY_DTYPE_F32)
        memcpy(out, in, count * sizeof(*in));
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_F64 && i < count; i++)
        ((double *)out)[i] = (double)in[i];
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_BF16 && i < count; i++)
        ((uint16_t *)out)[i] = to_bf16(in[i]);
}

void assay_convert_from_double(void *out, enum assay_dtype dtype, const double *in, uint64_t count)
{
    if (dtype == ASSAY_DTYPE_F64)
        memcpy(out, in, count * sizeof(*in));
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_F32 && i < count; i++)
        ((float *)out)[i] = (float)in[i];
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_BF16 && i < count; i++)
        ((uint16_t *)out)[i] = to_bf16((float)in[i]);
}

void assay_convert_to_double(double *out, const void *in, enum assay_dtype dtype, uint64_t count)
{
    if (dtype == ASSAY_DTYPE_F64)
        memcpy(out, in, count * sizeof(*out));
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_F32 && i < count; i++)
        out[i] = (double)((const float *)in)[i];
    for (uint64_t i = 0; dtype == ASSAY_DTYPE_BF16 && i < count; i++) {
        const uint32_t bits = (uint32_t)((const uint16_t *)in)[i] << 16;
        float value;

        memcpy(&value, &bits, sizeof(value));
        out[i] = (double)value;
    }
}
