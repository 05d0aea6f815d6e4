#ifndef BPE_MERGE_H
#define BPE_MERGE_H
/*
 * merge - byte-pair encoding of one piece (Sennrich et al. 2016): from its bytes' tokens,
 * the pair of lowest rank is merged, the leftmost of equal ones, until no pair has a rank.
 * A byte without a token is dropped (or is unk) and its neighbours meet, as in the
 * reference.
 *
 * Short pieces search the lowest rank, O(n^2) for n <= 32; longer ones keep a heap,
 * O(n log n), nothing recursive.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/bpe/heap.h"
struct tokenizer;
struct merges;
struct merges *merges_new(const struct tokenizer *t);
void merges_free(struct merges *m);
/* Writes the ids of s[0..n), 0 < n < 2^31, to out (room for n); returns how many. */
size_t merge_piece(const struct merges *m, struct heap_work *w, const char *s, size_t n,
                   int *out);
#endif
