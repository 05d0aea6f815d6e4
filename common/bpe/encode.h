#ifndef BPE_ENCODE_H
#define BPE_ENCODE_H
/*
 * encode - text to token ids, equal to the reference's
 * `encode(text, add_special_tokens=False)`.
 *
 *     struct bpe *bpe = bpe_new(&tokenizer);      // tables, read-only, shared by threads
 *     struct encoder *e = encoder_new(bpe);       // scratch and cache, one a thread
 *     struct ids ids = {0};
 *     encode_text(e, s, n, SIZE_MAX, &ids);       // appends
 *
 * Steps: added tokens that are not `normalized` are found in the raw text; each stretch
 * between them is normalised and searched for the other added tokens; what is left is cut
 * into pieces (pretok.h), and merges run inside each (merge.h).  Special tokens typed in
 * the text are found like any other.
 */
#include <stddef.h>
#include <stdint.h>
struct tokenizer;
struct bpe;
struct encoder;
struct ids { int *p; size_t n, cap; };           /* mem_free(ids.p) */
int *ids_room(struct ids *ids, size_t more);     /* room for more; returns p + n */

/*
 * t must outlive it.  Literal: special tokens typed in a text are text like any other,
 * which is what the reference calls encode_special_tokens.
 */
struct bpe *bpe_new(const struct tokenizer *t);
struct bpe *bpe_new_literal(const struct tokenizer *t);
void bpe_free(struct bpe *b);
struct encoder *encoder_new(struct bpe *b); /* makes tables in b: not while others use it */
void encoder_free(struct encoder *e);
size_t encoder_specials(struct encoder *e); /* special tokens typed, since the last asking */
/*
 * Appends the ids of s[0..n), valid UTF-8 of less than 2^31 bytes, NUL included.  Stops
 * early once more than `limit` ids were added (which ones do not depend on it), so that a
 * caller who truncates does not pay for what it cuts.
 */
void encode_text(struct encoder *e, const char *s, size_t n, size_t limit, struct ids *out);
/*
 * Appends to out, for each id that encode_text gives, two int32_t: where in s its bytes
 * begin and end; chars: counted in characters, of which the first and the last may be
 * partly another token's.  A token of text that NFC changed is from the whole stretch that
 * was changed. Every byte that UTF-8 can hold must have a token.
 * Appends to words, unless NULL, a struct encode_word for each piece and each added token.
 */
struct buf;
struct encode_word {
    size_t token;    /* its first, counted from 0 in this call */
    size_t from, to; /* bytes of s, the blank that it may begin with included */
};
void encode_spans(struct encoder *e, const char *s, size_t n, int chars, struct buf *out,
                  struct buf *words);
#endif
