#include "common/ops/quantize.h"
#if defined __AVX512F__
#include <math.h>
#include "common/ops/vector.h"

enum { STEP = 64 }; /* bytes stored at once */
#define LEAST 1e-36f /* below it 127 / x overflows; such rows are zeros */

VECTOR __mmask32
first_halves(long n)
{
    return n >= 32 ? 0xffffffff : n <= 0 ? 0 : (1u << n) - 1;
}

/*
 * Below, `left` is how many values there are from i on; where it is the constant STEP, no
 * mask is left of it.
 */
VECTOR __m512i
halves(const void *src, int i, int left)
{
    return _mm512_maskz_loadu_epi16(first_halves(left), (const uint16_t *)src + i);
}

VECTOR __m512
floats(const void *src, enum dtype from, int i, int left)
{
    return load_as_f32(src, from, (size_t)i, first_lanes(left));
}

/*
 * Bits of floats without the sign are ordered as the magnitudes are, and NaN is above all of
 * them: none is lost, as it would be between floats.
 */
VECTOR __m512i
larger(__m512i a, __m512 x)
{
    return _mm512_max_epu32(a, _mm512_castps_si512(_mm512_abs_ps(x)));
}

/* The largest of `most` and STEP magnitudes; of bf16 two in a word. */
VECTOR __m512i
largest(__m512i most, const void *src, enum dtype from, int i, int left)
{
    if (from == BF16) {
        const __m512i magnitude = _mm512_set1_epi16(0x7fff),
                      a = _mm512_and_si512(magnitude, halves(src, i, left)),
                      b = _mm512_and_si512(magnitude, halves(src, i + 32, left - 32));
        return _mm512_max_epu16(most, _mm512_max_epu16(a, b));
    }
    for (int k = 0; k < STEP; k += 16)
        most = larger(most, floats(src, from, i + k, left - k));
    return most;
}

VECTOR float
row_largest(const void *src, enum dtype from, int n)
{
    __m512i a = _mm512_setzero_si512(), b = a;
    int i = 0;
    for (; i + 2 * STEP <= n; i += 2 * STEP) {
        a = largest(a, src, from, i, STEP);
        b = largest(b, src, from, i + STEP, STEP);
    }
    for (; i < n; i += STEP)
        a = largest(a, src, from, i, n - i);
    if (from == BF16) {
        a = _mm512_max_epu16(a, b);
        b = _mm512_and_si512(_mm512_set1_epi32((int)0xffff0000), a);
        a = _mm512_slli_epi32(a, 16);
    }
    const unsigned most = _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128((int)most)));
}

VECTOR __m512i
rounded(__m512 x, __m512 inverse)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
}

/* Sets right what was packed by 128-bit lanes. */
VECTOR __m512i
in_order(__m512i x)
{
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), x);
}

/* Thirty-two values as int16.  Two bf16 of a word are widened where they lie. */
VECTOR __m512i
words_at(const void *src, enum dtype from, int i, int left, __m512 inverse)
{
    if (from == BF16) {
        const __m512i v = halves(src, i, left), high = _mm512_set1_epi32((int)0xffff0000);
        const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)),
                     odd = _mm512_castsi512_ps(_mm512_and_si512(v, high));
        return _mm512_mask_mov_epi16(rounded(even, inverse), 0xaaaaaaaa,
                                     _mm512_slli_epi32(rounded(odd, inverse), 16));
    }
    return in_order(
        _mm512_packs_epi32(rounded(floats(src, from, i, left), inverse),
                           rounded(floats(src, from, i + 16, left - 16), inverse)));
}

VECTOR __m512i
bytes_at(const void *src, enum dtype from, int i, int left, __m512 inverse)
{
    const __m512i q = in_order(
        _mm512_packs_epi16(words_at(src, from, i, left, inverse),
                           words_at(src, from, i + 32, left - 32, inverse)));
    return _mm512_xor_si512(q, _mm512_set1_epi8(-128));
}

VECTOR float
quantize(uint8_t *to, const void *src, enum dtype from, int n)
{
    const float most = row_largest(src, from, n);
    const int any = most > LEAST;
    const __m512 inverse = splat(any ? 127 / most : 0);
    int i = 0;
    for (; i + STEP <= n; i += STEP)
        _mm512_storeu_si512(to + i, bytes_at(src, from, i, STEP, inverse));
    if (i < n)
        _mm512_mask_storeu_epi8(to + i, (1ull << (n - i)) - 1,
                                bytes_at(src, from, i, n - i, inverse));
    return !isfinite(most) ? NAN : any ? most / 127 : 1;
}

float
quantize_row(uint8_t *to, const void *src, enum dtype from, int n)
{
    if (from == BF16)
        return quantize(to, src, BF16, n);
    if (from == F32)
        return quantize(to, src, F32, n);
    return quantize(to, src, F16, n);
}
#else
typedef int quantize_unused;
#endif
