#ifndef OPS_VECTOR_H
#define OPS_VECTOR_H
/*
 * vector - AVX-512 mathematics that several files inline.  Included only by files built for
 * that instruction set.  Only what makes bf16 uses AVX512_BF16: ISA_AVX512 never asks for it.
 */
#if defined __AVX512F__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
#define VECTOR static inline __attribute__((always_inline))

VECTOR __mmask16
first_lanes(long n)
{
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

VECTOR __m512
splat(float x)
{
    return _mm512_set1_ps(x);
}

/* Sixteen values of type F32, BF16 or F16 from element i of p, zero past the mask. */
VECTOR __m512
load_as_f32(const void *p, enum dtype type, size_t i, __mmask16 m)
{
    if (type == F32)
        return _mm512_maskz_loadu_ps(m, (const float *)p + i);
    const __m256i h = _mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i);
    if (type == F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* To bf16: nearest, ties to even; NaN stays NaN, subnormals become zero. */
VECTOR __m256i
to_bf16(__m512 x)
{
    return (__m256i)_mm512_cvtneps_pbh(x);
}
/* Thirty-two: lo first. */
VECTOR __m512i
pair_to_bf16(__m512 lo, __m512 hi)
{
    return (__m512i)_mm512_cvtne2ps_pbh(hi, lo);
}

VECTOR void
store_as(void *p, enum dtype type, size_t i, __mmask16 m, __m512 x)
{
    if (type == F32)
        _mm512_mask_storeu_ps((float *)p + i, m, x);
    else
        _mm256_mask_storeu_epi16((uint16_t *)p + i, m, to_bf16(x));
}

/* r[i] lane j <-> r[j] lane i, 32-bit lanes */
VECTOR void
transpose16(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0x88);
            t[i + j + 4] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        r[j] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0x88);
        r[j + 8] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0xdd);
    }
}

/*
 * 2^x, relative error below 2e-7 up to 127; below -125 it is 0, not a subnormal, which
 * would cost hundreds of cycles: what is hidden weighs nothing.  NaN stays NaN.
 * x = n + r, r in [-1/2, 1/2]; the polynomial, 1 at 0, has the least largest relative error
 * of its degree there (9e-8), found by reweighted least squares.
 */
VECTOR __m512
vector_exp2(__m512 x)
{
    const __mmask16 some = _mm512_cmp_ps_mask(x, splat(-125), _CMP_NLT_UQ); /* or NaN */
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 y = splat(0.001326472731f);
    y = _mm512_fmadd_ps(y, r, splat(0.009671512991f));
    y = _mm512_fmadd_ps(y, r, splat(0.05550733581f));
    y = _mm512_fmadd_ps(y, r, splat(0.2402224243f));
    y = _mm512_fmadd_ps(y, r, splat(0.6931470037f));
    y = _mm512_fmadd_ps(y, r, splat(1));
    return _mm512_maskz_scalef_ps(some, y, _mm512_sub_ps(x, r));
}
/* The same with a degree more: only rounding is left. */
VECTOR __m512
vector_exp2_fine(__m512 x)
{
    const __mmask16 some = _mm512_cmp_ps_mask(x, splat(-125), _CMP_NLT_UQ);
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 y = splat(0.0001535336196f);
    y = _mm512_fmadd_ps(y, r, splat(0.001339887385f));
    y = _mm512_fmadd_ps(y, r, splat(0.009618436918f));
    y = _mm512_fmadd_ps(y, r, splat(0.05550332367f));
    y = _mm512_fmadd_ps(y, r, splat(0.2402264774f));
    y = _mm512_fmadd_ps(y, r, splat(0.6931471825f));
    y = _mm512_fmadd_ps(y, r, splat(1));
    return _mm512_maskz_scalef_ps(some, y, _mm512_sub_ps(x, r));
}

/*
 * Phi(x), the normal distribution function: 1/2 + x P(x^2) up to 5.2, then 0 or 1.  P, in
 * t = 2 x^2 / 5.2^2 - 1, is fitted so that x Phi(x) is within 7e-7 (reweighted least squares
 * at Chebyshev nodes).
 */
VECTOR __m512
vector_phi(__m512 x)
{
    static const float p[] = { -0.0003882438177f, 0.001188690076f, -0.001468750532f,
                               0.002005169634f, -0.004542335868f, 0.008365105838f,
                               -0.01261964999f, 0.01803876832f, -0.02469884232f,
                               0.03197391704f, -0.03993198648f, 0.05002561584f,
                               -0.06774362177f, 0.1359499842f };
    const float edge = 5.2f;
    const __m512 z = _mm512_min_ps(splat(edge * edge), _mm512_mul_ps(x, x));
    const __m512 t = _mm512_fmsub_ps(z, splat(2 / (edge * edge)), splat(1));
    __m512 y = splat(p[0]);
#pragma GCC unroll 16
    for (int i = 1; i < 14; i++)
        y = _mm512_fmadd_ps(y, t, splat(p[i]));
    y = _mm512_fmadd_ps(y, x, splat(0.5f));
    const __mmask16 above = _mm512_cmp_ps_mask(x, splat(edge), _CMP_GT_OQ),
                    below = _mm512_cmp_ps_mask(x, splat(-edge), _CMP_LT_OQ);
    return _mm512_mask_mov_ps(_mm512_mask_mov_ps(y, above, splat(1)), below, splat(0));
}
#endif
#endif
