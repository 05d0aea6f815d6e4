#ifndef BPE_BOUNDARY_H
#define BPE_BOUNDARY_H
/*
 * boundary - where pieces begin, for many bytes at once by algebra on masks (scan.h); the
 * same pieces as pretok.h finds one by one.
 *
 *     scan->classify(t, words, classes, m);
 *     boundary_widen(t, 0, words, m);         // characters beyond ASCII
 *     ... m->cut set by the caller ...
 *     boundary_find(PATTERN_GPT2)(t, words, run, m);   // m->start
 *
 * t is 64 * words bytes of valid UTF-8, its end padded with cut bytes, and SCAN_PAD more
 * that may be read.  cut: bytes of no piece; what stands before one is at the end of its
 * text. run: two to so many blanks in a row are a token of their own (an added token of
 * ModernBERT's vocabulary), longer runs are cut into such, the longest first; 0: no such
 * tokens.  Each run of blanks that is tokens is one piece.
 */
#include "common/bpe/scan.h"
typedef void boundary_fn(const unsigned char *t, size_t words, unsigned run,
                         const struct scan_masks *m);
/* Words [from, words), which begin with a first byte; is anything in m->unsafe? */
int boundary_widen(const unsigned char *t, size_t from, size_t words,
                   const struct scan_masks *m);
boundary_fn *boundary_find(int pattern); /* NULL: no such pattern */
/* Sets the bits [from, to). */
void boundary_set(uint64_t *mask, size_t from, size_t to);
#endif
