#ifndef BPE_DECODE_H
#define BPE_DECODE_H
/*
 * decode - token ids to text, equal to the reference's `decode`: every token's characters
 * stand for bytes, or, when one of them stands for none, for themselves; what is not UTF-8
 * in the bytes of all tokens together becomes U+FFFD, one for each maximal ill-formed part.
 */
#include <stddef.h>
#include <stdint.h>
struct tokenizer;
struct buf;
struct decoder;
struct decoder *decoder_new(const struct tokenizer *t);
void decoder_free(struct decoder *d);
/*
 * Appends the text of id[0..n) to out.  skip_special leaves out the tokens marked special.
 * Returns how many ids are no token's: they have no text.
 */
size_t decode_ids(struct decoder *d, const uint32_t *id, size_t n, int skip_special,
                  struct buf *out);
#endif
