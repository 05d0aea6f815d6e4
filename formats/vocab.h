#ifndef FORMATS_VOCAB_H
#define FORMATS_VOCAB_H
/*
 * vocab - from a token's bytes to its id: a hash table over an array of pieces that the
 * caller owns and keeps.
 */
#include "formats/tokenizer.h"
struct vocab {
    const struct piece *piece; /* by id */
    uint64_t *slot;            /* hash << 32 | id + 1, or 0; open addressing */
    uint32_t mask;
};
/* room: at most so many pieces will be added. */
void vocab_init(struct vocab *v, const struct piece *piece, size_t room);
void vocab_free(struct vocab *v);
int vocab_find(const struct vocab *v, const char *s, size_t n); /* the id, or -1 */
/* Is piece[id] these bytes? */
int vocab_is(const struct vocab *v, int id, const char *s, size_t n);
/* Adds piece[id]; 0: the same bytes have an id already. */
int vocab_add(struct vocab *v, int id);
#endif
