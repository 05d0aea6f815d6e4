#ifndef BPE_BATCH_H
#define BPE_BATCH_H
/*
 * batch - many texts to ids at once: the ids of encode.h, several times as fast.
 *
 *     struct batch *t = batch_new(bpe);           // one a thread
 *     batch_add(t, s, n); ...                     // texts
 *     const struct batch_ids *r = batch_run(t);   // ids of text i: [r->from[i], r->end[i])
 *
 * Texts are laid one after the other; masks find the pieces of all of them (boundary.h),
 * which are looked up in a table of those met before (pieces.h), in groups, so that one
 * look-up's wait is the next one's work.  A tokenizer that does not fit (see added_fit in
 * bpe.c and pairs.h) goes through encode.h text by text, with the same interface.
 */
#include <stddef.h>
#include <stdint.h>
struct bpe;
struct batch;
/* A batch of about so many bytes keeps its masks in the first-level cache. */
enum { BATCH_BYTES = 16384 };
struct batch_ids {
    const uint16_t *id;  /* NULL when an id may be over 65,535: then */
    const int *wide;
    const size_t *from, *end; /* [n] */
    size_t n;            /* texts */
    size_t specials;     /* special tokens typed in them */
};
struct batch *batch_new(struct bpe *b); /* may make tables in b: not while others use it */
void batch_free(struct batch *t);
/* Adds s[0..n), valid UTF-8, n and the sum so far below 2^29; copied. */
void batch_add(struct batch *t, const char *s, size_t n);
size_t batch_bytes(const struct batch *t); /* waiting */
/* The ids of the texts since the last run; valid until the next batch_add. */
const struct batch_ids *batch_run(struct batch *t);
#endif
