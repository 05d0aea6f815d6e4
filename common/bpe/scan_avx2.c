/* scan_avx2 - AVX2 and BMI2 (Haswell, Zen and later) */
#include "common/bpe/scan.h"
#if defined(__AVX2__) && defined(__BMI2__)
#include <immintrin.h>
#include <string.h>
#include "common/bpe/pairs.h"

static inline uint64_t
bits(__m256i a, __m256i b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b)
                                                   << 32;
}

/* bytes of v from `first` on, `count` of them */
static inline __m256i
between(__m256i v, char first, char count)
{
    const __m256i d = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(d, _mm256_set1_epi8((char)(count - 1))), d);
}

static inline __m256i
is(__m256i v, char c)
{
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c));
}

/* Not zero for the marked characters: the low nibble's set of high nibbles has it. */
static inline __m256i
marked(__m256i v, __m256i set, __m256i power)
{
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
    const __m256i hit =
        _mm256_and_si256(_mm256_shuffle_epi8(set, v), _mm256_shuffle_epi8(power, high));
    return _mm256_xor_si256(_mm256_cmpeq_epi8(hit, _mm256_setzero_si256()),
                            _mm256_set1_epi8(-1));
}

static void
classify(const unsigned char *t, size_t words, const struct scan_classes *c,
         const struct scan_masks *m)
{
    const __m256i set =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->mark));
    const __m256i power =
        _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8,
                         16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    for (size_t w = 0; w < words; w++, t += SCAN_WORD) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)t);
        const __m256i b = _mm256_loadu_si256((const __m256i *)(t + 32));
        const __m256i up = _mm256_set1_epi8(32);
        m->letter[w] = bits(between(_mm256_or_si256(a, up), 'a', 26),
                            between(_mm256_or_si256(b, up), 'a', 26));
        m->number[w] = bits(between(a, '0', 10), between(b, '0', 10));
        m->blank[w] = bits(is(a, ' '), is(b, ' '));
        m->white[w] = bits(between(a, '\t', 5), between(b, '\t', 5));
        m->quote[w] = bits(is(a, '\''), is(b, '\''));
        m->mark[w] = bits(marked(a, set, power), marked(b, set, power));
        m->high[w] = bits(a, b);
    }
}

/* pairs_find without a branch on what is found. */
static inline uint32_t
find(const struct pairs *p, uint32_t left, uint32_t right)
{
    const uint32_t key = left << 16 | right, hash = pairs_hash(left, right);
    const struct pairs_bucket *b =
        &p->bucket[pairs_may(p, hash) ? hash >> p->shift : p->mask + 1];
    const __m256i same = _mm256_cmpeq_epi32(_mm256_load_si256((const __m256i *)b->key),
                                            _mm256_set1_epi32((int)~key));
    const unsigned hit = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(same));

    if (__builtin_expect(b->used > PAIRS_WAYS && !hit, 0))
        return pairs_find(p, left, right);
    return (uint16_t)~b->symbol[__builtin_ctz(hit | 1u << PAIRS_WAYS)]; /* else the last */
}

/*
 * Symbols stay in their places, `alive` says which are left; places 0 and n + 1 hold no
 * symbol, so that no step asks whether it stands at an end.  Ranks of unused places are
 * PAIRS_NONE; `groups` of eight are looked at.
 */
static inline size_t
merge_places(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol,
             unsigned groups)
{
    uint16_t at[PAIRS_BLOCK + 4], rank[64] __attribute__((aligned(16)));
    uint64_t alive = (UINT64_C(1) << (n + 2)) - 1;
    size_t count = 0;

    memset(rank, 0xFF, groups * 16);
    at[0] = at[n + 1] = PAIRS_NONE;
    at[1] = s[0];
    for (size_t i = 1; i < n; i++) {
        at[i + 1] = s[i];
        rank[i] = p->grid[s[i - 1] << 8 | s[i]];
    }
    for (;;) {
        uint32_t lowest = PAIRS_NONE;
        unsigned k = 0;
        for (unsigned g = 0; g < groups; g++) {
            const __m128i r = _mm_load_si128((const __m128i *)(rank + 8 * g));
            const uint32_t here = (uint32_t)_mm_cvtsi128_si32(_mm_minpos_epu16(r));
            if ((here & 0xFFFF) < lowest) {
                lowest = here & 0xFFFF;
                k = 8 * g + (here >> 16);
            }
        }
        if (lowest == PAIRS_NONE)
            break;
        uint64_t up = alive & (~UINT64_C(1) << k);
        const unsigned gone = (unsigned)__builtin_ctzll(up);
        const unsigned before =
            63 - (unsigned)__builtin_clzll(alive & ((UINT64_C(1) << k) - 1));
        up &= up - 1;
        alive &= ~(UINT64_C(1) << gone);
        at[k] = (uint16_t)lowest;
        rank[gone] = PAIRS_NONE;
        rank[k] = (uint16_t)find(p, lowest, at[__builtin_ctzll(up)]);
        rank[before] = (uint16_t)find(p, at[before], lowest);
    }
    for (uint64_t left = alive & ((UINT64_C(2) << n) - 2); left; left &= left - 1)
        symbol[count++] = at[__builtin_ctzll(left)];
    return count;
}

static size_t
merge(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    if (n <= 7)
        return merge_places(p, s, n, symbol, 1);
    if (n <= 15)
        return merge_places(p, s, n, symbol, 2);
    return merge_places(p, s, n, symbol, (unsigned)(n + 8) / 8);
}

const struct scan *
scan_avx2(void)
{
    static const struct scan avx2 = {"avx2", classify, scan_positions, merge};
    return &avx2;
}
#else
const struct scan *
scan_avx2(void)
{
    return NULL;
}
#endif
