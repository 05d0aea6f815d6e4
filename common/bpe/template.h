#ifndef BPE_TEMPLATE_H
#define BPE_TEMPLATE_H
/*
 * template - truncation, and the special tokens around one sequence or a pair.
 *
 * As in the reference, truncation comes first and leaves room for the special tokens.
 */
#include "common/bpe/encode.h"
enum truncation { TRUNCATE_LONGEST_FIRST, TRUNCATE_ONLY_FIRST, TRUNCATE_ONLY_SECOND };
/* The parts of one sequence (pair 0) or a pair, *n of them. */
const struct template_part *template_parts(const struct tokenizer *t, int pair, int *n);
/* How many special tokens one sequence (pair 0) or a pair gets. */
size_t template_specials(const struct tokenizer *t, int pair);
/*
 * Shortens *a, and *b unless NULL, so that they are `most` ids together at most.  Longest
 * first: only the longer one is cut while that is enough, else both to most / 2, the odd id
 * going to the longer (the second when equal).  Returns 0, with nothing changed, when the
 * sequence that may be cut would have no id left.
 */
int template_truncate(enum truncation how, size_t most, size_t *a, size_t *b);
/*
 * Appends a[0..na), and b[0..nb) when b is not NULL, as the template lays them out;
 * special 0: without the special tokens, in the template's order still.
 */
void template_add(const struct tokenizer *t, int special, const int *a, size_t na,
                  const int *b, size_t nb, struct ids *out);
#endif
