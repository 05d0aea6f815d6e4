#ifndef FUZZ_NAIVE_H
#define FUZZ_NAIVE_H
/*
 * naive - the rules of tokenisation once more, as plainly as they can be written, to be
 * compared with the fast encoder: every token is tried at every place, every merge searches
 * the whole piece.  Of the library it uses the tables of characters and NFC.
 */
#include <stddef.h>
#include "common/bpe/encode.h"
struct buf;
struct tokenizer;
struct naive;
/* t must outlive it; literal as in bpe_new_literal */
struct naive *naive_new(const struct tokenizer *t, int literal);
void naive_free(struct naive *v);
/* Appends the ids of s[0..n), valid UTF-8. */
void naive_encode(const struct naive *v, const char *s, size_t n, struct ids *out);
/* Appends the text of these ids, all of them tokens'. */
void naive_decode(const struct naive *v, const int *id, size_t n, struct buf *out);
/* Appends s[0..n) with U+FFFD for each maximal part that is not UTF-8. */
void naive_repair(const char *s, size_t n, struct buf *out);
#endif
