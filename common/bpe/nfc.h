#ifndef BPE_NFC_H
#define BPE_NFC_H
/*
 * nfc - Normalization Form C of Unicode 9.0 (UAX #15), linear in the text but for the
 * sorting of a run of marks, which is n log n at worst.
 *
 * A code point newer than 9.0 is left alone: no decomposition, no combining class, no
 * composition.  Runs of combining marks may be of any length.
 */
#include <stddef.h>
#include <stdint.h>
struct buf;
/* A stretch that was changed: [from, to) of s is [begin, end) of what was appended. */
struct nfc_change { size_t from, to, begin, end; };
struct nfc { /* scratch, kept between calls: struct nfc w = {0}; ... nfc_free(&w) */
    int32_t *point;
    unsigned char *class;
    int32_t *sorted;
    size_t cap;
    /* unless NULL: bits of the bytes of a text, s being at `base` of it, where characters begin
     * that have CHAR_COMPOSES or CHAR_MARK; nfc_add need not look for them */
    const uint64_t *unsafe;
    size_t base;
    struct buf *changes; /* unless NULL, nfc_add appends a struct nfc_change a stretch */
};
/* Is s[0..n), valid UTF-8, surely in NFC already? (0: it may or may not be) */
int nfc_is(const char *s, size_t n);
/*
 * The same for a caller who knows where the characters are that have CHAR_COMPOSES or
 * CHAR_MARK (chars.h): struct nfc_check c = {0}; then for each of them, in order, with its
 * place in s. 0: the text may not be in NFC.
 */
struct nfc_check { size_t end; unsigned class; };
int nfc_check(struct nfc_check *c, const char *s, size_t i);
/* Appends NFC(s[0..n)) to out. */
void nfc_add(struct nfc *w, struct buf *out, const char *s, size_t n);
void nfc_free(struct nfc *w);
#endif
