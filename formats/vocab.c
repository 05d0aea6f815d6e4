/* vocab - token bytes to ids */
#include <string.h>
#include <sys/auxv.h>
#include <xxhash.h>
#include "common/base/mem.h"
#include "common/base/words.h"
#include "formats/tokenparse.h"

enum { ID_BITS = 20 };
#define ID_MASK ((1u << ID_BITS) - 1)

void
vocab_init(struct vocab *v, const struct piece *piece, size_t room)
{
    const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes */
    size_t slots = 16;

    while (slots < mem_mul(room, 2))
        slots = mem_mul(slots, 2);
    *v = (struct vocab){ .piece = piece, .mask = (uint32_t)(slots - 1) };
    v->slot = mem_filled(slots, sizeof *v->slot);
    if (random)
        memcpy(v->seed, random, sizeof v->seed);
}

void
vocab_free(struct vocab *v)
{
    mem_free(v->slot);
    *v = (struct vocab){ 0 };
}

static inline int
same(const char *a, const char *b, size_t n)
{
    if (n > WORDS)
        return !memcmp(a, b, n);
    const struct words x = words_of(a, n), y = words_of(b, n);
    return !((x.low ^ y.low) | (x.high ^ y.high));
}

/* Short strings by one multiplication of two secret-keyed words (as wyhash does). */
static inline uint64_t
hash_of(const struct vocab *v, const char *s, size_t n)
{
    if (n > WORDS)
        return XXH3_64bits_withSeed(s, n, v->seed[0]);
    const struct words w = words_of(s, n);
    const unsigned __int128 x = (unsigned __int128)(w.low ^ v->seed[0]) *
                                (w.high ^ v->seed[1] ^ n << 56);
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* What a slot says of a string, never 0, beside the id. */
static inline uint32_t
tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32 | 1) << ID_BITS;
}

/*
 * The slot that holds these bytes, or the empty one where they would go.  A part of the
 * hash stands in the slot, so that other tokens' bytes are rarely looked at.
 */
static inline uint32_t
place(const struct vocab *v, const char *s, size_t n, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & v->mask;

    for (; v->slot[i]; i = (i + 1) & v->mask)
        if ((v->slot[i] & ~ID_MASK) == tag(hash)) {
            const struct piece *p = &v->piece[v->slot[i] & ID_MASK];
            if (p->n == n && same(p->s, s, n))
                break;
        }
    return i;
}

int
vocab_find(const struct vocab *v, const char *s, size_t n)
{
    const uint32_t slot = v->slot[place(v, s, n, hash_of(v, s, n))];
    return slot ? (int)(slot & ID_MASK) : -1;
}

void
vocab_find_all(const struct vocab *v, const struct piece *p, int n, int *id)
{
    uint64_t hash[VOCAB_ALL];

    for (int i = 0; i < n; i++) {
        hash[i] = hash_of(v, p[i].s, p[i].n);
        __builtin_prefetch(&v->slot[(uint32_t)hash[i] & v->mask]);
    }
    for (int i = 0; i < n; i++)
        __builtin_prefetch(&v->piece[v->slot[(uint32_t)hash[i] & v->mask] & ID_MASK]);
    for (int i = 0; i < n; i++) {
        const uint32_t slot = v->slot[place(v, p[i].s, p[i].n, hash[i])];
        id[i] = slot ? (int)(slot & ID_MASK) : -1;
    }
}

int
vocab_joins(const struct vocab *v, int id, struct piece a, struct piece b)
{
    const struct piece *p = &v->piece[id];
    return p->s && p->n == (size_t)a.n + b.n && same(p->s, a.s, a.n) &&
           same(p->s + a.n, b.s, b.n);
}

int
vocab_add(struct vocab *v, int id)
{
    const struct piece p = v->piece[id];
    const uint64_t hash = hash_of(v, p.s, p.n);
    const uint32_t i = place(v, p.s, p.n, hash);

    if (v->slot[i])
        return 0;
    v->slot[i] = tag(hash) | (uint32_t)id;
    return 1;
}
