/* scan_avx512 - AVX-512 BW, VL, VBMI and VBMI2 (Ice Lake, Zen 4 and later) */
#include "common/bpe/scan.h"
#if defined(__AVX512VBMI2__) && defined(__AVX512VBMI__) && defined(__AVX512VL__)
#include <immintrin.h>
#include <string.h>
#include "common/bpe/pairs.h"

static void
classify(const unsigned char *t, size_t words, const struct scan_classes *c,
         const struct scan_masks *m)
{
    const __m512i low = _mm512_loadu_si512(c->of), up = _mm512_loadu_si512(c->of + 64);

    for (size_t w = 0; w < words; w++) {
        const __m512i v = _mm512_loadu_si512(t + SCAN_WORD * w);
        const uint64_t high = _mm512_movepi8_mask(v);
        const __m512i k = _mm512_maskz_permutex2var_epi8(~high, low, v, up);
        m->letter[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_LETTER));
        m->number[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_NUMBER));
        m->blank[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_BLANK));
        m->white[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_WHITE));
        m->quote[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_QUOTE));
        m->mark[w] = _mm512_test_epi8_mask(k, _mm512_set1_epi8(SCAN_MARK));
        m->high[w] = high;
    }
}

static inline void
put16(uint32_t *pos, __m128i at, __m512i base)
{
    _mm512_storeu_si512(pos, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(at)));
}

static size_t
positions(const uint64_t *start, size_t words, uint32_t base, uint32_t *pos)
{
    unsigned char counting[SCAN_WORD];
    size_t n = 0;

    for (int i = 0; i < SCAN_WORD; i++)
        counting[i] = (unsigned char)i;
    const __m512i index = _mm512_loadu_si512(counting);
    for (size_t w = 0; w < words; w++, base += SCAN_WORD) {
        const __m512i at = _mm512_maskz_compress_epi8(start[w], index);
        const __m512i from = _mm512_set1_epi32((int)base);
        const int count = __builtin_popcountll(start[w]);
        put16(pos + n, _mm512_castsi512_si128(at), from);
        put16(pos + n + 16, _mm512_extracti32x4_epi32(at, 1), from);
        if (count > 32) {
            put16(pos + n + 32, _mm512_extracti32x4_epi32(at, 2), from);
            put16(pos + n + 48, _mm512_extracti32x4_epi32(at, 3), from);
        }
        n += (size_t)count;
    }
    return n;
}

/* pairs_find without a branch on what is found. */
static inline uint32_t
find(const struct pairs *p, uint32_t left, uint32_t right)
{
    const uint32_t key = left << 16 | right, hash = pairs_hash(left, right);
    const struct pairs_bucket *b =
        &p->bucket[pairs_may(p, hash) ? hash >> p->shift : p->mask + 1];
    const __m256i keys = _mm256_load_si256((const __m256i *)b->key);
    const unsigned hit = _mm256_cmpeq_epi32_mask(keys, _mm256_set1_epi32((int)~key));

    if (__builtin_expect(b->used > PAIRS_WAYS && !hit, 0))
        return pairs_find(p, left, right);
    return (uint16_t)~b->symbol[__builtin_ctz(hit | 1u << PAIRS_WAYS)]; /* else the last */
}

/*
 * Symbols stay in their places, `alive` says which are left; places 0 and n + 1 hold no
 * symbol, so that no step asks whether it stands at an end.  The lowest rank is merged at
 * its place at; SET(place, rank) writes the ranks of the pairs that begin there.
 */
struct places {
    uint16_t symbol[64], rank[64];
    uint64_t alive;
};

static inline void
begin(struct places *a, const struct pairs *p, const unsigned char *s, size_t n)
{
    a->symbol[0] = a->symbol[n + 1] = PAIRS_NONE;
    a->symbol[1] = s[0];
    for (size_t i = 1; i < n; i++) {
        a->symbol[i + 1] = s[i];
        a->rank[i] = p->grid[s[i - 1] << 8 | s[i]];
    }
    a->alive = (UINT64_C(1) << (n + 2)) - 1;
}

static inline size_t
finish(const struct places *a, size_t n, uint16_t *symbol)
{
    const uint64_t left = a->alive & ((UINT64_C(2) << n) - 2);
    const int count = __builtin_popcountll(left);
    const __m512i low =
        _mm512_maskz_compress_epi16((__mmask32)left, _mm512_loadu_si512(a->symbol));

    if (count <= 16) /* SCAN_IDS: so much room there is always */
        _mm256_storeu_si256((__m256i *)symbol, _mm512_castsi512_si256(low));
    if (count > 16 || left >> 32) {
        const int first = __builtin_popcount((uint32_t)left);
        _mm512_mask_storeu_epi16(symbol, (__mmask32)((UINT64_C(1) << first) - 1), low);
        _mm512_mask_storeu_epi16(
            symbol + first, (__mmask32)((UINT64_C(1) << (count - first)) - 1),
            _mm512_maskz_compress_epi16((__mmask32)(left >> 32),
                                        _mm512_loadu_si512(a->symbol + 32)));
    }
    return (size_t)count;
}

/* `at` becomes the symbol; the place that is gone, the one before, and both new ranks. */
struct step {
    unsigned gone, before;
    uint32_t rank, rank_before;
};
static inline struct step
step(struct places *a, const struct pairs *p, unsigned at, uint32_t symbol)
{
    const uint64_t down = a->alive & ((UINT64_C(1) << at) - 1);
    uint64_t up = a->alive & (~UINT64_C(1) << at);
    struct step s;

    s.gone = (unsigned)__builtin_ctzll(up);
    s.before = 63 - (unsigned)__builtin_clzll(down);
    up &= up - 1;
    a->alive &= ~(UINT64_C(1) << s.gone);
    a->symbol[at] = (uint16_t)symbol;
    s.rank = find(p, symbol, a->symbol[__builtin_ctzll(up)]);
    s.rank_before = find(p, a->symbol[s.before], symbol);
    return s;
}

static inline size_t
merge8(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    struct places a;
    uint32_t lowest;

    begin(&a, p, s, n);
    __m128i r = _mm_mask_loadu_epi16(_mm_set1_epi16(-1), (__mmask8)((1u << n) - 2), a.rank);
    while (lowest = (uint32_t)_mm_cvtsi128_si32(_mm_minpos_epu16(r)),
           (lowest & 0xFFFF) != PAIRS_NONE) {
        const unsigned at = lowest >> 16;
        const struct step t = step(&a, p, at, lowest & 0xFFFF);
        r = _mm_mask_set1_epi16(r, (__mmask8)(1u << t.gone), -1);
        r = _mm_mask_set1_epi16(r, (__mmask8)(1u << at), (short)t.rank);
        r = _mm_mask_set1_epi16(r, (__mmask8)(1u << t.before), (short)t.rank_before);
    }
    return finish(&a, n, symbol);
}

/* What minpos found, as rank << 16 | place. */
static inline uint32_t
rank_first(__m128i found)
{
    const uint32_t x = (uint32_t)_mm_cvtsi128_si32(found);
    return x << 16 | x >> 16;
}

static inline size_t
merge16(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    struct places a;

    begin(&a, p, s, n);
    __m256i r =
        _mm256_mask_loadu_epi16(_mm256_set1_epi16(-1), (__mmask16)((1u << n) - 2), a.rank);
    for (;;) {
        /* rank << 16 | place: the lower of both halves without a branch */
        const uint32_t low = rank_first(_mm_minpos_epu16(_mm256_castsi256_si128(r)));
        const uint32_t high =
            rank_first(_mm_minpos_epu16(_mm256_extracti128_si256(r, 1))) | 8;
        const uint32_t lowest = high < low ? high : low;
        const unsigned at = lowest & 0xFFFF;
        if (lowest >> 16 == PAIRS_NONE)
            break;
        const struct step t = step(&a, p, at, lowest >> 16);
        r = _mm256_mask_set1_epi16(r, (__mmask16)(1u << t.gone), -1);
        r = _mm256_mask_set1_epi16(r, (__mmask16)(1u << at), (short)t.rank);
        r = _mm256_mask_set1_epi16(r, (__mmask16)(1u << t.before), (short)t.rank_before);
    }
    return finish(&a, n, symbol);
}

static inline uint32_t
lowest32(__m512i r)
{
    const __m256i half =
        _mm256_min_epu16(_mm512_castsi512_si256(r), _mm512_extracti64x4_epi64(r, 1));
    return (uint32_t)_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_min_epu16(
               _mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)))) &
           0xFFFF;
}

static size_t
merge32(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    struct places a;
    uint32_t lowest;

    begin(&a, p, s, n);
    __m512i r =
        _mm512_mask_loadu_epi16(_mm512_set1_epi16(-1), (__mmask32)((1u << n) - 2), a.rank);
    while ((lowest = lowest32(r)) != PAIRS_NONE) {
        const unsigned at = (unsigned)__builtin_ctz(
            _mm512_cmpeq_epi16_mask(r, _mm512_set1_epi16((short)lowest)));
        const struct step t = step(&a, p, at, lowest);
        r = _mm512_mask_set1_epi16(r, (__mmask32)(1u << t.gone), -1);
        r = _mm512_mask_set1_epi16(r, (__mmask32)(1u << at), (short)t.rank);
        r = _mm512_mask_set1_epi16(r, (__mmask32)(1u << t.before), (short)t.rank_before);
    }
    return finish(&a, n, symbol);
}

struct ranks {
    __m512i low, high;
};
static inline struct ranks
put(struct ranks r, unsigned at, uint32_t rank)
{
    const uint64_t bit = UINT64_C(1) << at;
    r.low = _mm512_mask_set1_epi16(r.low, (__mmask32)bit, (short)rank);
    r.high = _mm512_mask_set1_epi16(r.high, (__mmask32)(bit >> 32), (short)rank);
    return r;
}

static size_t
merge64(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    struct places a;
    uint32_t lowest;

    memset(a.rank, 0xFF, sizeof a.rank);
    begin(&a, p, s, n);
    a.rank[0] = PAIRS_NONE;
    struct ranks r = {_mm512_loadu_si512(a.rank), _mm512_loadu_si512(a.rank + 32)};
    while ((lowest = lowest32(_mm512_min_epu16(r.low, r.high))) != PAIRS_NONE) {
        const __m512i all = _mm512_set1_epi16((short)lowest);
        const unsigned at =
            (unsigned)__builtin_ctzll((uint64_t)_mm512_cmpeq_epi16_mask(r.low, all) |
                                      (uint64_t)_mm512_cmpeq_epi16_mask(r.high, all) << 32);
        const struct step t = step(&a, p, at, lowest);
        r = put(r, t.gone, PAIRS_NONE);
        r = put(r, at, t.rank);
        r = put(r, t.before, t.rank_before);
    }
    return finish(&a, n, symbol);
}

static size_t
merge(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    if (n <= 7)
        return merge8(p, s, n, symbol);
    if (n <= 15)
        return merge16(p, s, n, symbol);
    if (n <= 30)
        return merge32(p, s, n, symbol);
    return merge64(p, s, n, symbol);
}

const struct scan *
scan_avx512(void)
{
    static const struct scan avx512 = {"avx512", classify, positions, merge};
    return &avx512;
}
#else
const struct scan *
scan_avx512(void)
{
    return NULL;
}
#endif
