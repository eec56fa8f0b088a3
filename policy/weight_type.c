// SPDX-License-Identifier: MIT
// weight_type.c - what the bytes of each type mean. Layouts: facts of GGUF and of IEEE 754.
#include <math.h>
#include <string.h>

#include "policy/weight_file.h"

static const struct {
    const char *name;
    uint32_t elements, bytes;
} types[ASSAY_WEIGHT_TYPE_COUNT] = {
        [ASSAY_WEIGHT_F64] = {"F64", 1, 8},
        [ASSAY_WEIGHT_F32] = {"F32", 1, 4},
        [ASSAY_WEIGHT_F16] = {"F16", 1, 2},
        [ASSAY_WEIGHT_BF16] = {"BF16", 1, 2},
        [ASSAY_WEIGHT_I64] = {"I64", 1, 8},
        [ASSAY_WEIGHT_I32] = {"I32", 1, 4},
        [ASSAY_WEIGHT_I16] = {"I16", 1, 2},
        [ASSAY_WEIGHT_I8] = {"I8", 1, 1},
        [ASSAY_WEIGHT_U8] = {"U8", 1, 1},
        [ASSAY_WEIGHT_BOOL] = {"BOOL", 1, 1},
        [ASSAY_WEIGHT_F8_E4M3] = {"F8_E4M3", 1, 1},
        [ASSAY_WEIGHT_F8_E5M2] = {"F8_E5M2", 1, 1},
        [ASSAY_WEIGHT_Q4_0] = {"Q4_0", 32, 18},
        [ASSAY_WEIGHT_Q8_0] = {"Q8_0", 32, 34},
        [ASSAY_WEIGHT_Q4_K] = {"Q4_K", 256, 144},
        [ASSAY_WEIGHT_Q5_K] = {"Q5_K", 256, 176},
        [ASSAY_WEIGHT_Q6_K] = {"Q6_K", 256, 210},
};

const char *assay_weight_type_name(enum assay_weight_type type)
{
    return types[type].name;
}

uint32_t assay_weight_block_elements(enum assay_weight_type type)
{
    return types[type].elements;
}

uint32_t assay_weight_block_bytes(enum assay_weight_type type)
{
    return types[type].bytes;
}

uint64_t assay_weight_elements(const struct assay_weight_view *view)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < view->dim_count; i++)
        count *= view->dims[i];
    return count;
}

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

// Sign, exponent and mantissa bits of a small float; `inf`: the highest exponent is not a number's.
static float from_small(uint32_t bits, unsigned exponent_bits, unsigned mantissa_bits, bool inf)
{
    const uint32_t mantissa = bits & ((1U << mantissa_bits) - 1);
    const uint32_t exponent = bits >> mantissa_bits & ((1U << exponent_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const float sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1.0F : 1.0F;

    if (inf && exponent == (1U << exponent_bits) - 1)
        return mantissa ? NAN : sign * INFINITY;
    // E4M3: the highest exponent holds numbers, but for all ones.
    if (!inf &&
            (bits & ((1U << (exponent_bits + mantissa_bits)) - 1)) ==
                    (1U << (exponent_bits + mantissa_bits)) - 1)
        return NAN;
    if (exponent == 0)
        return sign * ldexpf((float)mantissa, 1 - bias - (int)mantissa_bits);
    return sign *
            ldexpf((float)(mantissa | 1U << mantissa_bits),
                    (int)exponent - bias - (int)mantissa_bits);
}

static uint32_t load16(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static float load_half(const unsigned char *at)
{
    return from_small(load16(at), 5, 10, true);
}

// --- plain types --------------------------------------------------------------------------------

static bool plain_to_float(
        float *out, const unsigned char *at, enum assay_weight_type type, uint64_t count)
{
    double wide;

    for (uint64_t i = 0; i < count; i++)
        switch ((int)type) {
        case ASSAY_WEIGHT_F64:
            memcpy(&wide, at + 8 * i, sizeof(wide));
            out[i] = (float)wide;
            break;
        case ASSAY_WEIGHT_F16:
            out[i] = load_half(at + 2 * i);
            break;
        case ASSAY_WEIGHT_BF16:
            out[i] = from_bits(load16(at + 2 * i) << 16);
            break;
        case ASSAY_WEIGHT_F8_E4M3:
            out[i] = from_small(at[i], 4, 3, false);
            break;
        case ASSAY_WEIGHT_F8_E5M2:
            out[i] = from_small(at[i], 5, 2, true);
            break;
        default:
            return false;
        }
    return true;
}

// --- blocks of GGUF -----------------------------------------------------------------------------

// f16 d, 16 bytes: low nibbles are the first 16 elements; x = d (q - 8).
static void q4_0(float *out, const unsigned char *at)
{
    const float d = load_half(at);

    for (unsigned i = 0; i < 16; i++) {
        out[i] = d * (float)((int)(at[2 + i] & 15) - 8);
        out[i + 16] = d * (float)((int)(at[2 + i] >> 4) - 8);
    }
}

// f16 d, 32 signed bytes.
static void q8_0(float *out, const unsigned char *at)
{
    const float d = load_half(at);

    for (unsigned i = 0; i < 32; i++)
        out[i] = d * (float)(int8_t)at[2 + i];
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the low six bits of the first four stand
// in bytes 0..3 and 4..7, whose high two bits complete the nibbles of bytes 8..11.
static void scale_and_min(
        const unsigned char *packed, unsigned j, unsigned *scale, unsigned *minimum)
{
    if (j < 4) {
        *scale = packed[j] & 63U;
        *minimum = packed[j + 4] & 63U;
        return;
    }
    *scale = (packed[j + 4] & 15U) | (unsigned)(packed[j - 4] >> 6) << 4;
    *minimum = (unsigned)(packed[j + 4] >> 4) | (unsigned)(packed[j] >> 6) << 4;
}

// f16 d, f16 dmin, 12 bytes of scales, [Q5: 32 bytes of fifth bits,] 128 bytes. Sub-blocks 2i and
// 2i + 1 share 32 bytes: low and high nibbles. x = d scale q - dmin minimum.
static void q45_k(float *out, const unsigned char *at, bool five)
{
    const float d = load_half(at), dmin = load_half(at + 2);
    const unsigned char *high = at + 16;
    const unsigned char *nibbles = at + (five ? 48 : 16);

    for (unsigned j = 0; j < 8; j++) {
        unsigned scale, minimum;

        scale_and_min(at + 4, j, &scale, &minimum);
        for (unsigned i = 0; i < 32; i++) {
            const unsigned byte = nibbles[32 * (j / 2) + i];
            unsigned q = j % 2 ? byte >> 4 : byte & 15U;

            if (five)
                q |= (unsigned)(high[i] >> j & 1) << 4;
            out[32 * j + i] = d * (float)scale * (float)q - dmin * (float)minimum;
        }
    }
}

// 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales of 16 elements each, f16 d. In
// each half of 128: quarter n takes low nibbles (n < 2) or high ones of 64 bytes, and bits 2n
// of 32.
static void q6_k(float *out, const unsigned char *at)
{
    const float d = load_half(at + 208);

    for (unsigned i = 0; i < 256; i++) {
        const unsigned half = i / 128, quarter = i % 128 / 32, lane = i % 32;
        const unsigned low = at[64 * half + 32 * (quarter % 2) + lane];
        const unsigned pair = (unsigned)at[128 + 32 * half + lane] >> (2 * quarter) & 3U;
        const unsigned q = (quarter < 2 ? low & 15U : low >> 4) | pair << 4;

        out[i] = d * (float)(int8_t)at[192 + i / 16] * (float)((int)q - 32);
    }
}

static void block_to_float(float *out, const unsigned char *at, enum assay_weight_type type)
{
    if (type == ASSAY_WEIGHT_Q4_0)
        q4_0(out, at);
    else if (type == ASSAY_WEIGHT_Q8_0)
        q8_0(out, at);
    else if (type == ASSAY_WEIGHT_Q6_K)
        q6_k(out, at);
    else
        q45_k(out, at, type == ASSAY_WEIGHT_Q5_K);
}

bool assay_weight_to_float(
        float *out, const struct assay_weight_view *view, uint64_t first, uint64_t count)
{
    const uint32_t elements = types[view->type].elements, bytes = types[view->type].bytes;
    const unsigned char *at = view->data + first / elements * bytes;

    if (view->type == ASSAY_WEIGHT_F32) {
        memcpy(out, at, count * sizeof(*out));
        return true;
    }
    if (view->type < ASSAY_WEIGHT_Q4_0)
        return plain_to_float(out, at, view->type, count);
    for (uint64_t i = 0; i < count / elements; i++)
        block_to_float(out + i * elements, at + i * bytes, view->type);
    return true;
}
