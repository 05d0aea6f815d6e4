#ifndef BPE_SCAN_H
#define BPE_SCAN_H
/*
 * scan - the inner loops of the tokenizer, once for each instruction set.
 *
 * Text is looked at in words of 64 bytes: bit i of a mask says something of byte 64w + i.
 * scan_pick() chooses by what the processor has (never by vendor); MBERT_CPU=generic|avx2|
 * avx512 in the environment forces one, for tests.  All sets give the same results.
 */
#include <stddef.h>
#include <stdint.h>
struct pairs;
/* Compiled twice, for what shifts and counts bits in one instruction and for what does not;
 * nothing else changes. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_THREAD__)
#define SCAN_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define SCAN_CLONES
#endif
enum { SCAN_WORD = 64, SCAN_PAD = 128, SCAN_IDS = 16 };
enum { /* bits of struct scan_classes.of */
    SCAN_LETTER = 1, SCAN_NUMBER = 2, SCAN_BLANK = 4, SCAN_WHITE = 8, SCAN_QUOTE = 16,
    SCAN_MARK = 32 /* may begin an added token */
};
struct scan_classes {
    unsigned char of[128];  /* of the ASCII characters */
    unsigned char mark[16]; /* by low nibble: bit h for each character 16h + nibble marked */
};
struct scan_masks { /* each of as many words as the text has, and one more */
    uint64_t *letter, *number;
    uint64_t *blank;  /* U+0020 */
    uint64_t *white;  /* other white space */
    uint64_t *quote;  /* the ASCII apostrophe */
    uint64_t *mark, *high; /* high: bytes from 0x80 on */
    uint64_t *inside; /* white space: bytes of a character after its first */
    uint64_t *unsafe; /* first bytes of characters that NFC may change, join or move */
    uint64_t *cut;    /* added tokens and what parts the texts */
    uint64_t *odd;    /* blanks left over by runs */
    uint64_t *start;  /* first bytes of pieces */
};
struct scan {
    const char *name;
    /* letter, number, blank, white, quote, mark, high of t[0 .. 64 words); ASCII only. */
    void (*classify)(const unsigned char *t, size_t words, const struct scan_classes *c,
                     const struct scan_masks *m);
    /* The places of the bits of start[0..words), + base, to pos (64 words + 64 of room). */
    size_t (*positions)(const uint64_t *start, size_t words, uint32_t base, uint32_t *pos);
    /* Merges s[0..n), 0 < n <= PAIRS_BLOCK, to symbols (pairs.h); returns how many.  symbol has
     * room for n, and for SCAN_IDS. */
    size_t (*merge)(const struct pairs *p, const unsigned char *s, size_t n,
                    uint16_t *symbol);
};
/* `positions` in plain C: two sets share it, each compiled for its own bit counting. */
static inline size_t
scan_positions(const uint64_t *start, size_t words, uint32_t base, uint32_t *pos)
{
    size_t n = 0;

    for (size_t w = 0; w < words; w++, base += SCAN_WORD)
        for (uint64_t s = start[w]; s; s &= s - 1)
            pos[n++] = base + (uint32_t)__builtin_ctzll(s);
    return n;
}

const struct scan *scan_pick(void);
extern const struct scan scan_generic;
#if defined(__x86_64__)
/* NULL: not compiled in. The caller asks whether the processor has it. */
const struct scan *scan_avx2(void);
const struct scan *scan_avx512(void);
#endif
#endif
