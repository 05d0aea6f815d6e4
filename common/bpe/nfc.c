/*
 * nfc - canonical composition through utf8proc, gated to Unicode 9.0
 *
 * Text is cut before each "safe" character: a starter that NFC neither changes nor joins to
 * the left.  Only stretches that may not be in normal form go through decomposition,
 * ordering and composition; utf8proc never sees a code point newer than 9.0, and what it
 * knows of the older ones is frozen by Unicode's stability policy.
 */
#include <string.h>
#include <utf8proc.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "common/base/mem.h"
#include "common/bpe/chars.h"
#include "common/bpe/nfc.h"

/* U+0300, the first unsafe character, and all beyond it begin with a byte from 0xCC on. */
enum { FIRST_UNSAFE = 0xCC, DECOMPOSED = 4, CLASSES = 256 };

static unsigned
flags_at(const char *s, uint32_t *length)
{
    return char_flags(char_read(s, length)) & (CHAR_COMPOSES | CHAR_MARK);
}

/* The offset of the next byte from FIRST_UNSAFE on at or after i, or n. */
static inline size_t
next_high(const unsigned char *u, size_t i, size_t n)
{
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8((char)FIRST_UNSAFE);
    for (; i + 16 <= n; i += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(u + i));
        const int high = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, first), v));
        if (high)
            return i + (size_t)__builtin_ctz((unsigned)high);
    }
#endif
    while (i < n && u[i] < FIRST_UNSAFE)
        i++;
    return i;
}

/* The offset of the next character at or after i that may be unsafe, or n. */
static inline size_t
next_marked(const struct nfc *w, const unsigned char *u, size_t i, size_t n)
{
    const size_t word = 64;
    size_t at;

    if (!w || !w->unsafe)
        return next_high(u, i, n);
    if (i >= n)
        return n;
    at = (w->base + i) / word;
    for (uint64_t bits = w->unsafe[at] & ~UINT64_C(0) << (w->base + i) % word;;
         bits = w->unsafe[at]) {
        if (bits) {
            at = at * word + (size_t)__builtin_ctzll(bits) - w->base;
            return at < n ? at : n;
        }
        if (++at * word >= w->base + n)
            return n;
    }
}

static unsigned
class_at(const char *s)
{
    uint32_t length;
    return utf8proc_get_property((int32_t)char_read(s, &length))->combining_class;
}

/*
 * The next run of unsafe characters at or after i that may not be in normal form, and its end;
 * n: none.  Marks that compose with nothing are, where their classes do not fall (UAX #15,
 * "detecting normalization forms").
 */
static size_t
next_unsafe(const struct nfc *w, const char *s, size_t i, size_t n, size_t *end)
{
    uint32_t length;
    size_t at;

    for (; (i = next_marked(w, (const unsigned char *)s, i, n)) < n; i = at) {
        unsigned flags = flags_at(s + i, &length), bad = 0, last = 0;
        for (at = i; flags; flags = at < n ? flags_at(s + at, &length) : 0) {
            const unsigned class = bad ? 0 : class_at(s + at);
            bad |= (flags & CHAR_COMPOSES) || class < last;
            last = class;
            at += length;
        }
        if (bad) {
            *end = at;
            return i;
        }
        if (at == i)
            at += length;
    }
    return n;
}

int
nfc_check(struct nfc_check *c, const char *s, size_t i)
{
    uint32_t length;
    const unsigned flags = flags_at(s + i, &length);
    const unsigned class = flags & CHAR_COMPOSES ? 0 : class_at(s + i);
    const int falls = i == c->end && class < c->class;

    c->end = i + length;
    c->class = class;
    return !(flags & CHAR_COMPOSES) && !falls;
}

int
nfc_is(const char *s, size_t n)
{
    size_t end;
    return next_unsafe(NULL, s, 0, n, &end) == n;
}

static void
room(struct nfc *w, size_t points)
{
    if (points <= w->cap)
        return;
    w->cap = mem_add(points, points / 2);
    w->point = mem_realloc(w->point, w->cap, sizeof *w->point);
    w->sorted = mem_realloc(w->sorted, w->cap, sizeof *w->sorted);
    w->class = mem_realloc(w->class, w->cap, 1);
}

/* Full canonical decomposition of s[0..n) into w; returns the number of code points. */
static size_t
decompose(struct nfc *w, const char *s, size_t n)
{
    size_t points = 0;
    uint32_t length;

    /* At most 4 points a character, which only 3 bytes have; 2 bytes give at most 2. */
    room(w, mem_add(mem_mul(n, 2), DECOMPOSED));
    for (size_t i = 0; i < n; i += length) {
        int32_t c = (int32_t)char_read(s + i, &length);
        int bound = 0;
        points += (size_t)utf8proc_decompose_char(
            c, w->point + points, DECOMPOSED, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &bound);
    }
    for (size_t i = 0; i < points; i++)
        w->class[i] = (unsigned char)utf8proc_get_property(w->point[i])->combining_class;
    return points;
}

/* Puts the marks [from, to) into the order of their classes, equal ones as they stood. */
static void
order(struct nfc *w, size_t from, size_t to)
{
    size_t start[CLASSES + 1], i;

    for (i = from + 1; i < to && w->class[i - 1] <= w->class[i]; i++)
        ;
    if (i >= to)
        return;
    if (to - from <= 8) { /* the counting sort's tables would cost more */
        for (i = from + 1; i < to; i++) {
            int32_t c = w->point[i];
            unsigned char k = w->class[i];
            size_t j = i;
            for (; j > from && w->class[j - 1] > k; j--) {
                w->point[j] = w->point[j - 1];
                w->class[j] = w->class[j - 1];
            }
            w->point[j] = c;
            w->class[j] = k;
        }
        return;
    }
    memset(start, 0, sizeof start);
    for (i = from; i < to; i++)
        start[w->class[i] + 1]++;
    for (i = 0; i < CLASSES; i++)
        start[i + 1] += start[i];
    for (i = from; i < to; i++)
        w->sorted[start[w->class[i]]++] = w->point[i];
    memcpy(w->point + from, w->sorted, (to - from) * sizeof *w->point);
}

/* Appends NFC of a stretch of code points none of which is newer than 9.0. */
static void
compose(struct nfc *w, struct buf *out, const char *s, size_t n)
{
    size_t points = decompose(w, s, n), from = 0;
    utf8proc_ssize_t left;
    char *to;

    for (size_t i = 0; i <= points; i++)
        if (i == points || !w->class[i]) {
            order(w, from, i);
            from = i + 1;
        }
    left = utf8proc_normalize_utf32(w->point, (utf8proc_ssize_t)points,
                                    UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    to = buf_room(out, mem_mul((size_t)left, 4));
    for (utf8proc_ssize_t i = 0; i < left; i++)
        to += char_write((uint32_t)w->point[i], to);
    out->n = (size_t)(to - out->p);
}

void
nfc_add(struct nfc *w, struct buf *out, const char *s, size_t n)
{
    const size_t start = out->n;
    size_t done = 0, at, end;
    uint32_t length;

    while ((at = next_unsafe(w, s, done, n, &end)) < n) {
        size_t begin = at;
        if (begin > done) { /* the starter that what follows may join */
            begin -= char_back(s + done, begin - done);
            if (char_flags(char_read(s + begin, &length)) & CHAR_INERT)
                begin = at;
        }
        buf_add(out, s + done, begin - done);
        struct nfc_change change = { begin, end, out->n - start, 0 };
        compose(w, out, s + begin, end - begin);
        change.end = out->n - start;
        if (w->changes && (change.end - change.begin != end - begin ||
                           memcmp(out->p + start + change.begin, s + begin, end - begin)))
            buf_add(w->changes, &change, sizeof change);
        done = end;
    }
    buf_add(out, s + done, n - done);
}

void
nfc_free(struct nfc *w)
{
    mem_free(w->point);
    mem_free(w->sorted);
    mem_free(w->class);
    *w = (struct nfc){ 0 };
}
