#include "common/ops/panel.h"
#if defined __AVX512F__
#include <assert.h>
#include "common/ops/quantize.h"
#include "common/ops/vector.h"

/* Sixteen words of a row from value k on; zero past `values`. */
VECTOR __m512i
words_of(const void *row, enum dtype from, enum dtype to, long k, long values)
{
    if (to == F32)
        return _mm512_castps_si512(
            load_as_f32(row, from, (size_t)k, first_lanes(values - k)));
    if (from == BF16) {
        const long n = values - k;
        const __mmask32 m = n >= 32 ? 0xffffffff : n <= 0 ? 0 : (1u << n) - 1;
        return _mm512_maskz_loadu_epi16(m, (const uint16_t *)row + k);
    }
    return pair_to_bf16(load_as_f32(row, from, (size_t)k, first_lanes(values - k)),
                        load_as_f32(row, from, (size_t)k + 16, first_lanes(values - k - 16)));
}

/* Sixteen rows of words, transposed, into the panel's half. */
VECTOR void
put_words(uint32_t *panel, int half, int at, int words, __m512i r[16])
{
    uint32_t *to = panel + (ptrdiff_t)at * PANEL + half * PANEL_HALF;
    transpose16(r);
    if (words - at >= 16) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; j++)
            _mm512_store_si512(to + j * PANEL, r[j]);
        return;
    }
    for (int j = 0; j < words - at; j++)
        _mm512_store_si512(to + j * PANEL, r[j]);
}

VECTOR void
from_rows(uint32_t *panel, int half, int words, enum dtype to, const char *src,
          enum dtype from, ptrdiff_t bytes, int n, int values)
{
    const int per = to == F32 ? 1 : 2;
    for (int w = 0; w < words; w += 16) {
        __m512i r[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            r[i] = i < n ? words_of(src + i * bytes, from, to, (long)w * per, values)
                         : _mm512_setzero_si512();
        put_words(panel, half, w, words, r);
    }
}

void
panel_from_rows(uint32_t *panel, int half, int words, enum dtype to, const void *src,
                enum dtype from, ptrdiff_t ld, int n, int values)
{
    const ptrdiff_t bytes = ld * (ptrdiff_t)dtype_size(from);
    if (n == 16 && to == BF16 && from == BF16)
        from_rows(panel, half, words, BF16, src, BF16, bytes, 16, values);
    else if (n == 16 && to == BF16 && from == F32)
        from_rows(panel, half, words, BF16, src, F32, bytes, 16, values);
    else if (to == BF16)
        from_rows(panel, half, words, BF16, src, from, bytes, n, values);
    else
        from_rows(panel, half, words, F32, src, from, bytes, n, values);
}

/* Words of sixteen columns from rows k and k + 1: bf16 pairs, or F32 of row k alone. */
VECTOR __m512i
column_words(const char *src, enum dtype from, enum dtype to, ptrdiff_t bytes, long k,
             long values, int j, __mmask16 m)
{
    const __m512 a = load_as_f32(src + k * bytes, from, (size_t)j, m);
    if (to == F32)
        return _mm512_castps_si512(a);
    const __m512 b = k + 1 < values ? load_as_f32(src + (k + 1) * bytes, from, (size_t)j, m)
                                    : _mm512_setzero_ps();
    const __m512i low = _mm512_cvtepu16_epi32(to_bf16(a)),
                  high = _mm512_cvtepu16_epi32(to_bf16(b));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

VECTOR void
from_columns(uint32_t *panel, int words, enum dtype to, const char *src, enum dtype from,
             ptrdiff_t bytes, int n, int values)
{
    const int per = to == F32 ? 1 : 2;
    const __mmask16 m[2] = { first_lanes(n), first_lanes(n - 16) };
    for (int w = 0; w < words; w++, panel += PANEL)
        for (int h = 0; h < 2; h++) {
            const __m512i r =
                (long)w * per < values
                    ? column_words(src, from, to, bytes, (long)w * per, values, 16 * h, m[h])
                    : _mm512_setzero_si512();
            _mm512_store_si512(panel + 16 * h, r);
        }
}

/* Whole pairs of bf16 rows of 32: the interleaving is a permutation, nothing is converted. */
static void
interleave(uint32_t *panel, const char *src, ptrdiff_t bytes, int pairs)
{
    /* word i: value i of a below value i of b (b's count from 32) */
    const __m512i count =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i low = _mm512_or_si512(
        count, _mm512_slli_epi32(_mm512_add_epi32(count, _mm512_set1_epi32(32)), 16));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int w = 0; w < pairs; w++, panel += PANEL, src += 2 * bytes) {
        const __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + bytes);
        _mm512_store_si512(panel, _mm512_permutex2var_epi16(a, low, b));
        _mm512_store_si512(panel + 16, _mm512_permutex2var_epi16(a, high, b));
    }
}

void
panel_from_columns(uint32_t *panel, int words, enum dtype to, const void *src,
                   enum dtype from, ptrdiff_t ld, int n, int values)
{
    const ptrdiff_t bytes = ld * (ptrdiff_t)dtype_size(from);
    if (to == F32) {
        from_columns(panel, words, F32, src, from, bytes, n, values);
        return;
    }
    const int pairs = from == BF16 && n == PANEL ? values / 2 : 0;
    interleave(panel, src, bytes, pairs);
    from_columns(panel + (ptrdiff_t)pairs * PANEL, words - pairs, BF16,
                 (const char *)src + 2 * pairs * bytes, from, bytes, n, values - 2 * pairs);
}

/* 16 rows of F32 lanes k.. become 16 rows of `to`. */
VECTOR void
transpose_block(char *to, ptrdiff_t bytes, enum dtype type, const char *src, enum dtype from,
                ptrdiff_t step, int n, long k, long values)
{
    __m512i r[32];
    const __mmask16 m = first_lanes(n);
    for (int i = 0; i < 32; i++)
        r[i] = k + i < values ? _mm512_castps_si512(load_as_f32(src + (k + i) * step, from, 0, m))
                              : _mm512_setzero_si512();
    transpose16(r);
    transpose16(r + 16);
    for (int j = 0; j < n; j++) {
        char *row = to + j * bytes;
        if (type == BF16) {
            _mm512_storeu_si512(row + 2 * k, pair_to_bf16(_mm512_castsi512_ps(r[j]),
                                                          _mm512_castsi512_ps(r[16 + j])));
        } else {
            _mm512_storeu_si512(row + 4 * k, r[j]);
            _mm512_storeu_si512(row + 4 * k + 64, r[16 + j]);
        }
    }
}

/* Rows k, k + 8, k + 16, k + 24 of eight bf16, each in a lane. */
VECTOR __m512i
four_rows(const char *src, ptrdiff_t step)
{
    __m512i r = _mm512_castsi128_si512(_mm_loadu_si128((const void *)src));
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++)
        r = _mm512_mask_broadcast_i32x4(r, (__mmask16)(0xf << 4 * i),
                                        _mm_loadu_si128((const void *)(src + 8 * i * step)));
    return r;
}

/* 32 rows of eight bf16 become eight rows of 32: a word is two rows, four words a lane. */
VECTOR void
transpose_halves(char *to, ptrdiff_t bytes, const char *src, ptrdiff_t step)
{
    __m512i w[2][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m512i a = four_rows(src + 2 * i * step, step),
                      b = four_rows(src + (2 * i + 1) * step, step);
        w[0][i] = _mm512_unpacklo_epi16(a, b);
        w[1][i] = _mm512_unpackhi_epi16(a, b);
    }
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++, to += 4 * bytes) {
        const __m512i a = _mm512_unpacklo_epi32(w[h][0], w[h][1]),
                      b = _mm512_unpacklo_epi32(w[h][2], w[h][3]),
                      c = _mm512_unpackhi_epi32(w[h][0], w[h][1]),
                      d = _mm512_unpackhi_epi32(w[h][2], w[h][3]);
        _mm512_storeu_si512(to, _mm512_unpacklo_epi64(a, b));
        _mm512_storeu_si512(to + bytes, _mm512_unpackhi_epi64(a, b));
        _mm512_storeu_si512(to + 2 * bytes, _mm512_unpacklo_epi64(c, d));
        _mm512_storeu_si512(to + 3 * bytes, _mm512_unpackhi_epi64(c, d));
    }
}

void
panel_transpose(void *to, ptrdiff_t ldt, enum dtype type, const void *src, enum dtype from,
                ptrdiff_t ld, int n, int values, int padded)
{
    const ptrdiff_t size = (ptrdiff_t)dtype_size(from), step = ld * size,
                    bytes = ldt * (ptrdiff_t)dtype_size(type);
    assert(padded % 32 == 0);
    const int whole = type == BF16 && from == BF16 && n % 16 == 0 ? values / 32 * 32 : 0;
    for (long k = 0; k < whole; k += 32)
        for (int j = 0; j < n; j += 8) {
            const char *at = (const char *)src + j * size + k * step;
            for (int i = 0; i < 8; i++) /* the rows after these, a quarter a time */
                _mm_prefetch(at + (32 + j % 32 + i) * step, _MM_HINT_T0);
            transpose_halves((char *)to + j * bytes + 2 * k, bytes, at, step);
        }
    for (int j = 0; j < n; j += 16)
        for (long k = whole; k < padded; k += 32)
            transpose_block((char *)to + j * bytes, bytes, type, (const char *)src + j * size,
                            from, step, n - j < 16 ? n - j : 16, k, values);
}

void
panel_convert(void *to, enum dtype type, const void *src, enum dtype from, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store_as(to, type, i, 0xffff, load_as_f32(src, from, i, 0xffff));
    const __mmask16 m = first_lanes((long)(n - i));
    if (m)
        store_as(to, type, i, m, load_as_f32(src, from, i, m));
}

void
panel_from_rows_i8(uint32_t *panel, int half, int words, float *scale, int32_t *sums,
                   const void *src, enum dtype from, ptrdiff_t ld, int n, int values,
                   int8_t *bytes)
{
    const ptrdiff_t step = ld * (ptrdiff_t)dtype_size(from);
    for (int i = 0; i < n; i++) {
        uint8_t *row = (uint8_t *)bytes + (ptrdiff_t)i * values;
        int32_t sum = 0;
        scale[i] = quantize_row(row, (const char *)src + i * step, from, values);
        for (int k = 0; k < values; k++) {
            row[k] ^= 0x80;
            sum += (int8_t)row[k];
        }
        sums[i] = 128 * sum;
    }
    for (int w = 0; w < words; w += 16) {
        __m512i r[16];
        const long left = (long)values - 4 * w;
        const __mmask64 m = left >= 64 ? ~0ull : left <= 0 ? 0 : (1ull << left) - 1;
        for (int i = 0; i < 16; i++)
            r[i] = i < n ? _mm512_maskz_loadu_epi8(m, bytes + (ptrdiff_t)i * values + 4 * w)
                         : _mm512_setzero_si512();
        put_words(panel, half, w, words, r);
    }
}
#else
typedef int panel_unused;
#endif
