#ifndef BPE_PAIRS_H
#define BPE_PAIRS_H
/*
 * pairs - byte-pair encoding over symbols of 16 bits.
 *
 * A symbol is a byte's token (0..255) or a merge's product (256 + rank), so that the lowest
 * rank is the lowest symbol and a merge needs no second table.  pairs_new returns NULL for
 * a tokenizer that does not fit: more than 65,279 merges, a product made in two ways, a
 * byte that UTF-8 can hold without a token, ids beyond 16 bits.  Such a one has merge.h.
 *
 * Pieces of at most PAIRS_BLOCK bytes keep all ranks in registers.  Longer ones are cut
 * into blocks whose joints are checked (a joint stands when no merge would have crossed it)
 * and mended; where too many do not stand, into larger blocks that are swept (sweep.h).
 * Where that fails too, or products do not rank after their parts, a heap: O(n log n),
 * nothing recursive.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/bpe/heap.h"
#include "common/bpe/sweep.h"
struct tokenizer;
enum { PAIRS_BLOCK = 60, PAIRS_WAYS = 8, PAIRS_NONE = 0xFFFF };
/* One cache line.  Keys and symbols are stored as their complements: zeroed memory is empty. */
struct pairs_bucket {
    uint32_t key[PAIRS_WAYS];        /* left << 16 | right */
    uint16_t symbol[PAIRS_WAYS + 1]; /* the last is PAIRS_NONE: found where nothing matches */
    uint16_t used;                   /* over PAIRS_WAYS: others went to the next bucket */
    unsigned char pad[12];
};
struct pairs {
    struct pairs_bucket *bucket;    /* and one more, which is empty */
    char *memory;                   /* of all tables */
    uint32_t *may;                  /* by bucket: bits of further hash, which most pairs that */
    unsigned shift;                 /* do not merge lack; small, so that it stays in cache */
    uint32_t mask;
    uint16_t *grid;                 /* [65536]: byte << 8 | byte */
    uint16_t *left, *right, *bytes; /* by symbol: its parts, how many bytes it stands for */
    uint16_t *id;                   /* by symbol */
    int ordered;                    /* every product ranks after its parts */
    const struct scan *scan;
};
struct pairs_work {   /* scratch, kept between calls: struct pairs_work w = {0}; */
    struct heap_work heap;
    struct sweep *sweep;
    uint16_t *block, *middle;
};
struct pairs *pairs_new(const struct tokenizer *t, const struct scan *scan);
void pairs_free(struct pairs *p);
/* Writes the symbols of s[0..n), 0 < n < 2^31, to out (room for n); returns how many. */
size_t pairs_merge(const struct pairs *p, struct pairs_work *w, const unsigned char *s,
                   size_t n, uint16_t *out);
void pairs_work_free(struct pairs_work *w);

static inline uint32_t
pairs_hash(uint32_t left, uint32_t right)
{
    return (left << 16 | right) * 0x9E3779B1u;
}

/* May a pair of this hash merge? */
static inline uint32_t
pairs_may(const struct pairs *p, uint32_t hash)
{
    return p->may[hash >> p->shift] >> (hash >> (p->shift - 5) & 31) & 1;
}

/* The symbol that left and right merge to, or PAIRS_NONE. */
static inline uint32_t
pairs_find(const struct pairs *p, uint32_t left, uint32_t right)
{
    const uint32_t key = left << 16 | right, hash = pairs_hash(left, right);

    if (!pairs_may(p, hash))
        return PAIRS_NONE;
    for (uint32_t i = hash >> p->shift;; i = (i + 1) & p->mask) {
        const struct pairs_bucket *b = &p->bucket[i];
        for (int k = 0; k < PAIRS_WAYS; k++)
            if (b->key[k] == ~key)
                return (uint16_t)~b->symbol[k];
        if (b->used <= PAIRS_WAYS)
            return PAIRS_NONE;
    }
}
#endif
