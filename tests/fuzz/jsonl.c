/*
 * jsonl - any bytes as a JSONL file.
 *
 * Of a plain file the lines are those of a second, simpler cutter.  Of every line: both
 * ways of parsing agree; the verdict is that of the grammar and the refusals that json.h
 * names; a value that was taken holds valid UTF-8 and distinct keys, and written by
 * json_text it reads back the same to the bit, and is written the same again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/bpe/chars.h"
#include "formats/json.h"
#include "formats/jsonl.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rfc8259.h"

enum { DEPTH = 64, NUMBER = 64, PAIRS = 40, LONG_LINE = 1 << 17 };

static int
utf8(const char *s, size_t n)
{
    return char_valid(s, n, NULL) == n;
}

static void
same_scalar(struct json_value a, struct json_value b)
{
    const enum json_type type = json_type(a);
    const char *s, *t;
    size_t n, m;
    int64_t i, j;
    uint64_t u, w;
    double d, e;
    int p, q;
    const int string = json_string(a, &s, &n), integer = json_int(a, &i);
    const int natural = json_uint(a, &u), number = json_number(a, &d);
    const int boolean = json_bool(a, &p);

    FUZZ_WANT(json_type(b) == type && json_size(a) == json_size(b));
    FUZZ_WANT(string == (type == JSON_STRING) && boolean == (type == JSON_BOOL));
    FUZZ_WANT(number == (type == JSON_INT || type == JSON_FLOAT));
    FUZZ_WANT((integer || natural) == (type == JSON_INT));
    FUZZ_WANT(string == json_string(b, &t, &m) && boolean == json_bool(b, &q));
    FUZZ_WANT(integer == json_int(b, &j) && natural == json_uint(b, &w));
    FUZZ_WANT(number == json_number(b, &e));
    FUZZ_WANT(!string || (n == m && !memcmp(s, t, n) && utf8(s, n)));
    FUZZ_WANT(!integer || (i == j && (i >= 0) == natural));
    FUZZ_WANT(!natural || u == w);
    FUZZ_WANT(!number || !memcmp(&d, &e, sizeof d));
    FUZZ_WANT(!boolean || (p == q && (p == 0 || p == 1)));
}

/* Small objects: no key twice, and each is found by name. */
static void
keys_of(struct json_value object)
{
    struct json_iter it = json_iter(object), other;
    struct json_value v, w;
    const char *key, *old;
    size_t n, m, at = 0;

    if (json_type(object) != JSON_OBJECT || json_size(object) > PAIRS)
        return;
    for (; json_next(&it, &key, &n, &v); at++) {
        FUZZ_WANT(utf8(key, n));
        other = json_iter(object);
        for (size_t i = 0; i < at && json_next(&other, &old, &m, &w); i++)
            FUZZ_WANT(n != m || memcmp(key, old, n));
        if (memchr(key, 0, n))
            continue;
        char *name = mem_strndup(key, n);
        FUZZ_WANT(json_get(object, name, &w) && !memcmp(&v, &w, sizeof v));
        mem_free(name);
    }
}

/* Two values are the same, to the last bit and in the same order. */
static void
same(struct json_value a, struct json_value b)
{
    struct { struct json_iter a, b; size_t left; } stack[DEPTH], *top;
    const char *key, *other;
    size_t n, m;
    int depth = 0;

    for (;;) {
        const enum json_type type = json_type(a);
        same_scalar(a, b);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            FUZZ_WANT(depth < DEPTH);
            keys_of(a);
            top = &stack[depth++];
            top->a = json_iter(a);
            top->b = json_iter(b);
            top->left = json_size(a);
        } else
            FUZZ_WANT(json_size(a) == 0);
        for (; depth; depth--) {
            top = &stack[depth - 1];
            const int more = json_next(&top->a, &key, &n, &a);
            FUZZ_WANT(json_next(&top->b, &other, &m, &b) == more);
            FUZZ_WANT(more == (top->left > 0));
            if (!more)
                continue;
            top->left--;
            FUZZ_WANT(!key == !other && n == m && (!key || !memcmp(key, other, n)));
            break;
        }
        if (!depth)
            return;
    }
}

/* The verdict on a line against the grammar's. */
static void
judge(const char *s, size_t n, const char *why)
{
    struct rfc8259 facts;
    const int fits = rfc8259(s, n, &facts);

    if (!why) {
        FUZZ_WANT(fits && utf8(s, n));
        FUZZ_WANT(facts.depth <= DEPTH && facts.number <= NUMBER);
        FUZZ_WANT(!facts.lone && !facts.beyond);
    } else if (fits && utf8(s, n)) {
        const int beyond = facts.beyond || facts.number > NUMBER;
        const int twice = facts.members > 1 && !strcmp(why, "duplicate JSON key");
        FUZZ_WANT(beyond || twice || facts.lone || facts.depth > DEPTH);
    }
}

/* A number on a line of its own is what the C library reads. */
static void
number(const char *s, size_t n, struct json_value v)
{
    char *text = mem_strndup(s, n);
    double d, want = strtod(text, NULL);
    int64_t i;
    uint64_t u;

    if (json_type(v) == JSON_FLOAT && json_number(v, &d))
        FUZZ_WANT(!memcmp(&d, &want, sizeof d));
    errno = 0;
    if (json_int(v, &i))
        FUZZ_WANT(i == strtoll(text, NULL, 10) && !errno);
    if (json_uint(v, &u))
        FUZZ_WANT(u == strtoull(text, NULL, 10) && !errno);
    mem_free(text);
}

struct parsers { struct json *copy, *again; };

/* One line as jsonl gave it: v when why is NULL. */
static void
line(const struct parsers *p, const char *s, size_t n, struct json_value v, const char *why,
     ptrdiff_t where)
{
    struct json_value v2, v3;
    struct buf text = { 0 }, twice = { 0 };
    const char *why2 = json_parse(p->copy, s, n, &v2);

    FUZZ_WANT(!why == !why2 && (!why || !strcmp(why, why2)));
    FUZZ_WANT(where == json_where(p->copy) && where >= -1 && where < (ptrdiff_t)n + 1);
    if (n <= LONG_LINE)
        judge(s, n, why);
    if (!why && n <= LONG_LINE) {
        same(v, v2);
        number(s, n, v);
        json_text(v, &text);
        FUZZ_WANT(utf8(text.p, text.n) && !memchr(text.p, '\n', text.n));
        FUZZ_WANT(!json_parse(p->again, text.p, text.n, &v3));
        same(v, v3);
        json_text(v3, &twice);
        FUZZ_WANT(text.n == twice.n && !memcmp(text.p, twice.p, text.n));
    }
    mem_free(text.p);
    mem_free(twice.p);
}

struct cutter { const char *s; size_t n, at; int64_t row; int plain; };

/* The next line that is not blank, without its end; 0: none. */
static int
cut(struct cutter *c, const char **s, size_t *n)
{
    while (c->at < c->n) {
        const char *end = memchr(c->s + c->at, '\n', c->n - c->at);
        *s = c->s + c->at;
        *n = end ? (size_t)(end - *s) : c->n - c->at;
        c->at += *n + (end != NULL);
        c->row++;
        *n -= *n && (*s)[*n - 1] == '\r';
        for (size_t i = 0; i < *n; i++)
            if ((*s)[i] != ' ' && (*s)[i] != '\t' && (*s)[i] != '\r')
                return 1;
    }
    return 0;
}

static struct cutter
cutter(const char *s, size_t n)
{
    uint32_t magic = 0;

    if (n >= 4)
        memcpy(&magic, s, 4);
    const int plain = magic != 0xFD2FB528 && (magic & 0xFFFFFFF0) != 0x184D2A50;
    return (struct cutter){ s, n, n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3) ? 3 : 0, -1,
                            plain };
}

static int
file_of(const uint8_t *data, size_t n)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_WANT(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cutter model = cutter((const char *)data, n);
    const int fd = file_of(data, n);
    const struct parsers p = { json_new(), json_new() };
    struct jsonl in;
    struct json_value v;
    const char *why = NULL, *s;
    char path[64];
    size_t k;
    int64_t row = -1;
    int got;

    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    jsonl_open(&in, path);
    while ((got = jsonl_next(&in, &v, &why)) && got != -2) {
        FUZZ_WANT((got == 1) == !why && (got == 1 || got == -1) && in.row > row);
        row = in.row;
        if (model.plain) {
            FUZZ_WANT(cut(&model, &s, &k) && model.row == row);
            FUZZ_WANT(in.n == k && in.text && !memcmp(in.text, s, k));
        }
        if (in.text) {
            FUZZ_WANT(in.n <= JSONL_MAX_LINE && !memchr(in.text, '\n', in.n));
            line(&p, in.text, in.n, v, why, json_where(in.json));
        }
    }
    FUZZ_WANT(!model.plain || (got == 0 && !cut(&model, &s, &k)));
    FUZZ_WANT(got == 0 || (why && *why));
    FUZZ_WANT(jsonl_next(&in, &v, &why) == got);
    jsonl_close(&in);
    json_free(p.copy);
    json_free(p.again);
    close(fd);
    return 0;
}
