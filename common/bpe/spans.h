#ifndef BPE_SPANS_H
#define BPE_SPANS_H
/*
 * spans - private to encode.c: where each token is from, through what NFC changed.
 */
#include "common/base/mem.h"
#include "common/bpe/nfc.h"
struct tokenizer;
struct spans {
    const struct tokenizer *t;
    const char *text;       /* the whole text */
    int chars;
    struct buf *out;        /* int32_t pairs */
    struct buf *words;      /* struct encode_word, or NULL */
    size_t tokens;          /* so far */
    const char *raw, *form; /* the stretch at hand, and its normal form (or itself) */
    struct buf changes;     /* struct nfc_change of the stretch */
    size_t change;          /* the first that may matter still */
    size_t at[2], count[2]; /* characters before a place of text, for begins and for ends */
};
void spans_begin(struct spans *s, const struct tokenizer *t, const char *text, int chars,
                 struct buf *out);
void spans_end(struct spans *s);
void spans_stretch(struct spans *s, const char *raw, const char *form);
void spans_raw(struct spans *s);  /* what follows is of the raw text again */
void spans_token(struct spans *s, const char *from, const char *to); /* an added token */
/* The tokens id[0..n) of a piece that begins at p. */
void spans_piece(struct spans *s, const char *p, const int *id, size_t n);
#endif
