/* boundary - classes beyond ASCII, and the patterns as mask algebra */
#include <string.h>
#include "common/bpe/boundary.h"
#include "common/bpe/chars.h"
#include "formats/tokenizer.h"

#define ONE UINT64_C(1)

void
boundary_set(uint64_t *mask, size_t from, size_t to)
{
    while (from < to) {
        const size_t room = SCAN_WORD - from % SCAN_WORD;
        const size_t n = to - from < room ? to - from : room;
        mask[from / SCAN_WORD] |= ~UINT64_C(0) >> (SCAN_WORD - n) << from % SCAN_WORD;
        from += n;
    }
}

/* The classes of the characters whose first byte is in word w, and which NFC may change;
 * what of their bytes falls into the next word is left in `over`, by class. */
static inline __attribute__((always_inline)) void
widen_word(const unsigned char *t, size_t w, const struct scan_masks *m, uint64_t over[4])
{
    uint64_t high = m->high[w] & ~(over[0] | over[1] | over[2] | over[3]);
    uint64_t found[4] = {0}, first = 0, unsafe = 0;

    m->letter[w] |= over[CHAR_LETTER];
    m->number[w] |= over[CHAR_NUMBER];
    m->white[w] |= over[CHAR_WHITE];
    m->inside[w] = over[CHAR_WHITE];
    memset(over, 0, 4 * sizeof *over);
    while (high) {
        const unsigned i = (unsigned)__builtin_ctzll(high);
        uint32_t length;
        const unsigned flags =
            char_flags(char_read((const char *)t + w * SCAN_WORD + i, &length));
        const unsigned class = flags & CHAR_CLASS;
        const uint64_t bytes = (ONE << length) - 1, here = bytes << i;
        if (i + length > SCAN_WORD)
            over[class] = bytes >> (SCAN_WORD - i);
        high &= ~here;
        found[class] |= here; /* no branch: neighbours are often of different classes */
        first |= ONE << i;
        unsafe |= (uint64_t)((flags & (CHAR_COMPOSES | CHAR_MARK)) != 0) << i;
    }
    m->letter[w] |= found[CHAR_LETTER];
    m->number[w] |= found[CHAR_NUMBER];
    m->white[w] |= found[CHAR_WHITE];
    m->inside[w] |= found[CHAR_WHITE] & ~first;
    m->unsafe[w] = unsafe;
}

SCAN_CLONES int
boundary_widen(const unsigned char *t, size_t from, size_t words,
               const struct scan_masks *m)
{
    uint64_t over[4] = {0}, unsafe = 0;

    for (size_t w = from; w < words; w++)
        if (m->high[w]) {
            widen_word(t, w, m, over);
            unsafe |= m->unsafe[w];
        } else
            m->inside[w] = m->unsafe[w] = 0;
    return unsafe != 0;
}

static int
bit_at(const uint64_t *mask, size_t i)
{
    return mask[i / SCAN_WORD] >> i % SCAN_WORD & 1;
}

/* The bits of s that begin `count` set ones in a row. */
static uint64_t
in_a_row(uint64_t s, unsigned count)
{
    for (unsigned have = 1; have < count && s;) {
        const unsigned step = have < count - have ? have : count - have;
        s &= s >> step;
        have += step;
    }
    return s;
}

/*
 * A blank that a run's tokens leave over is an ordinary one: runs of a multiple of `run`,
 * and one more.  Such a run has (run + 2) / 2 blanks or more in one word.
 */
static void
mark_odd(const uint64_t *blank, size_t words, unsigned run, uint64_t *odd)
{
    const unsigned row = run / 2 + 1;
    size_t done = 0;

    for (size_t w = 0; w < words; w++)
        for (uint64_t s = in_a_row(blank[w], row); s; s &= s - 1) {
            size_t i = w * SCAN_WORD + (size_t)__builtin_ctzll(s), end = i;
            if (i < done)
                continue;
            while (i && bit_at(blank, i - 1))
                i--;
            while (bit_at(blank, end))
                end++;
            if (end - i > run && (end - i) % run == 1)
                odd[(end - 1) / SCAN_WORD] |= ONE << (end - 1) % SCAN_WORD;
            done = end;
        }
}

/* No class where a cut is; the word after the last is one. */
SCAN_CLONES static int
take_cuts(size_t words, unsigned run, const struct scan_masks *m)
{
    const unsigned row = run / 2 + 1;
    uint64_t long_run = 0;

    for (size_t w = 0; w < words; w++) {
        const uint64_t keep = ~m->cut[w];
        m->letter[w] &= keep;
        m->number[w] &= keep;
        m->blank[w] &= keep;
        m->white[w] &= keep;
        m->quote[w] &= keep;
        if (run > 2)
            long_run |= in_a_row(m->blank[w], row);
    }
    m->letter[words] = m->number[words] = m->blank[words] = m->white[words] = 0;
    m->quote[words] = m->start[words] = 0;
    m->cut[words] = ~UINT64_C(0);
    return run && (run <= 2 || long_run);
}

/* bits of x, one place later; `last` is the word before */
static inline uint64_t
later(uint64_t x, uint64_t last)
{
    return x << 1 | last >> 63;
}

/*
 * The pattern of pretok.h.  A run of letters, of numbers or of others begins a piece, at
 * the single blank before it if there is one; white space begins one, and so does the last
 * character of white space before something else.
 */
SCAN_CLONES static void
find_starts(const unsigned char *t, size_t words, unsigned run, int has_odd,
            const struct scan_masks *m)
{
    uint64_t l0 = 0, n0 = 0, o0 = 0, b0 = 0, s0 = 0, w0 = 0, r0 = 0, x0 = 0;

    for (size_t w = 0; w < words; w++) {
        const uint64_t l = m->letter[w], n = m->number[w], b = m->blank[w], x = m->cut[w];
        uint64_t runs = run ? b & (later(b, b0) | b >> 1 | m->blank[w + 1] << 63) : 0;
        if (has_odd)
            runs &= ~m->odd[w];
        const uint64_t single = b & ~runs, white = single | m->white[w];
        const uint64_t text = ~(b | m->white[w] | x), o = text & ~l & ~n;
        const uint64_t next = ~(m->blank[w + 1] | m->white[w + 1] | m->cut[w + 1]) << 63;
        const uint64_t begins =
            (l & ~later(l, l0)) | (n & ~later(n, n0)) | (o & ~later(o, o0));
        const uint64_t last = white & (text >> 1 | next);
        uint64_t inside = m->inside[w] & last; /* its character begins earlier */
        m->start[w] |= (begins & ~later(single, s0)) | (white & ~later(white, w0)) |
                       (runs & ~later(runs, r0)) | (x & ~later(x, x0)) | (last & ~inside);
        for (; inside; inside &= inside - 1) {
            size_t i = w * SCAN_WORD + (size_t)__builtin_ctzll(inside);
            do
                i--;
            while ((t[i] & 0xC0) == 0x80);
            m->start[i / SCAN_WORD] |= ONE << i % SCAN_WORD;
        }
        l0 = l, n0 = n, o0 = o, b0 = b, s0 = single, w0 = white, r0 = runs, x0 = x;
    }
}

/* 's|'t|'re|'ve|'m|'ll|'d where a piece begins with an apostrophe. */
SCAN_CLONES static void
contractions(const unsigned char *t, size_t words, const struct scan_masks *m)
{
    for (size_t w = 0; w < words; w++)
        for (uint64_t q = m->start[w] & m->quote[w]; q; q &= q - 1) {
            const size_t i = w * SCAN_WORD + (size_t)__builtin_ctzll(q);
            const unsigned char a = t[i + 1], b = t[i + 2];
            size_t n = 0;
            if (!bit_at(m->letter, i + 1)) /* the text may end here */
                continue;
            if (a == 's' || a == 't' || a == 'm' || a == 'd')
                n = 2;
            else if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
                n = bit_at(m->letter, i + 2) ? 3 : 0;
            if (!n)
                continue;
            m->start[(i + 1) / SCAN_WORD] &= ~(ONE << (i + 1) % SCAN_WORD);
            if (bit_at(m->letter, i + n))
                m->start[(i + n) / SCAN_WORD] |= ONE << (i + n) % SCAN_WORD;
        }
}

static void
gpt2(const unsigned char *t, size_t words, unsigned run, const struct scan_masks *m)
{
    const int has_odd = take_cuts(words, run, m);

    memset(m->start, 0, words * sizeof *m->start);
    if (has_odd) {
        memset(m->odd, 0, (words + 1) * sizeof *m->odd);
        mark_odd(m->blank, words, run, m->odd);
    }
    find_starts(t, words, run, has_odd, m);
    contractions(t, words, m);
}

boundary_fn *
boundary_find(int pattern)
{
    static boundary_fn *const found[] = {[PATTERN_GPT2] = gpt2};
    return pattern >= 0 && pattern < (int)(sizeof found / sizeof *found) ? found[pattern]
                                                                         : NULL;
}
