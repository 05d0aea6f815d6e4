#ifndef BPE_CHARS_H
#define BPE_CHARS_H
/*
 * chars - what is known of each code point, and reading UTF-8 that is known to be valid.
 *
 * Classes follow Unicode 16.0, normalisation Unicode 9.0 (the reference's versions;
 * tables.py says more).
 */
#include <stddef.h>
#include <stdint.h>
enum { CHAR_OTHER, CHAR_LETTER, CHAR_NUMBER, CHAR_WHITE };
enum {
    CHAR_CLASS = 3,    /* mask of the class: \p{L}, \p{N}, \s or none of them */
    CHAR_COMPOSES = 4, /* NFC may change it or join it to what is before */
    CHAR_INERT = 8,    /* newer than Unicode 9.0: NFC leaves it alone */
    CHAR_WORD = 16,    /* \w */
    CHAR_MARK = 32     /* has a combining class: marks that follow each other have an order */
};
extern const uint16_t class_block[]; /* tables.py writes them: by c >> 7, */
extern const uint8_t class_flags[][128]; /* then by c & 127 */
/* Of a code point below 0x110000. */
static inline unsigned
char_flags(uint32_t c)
{
    return class_flags[class_block[c >> 7]][c & 127];
}

/* The code point at s (valid UTF-8); *n is its length in bytes. */
static inline uint32_t
char_read(const char *s, uint32_t *n)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *n = 1;
        return u[0];
    }
    if (u[0] < 0xE0) {
        *n = 2;
        return (uint32_t)(u[0] & 31) << 6 | (u[1] & 63);
    }
    if (u[0] < 0xF0) {
        *n = 3;
        return (uint32_t)(u[0] & 15) << 12 | (uint32_t)(u[1] & 63) << 6 | (u[2] & 63);
    }
    *n = 4;
    return (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 63) << 12 |
           (uint32_t)(u[2] & 63) << 6 | (u[3] & 63);
}
/* The length of the character that ends before s + n (n > 0). */
static inline uint32_t
char_back(const char *s, size_t n)
{
    uint32_t k = 1;
    while (k < 4 && k < n && ((unsigned char)s[n - k] & 0xC0) == 0x80)
        k++;
    return k;
}
/* Writes c as UTF-8 to out[4]; returns how many bytes. */
int char_write(uint32_t c, char *out);
/*
 * Is s[0..n) valid UTF-8?  Returns the offset of the first byte that is not, or n.  bad:
 * when given, the length of the maximal ill-formed part there (what one U+FFFD replaces).
 */
size_t char_valid(const char *s, size_t n, size_t *bad);
#endif
