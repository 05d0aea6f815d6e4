/* chunk - reading ahead to the last line that is whole */
#include "common/bpe/chunk.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "formats/source.h"

struct chunks {
    int n, at; /* files, and the next one to open */
    char *const *files;
    char delimiter;
    int eager, eof;
    int damaged;       /* the file goes no further; whole lines before that go first */
    int over;          /* nothing follows */
    struct source *in; /* NULL: the next file is to be opened */
    const char *name;
    int64_t lineno, row; /* of the next line */
    struct buf carry;    /* read, but behind the last whole line */
};

struct chunks *
chunks_open(int n, char *const *files, char delimiter, int eager)
{
    struct chunks *c = mem_zalloc(1, sizeof *c);

    c->n = n ? n : 1;
    c->files = n ? files : NULL;
    c->delimiter = delimiter;
    c->eager = eager;
    return c;
}

void
chunks_close(struct chunks *c)
{
    source_close(c->in);
    mem_free(c->carry.p);
    mem_free(c);
}

void
chunk_free(struct chunk *k)
{
    mem_free(k->p);
    *k = (struct chunk){0};
}

int64_t
chunks_rows(const struct chunks *c)
{
    return c->row;
}

static void
room(struct chunk *k, size_t bytes)
{
    if (bytes + CHUNK_PAD <= k->cap)
        return;
    k->cap = bytes + CHUNK_PAD;
    k->p = mem_realloc(k->p, k->cap, 1);
}

/* Reads until k holds `want` bytes, the file ends, or, eager, anything came. */
static void
read_on(struct chunks *c, struct chunk *k, size_t want)
{
    room(k, want);
    while (k->n < want && !c->eof) {
        const ptrdiff_t got = source_read(c->in, k->p + k->n, want - k->n);
        c->damaged |= got < 0;
        c->eof = got <= 0;
        k->n += got > 0 ? (size_t)got : 0;
        if (c->eager && got)
            break;
    }
}

static void
give_up(struct chunks *c, struct chunk *k)
{
    k->kind = CHUNK_DAMAGED;
    c->over = 1;
    snprintf(k->why, sizeof k->why, "%s", source_error(c->in));
    k->lineno--; /* the last line that was whole */
    k->n = 0;
}

/* A line too long to keep: reads to its end, keeping what follows. */
static void
skip(struct chunks *c, struct chunk *k)
{
    k->kind = CHUNK_LONG;
    for (;;) {
        const char *end = memchr(k->p, c->delimiter, k->n);
        if (end) {
            const size_t used = (size_t)(end + 1 - k->p);
            buf_add(&c->carry, k->p + used, k->n - used);
            break;
        }
        k->n = 0;
        if (c->eof)
            break;
        read_on(c, k, CHUNK_BYTES);
    }
    k->n = 0;
    c->lineno++;
    c->row++;
}

static int64_t
count(const char *s, size_t n, char c)
{
    enum { BLOCK = 192 }; /* as many as a byte can count */
    int64_t lines = 0;

    while (n) {
        const size_t k = n < BLOCK ? n : BLOCK;
        unsigned char some = 0;
        for (size_t i = 0; i < k; i++)
            some = (unsigned char)(some + (s[i] == c));
        lines += some;
        s += k;
        n -= k;
    }
    return lines;
}

/* Whole lines into k: 1, or 0 when the file has no more. */
static int
fill(struct chunks *c, struct chunk *k)
{
    size_t seen = 0, want = CHUNK_BYTES;
    const char *last = NULL;

    room(k, c->carry.n);
    if (c->carry.n)
        memcpy(k->p, c->carry.p, c->carry.n);
    k->n = c->carry.n;
    c->carry.n = 0;
    for (;; want = k->n + k->n / 2 + CHUNK_BYTES) {
        read_on(c, k, want);
        last = k->n > seen ? memrchr(k->p + seen, c->delimiter, k->n - seen) : NULL;
        if (last || c->eof)
            break;
        if (k->n > CHUNK_LINE) {
            skip(c, k);
            return 1;
        }
        seen = k->n;
    }
    if (c->damaged && !last) {
        give_up(c, k);
        return 1;
    }
    if (last && (!c->eof || c->damaged)) {
        const size_t whole = (size_t)(last + 1 - k->p);
        buf_add(&c->carry, k->p + whole, k->n - whole);
        k->n = whole;
    }
    c->lineno += count(k->p, k->n, c->delimiter);
    if (k->n && k->p[k->n - 1] != c->delimiter)
        c->lineno++;
    c->row += c->lineno - k->lineno;
    memset(k->p + k->n, 0, CHUNK_PAD);
    return k->n > 0;
}

/* The first bytes of a file, less a byte order mark. */
static void
begin(struct chunks *c)
{
    char mark[3];
    size_t n = 0;

    while (n < sizeof mark && !c->eof) {
        const ptrdiff_t got = source_read(c->in, mark + n, sizeof mark - n);
        if (got <= 0) /* damage shows at the next read */
            break;
        n += (size_t)got;
    }
    if (n < sizeof mark || memcmp(mark, "\xEF\xBB\xBF", sizeof mark))
        buf_add(&c->carry, mark, n);
}

static int
open_next(struct chunks *c, struct chunk *k)
{
    const char *path = c->files ? c->files[c->at] : "-";

    c->at++;
    c->lineno = 1;
    c->eof = 0;
    k->name = c->name = path;
    if (strcmp(path, "-") && access(path, R_OK)) {
        k->kind = CHUNK_ABSENT;
        c->over = 1;
        return 0;
    }
    c->in = source_open(path, 0);
    c->name = strcmp(path, "-") ? path : "standard input";
    begin(c);
    return 1;
}

int
chunks_next(struct chunks *c, struct chunk *k)
{
    for (;;) {
        k->kind = CHUNK_LINES;
        k->n = 0;
        if (!c->in) {
            if (c->over || c->at == c->n)
                return 0;
            if (!open_next(c, k))
                return 1;
        }
        k->name = c->name;
        k->lineno = c->lineno;
        k->row = c->row;
        if (!c->over && fill(c, k))
            return 1;
        source_close(c->in);
        c->in = NULL;
    }
}
