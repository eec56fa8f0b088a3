// SPDX-License-Identifier: MIT
// cpu_simd.h - sixteen floats, whatever the instruction set: the only place with intrinsics.
//
// Kernels are written once over `v16` and compiled for each path (cpu.h). Every path has sixteen
// lanes and the same tree for horizontal sums, so AVX2 (two registers) and AVX-512 (one) round
// alike. The plain path multiplies and adds in two roundings.
#ifndef ASSAY_KERNELS_CPU_SIMD_H
#define ASSAY_KERNELS_CPU_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SIMD static inline __attribute__((always_inline))
#define SIMD_LANES 16

#if defined(__AVX512F__)
#include <immintrin.h>

typedef __m512 v16;

SIMD v16 v_set(float x)
{
    return _mm512_set1_ps(x);
}
SIMD v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
SIMD void v_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}
// Past the caches, into memory; p is a multiple of 64 bytes. v_fence() before others read it.
SIMD void v_stream(float *p, v16 x)
{
    _mm512_stream_ps(p, x);
}
SIMD void v_fence(void)
{
    _mm_sfence();
}
SIMD v16 v_load_some(const float *p, size_t count) // the lanes after `count` are 0
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
SIMD void v_store_some(float *p, v16 x, size_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
}
SIMD v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
SIMD v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
SIMD v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
SIMD v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
SIMD v16 v_sqrt(v16 a)
{
    return _mm512_sqrt_ps(a);
}
SIMD v16 v_fma(v16 a, v16 b, v16 c) // a * b + c
{
    return _mm512_fmadd_ps(a, b, c);
}
SIMD v16 v_max(v16 a, v16 b) // b when one is a NaN
{
    return _mm512_max_ps(a, b);
}
SIMD v16 v_drop_below(v16 a, v16 x, float limit) // 0 where x < limit, or else a
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, v_set(limit), _CMP_NLT_UQ), a);
}
SIMD v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}
SIMD v16 v_round(v16 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD v16 v_scale(v16 a, v16 n) // a * 2^n, n whole
{
    return _mm512_scalef_ps(a, n);
}
SIMD float v_sum(v16 a)
{
    const __m256 low = _mm512_castps512_ps256(a);
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    const __m256 eight = _mm256_add_ps(low, high);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));

    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

typedef struct {
    __m256 low, high;
} v16;

#define SIMD_BOTH(call_low, call_high) ((v16){call_low, call_high})

SIMD v16 v_set(float x)
{
    return SIMD_BOTH(_mm256_set1_ps(x), _mm256_set1_ps(x));
}
SIMD v16 v_load(const float *p)
{
    return SIMD_BOTH(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
SIMD void v_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
}
SIMD void v_stream(float *p, v16 x)
{
    _mm256_stream_ps(p, x.low);
    _mm256_stream_ps(p + 8, x.high);
}
SIMD void v_fence(void)
{
    _mm_sfence();
}
SIMD v16 v_load_some(const float *p, size_t count)
{
    float lanes[SIMD_LANES] = {0};

    if (count == SIMD_LANES)
        return v_load(p);
    memcpy(lanes, p, count * sizeof(float));
    return v_load(lanes);
}
SIMD void v_store_some(float *p, v16 x, size_t count)
{
    float lanes[SIMD_LANES];

    if (count == SIMD_LANES) {
        v_store(p, x);
        return;
    }
    v_store(lanes, x);
    memcpy(p, lanes, count * sizeof(float));
}
SIMD v16 v_add(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high));
}
SIMD v16 v_sub(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high));
}
SIMD v16 v_mul(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high));
}
SIMD v16 v_div(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high));
}
SIMD v16 v_sqrt(v16 a)
{
    return SIMD_BOTH(_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high));
}
SIMD v16 v_fma(v16 a, v16 b, v16 c)
{
    return SIMD_BOTH(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high));
}
SIMD v16 v_max(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high));
}
SIMD v16 v_drop_below(v16 a, v16 x, float limit)
{
    const __m256 bound = _mm256_set1_ps(limit);

    return SIMD_BOTH(_mm256_and_ps(a.low, _mm256_cmp_ps(x.low, bound, _CMP_NLT_UQ)),
            _mm256_and_ps(a.high, _mm256_cmp_ps(x.high, bound, _CMP_NLT_UQ)));
}
SIMD v16 v_min(v16 a, v16 b)
{
    return SIMD_BOTH(_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high));
}
SIMD __m256 simd_round(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD v16 v_round(v16 a)
{
    return SIMD_BOTH(simd_round(a.low), simd_round(a.high));
}
// Two factors, so that a result below the normal range is rounded once and none overflows early.
SIMD __m256 simd_scale(__m256 a, __m256 n)
{
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);

    a = _mm256_mul_ps(a, _mm256_castsi256_ps(first));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(second));
}
SIMD v16 v_scale(v16 a, v16 n)
{
    return SIMD_BOTH(simd_scale(a.low, n.low), simd_scale(a.high, n.high));
}
SIMD float v_sum(v16 a)
{
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));

    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

#else // plain: the compiler's own vectors, on any machine
#include <math.h>

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t simd_int __attribute__((vector_size(64)));

SIMD v16 v_set(float x)
{
    return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
SIMD v16 v_load_some(const float *p, size_t count)
{
    v16 x = v_set(0);

    if (count == SIMD_LANES)
        memcpy(&x, p, sizeof(x));
    else
        memcpy(&x, p, count * sizeof(float));
    return x;
}
SIMD v16 v_load(const float *p)
{
    return v_load_some(p, SIMD_LANES);
}
SIMD void v_store_some(float *p, v16 x, size_t count)
{
    if (count == SIMD_LANES)
        memcpy(p, &x, sizeof(x));
    else
        memcpy(p, &x, count * sizeof(float));
}
SIMD void v_store(float *p, v16 x)
{
    v_store_some(p, x, SIMD_LANES);
}
SIMD void v_stream(float *p, v16 x)
{
    v_store(p, x);
}
SIMD void v_fence(void)
{
}
SIMD v16 v_add(v16 a, v16 b)
{
    return a + b;
}
SIMD v16 v_sub(v16 a, v16 b)
{
    return a - b;
}
SIMD v16 v_mul(v16 a, v16 b)
{
    return a * b;
}
SIMD v16 v_div(v16 a, v16 b)
{
    return a / b;
}
SIMD v16 v_sqrt(v16 a)
{
    for (int i = 0; i < SIMD_LANES; i++)
        a[i] = sqrtf(a[i]);
    return a;
}
SIMD v16 v_fma(v16 a, v16 b, v16 c)
{
    return a * b + c;
}
SIMD v16 simd_pick(simd_int mask, v16 yes, v16 no)
{
    return (v16)((mask & (simd_int)yes) | (~mask & (simd_int)no));
}
SIMD v16 v_max(v16 a, v16 b)
{
    return simd_pick((simd_int)(a > b), a, b);
}
SIMD v16 v_drop_below(v16 a, v16 x, float limit)
{
    return simd_pick((simd_int)(x < v_set(limit)), v_set(0), a);
}
SIMD v16 v_min(v16 a, v16 b)
{
    return simd_pick((simd_int)(a < b), a, b);
}
SIMD v16 v_round(v16 a) // for |a| < 2^22: what is added pushes the fraction out
{
    return (a + v_set(12582912.0f)) - v_set(12582912.0f);
}
SIMD v16 v_scale(v16 a, v16 n)
{
    // A NaN would be undefined as an integer, and a is one then too.
    const simd_int whole =
            __builtin_convertvector(simd_pick((simd_int)(n < v_set(1e9f)), n, v_set(0)), simd_int);
    const simd_int half = whole >> 1;

    return a * (v16)((half + 127) << 23) * (v16)((whole - half + 127) << 23);
}
SIMD float v_sum(v16 a)
{
    float x[8];

    for (int i = 0; i < 8; i++)
        x[i] = a[i] + a[i + 8];
    for (int i = 0; i < 4; i++)
        x[i] += x[i + 4];
    return (x[0] + x[2]) + (x[1] + x[3]);
}
#endif

SIMD float v_top(v16 a) // the largest lane; no rounding, so no order to keep
{
    float lanes[SIMD_LANES], top = 0;

    v_store(lanes, a);
    top = lanes[0];
    for (int i = 1; i < SIMD_LANES; i++)
        top = lanes[i] > top ? lanes[i] : top;
    return top;
}

// e^x: 2^n e^r with |r| <= ln 2 / 2, a polynomial of degree 6 for e^r (within 1.5 ulp). Above 88.8
// it is infinity, below -69 it is 0: beside the largest weight of a softmax 1e-30 is nothing, and
// products with numbers below the normal range take a processor a hundred times as long. A NaN
// stays one.
SIMD v16 v_exp(v16 x)
{
    const v16 bounded = v_min(v_set(88.8f), v_max(v_set(-70.0f), x));
    const v16 n = v_round(v_mul(bounded, v_set(1.44269504f)));
    v16 r = v_fma(n, v_set(-0.693145752f), bounded);
    v16 p = v_set(1.9875691500e-4f);

    r = v_fma(n, v_set(-1.42860677e-6f), r);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), r);
    return v_drop_below(v_scale(v_add(p, v_set(1.0f)), n), x, -69.0f);
}

SIMD v16 v_sigmoid(v16 x)
{
    return v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp(v_sub(v_set(0.0f), x))));
}

#endif
