#ifndef FORMATS_VOCAB_H
#define FORMATS_VOCAB_H
/*
 * vocab - from a token's bytes to its id: a hash table over an array of pieces that the
 * caller owns and keeps.  Every string that comes in, pieces too, must have VOCAB_PAD
 * readable bytes after it (what they are does not matter): most tokens are short, and are
 * hashed and compared as two words.
 */
#include "formats/tokenizer.h"
enum { VOCAB_PAD = 16, VOCAB_ALL = 128 };
struct vocab {
    const struct piece *piece; /* by id, < 2^20 */
    uint32_t *slot;            /* part of the hash and the id, or 0; open addressing */
    uint32_t mask;
    uint64_t seed[2];          /* of this process, so that nobody can make keys collide */
};
/* room: at most so many pieces will be added. */
void vocab_init(struct vocab *v, const struct piece *piece, size_t room);
void vocab_free(struct vocab *v);
int vocab_find(const struct vocab *v, const char *s, size_t n); /* the id, or -1 */
/* vocab_find of n <= VOCAB_ALL strings, which waits for memory once and not for each. */
void vocab_find_all(const struct vocab *v, const struct piece *p, int n, int *id);
/* Is piece[id] the bytes a and then the bytes b? */
int vocab_joins(const struct vocab *v, int id, struct piece a, struct piece b);
/* Adds piece[id]; 0: the same bytes have an id already. */
int vocab_add(struct vocab *v, int id);
#endif
