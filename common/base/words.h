#ifndef BASE_WORDS_H
#define BASE_WORDS_H
/*
 * words - short strings as two machine words.  Nearly all tokens and pieces of text have 16
 * bytes at most; so read, they are hashed, compared and searched without a loop or a branch
 * on their length.
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
#define UP_TO(n) (UINT64_MAX >> (64 - 8 * (n)))
#define ALL UINT64_MAX
    static const struct words keep[WORDS + 1] = {
        { 0, 0 }, { UP_TO(1), 0 }, { UP_TO(2), 0 }, { UP_TO(3), 0 }, { UP_TO(4), 0 },
        { UP_TO(5), 0 }, { UP_TO(6), 0 }, { UP_TO(7), 0 }, { ALL, 0 }, { ALL, UP_TO(1) },
        { ALL, UP_TO(2) }, { ALL, UP_TO(3) }, { ALL, UP_TO(4) }, { ALL, UP_TO(5) },
        { ALL, UP_TO(6) }, { ALL, UP_TO(7) }, { ALL, ALL }
    };
#undef UP_TO
#undef ALL
    struct words w;

    memcpy(&w, s, sizeof w);
    return (struct words){ w.low & keep[n].low, w.high & keep[n].high };
}

/* 0x80 in each byte that is a blank, 0 in the others */
static inline uint64_t
word_blanks(uint64_t w)
{
    const uint64_t low7 = UINT64_MAX / 255 * 127, x = w ^ UINT64_MAX / 255 * ' ';
    return ~(((x & low7) + low7) | x | low7);
}
#endif
