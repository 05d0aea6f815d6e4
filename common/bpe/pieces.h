#ifndef BPE_PIECES_H
#define BPE_PIECES_H
/*
 * pieces - the ids of pieces met before: one thread's, bounded, and never a change of ids.
 *
 * Short pieces (PIECES_SHORT bytes and 7 ids at most) are in an open-addressing table of 32
 * bytes an entry that grows from 1 MiB to 8 and 16; when it is full a newer piece takes an
 * older one's place.  Longer ones, up to 4 KiB, have a table beside, 5 MiB, that is emptied
 * when full.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "common/base/words.h"
#include "common/bpe/bpe.h"
enum { PIECES_SHORT = 15, PIECES_IDS = 7, PIECES_NONE = 16 /* a length no entry has */ };
struct piece_entry { /* key.high 0: empty */
    struct words key;
    uint16_t id[PIECES_IDS], n;
};
struct piece_long { uint32_t hash, at, n, id_at, ids; };
struct pieces {
    const struct bpe *b;
    struct piece_entry *entry;
    unsigned shift;   /* of the hash */
    size_t mask, used;
    struct piece_long *big;
    size_t bigs;      /* used */
    struct buf bytes, ids;
    struct pairs_work work;
};
struct pieces *pieces_new(const struct bpe *b);
void pieces_free(struct pieces *c);

static inline uint64_t
pieces_hash(struct words k)
{
    return (k.low ^ k.high * 0x9E3779B97F4A7C15u) * 0xC2B2AE3D27D4EB4Fu;
}

/* The key of n bytes at s, 0 < n <= PIECES_SHORT: the bytes, then the length on top; of
 * PIECES_NONE one that nothing has.  16 bytes are read. */
static inline struct words
pieces_key(const unsigned char *s, size_t n)
{
    struct words k = words_of((const char *)s, n);

    k.high |= (uint64_t)n << 56;
    return k;
}

/* The two entries, a cache line, where a piece is most often. */
static inline struct piece_entry *
pieces_at(const struct pieces *c, uint64_t hash)
{
    return &c->entry[hash >> c->shift & ~UINT64_C(1)];
}

static inline int
pieces_hit(const struct piece_entry *e, struct words k)
{
    return !((e->key.low ^ k.low) | (e->key.high ^ k.high));
}

/* The ids of a short piece that its line did not have; out has room for 16. */
size_t pieces_miss(struct pieces *c, const unsigned char *s, size_t n, struct words k,
                   uint16_t *out);
/* The ids of any piece of more than PIECES_SHORT bytes; out has room for n + 16. */
size_t pieces_long(struct pieces *c, const unsigned char *s, size_t n, uint16_t *out);
#endif
