/* rfc8259 - the grammar, a function for each rule, and a stack of open containers */
#include "tests/fuzz/rfc8259.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"

struct scan {
    const char *s;
    size_t at, n;
    struct rfc8259 *facts;
    struct { char kind; int members; } *open;
    size_t depth;
};

static int
peek(const struct scan *c)
{
    return c->at < c->n ? (unsigned char)c->s[c->at] : -1;
}

static int
take(struct scan *c, char want)
{
    if (peek(c) != want)
        return 0;
    c->at++;
    return 1;
}

static void
blanks(struct scan *c)
{
    while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
        c->at++;
}

static size_t
digits(struct scan *c)
{
    const size_t from = c->at;

    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    return c->at - from;
}

static int
number(struct scan *c)
{
    const size_t from = c->at;
    int whole = 1;

    take(c, '-');
    if (!take(c, '0') && !digits(c))
        return 0;
    if (take(c, '.')) {
        whole = 0;
        if (!digits(c))
            return 0;
    }
    if (take(c, 'e') || take(c, 'E')) {
        whole = 0;
        if (!take(c, '+'))
            take(c, '-');
        if (!digits(c))
            return 0;
    }
    char *text = mem_strndup(c->s + from, c->at - from);
    errno = 0;
    if (whole && *text == '-')
        (void)strtoll(text, NULL, 10);
    else if (whole)
        (void)strtoull(text, NULL, 10);
    c->facts->beyond |= whole ? errno == ERANGE : isinf(strtod(text, NULL));
    mem_free(text);
    if (c->at - from > c->facts->number)
        c->facts->number = c->at - from;
    return 1;
}

/* The four digits of an escape at place i, or -1. */
static long
hex4(const struct scan *c, size_t i)
{
    long value = 0;

    for (size_t k = i; k < i + 4; k++) {
        const char *digit = k < c->n && c->s[k] ? strchr("0123456789abcdefABCDEF", c->s[k])
                                                : NULL;
        if (!digit)
            return -1;
        value = value * 16 + strtol((char[]){ *digit, 0 }, NULL, 16);
    }
    return value;
}

/* After a backslash. */
static int
escape(struct scan *c)
{
    const int e = peek(c);

    if (e <= 0 || !strchr("\"\\/bfnrtu", e))
        return 0;
    c->at++;
    if (e != 'u')
        return 1;
    const long unit = hex4(c, c->at);
    if (unit < 0)
        return 0;
    c->at += 4;
    if (unit >= 0xDC00 && unit < 0xE000)
        c->facts->lone = 1;
    if (unit >= 0xD800 && unit < 0xDC00) {
        const int pair = c->at + 1 < c->n && !memcmp(c->s + c->at, "\\u", 2);
        const long low = pair ? hex4(c, c->at + 2) : 0;
        if (low >= 0xDC00 && low < 0xE000)
            c->at += 6;
        else
            c->facts->lone = 1;
    }
    return 1;
}

static int
string(struct scan *c)
{
    if (!take(c, '"'))
        return 0;
    while (!take(c, '"')) {
        if (peek(c) < 0x20)
            return 0;
        if (take(c, '\\')) {
            if (!escape(c))
                return 0;
        } else
            c->at++;
    }
    return 1;
}

static int
word(struct scan *c, const char *w)
{
    const size_t n = strlen(w);

    if (c->n - c->at < n || memcmp(c->s + c->at, w, n))
        return 0;
    c->at += n;
    return 1;
}

/* A member's name and colon, where the innermost container wants one. */
static int
name(struct scan *c)
{
    const size_t top = c->depth - 1;

    if (c->open[top].kind != '{')
        return 1;
    if (++c->open[top].members > c->facts->members)
        c->facts->members = c->open[top].members;
    blanks(c);
    if (!string(c))
        return 0;
    blanks(c);
    return take(c, ':');
}

/* A scalar, or an empty container, or the start of one (*begun). */
static int
value(struct scan *c, int *begun)
{
    const int k = peek(c);

    *begun = 0;
    if (k != '{' && k != '[')
        return k == '"' ? string(c)
                        : word(c, "true") || word(c, "false") || word(c, "null") ||
                              number(c);
    c->at++;
    c->open[c->depth].kind = (char)k;
    c->open[c->depth++].members = 0;
    if (c->depth > c->facts->depth)
        c->facts->depth = c->depth;
    blanks(c);
    if (take(c, k == '{' ? '}' : ']')) {
        c->depth--;
        return 1;
    }
    *begun = 1;
    return name(c);
}

static int
text(struct scan *c)
{
    int begun = 1;

    for (;;) {
        blanks(c);
        if (!value(c, &begun))
            return 0;
        if (begun)
            continue;
        for (blanks(c); c->depth && !take(c, ','); blanks(c)) {
            if (!take(c, c->open[c->depth - 1].kind == '{' ? '}' : ']'))
                return 0;
            c->depth--;
        }
        if (!c->depth)
            return c->at == c->n;
        if (!name(c))
            return 0;
    }
}

int
rfc8259(const char *s, size_t n, struct rfc8259 *facts)
{
    struct scan c = { .s = s, .n = n, .facts = facts };
    int fits;

    *facts = (struct rfc8259){ 0 };
    c.open = mem_array(n + 1, sizeof *c.open);
    fits = text(&c);
    mem_free(c.open);
    return fits;
}
