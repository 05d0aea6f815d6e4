/* scan - plain C for any processor, and the choice */
#include <stdlib.h>
#include <string.h>
#include "common/bpe/pairs.h"
#include "common/bpe/scan.h"

static void
classify(const unsigned char *t, size_t words, const struct scan_classes *c,
         const struct scan_masks *m)
{
    for (size_t w = 0; w < words; w++, t += SCAN_WORD) {
        uint64_t bit[6] = {0}, high = 0;
        for (unsigned i = 0; i < SCAN_WORD; i++) {
            const unsigned k = t[i] < 128 ? c->of[t[i]] : 0;
            high |= (uint64_t)(t[i] >> 7) << i;
            for (unsigned b = 0; b < 6; b++)
                bit[b] |= (uint64_t)(k >> b & 1) << i;
        }
        m->letter[w] = bit[0];
        m->number[w] = bit[1];
        m->blank[w] = bit[2];
        m->white[w] = bit[3];
        m->quote[w] = bit[4];
        m->mark[w] = bit[5];
        m->high[w] = high;
    }
}

static size_t
merge(const struct pairs *p, const unsigned char *s, size_t n, uint16_t *symbol)
{
    uint16_t rank[PAIRS_BLOCK + 1];

    for (size_t i = 0; i < n; i++) {
        symbol[i] = s[i];
        if (i + 1 < n)
            rank[i] = p->grid[s[i] << 8 | s[i + 1]];
    }
    for (; n > 1; n--) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best])
                best = i;
        if (rank[best] == PAIRS_NONE)
            break;
        symbol[best] = rank[best];
        for (size_t i = best + 1; i + 1 < n; i++) {
            symbol[i] = symbol[i + 1];
            rank[i - 1] = rank[i];
        }
        if (best + 2 < n) /* counted before n falls: a right neighbour is left */
            rank[best] = (uint16_t)pairs_find(p, symbol[best], symbol[best + 1]);
        if (best)
            rank[best - 1] = (uint16_t)pairs_find(p, symbol[best - 1], symbol[best]);
    }
    return n;
}

const struct scan scan_generic = {"generic", classify, scan_positions, merge};

const struct scan *
scan_pick(void)
{
#if defined(__x86_64__)
    const char *want = getenv("MBERT_CPU");
    const int generic = want && !strcmp(want, "generic"),
              avx2 = want && !strcmp(want, "avx2");

    __builtin_cpu_init();
    if (!generic && !avx2 && scan_avx512() && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
        return scan_avx512();
    if (!generic && scan_avx2() && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("bmi2"))
        return scan_avx2();
#endif
    return &scan_generic;
}
