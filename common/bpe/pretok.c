/* pretok - the pre-tokenizer's regular expressions, each written out as a scanner */
#include "common/bpe/chars.h"
#include "common/bpe/pretok.h"
#include "formats/tokenizer.h"

enum { L = CHAR_LETTER, N = CHAR_NUMBER, W = CHAR_WHITE, MANY = 4 };
/* The class of a byte that is a character by itself; MANY: ask char_flags. */
static const unsigned char byte_class[256] = {
    ['a' ... 'z'] = L, ['A' ... 'Z'] = L, ['0' ... '9'] = N, ['\t' ... '\r'] = W, [' '] = W,
    [0x80 ... 0xFF] = MANY
};

/* The class of the character at s + i (i < n), and its length. */
static inline unsigned
class_at(const char *s, size_t i, uint32_t *length)
{
    unsigned k = byte_class[(unsigned char)s[i]];
    if (k != MANY) {
        *length = 1;
        return k;
    }
    return char_flags(char_read(s + i, length)) & CHAR_CLASS;
}

/* Where the run of characters of class k that reaches i ends. */
static inline size_t
run_end(const char *s, size_t i, size_t n, unsigned k)
{
    uint32_t length;

    for (;;) {
        while (i < n && byte_class[(unsigned char)s[i]] == k)
            i++;
        if (i == n || class_at(s, i, &length) != k)
            return i;
        i += length;
    }
}

/* \s+(?!\S)|\s+ : blanks up to the end, else all but the last of them, else that one. */
static size_t
white(const char *s, size_t n)
{
    size_t end = run_end(s, 0, n, W), last;

    if (end == n)
        return n;
    last = char_back(s, end);
    return end > last ? end - last : end;
}

/* 's|'t|'re|'ve|'m|'ll|'d at an apostrophe: its length, or 0. */
static size_t
contraction(const char *s, size_t n)
{
    if (n < 2)
        return 0;
    switch (s[1]) {
    case 's': case 't': case 'm': case 'd':
        return 2;
    case 'r': case 'v':
        return n > 2 && s[2] == 'e' ? 3 : 0;
    case 'l':
        return n > 2 && s[2] == 'l' ? 3 : 0;
    default:
        return 0;
    }
}

static size_t
gpt2(const char *s, size_t n)
{
    uint32_t length;
    unsigned k = class_at(s, 0, &length);
    size_t cut;

    if (s[0] == '\'' && (cut = contraction(s, n)))
        return cut;
    if (s[0] == ' ' && n > 1) { /* the optional blank, when something else follows it */
        k = class_at(s, 1, &length);
        if (k != W)
            return run_end(s, 1 + length, n, k);
    }
    return k == W ? white(s, n) : run_end(s, length, n, k);
}

pretok_fn *
pretok_find(int pattern)
{
    static pretok_fn *const scanner[] = { [PATTERN_GPT2] = gpt2 };
    return pattern >= 0 && pattern < (int)(sizeof scanner / sizeof *scanner)
               ? scanner[pattern]
               : NULL;
}
