// SPDX-License-Identifier: MIT
// cpu_transpose.h - columns of a few rows, one column a register: what rows stored along the terms
// of a sum need when lanes run over outputs.
//
// TW rows fill one register `vt`; a step turns TW rows and TW columns.
#ifndef ASSAY_KERNELS_CPU_TRANSPOSE_H
#define ASSAY_KERNELS_CPU_TRANSPOSE_H

#include "kernels/cpu_simd.h"

#if defined(__AVX512F__)
enum { TW = 16 };
typedef __m512 vt;

SIMD vt vt_zero(void)
{
    return _mm512_setzero_ps();
}
SIMD void vt_store(float *p, vt x)
{
    _mm512_storeu_ps(p, x);
}
SIMD vt vt_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
SIMD vt vt_add(vt a, vt b)
{
    return _mm512_add_ps(a, b);
}
SIMD vt vt_fma(float a, vt b, vt c) // a * b + c
{
    return _mm512_fmadd_ps(_mm512_set1_ps(a), b, c);
}

SIMD __m512 pairs_low(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
SIMD __m512 pairs_high(__m512 a, __m512 b)
{
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

// In groups of 4 rows: u[4 g + j] holds columns j, j + 4, j + 8, j + 12 of rows 4 g ..; then the
// 128-bit quarters of the four groups change places.
SIMD void vt_columns(vt u[TW], const float *const rows[TW], size_t at)
{
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        const __m512 r0 = _mm512_loadu_ps(rows[4 * g] + at),
                     r1 = _mm512_loadu_ps(rows[4 * g + 1] + at);
        const __m512 r2 = _mm512_loadu_ps(rows[4 * g + 2] + at),
                     r3 = _mm512_loadu_ps(rows[4 * g + 3] + at);
        const __m512 t0 = _mm512_unpacklo_ps(r0, r1), t1 = _mm512_unpackhi_ps(r0, r1);
        const __m512 t2 = _mm512_unpacklo_ps(r2, r3), t3 = _mm512_unpackhi_ps(r2, r3);

        u[4 * g] = pairs_low(t0, t2);
        u[4 * g + 1] = pairs_high(t0, t2);
        u[4 * g + 2] = pairs_low(t1, t3);
        u[4 * g + 3] = pairs_high(t1, t3);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512 a = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88); // quarters 0, 2 of both
        const __m512 b = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xdd); // quarters 1, 3
        const __m512 c = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xdd);

        u[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        u[8 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
        u[4 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
        u[12 + j] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#elif defined(__AVX2__)
enum { TW = 8 };
typedef __m256 vt;

SIMD vt vt_zero(void)
{
    return _mm256_setzero_ps();
}
SIMD void vt_store(float *p, vt x)
{
    _mm256_storeu_ps(p, x);
}
SIMD vt vt_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
SIMD vt vt_add(vt a, vt b)
{
    return _mm256_add_ps(a, b);
}
SIMD vt vt_fma(float a, vt b, vt c)
{
    return _mm256_fmadd_ps(_mm256_set1_ps(a), b, c);
}

SIMD void vt_columns(vt u[TW], const float *const rows[TW], size_t at)
{
#pragma GCC unroll 2
    for (int g = 0; g < 2; g++) {
        const __m256 r0 = _mm256_loadu_ps(rows[4 * g] + at),
                     r1 = _mm256_loadu_ps(rows[4 * g + 1] + at);
        const __m256 r2 = _mm256_loadu_ps(rows[4 * g + 2] + at),
                     r3 = _mm256_loadu_ps(rows[4 * g + 3] + at);
        const __m256 t0 = _mm256_unpacklo_ps(r0, r1), t1 = _mm256_unpackhi_ps(r0, r1);
        const __m256 t2 = _mm256_unpacklo_ps(r2, r3), t3 = _mm256_unpackhi_ps(r2, r3);

        u[4 * g] = _mm256_shuffle_ps(t0, t2, 0x44);
        u[4 * g + 1] = _mm256_shuffle_ps(t0, t2, 0xee);
        u[4 * g + 2] = _mm256_shuffle_ps(t1, t3, 0x44);
        u[4 * g + 3] = _mm256_shuffle_ps(t1, t3, 0xee);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        const __m256 low = u[j], high = u[4 + j];

        u[j] = _mm256_permute2f128_ps(low, high, 0x20);
        u[4 + j] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}

#else
enum { TW = 4 };
typedef float vt __attribute__((vector_size(16)));

SIMD vt vt_zero(void)
{
    return (vt){0};
}
SIMD void vt_store(float *p, vt x)
{
    memcpy(p, &x, sizeof(x));
}
SIMD vt vt_load(const float *p)
{
    vt x;

    memcpy(&x, p, sizeof(x));
    return x;
}
SIMD vt vt_add(vt a, vt b)
{
    return a + b;
}
SIMD vt vt_fma(float a, vt b, vt c)
{
    return a * b + c;
}
SIMD void vt_columns(vt u[TW], const float *const rows[TW], size_t at)
{
    for (size_t j = 0; j < TW; j++)
        u[j] = (vt){rows[0][at + j], rows[1][at + j], rows[2][at + j], rows[3][at + j]};
}
#endif

#endif
