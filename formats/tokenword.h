#ifndef FORMATS_TOKENWORD_H
#define FORMATS_TOKENWORD_H
/*
 * tokenword - short strings as two machine words, private to the reader of tokenizer.json.
 * Nearly all tokens have 16 bytes at most; so read, they are hashed, compared and searched
 * without a loop or a branch on their length.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
enum { WORDS = 16 };
struct words { uint64_t low, high; };

/* s[0..n), n <= WORDS, then zeros.  WORDS bytes must be readable. */
static inline struct words
words_of(const char *s, size_t n)
{
    static const unsigned char keep[2 * WORDS] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                                   255, 255, 255, 255, 255, 255, 255, 255 };
    struct words w, mask;

    memcpy(&w, s, sizeof w);
    memcpy(&mask, keep + WORDS - n, sizeof mask);
    return (struct words){ w.low & mask.low, w.high & mask.high };
}

/* 0x80 in each byte that is a blank, 0 in the others */
static inline uint64_t
word_blanks(uint64_t w)
{
    const uint64_t low7 = UINT64_MAX / 255 * 127, x = w ^ UINT64_MAX / 255 * ' ';
    return ~(((x & low7) + low7) | x | low7);
}
#endif
