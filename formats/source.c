#include "formats/source.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "common/base/die.h"
#include "common/base/mem.h"

/* PAD: readable bytes after a line, what the JSON parser wants. */
enum { INPUT = 1 << 18, LINE_CHUNK = 1 << 16, PAD = 64, WINDOW_LOG = 27 };

struct source {
    int fd, strict;
    char *name;
    char *in;         /* bytes of the file, [at, n) not yet used */
    size_t at, n;
    uint64_t offset;  /* of in[0] in the file */
    int eof, sniffed;
    ZSTD_DCtx *zstd;  /* NULL: plain */
    int inside;       /* a zstd frame has begun and not ended */
    char error[160];
    struct buf line;  /* text for source_line, [start, line.n) not yet returned */
    size_t start, seen; /* no '\n' in [start, seen) */
    int64_t lineno;
    int skipping;
    void (*before_wait)(void *arg);
    void *arg;
};

struct source *
source_open(const char *path, int strict)
{
    struct source *s = mem_zalloc(1, sizeof *s);
    s->strict = strict;
    if (!path || !strcmp(path, "-")) {
        s->name = mem_strdup("standard input");
        s->fd = STDIN_FILENO;
        if (strict && isatty(s->fd))
            die_usage("standard input is a terminal: name a file or pipe a stream in");
    } else {
        s->name = mem_strdup(path);
        s->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (s->fd < 0)
            die_sys("can't open '%s'", path);
        posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    s->in = mem_alloc(INPUT);
    return s;
}

const char *
source_name(const struct source *s)
{
    return s->name;
}

const char *
source_error(const struct source *s)
{
    return s->error;
}

void
source_close(struct source *s)
{
    if (!s)
        return;
    if (s->fd != STDIN_FILENO)
        close(s->fd);
    ZSTD_freeDCtx(s->zstd);
    mem_free(s->in);
    mem_free(s->line.p);
    mem_free(s->name);
    mem_free(s);
}

static ptrdiff_t
bad(struct source *s, const char *why)
{
    snprintf(s->error, sizeof s->error, "%s near byte %llu", why,
             (unsigned long long)(s->offset + s->at));
    return -1;
}

void
source_before_wait(struct source *s, void (*fn)(void *arg), void *arg)
{
    s->before_wait = fn;
    s->arg = arg;
}

/* Nothing is there yet, and the writer has not closed. */
static int
would_wait(const struct source *s)
{
    struct pollfd p = { s->fd, POLLIN, 0 };
    return !poll(&p, 1, 0);
}

/* Room for one read, and whatever is there: 0 at the end of the file. */
static size_t
read_some(struct source *s, void *to, size_t n)
{
    if (s->before_wait && would_wait(s))
        s->before_wait(s->arg);
    for (;;) {
        const ssize_t k = read(s->fd, to, n);
        if (k >= 0)
            return (size_t)k;
        if (errno != EINTR)
            die_sys("can't read '%s'", s->name);
    }
}

/* At least `want` unused bytes in s->in unless the file ends before. */
static void
fill(struct source *s, size_t want)
{
    if (s->n - s->at >= want || s->eof)
        return;
    memmove(s->in, s->in + s->at, s->n - s->at);
    s->offset += s->at;
    s->n -= s->at;
    s->at = 0;
    while (s->n < want && !s->eof) {
        const size_t k = read_some(s, s->in + s->n, INPUT - s->n);
        s->eof = !k;
        s->n += k;
    }
}

static uint32_t
magic(const struct source *s)
{
    uint32_t m = 0;
    for (size_t i = 0; i < 4 && s->at + i < s->n; i++)
        m |= (uint32_t)(unsigned char)s->in[s->at + i] << 8 * i;
    return m;
}

static int
skippable(uint32_t m)
{
    return (m & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static void
sniff(struct source *s)
{
    fill(s, 4);
    s->sniffed = 1;
    if (magic(s) != ZSTD_MAGICNUMBER && !skippable(magic(s)))
        return;
    s->zstd = ZSTD_createDCtx();
    if (!s->zstd) {
        errno = 0;
        die_sys("out of memory (zstd)");
    }
    ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
}

/*
 * Does the frame at s->at, 6 bytes of which are there, declare a window beyond 2^WINDOW_LOG?
 * zstd itself asks only when it decodes in pieces.  RFC 8878, 3.1.1.1: bit 5 of the descriptor
 * says that no window is declared; the window byte is 5 bits of exponent, 3 of mantissa.
 */
static int
wide(const struct source *s)
{
    const unsigned descriptor = (unsigned char)s->in[s->at + 4];
    const unsigned window = (unsigned char)s->in[s->at + 5];
    return !(descriptor & 0x20) && window > (WINDOW_LOG - 10) << 3;
}

/* What stands at a frame's start: 1 a frame to decode, 0 the end of the file, -1 damage. */
static int
frame(struct source *s)
{
    fill(s, 6);
    const uint32_t m = magic(s);
    if (s->at == s->n)
        return 0;
    if (s->n - s->at < 6)
        return (int)bad(s, "truncated: the file ends inside a zstd frame,");
    if (m != ZSTD_MAGICNUMBER && !skippable(m))
        return (int)bad(s, "bytes that are not a zstd frame");
    if (m == ZSTD_MAGICNUMBER && (s->in[s->at + 4] & 3))
        return (int)bad(s, "zstd frame that needs a dictionary");
    if (s->strict && m == ZSTD_MAGICNUMBER && !(s->in[s->at + 4] & 4))
        return (int)bad(s, "zstd frame without a content checksum");
    if (m == ZSTD_MAGICNUMBER && wide(s))
        return (int)bad(s, "damaged zstd frame (Frame requires too much memory for decoding)");
    s->inside = 1;
    return 1;
}

static ptrdiff_t
decompress(struct source *s, void *to, size_t n)
{
    ZSTD_outBuffer out = { to, n, 0 };
    while (!out.pos) {
        if (!s->inside) {
            const int what = frame(s);
            if (what <= 0)
                return what;
        }
        fill(s, 1);
        const int starved = s->at == s->n;
        ZSTD_inBuffer in = { s->in, s->n, s->at };
        const size_t r = ZSTD_decompressStream(s->zstd, &out, &in);
        if (ZSTD_isError(r)) {
            char why[120];
            snprintf(why, sizeof why, "damaged zstd frame (%s)", ZSTD_getErrorName(r));
            return bad(s, why);
        }
        s->at = in.pos;
        s->inside = r != 0;
        if (starved && s->inside && !out.pos)
            return bad(s, "truncated: the file ends inside a zstd frame,");
    }
    return (ptrdiff_t)out.pos;
}

ptrdiff_t
source_read(struct source *s, void *to, size_t n)
{
    if (s->error[0])
        return -1;
    if (!s->sniffed)
        sniff(s);
    if (!n)
        return 0;
    if (s->zstd)
        return decompress(s, to, n);
    if (s->at == s->n && !s->eof && n >= INPUT) { /* large reads need no copy */
        const size_t k = read_some(s, to, n);
        s->offset += s->n + k;
        s->at = s->n = 0;
        s->eof = !k;
        return (ptrdiff_t)k;
    }
    fill(s, 1);
    const size_t k = s->n - s->at < n ? s->n - s->at : n;
    memcpy(to, s->in + s->at, k);
    s->at += k;
    return (ptrdiff_t)k;
}

/* More text into s->line: 1, 0 at the end, -1 damaged. */
static int
more(struct source *s)
{
    if (s->start) {
        memmove(s->line.p, s->line.p + s->start, s->line.n - s->start);
        s->line.n -= s->start;
        s->seen -= s->start;
        s->start = 0;
    }
    buf_room(&s->line, LINE_CHUNK + PAD);
    const ptrdiff_t k = source_read(s, s->line.p + s->line.n, s->line.cap - s->line.n - PAD);
    if (k > 0)
        s->line.n += (size_t)k;
    return k > 0 ? 1 : (int)k;
}

/* The end of the line at start, reading on as needed: 1, 0 no '\n' to the end, -1, -2. */
static int
find_end(struct source *s, size_t max, size_t *end)
{
    for (;;) {
        const size_t limit = s->line.n - s->start;
        char *p = memchr(s->line.p + s->seen, '\n', s->line.n - s->seen);
        if (p) {
            *end = (size_t)(p - s->line.p);
            return *end - s->start > max ? -2 : 1;
        }
        s->seen = s->line.n;
        if (limit > max)
            return -2;
        const int got = more(s);
        if (got <= 0) {
            *end = s->line.n;
            return got;
        }
    }
}

/* The rest of a line that was too long, block by block: nothing of it is kept. */
static int
skip_line(struct source *s)
{
    while (s->skipping) {
        char *p = memchr(s->line.p + s->start, '\n', s->line.n - s->start);
        s->start = s->seen = p ? (size_t)(p - s->line.p) + 1 : s->line.n;
        if (p) {
            s->skipping = 0;
        } else {
            const int got = more(s);
            if (got <= 0)
                return got;
        }
    }
    return 1;
}

/* The first bytes of the file, less a byte order mark. */
static int
begin(struct source *s)
{
    int got = 1;
    while (got > 0 && s->line.n < 3)
        got = more(s);
    if (s->line.n >= 3 && !memcmp(s->line.p, "\xEF\xBB\xBF", 3))
        s->start = s->seen = 3;
    return got;
}

int
source_line(struct source *s, size_t max, const char **text, size_t *n)
{
    size_t end;
    /* damage within the first bytes waits until the lines before it were given */
    if (!s->line.p && begin(s) < 0 && !s->line.n)
        return -1;
    if (s->skipping) {
        const int got = skip_line(s);
        if (got <= 0)
            return got;
    }
    const int got = find_end(s, max, &end);
    if (got == -1 || (got == 0 && end == s->start))
        return got;
    s->lineno++;
    if (got == -2) {
        s->skipping = 1;
        return -2;
    }
    *text = s->line.p + s->start;
    *n = end - s->start;
    if (*n && (*text)[*n - 1] == '\r')
        --*n;
    s->start = s->seen = end + (got == 1);
    return 1;
}

int64_t
source_lineno(const struct source *s)
{
    return s->lineno;
}
