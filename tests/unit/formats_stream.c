/*
 * formats_stream - round trips, and every way of damaging a small stream: cut at each byte,
 * each bit flipped, records dropped, repeated, swapped, spliced.  None may read as whole
 * with other content.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <xxhash.h>
#include <zstd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/wire.h"

enum { RECORDS = 3, IMAGES = RECORDS + 2 };

/* The test's directory, a stream as bytes, its frames, and the images inside them. */
static char dir[] = "/tmp/formats_stream.XXXXXX";
static char *path;
static struct buf good;
static size_t frame[IMAGES + 1];
static struct buf image[IMAGES];

static void
write_stream(const char *to, const char *tokenizer, int seed)
{
    struct stream_out *out = stream_create(to, "tokens", NULL, "unit", "--seed", 0);
    struct image b;
    image_init(&b);
    image_meta(stream_header(out), "tokenizer", tokenizer);
    stream_labels_set(stream_header(out), (char *[]){ (char *)"no", (char *)"y\"es" }, 2);
    for (int i = 0; i < RECORDS; i++) {
        const uint16_t ids[4] = { (uint16_t)(seed + i), 2, 3, 4 };
        const int32_t cu[3] = { 0, 1, 4 };
        const int64_t row[2] = { 2 * i, 2 * i + 1 };
        image_reset(&b);
        image_1d(&b, "input_ids", U16, 4, ids);
        image_1d(&b, "cu_seqlens", I32, 3, cu);
        image_1d(&b, "row", I64, 2, row);
        stream_put(out, &b, 2, 4);
    }
    stream_end(out, 7);
    image_free(&b);
}

static void
slurp(const char *from, struct buf *b)
{
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    b->n = 0;
    b->n += fread(buf_room(b, 1 << 16), 1, 1 << 16, f);
    fclose(f);
}

/* One frame with or without a checksum. */
static void
add_frame(struct buf *to, const void *p, size_t n, int checksum)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
    to->n += ZSTD_compress2(c, buf_room(to, ZSTD_compressBound(n)), ZSTD_compressBound(n), p, n);
    ZSTD_freeCCtx(c);
}

static int
start(void **state)
{
    (void)state;
    argv0 = "unit";
    quiet = 1;
    assert_non_null(mkdtemp(dir));
    path = mem_printf("%s/good", dir);
    write_stream(path, "0123456789abcdef", 10);
    slurp(path, &good);
    for (int i = 0; i < IMAGES; i++) {
        const char *p = good.p + frame[i];
        const size_t n = ZSTD_findFrameCompressedSize(p, good.n - frame[i]);
        const size_t size = (size_t)ZSTD_getFrameContentSize(p, n);
        assert_false(ZSTD_isError(n));
        assert_true(size < 4096); /* there is a content size */
        assert_int_equal(p[4] & 7, 4); /* checksum, no dictionary */
        assert_int_equal(ZSTD_decompress(buf_room(&image[i], size), size, p, n), size);
        image[i].n = size;
        frame[i + 1] = frame[i] + n;
    }
    assert_int_equal(frame[IMAGES], good.n); /* one frame a record, nothing else */
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        mem_free(image[i].p);
    mem_free(good.p);
    unlink(path);
    mem_free(path);
    return rmdir(dir);
}

/*
 * Reads n bytes as a stream: the hash of all that was delivered and the totals; *why is
 * NULL when it ended well.
 */
static uint64_t
digest(const void *p, size_t n, const char *kinds, char why[1024])
{
    char name[64];
    const int fd = memfd_create("stream", 0);
    assert_true(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    struct stream_in *s = wire_open(1, (char *[]){ name }, kinds, 0);
    XXH64_state_t *h = XXH64_createState();
    enum wire_step step;
    XXH64_reset(h, 0);
    while ((step = wire_step(s)) > WIRE_END) {
        const struct record *r = step == WIRE_HEAD ? &s->head : &s->r;
        const int64_t base = stream_base(s);
        XXH64_update(h, &base, sizeof base);
        for (int i = 0; i < r->metas; i++)
            if (step == WIRE_HEAD)
                XXH64_update(h, r->meta[i].value, strlen(r->meta[i].value));
        for (int i = 0; i < r->tensors; i++) {
            XXH64_update(h, r->tensor[i].name, strlen(r->tensor[i].name));
            XXH64_update(h, r->tensor[i].data, r->tensor[i].bytes);
        }
    }
    const int64_t sums[] = { stream_rows(s), stream_examples(s), stream_tokens(s) };
    XXH64_update(h, sums, sizeof sums);
    snprintf(why, 1024, "%s", step == WIRE_BAD ? s->why : "");
    const uint64_t sum = XXH64_digest(h);
    XXH64_freeState(h);
    stream_close(s);
    close(fd);
    return sum;
}

static void
accepts(const struct buf *b, uint64_t want)
{
    char why[1024];
    const uint64_t got = digest(b->p, b->n, "tokens", why);
    assert_string_equal(why, "");
    if (want)
        assert_true(got == want);
}

static void
refuses(const struct buf *b, const char *want)
{
    char why[1024];
    digest(b->p, b->n, "tokens", why);
    if (!strstr(why, want))
        fail_msg("'%s', not '%s'", why, want);
}

static void
round_trip(void **state)
{
    char why[1024];
    char *names[] = { path, path };
    struct stream_in *s = stream_open(2, names, "batch|tokens", 0);
    const struct record *r;
    int n, seen = 0;
    (void)state;
    assert_string_equal(stream_kind(s), "tokens");
    assert_string_equal(stream_name(s), path);
    assert_string_equal(record_meta(stream_head(s), "chain"),
                        "[{\"tool\":\"unit\",\"version\":\"0.1.0\",\"options\":\"--seed\"}]");
    char **labels = stream_labels(stream_head(s), &n);
    assert_int_equal(n, 2);
    assert_string_equal(labels[1], "y\"es");
    strings_free(labels, n);
    for (; (r = stream_next(s)); seen++) {
        const struct tensor *row = stream_need(s, r, "row", I64, 1, 2, -1);
        assert_int_equal(((const int64_t *)row->data)[0], 2 * (seen % RECORDS));
        assert_int_equal((uintptr_t)row->data % 64, 0);
        assert_int_equal(stream_record(s), seen % RECORDS + 1);
        assert_int_equal(stream_base(s), seen < RECORDS ? 0 : 7);
    }
    assert_null(stream_next(s));
    assert_int_equal(seen, 2 * RECORDS);
    assert_int_equal(stream_rows(s), 14);
    assert_int_equal(stream_examples(s), 4 * RECORDS);
    assert_int_equal(stream_tokens(s), 8 * RECORDS);
    stream_close(s);
    assert_true(digest(good.p, good.n, NULL, why) == digest(good.p, good.n, "tokens", why));
}

/* The same input, the same bytes. */
static void
deterministic(void **state)
{
    struct buf again = { 0 };
    char *other = mem_printf("%s/again", dir);
    (void)state;
    write_stream(other, "0123456789abcdef", 10);
    slurp(other, &again);
    assert_int_equal(again.n, good.n);
    assert_memory_equal(again.p, good.p, good.n);
    unlink(other);
    mem_free(other);
    mem_free(again.p);
}

/* Bare records, all of them in one frame, one frame per 100 bytes, skippable frames between. */
static void
wrappings(void **state)
{
    static const char skip[] = "\x5a\x2a\x4d\x18\x03\x00\x00\x00xyz";
    struct buf b = { 0 }, bare = { 0 };
    char why[1024];
    const uint64_t want = digest(good.p, good.n, "tokens", why);
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        buf_add(&bare, image[i].p, image[i].n);
    accepts(&bare, want);
    add_frame(&b, bare.p, bare.n, 1);
    accepts(&b, want);
    b.n = 0;
    for (size_t i = 0; i < bare.n; i += 100)
        add_frame(&b, bare.p + i, bare.n - i < 100 ? bare.n - i : 100, 1);
    accepts(&b, want);
    b.n = 0;
    for (int i = 0; i <= IMAGES; i++) {
        buf_add(&b, skip, sizeof skip - 1);
        if (i < IMAGES)
            buf_add(&b, good.p + frame[i], frame[i + 1] - frame[i]);
    }
    accepts(&b, want);
    b.n = 0;
    for (int i = 0; i < IMAGES; i++)
        add_frame(&b, image[i].p, image[i].n, i != 2);
    refuses(&b, "zstd frame without a content checksum near byte");
    mem_free(b.p);
    mem_free(bare.p);
}

static void
cut_anywhere(void **state)
{
    struct buf bare = { 0 }, b;
    (void)state;
    for (size_t n = 0; n < good.n; n++) {
        b = (struct buf){ good.p, n, 0 };
        refuses(&b, "truncated");
    }
    for (int i = 0; i < IMAGES; i++)
        buf_add(&bare, image[i].p, image[i].n);
    for (size_t n = 0; n < bare.n; n++) {
        b = (struct buf){ bare.p, n, 0 };
        refuses(&b, "truncated");
    }
    mem_free(bare.p);
}

static void
flip_any_bit(void **state)
{
    char why[1024];
    size_t same = 0;
    const uint64_t want = digest(good.p, good.n, "tokens", why);
    (void)state;
    for (size_t bit = 0; bit < 8 * good.n; bit++) {
        good.p[bit / 8] ^= (char)(1 << bit % 8);
        const uint64_t got = digest(good.p, good.n, "tokens", why);
        good.p[bit / 8] ^= (char)(1 << bit % 8);
        if (why[0])
            continue;
        same++;
        if (got != want)
            fail_msg("bit %zu of byte %zu: other content, and no error", bit % 8, bit / 8);
    }
    assert_true(same < good.n); /* most flips are seen */
}

/* Bare records have no checksum of zstd: the chain finds changes all the same. */
static void
flip_bare(void **state)
{
    struct buf b = { 0 };
    char why[1024];
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        buf_add(&b, image[i].p, image[i].n);
    const uint64_t want = digest(b.p, b.n, "tokens", why);
    const size_t last = b.n - image[IMAGES - 1].n; /* nothing follows the end to vouch for it */
    for (size_t bit = 0; bit < 8 * last; bit += 3) {
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        const uint64_t got = digest(b.p, b.n, "tokens", why);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        if (!why[0] && got != want)
            fail_msg("bit %zu of byte %zu: other content, and no error", bit % 8, bit / 8);
    }
    mem_free(b.p);
}

/* The frames in the order that the string says: '0' is the head. */
static void
arrange(struct buf *b, const char *order)
{
    b->n = 0;
    for (; *order; order++)
        buf_add(b, good.p + frame[*order - '0'], frame[*order - '0' + 1] - frame[*order - '0']);
}

static void
rearranged(void **state)
{
    static const struct { const char *order, *why; } t[] = {
        { "1234", "tokens record where a head must be" },
        { "4", "end record where a head must be" },
        { "0", "truncated: no end record" },
        { "0234", "seq is 2 where 1 must follow" },
        { "0134", "seq is 3 where 2 must follow" },
        { "0124", "seq is 4 where 3 must follow" },
        { "04", "seq is 4 where 1 must follow" },
        { "0123", "truncated: no end record" },
        { "011234", "seq is 1 where 2 must follow" },
        { "02134", "seq is 2 where 1 must follow" },
        { "0012344", "head before the end" },
        { "012344", "end record where a head must be" },
        { "012341", "tokens record where a head must be" },
        { "012340", "truncated: no end record" },
        { "0123401240", "seq is 4 where 3 must follow" },
    };
    struct buf b = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        arrange(&b, t[i].order);
        refuses(&b, t[i].why);
    }
    arrange(&b, "0123401234");
    accepts(&b, 0);
    arrange(&b, "01234");
    buf_add(&b, "x", 1);
    refuses(&b, "truncated: the file ends inside a zstd frame");
    buf_add(&b, "yyyyyyyyyy", 10);
    refuses(&b, "bytes that are not a zstd frame");
    arrange(&b, "01234");
    add_frame(&b, "yyyyyyyyyy", 10, 1);
    refuses(&b, "bytes after the end record");
    mem_free(b.p);
}

/* A record of another stream at the right place, with the right seq. */
static void
spliced(void **state)
{
    struct buf other = { 0 }, b = { 0 };
    size_t at[IMAGES + 1] = { 0 };
    char *name = mem_printf("%s/other", dir);
    (void)state;
    write_stream(name, "0123456789abcdef", 50);
    slurp(name, &other);
    for (int i = 0; i < IMAGES; i++)
        at[i + 1] = at[i] + ZSTD_findFrameCompressedSize(other.p + at[i], other.n - at[i]);
    for (int mask = 0; mask < 1 << IMAGES; mask++) { /* bit i: record i is the other's */
        b.n = 0;
        for (int i = 0; i < IMAGES; i++)
            if (mask >> i & 1)
                buf_add(&b, other.p + at[i], at[i + 1] - at[i]);
            else
                buf_add(&b, good.p + frame[i], frame[i + 1] - frame[i]);
        /* the heads are equal, so bit 0 does not matter */
        if (mask >> 1 == 0 || mask >> 1 == (1 << (IMAGES - 1)) - 1)
            accepts(&b, 0);
        else
            refuses(&b, "prev does not match the record before");
    }
    unlink(name);
    mem_free(name);
    mem_free(other.p);
    mem_free(b.p);
}

/* Heads of `cat a b` that disagree. */
static void
strangers(void **state)
{
    struct buf other = { 0 }, b = { 0 };
    char *name = mem_printf("%s/other", dir);
    (void)state;
    write_stream(name, "fedcba9876543210", 10);
    slurp(name, &other);
    buf_add(&b, good.p, good.n);
    buf_add(&b, other.p, other.n);
    refuses(&b, "tokenizer is fedcba9876543210 here and 0123456789abcdef in '/proc/self/fd/");
    unlink(name);
    mem_free(name);
    mem_free(other.p);
    mem_free(b.p);
}

/* Hand-made records: meta pairs of `text` ("k=v k=v"), NULL prev filled in. */
static void
craft(struct buf *b, const char *text, uint64_t *prev, int tensor)
{
    struct image i;
    char *copy = mem_strdup(text);
    image_init(&i);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        char *eq = strchr(word, '=');
        *eq = 0;
        if (!strcmp(eq + 1, "PREV"))
            image_metaf(&i, word, "%016llx", (unsigned long long)*prev);
        else
            image_meta(&i, word, eq + 1);
    }
    if (tensor)
        image_1d(&i, "x", U8, 1, "x");
    image_finish(&i);
    *prev = XXH64(i.bytes, i.size, 0);
    add_frame(b, i.bytes, i.size, 1);
    image_free(&i);
    mem_free(copy);
}

#define HEAD "stz=1 kind=head seq=0 schema=tokens"
#define END "stz=1 kind=end seq=1 prev=PREV"

static void
crafted(void **state)
{
    static const struct { const char *records[4], *why; int tensor; } t[] = {
        { { "stz=1 kind=he\x1b[2J seq=0 schema=tokens" }, "he?[2J record where a head must be", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 rows=0" }, "", 0 },
        { { HEAD " future=1", END " records=0 examples=0 tokens=0 rows=9223372036854775807" }, "", 0 },
        { { "stz=1.7 kind=head seq=0 schema=tokens", END " records=0 examples=0 tokens=0 rows=0" }, "", 0 },
        { { "stz=2 kind=head seq=0 schema=tokens" }, "format version 2 is newer than this program's 1", 0 },
        { { "stz=2.1 kind=head seq=0 schema=tokens" }, "format version 2.1 is newer", 0 },
        { { "stz=0 kind=head seq=0 schema=tokens" }, "format version '0' is not a version", 0 },
        { { "stz=x kind=head seq=0 schema=tokens" }, "format version 'x' is not a version", 0 },
        { { "kind=head seq=0 schema=tokens" }, "not a stream record", 0 },
        { { "stz=1 seq=0 schema=tokens" }, "kind is missing", 0 },
        { { "stz=1 kind=head schema=tokens" }, "seq is missing or not a number", 0 },
        { { "stz=1 kind=head seq=00 schema=tokens" }, "seq is missing or not a number", 0 },
        { { "stz=1 kind=head seq=-1 schema=tokens" }, "seq is missing or not a number", 0 },
        { { "stz=1 kind=head seq=9223372036854775808 schema=tokens" }, "seq is missing or not a number", 0 },
        { { "stz=1 kind=head seq=1 schema=tokens" }, "seq is 1 where 0 must follow", 0 },
        { { HEAD " prev=0123456789abcdef" }, "prev in the first record", 0 },
        { { "stz=1 kind=head seq=0" }, "schema is missing", 0 },
        { { "stz=1 kind=head seq=0 schema=pooled" }, "a stream of pooled where tokens is needed", 0 },
        { { HEAD, "stz=1 kind=tokens seq=1" }, "prev is missing", 0 },
        { { HEAD, "stz=1 kind=tokens seq=1 prev=0123456789abcdef" }, "prev does not match", 0 },
        { { HEAD, "stz=2 kind=tokens seq=1 prev=PREV" }, "format version 2 is newer", 0 },
        { { HEAD, END " records=1 examples=0 tokens=0 rows=0" }, "end record counts 1 records, there were 0", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0" }, "end record with more or less than its eight keys", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 rows=0 more=1" }, "end record with more or less than its eight keys", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 lines=0" }, "end record: rows is missing or not a number", 0 },
        { { HEAD, END " records=0 examples=-1 tokens=0 rows=0" }, "end record: examples is missing or not a number", 0 },
        { { HEAD, END " records=0 examples=0 tokens=01 rows=0" }, "end record: tokens is missing or not a number", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 rows=0" }, "end record with more or less", 1 },
        { { HEAD, "stz=1 kind=error seq=1 prev=PREV message=bpe-tok:_no exit=3" }, "upstream writer failed: bpe-tok:_no", 0 },
        { { "stz=1 kind=error seq=0 exit=3" }, "upstream writer failed: no message", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 rows=9223372036854775807", HEAD,
            END " records=0 examples=0 tokens=0 rows=1" }, "end record: counts too large", 0 },
        { { HEAD, END " records=0 examples=0 tokens=0 rows=0", "stz=1 kind=head seq=0 schema=batch" },
          "a stream of batch where tokens is needed", 0 },
        { { HEAD " task=single", END " records=0 examples=0 tokens=0 rows=0", HEAD },
          "task is absent here and single in", 0 },
    };
    struct buf b = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint64_t prev = 0;
        b.n = 0;
        for (int k = 0; k < 4 && t[i].records[k]; k++)
            craft(&b, t[i].records[k], &prev, t[i].tensor);
        if (t[i].why[0])
            refuses(&b, t[i].why);
        else
            accepts(&b, 0);
    }
    mem_free(b.p);
}

/* Other kinds are passed over with one warning, unless the reader takes any. */
static void
other_kinds(void **state)
{
    struct buf b = { 0 };
    uint64_t prev = 0;
    char why[1024];
    (void)state;
    craft(&b, HEAD, &prev, 0);
    craft(&b, "stz=1 kind=tokens seq=1 prev=PREV", &prev, 1);
    craft(&b, "stz=1 kind=gossip seq=2 prev=PREV", &prev, 1);
    craft(&b, "stz=1 kind=gossip seq=3 prev=PREV", &prev, 1);
    craft(&b, "stz=1 kind=end seq=4 prev=PREV records=3 examples=1 tokens=1 rows=1", &prev, 0);
    const uint64_t some = digest(b.p, b.n, "tokens", why);
    assert_string_equal(why, "");
    assert_true(some != digest(b.p, b.n, NULL, why));
    assert_string_equal(why, "");
    mem_free(b.p);
}

/* Shards keep their rows; whole streams between them number on. */
static void
shards(void **state)
{
    char name[64];
    struct buf b = { 0 };
    uint64_t prev;
    int64_t base[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        craft(&b, i < 2 ? HEAD " shard=1" : HEAD, &prev, 0);
        craft(&b, i == 1 ? END " records=0 examples=2 tokens=3 rows=9" : END " records=0 examples=2 tokens=3 rows=8", &prev, 0);
    }
    const int fd = memfd_create("shards", 0);
    assert_true(write(fd, b.p, b.n) == (ssize_t)b.n);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    struct stream_in *s = wire_open(1, (char *[]){ name }, NULL, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wire_step(s), WIRE_HEAD);
        base[i] = stream_base(s);
    }
    assert_int_equal(wire_step(s), WIRE_END);
    assert_true(!base[0] && !base[1] && base[2] == 9);
    assert_int_equal(stream_rows(s), 17);
    assert_int_equal(stream_examples(s), 6);
    stream_close(s);
    close(fd);
    mem_free(b.p);
}

/* A record as large as the limit, and one byte larger. */
static void
record_limit(void **state)
{
    char *names[] = { path };
    (void)state;
    size_t largest = 0;
    for (int i = 0; i < IMAGES; i++)
        largest = image[i].n > largest ? image[i].n : largest;
    for (size_t max = largest - 1; max <= largest; max++) {
        struct stream_in *s = wire_open(1, names, NULL, max);
        enum wire_step step;
        while ((step = wire_step(s)) > WIRE_END)
            ;
        assert_int_equal(step, max == largest ? WIRE_END : WIRE_BAD);
        if (step == WIRE_BAD)
            assert_non_null(strstr(s->why, "is over the limit of"));
        stream_close(s);
    }
}

/* Runs fn in a child with stdout to a file; returns its status and what it wrote. */
static int
child(void (*fn)(void), struct buf *out)
{
    char *name = mem_printf("%s/out", dir);
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        assert_non_null(freopen(name, "wb", stdout));
        assert_non_null(freopen("/dev/null", "w", stderr));
        fn();
        _exit(77);
    }
    waitpid(pid, &status, 0);
    slurp(name, out);
    unlink(name);
    mem_free(name);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
die_in_the_middle(void)
{
    struct stream_out *out = stream_create(NULL, "tokens", NULL, "unit", "", 0);
    struct image b;
    image_init(&b);
    stream_put(out, &b, 0, 0);
    die_data("line 7: \a bad");
}

static void
die_before_the_head(void)
{
    stream_create("-", "tokens", NULL, "unit", "", 0);
    die_sys("no room");
}

static void
die_of_upstream(void)
{
    stream_create(NULL, "tokens", NULL, "unit", "", 0);
    die_data("upstream bpe-tok failed: line 7");
}

static void
leave_without_end(void)
{
    struct stream_out *out = stream_create(NULL, "tokens", NULL, "unit", "", 0);
    struct image b;
    image_init(&b);
    stream_put(out, &b, 0, 0);
    _exit(0);
}

static void
deaths(void **state)
{
    struct buf b = { 0 };
    (void)state;
    assert_int_equal(child(die_in_the_middle, &b), 3);
    refuses(&b, "upstream unit failed: line 7: ? bad");
    assert_int_equal(child(die_before_the_head, &b), 4);
    refuses(&b, "upstream unit failed: no room");
    assert_int_equal(child(die_of_upstream, &b), 3);
    refuses(&b, "upstream bpe-tok failed: line 7");
    assert_int_equal(child(leave_without_end, &b), 0);
    refuses(&b, "truncated: no end record");
    mem_free(b.p);
}

/* What a head passes on: everything but what each stage says for itself. */
static void
inherited(void **state)
{
    char *names[] = { path }, *name = mem_printf("%s/next", dir);
    struct stream_in *s = stream_open(1, names, NULL, 0);
    struct stream_out *out = stream_create(name, "batch", stream_head(s), "next", "-n", 1);
    (void)state;
    image_meta(stream_header(out), "model", "feed");
    stream_end(out, 0);
    stream_close(s);
    s = stream_open(1, &name, "batch", 0);
    const struct record *h = stream_head(s);
    assert_string_equal(record_meta(h, "schema"), "batch");
    assert_string_equal(record_meta(h, "tokenizer"), "0123456789abcdef");
    assert_string_equal(record_meta(h, "labels"), "[\"no\",\"y\\\"es\"]");
    assert_string_equal(record_meta(h, "model"), "feed");
    assert_string_equal(record_meta(h, "chain"),
                        "[{\"tool\":\"unit\",\"version\":\"0.1.0\",\"options\":\"--seed\"},"
                        "{\"tool\":\"next\",\"version\":\"0.1.0\",\"options\":\"-n\"}]");
    assert_int_equal(h->metas, 8);
    stream_close(s);
    unlink(name);
    mem_free(name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),   cmocka_unit_test(deterministic),
        cmocka_unit_test(wrappings),    cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flip_any_bit), cmocka_unit_test(flip_bare),
        cmocka_unit_test(rearranged),   cmocka_unit_test(spliced),
        cmocka_unit_test(strangers),    cmocka_unit_test(crafted),
        cmocka_unit_test(other_kinds),  cmocka_unit_test(shards),
        cmocka_unit_test(record_limit), cmocka_unit_test(deaths),
        cmocka_unit_test(inherited),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
