#include "formats/wire.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/mem.h"

/* AGAIN: nothing for the caller, go on with the next record or file. */
enum { FIRST_READ = 1 << 20, AGAIN = WIRE_HEAD + 1 };

struct stream_in *
wire_open(int n, char *const *paths, const char *kinds, size_t max_record)
{
    struct stream_in *s = mem_zalloc(1, sizeof *s);
    s->paths = n ? paths : NULL;
    s->n = n ? n : 1;
    s->kinds = kinds;
    s->max = max_record ? max_record : STREAM_MAX_RECORD;
    record_init(&s->r);
    record_init(&s->head);
    s->source = source_open(s->paths ? s->paths[0] : NULL, 1);
    s->next = 1;
    return s;
}

/* Text that came through a pipe: nothing in it may steer a terminal. */
static void
tame(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

static int __attribute__((format(printf, 2, 3)))
bad(struct stream_in *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, ap);
    va_end(ap);
    tame(s->why);
    return WIRE_BAD;
}

/* Room for `size` bytes, what is there kept; aligned so that tensor data is too. */
static void
reserve(struct stream_in *s, size_t have, size_t size)
{
    if (size <= s->cap)
        return;
    const size_t cap = size > 2 * s->cap ? size : 2 * s->cap;
    char *p = mem_aligned(cap, 64);
    if (have)
        memcpy(p, s->image, have);
    mem_free(s->image);
    s->image = p;
    s->cap = cap;
}

/*
 * Image bytes [from, to): the bytes there really were, less than asked at the end of the
 * file, or -1.  Memory grows with what arrives, not with what a header promises.
 */
static ptrdiff_t
read_image(struct stream_in *s, size_t from, size_t to)
{
    size_t have = from;
    while (have < to) {
        const size_t step = have < FIRST_READ ? FIRST_READ : have;
        const size_t want = to - have < step ? to : have + step;
        reserve(s, have, want);
        const ptrdiff_t k = source_read(s->source, s->image + have, want - have);
        if (k < 0)
            return bad(s, "%s", source_error(s->source));
        if (!k)
            break;
        have += (size_t)k;
    }
    return (ptrdiff_t)(have - from);
}

static int
part(struct stream_in *s, size_t from, size_t to)
{
    const ptrdiff_t k = read_image(s, from, to);
    if (k >= 0 && (size_t)k < to - from)
        return bad(s, "truncated: the file ends inside a record");
    return k < 0 ? WIRE_BAD : 1;
}

static int
too_large(struct stream_in *s, size_t size)
{
    return bad(s, "record of %zu bytes is over the limit of %zu", size,
               s->max);
}

/* The next image, decoded, into s->r: 1, 0 at the end of the file, -1. */
static int
fetch(struct stream_in *s)
{
    uint64_t header = 0;
    const ptrdiff_t first = read_image(s, 0, 8);
    if (first <= 0)
        return (int)first;
    for (int i = 7; i >= 0 && first == 8; i--)
        header = header << 8 | (unsigned char)s->image[i];
    if (s->state == WIRE_START && header > RECORD_MAX_HEADER)
        return bad(s, "not a stream: neither zstd nor a safetensors image");
    if (s->state == WIRE_ENDED && (first < 8 || header > RECORD_MAX_HEADER))
        return bad(s, "bytes after the end record");
    if (first < 8)
        return bad(s, "truncated: the file ends inside a record");
    if (header > RECORD_MAX_HEADER)
        return bad(s, "header longer than 16 MiB, or not a safetensors image");
    if (8 + header > s->max)
        return too_large(s, 8 + header);
    if (part(s, 8, 8 + header) < 0)
        return WIRE_BAD;
    const char *why = record_header(&s->r, s->image, 8 + header);
    if (why)
        return bad(s, "%s", why);
    if (s->r.size > s->max)
        return too_large(s, s->r.size);
    if (part(s, 8 + header, s->r.size) < 0)
        return WIRE_BAD;
    record_attach(&s->r, s->image);
    return 1;
}

/* A number as writers spell it: decimal, no sign, no leading zero, at most INT64_MAX. */
static int
number(const char *s, int64_t *out)
{
    int64_t n = 0;
    if (!s || !*s || (s[0] == '0' && s[1]))
        return 0;
    for (; *s; s++)
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, *s - '0', &n))
            return 0;
    *out = n;
    return 1;
}

static int
check_version(struct stream_in *s)
{
    const char *stz = record_meta(&s->r, "stz");
    char major[32];
    int64_t v;
    if (!stz)
        return bad(s, "a safetensors image, not a stream record (tens wrap makes one)");
    snprintf(major, sizeof major, "%.*s", (int)strcspn(stz, "."), stz);
    if (!number(major, &v) || !v)
        return bad(s, "format version '%.20s' is not a version", stz);
    if (v > WIRE_VERSION)
        return bad(s, "format version %.20s is newer than this program's %d", stz,
                   WIRE_VERSION);
    return 1;
}

/* seq counts and prev chains: what drops, repeats, swaps or splices records breaks both. */
static int
check_chain(struct stream_in *s)
{
    const char *seq = record_meta(&s->r, "seq"), *prev = record_meta(&s->r, "prev");
    char want[17];
    int64_t n;
    if (!number(seq, &n))
        return bad(s, "seq is missing or not a number");
    if (n != s->seq)
        return bad(s,
                   "seq is %" PRId64 " where %" PRId64 " must follow: a record is missing, "
                   "repeated or out of order",
                   n, s->seq);
    if (!n)
        return prev ? bad(s, "prev in the first record") : 1;
    snprintf(want, sizeof want, "%016" PRIx64, s->prev);
    if (!prev)
        return bad(s, "prev is missing");
    if (strcmp(prev, want))
        return bad(s, "prev does not match the record before: a record was changed, or "
                      "is of another stream");
    return 1;
}

/* Is word one of a|b|c? */
static int
listed(const char *word, const char *list)
{
    const size_t n = strlen(word);
    for (const char *p = list; *p;) {
        const size_t k = strcspn(p, "|");
        if (k == n && !memcmp(p, word, n))
            return 1;
        p += k + (p[k] == '|');
    }
    return 0;
}

/* Heads of one input must agree in these, or its records do not mean the same. */
static int
check_same(struct stream_in *s)
{
    static const char *const keys[] = { "schema", "tokenizer", "model",
                                        "labels", "task",      "dtype" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *a = record_meta(&s->head, keys[i]), *b = record_meta(&s->r, keys[i]);
        if (!a && !b)
            continue;
        if (!a || !b || strcmp(a, b))
            return bad(s, "%s is %.200s here and %.200s in '%.200s'", keys[i],
                       b ? b : "absent", a ? a : "absent", s->head_name);
    }
    return 1;
}

static int
begin(struct stream_in *s)
{
    const char *schema = record_meta(&s->r, "schema");
    if (!schema || !*schema)
        return bad(s, "schema is missing");
    if (s->kinds && !listed(schema, s->kinds))
        return bad(s, "a stream of %.50s where %s is needed", schema, s->kinds);
    if (s->head_name && check_same(s) < 0)
        return WIRE_BAD;
    s->shard = record_meta(&s->r, "shard") != NULL;
    s->base = s->shard ? 0 : s->rows;
    s->records = 0;
    s->state = WIRE_BODY;
    if (!s->head_name) {
        s->head_name = mem_strdup(source_name(s->source));
        s->head = s->r;
        s->head_image = s->image;
        record_init(&s->r);
        s->image = NULL;
        s->cap = 0;
    }
    return WIRE_HEAD;
}

static int
finish(struct stream_in *s)
{
    static const char *const keys[] = { "records", "examples", "tokens", "rows" };
    int64_t v[4], sum;
    if (s->r.tensors || s->r.foreign || s->r.metas != 8)
        return bad(s, "end record with more or less than its eight keys");
    for (int i = 0; i < 4; i++)
        if (!number(record_meta(&s->r, keys[i]), &v[i]))
            return bad(s, "end record: %s is missing or not a number", keys[i]);
    if (v[0] != s->records)
        return bad(s, "end record counts %" PRId64 " records, there were %" PRId64, v[0],
                   s->records);
    if (__builtin_add_overflow(s->rows, v[3], &sum) ||
        __builtin_add_overflow(s->examples, v[1], &s->examples) ||
        __builtin_add_overflow(s->tokens, v[2], &s->tokens))
        return bad(s, "end record: counts too large");
    s->rows = !s->shard ? sum : v[3] > s->rows ? v[3] : s->rows;
    s->state = WIRE_ENDED;
    return AGAIN;
}

static int
failed(struct stream_in *s)
{
    const char *message = record_meta(&s->r, "message");
    const size_t word = message ? strcspn(message, ": ") : 0;
    if (word && !strncmp(message + word, ": ", 2))
        bad(s, "upstream %.*s failed: %s", (int)word, message, message + word + 2);
    else
        bad(s, "upstream writer failed: %s", message ? message : "no message");
    s->upstream = 1;
    return WIRE_BAD;
}

/* A dtype nobody knows may be ignored, but not in a tensor that the page gives a meaning. */
static int
check_foreign(struct stream_in *s)
{
    static const char *const known[] = { "input_ids", "cu_seqlens", "row",
                                         "labels",    "truncated",  "window",
                                         "spans",     "words",      "pooled",
                                         "logits",    "scores",     "final_hidden" };
    for (int i = s->r.tensors; i < s->r.tensors + s->r.foreign; i++) {
        const char *name = s->r.tensor[i].name;
        int needed = !strncmp(name, "hidden.", 7) || !strncmp(name, "keep.", 5);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            needed |= !strcmp(name, known[k]);
        if (needed)
            return bad(s, "tensor '%.100s' has a dtype this program does not know", name);
    }
    return WIRE_DATA;
}

static int
data(struct stream_in *s, const char *kind)
{
    char name[50];
    if (check_foreign(s) < 0)
        return WIRE_BAD;
    s->records++;
    s->number++;
    if (!s->kinds || !strcmp(kind, record_meta(&s->head, "schema")))
        return WIRE_DATA;
    snprintf(name, sizeof name, "%s", kind);
    tame(name);
    if (!s->warned)
        warn("'%s', record %" PRId64 ": kind '%s' is not '%s': skipped, as any like it",
             source_name(s->source), s->number, name, record_meta(&s->head, "schema"));
    s->warned = 1;
    return AGAIN;
}

/* What the image in s->r is, by where we are. */
static int
record(struct stream_in *s)
{
    if (s->state == WIRE_ENDED) {
        s->state = WIRE_START;
        s->seq = 0;
    }
    if (check_version(s) < 0)
        return WIRE_BAD;
    const char *kind = record_meta(&s->r, "kind");
    if (!kind)
        return bad(s, "kind is missing");
    const int head = !strcmp(kind, "head"), error = !strcmp(kind, "error");
    if (s->state == WIRE_START && !head && !error)
        return bad(s, "%.50s record where a head must be", kind);
    if (s->state == WIRE_BODY && head)
        return bad(s, "head before the end of the stream before it");
    if (check_chain(s) < 0)
        return WIRE_BAD;
    s->prev = XXH64(s->image, s->r.size, 0);
    s->seq++;
    if (error)
        return failed(s);
    return head ? begin(s) : !strcmp(kind, "end") ? finish(s) : data(s, kind);
}

/* The end of a file: the next operand, or the end of all of them. */
static int
file_end(struct stream_in *s)
{
    if (s->state == WIRE_START)
        return bad(s, "truncated: empty, without even a head");
    if (s->state == WIRE_BODY)
        return bad(s, "truncated: no end record");
    if (s->next == s->n)
        return WIRE_END;
    source_close(s->source);
    s->source = source_open(s->paths[s->next++], 1);
    source_before_wait(s->source, s->before_wait, s->arg);
    s->state = WIRE_START;
    s->seq = s->number = 0;
    return AGAIN;
}

enum wire_step
wire_step(struct stream_in *s)
{
    for (;;) {
        const int got = fetch(s);
        const int step = got < 0 ? WIRE_BAD : got ? record(s) : file_end(s);
        if (step != AGAIN)
            return (enum wire_step)step;
    }
}
