#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/json.h"
#include "formats/source.h"
#include "formats/stream.h"

enum { MAJOR = 1, ALIGN = 64 };

struct stream_in {
    int paths, at;          /* operands; the one being read */
    char **path;
    const char *kinds;
    char *kind;
    size_t max_record;
    struct source *source;
    char *bytes;            /* aligned; the image starts at `start` so that its data is aligned */
    size_t cap, start, size;
    struct record record;   /* the current one */
    struct image head_copy; /* the first head, which outlives the records */
    struct record head;
    int64_t seq;            /* of the record expected next in this stream part */
    int64_t now;            /* of the record being read, for messages */
    uint64_t chain;         /* XXH64 of the record before */
    int64_t base, rows, examples, tokens, records, part_records;
    int shard, warned, ended;
};

static const char *const standard_input[] = { "-" };

const char *stream_name(const struct stream_in *s) { return source_name(s->source); }
const struct record *stream_head(const struct stream_in *s) { return &s->head; }
const char *stream_kind(const struct stream_in *s) { return s->kind; }
int64_t stream_record(const struct stream_in *s) { return s->part_records; }
int64_t stream_base(const struct stream_in *s) { return s->base; }
int64_t stream_rows(const struct stream_in *s) { return s->rows; }
int64_t stream_examples(const struct stream_in *s) { return s->examples; }
int64_t stream_tokens(const struct stream_in *s) { return s->tokens; }

void
stream_bad(const struct stream_in *s, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    die_data("'%s', record %" PRId64 ": %s", source_name(s->source), s->now, text);
}

const struct tensor *
stream_need(const struct stream_in *s, const struct record *r, const char *name, enum dtype type,
            int rank, int64_t d0, int64_t d1)
{
    const char *why;
    const struct tensor *t = record_need(r, name, type, rank, d0, d1, &why);
    if (!t)
        stream_bad(s, "tensor '%s' %s", name, why);
    return t;
}

/* Reads exactly n bytes to bytes[start + at]; 0 when the input ends first (at the first byte: *none). */
static int
fetch(struct stream_in *s, size_t at, size_t n, int *none)
{
    size_t got = 0;
    while (got < n) {
        const ptrdiff_t k = source_read(s->source, s->bytes + s->start + at + got, n - got);
        if (k < 0)
            stream_bad(s, "%s", source_error(s->source));
        if (!k) {
            *none = !got;
            return 0;
        }
        got += (size_t)k;
    }
    return 1;
}

/* Room for n bytes of image whose header has `header` bytes, keeping the first `keep`. */
static void
make_room(struct stream_in *s, size_t n, uint64_t header, size_t keep)
{
    const size_t start = (size_t)(-(8 + header) % ALIGN), cap = mem_add(n, 2 * ALIGN);
    if (cap > s->cap) {
        char *bytes = mem_aligned(cap, ALIGN);
        memcpy(bytes, s->bytes + s->start, keep);
        mem_free(s->bytes);
        s->bytes = bytes;
        s->start = 0;
        s->cap = cap;
    }
    memmove(s->bytes + start, s->bytes + s->start, keep);
    s->start = start;
}

/* Reads and decodes one image; 0 at a clean end of input. */
static int
read_image(struct stream_in *s)
{
    const char *why;
    int none = 0;
    uint64_t header;
    s->now = s->seq;
    if (!fetch(s, 0, 8, &none)) {
        if (none)
            return 0;
        stream_bad(s, "truncated inside a record");
    }
    memcpy(&header, s->bytes + s->start, 8); /* little-endian machines only */
    record_extent(s->bytes + s->start, 8, s->max_record, &why);
    if (why)
        stream_bad(s, "%s", why);
    make_room(s, 8 + header, header, 8);
    if (!fetch(s, 8, header, &none))
        stream_bad(s, "truncated inside a record");
    s->size = record_extent(s->bytes + s->start, 8 + header, s->max_record, &why);
    if (why)
        stream_bad(s, "%s", why);
    make_room(s, s->size, header, 8 + header);
    if (!fetch(s, 8 + header, s->size - 8 - header, &none))
        stream_bad(s, "truncated inside a record");
    if ((why = record_decode(&s->record, s->bytes + s->start, s->size)))
        stream_bad(s, "%s", why);
    return 1;
}

static const char *
need_meta(const struct stream_in *s, const char *key)
{
    const char *v = record_meta(&s->record, key);
    if (!v)
        stream_bad(s, "metadata '%s' is missing", key);
    return v;
}

static int64_t
count_of(const struct stream_in *s, const char *key)
{
    const char *v = need_meta(s, key);
    char *end;
    const long long n = strtoll(v, &end, 10);
    if (end == v || *end || n < 0 || (v[0] == '0' && v[1]) || v[0] == '+' || v[0] == ' ')
        stream_bad(s, "metadata '%s' is not a count: '%s'", key, v);
    return n;
}

/* What every record must say: version, its number, the hash of the one before. */
static void
check_chain(struct stream_in *s, int head)
{
    char want[24];
    const char *stz = need_meta(s, "stz");
    if (strtol(stz, NULL, 10) != MAJOR)
        stream_bad(s, "stream format %s, but this reader knows %d", stz, MAJOR);
    const int64_t seq = count_of(s, "seq");
    if (seq != s->seq)
        stream_bad(s, "numbered %" PRId64 ": a record is missing, repeated or out of order", seq);
    const char *prev = record_meta(&s->record, "prev");
    snprintf(want, sizeof want, "%016" PRIx64, s->chain);
    if (head ? prev != NULL : !prev || strcmp(prev, want))
        stream_bad(s, "does not follow the record before it (prev %s, not %s)", prev ? prev : "absent", head ? "absent" : want);
    s->chain = XXH64(s->bytes + s->start, s->size, 0);
    s->seq++;
}

static int
one_of(const char *kind, const char *kinds)
{
    const size_t n = strlen(kind);
    for (const char *p = kinds; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && !memcmp(p, kind, n))
            return 1;
    return 0;
}

/* A later head must agree with the first in what gives the records their meaning. */
static void
check_same(const struct stream_in *s)
{
    static const char *const keys[] = { "schema", "tokenizer", "model", "labels", "dtype", "task" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *a = record_meta(&s->head, keys[i]), *b = record_meta(&s->record, keys[i]);
        if ((a || b) && (!a || !b || strcmp(a, b)))
            stream_bad(s, "this part's %s is '%s', but the first part's is '%s'", keys[i], b ? b : "absent", a ? a : "absent");
    }
}

static void
keep_head(struct stream_in *s)
{
    const char *why;
    for (int i = 0; i < s->record.metas; i++)
        image_meta(&s->head_copy, s->record.meta[i].key, s->record.meta[i].value);
    image_finish(&s->head_copy);
    if ((why = record_decode(&s->head, s->head_copy.bytes, s->head_copy.size)))
        stream_bad(s, "%s", why);
}

static _Noreturn void
upstream_failed(struct stream_in *s)
{
    const char *message = record_meta(&s->record, "message"), *colon = message ? strstr(message, ": ") : NULL;
    if (colon)
        die_data("upstream %.*s failed: %s", (int)(colon - message), message, colon + 2);
    die_data("upstream failed: %s", message ? message : "no message");
}

/* The current record is to be a head: checks and takes it. */
static void
take_head(struct stream_in *s)
{
    const char *kind = need_meta(s, "kind");
    if (!strcmp(kind, "error"))
        upstream_failed(s);
    if (strcmp(kind, "head"))
        stream_bad(s, "a head was expected, not '%s'", kind);
    s->seq = s->now = 0;
    check_chain(s, 1);
    const char *schema = need_meta(s, "schema");
    if (s->kinds && !one_of(schema, s->kinds))
        die_data("'%s' carries '%s' records, not '%s'", source_name(s->source), schema, s->kinds);
    if (s->kind)
        check_same(s);
    else {
        s->kind = mem_strdup(schema);
        keep_head(s);
    }
    s->shard = record_meta(&s->record, "shard") != NULL;
    s->base = s->shard ? 0 : s->rows;
    s->part_records = 0;
    s->records = 0;
    s->ended = 0;
}

static int
next_path(struct stream_in *s)
{
    if (s->at == s->paths)
        return 0;
    source_close(s->source);
    s->source = source_open(s->path[s->at++], 1);
    s->seq = s->now = 0;
    s->part_records = 0;
    if (!read_image(s))
        die_data("'%s' is truncated: no bytes at all, not even a head (did the writer fail?)", source_name(s->source));
    take_head(s);
    return 1;
}

struct stream_in *
stream_open(int n, char *const *paths, const char *kinds, size_t max_record)
{
    struct stream_in *s = mem_zalloc(1, sizeof *s);
    const char *const *from = n ? (const char *const *)paths : standard_input;
    s->paths = n ? n : 1;
    s->path = mem_array((size_t)s->paths, sizeof *s->path);
    for (int i = 0; i < s->paths; i++)
        s->path[i] = mem_strdup(from[i]);
    s->kinds = kinds;
    s->max_record = max_record ? max_record : STREAM_MAX_RECORD;
    s->cap = 4096;
    s->bytes = mem_aligned(s->cap, ALIGN);
    image_init(&s->head_copy);
    next_path(s);
    return s;
}

/* The end record: exactly its keys, and counts that agree. */
static void
take_end(struct stream_in *s)
{
    static const char *const keys[] = { "examples", "kind", "prev", "records", "rows", "seq", "stz", "tokens" };
    const int n = sizeof keys / sizeof *keys;
    for (int i = 0; i < s->record.metas; i++)
        if (i >= n || strcmp(s->record.meta[i].key, keys[i]))
            stream_bad(s, "metadata '%s' does not belong in an end record", s->record.meta[i].key);
    const int64_t records = count_of(s, "records"), rows = count_of(s, "rows");
    if (records != s->records)
        stream_bad(s, "the writer counted %" PRId64 " records, but %" PRId64 " came", records, s->records);
    s->examples += count_of(s, "examples");
    s->tokens += count_of(s, "tokens");
    s->rows += rows;
    s->ended = 1;
}

const struct record *
stream_next(struct stream_in *s)
{
    for (;;) {
        if (!read_image(s)) {
            if (!s->ended)
                die_data("'%s' is truncated: it ends after record %" PRId64 " without an end record (did the writer fail?)",
                         source_name(s->source), s->seq - 1);
            if (!next_path(s))
                return NULL;
            continue;
        }
        if (s->ended) {
            const char *kind = record_meta(&s->record, "kind");
            if (!kind || strcmp(kind, "head"))
                die_data("'%s' goes on after its end record", source_name(s->source));
            take_head(s);
            continue;
        }
        const char *kind = need_meta(s, "kind");
        if (!strcmp(kind, "error"))
            upstream_failed(s);
        check_chain(s, 0);
        if (!strcmp(kind, "end")) {
            take_end(s);
            continue;
        }
        s->records++;
        s->part_records++;
        if (!strcmp(kind, s->kind))
            return &s->record;
        if (!strcmp(kind, "head"))
            stream_bad(s, "a head before the end record");
        if (!s->warned++)
            warn("'%s': records of unknown kind '%s' are skipped", source_name(s->source), kind);
    }
}

void
stream_close(struct stream_in *s)
{
    if (!s)
        return;
    source_close(s->source);
    for (int i = 0; i < s->paths; i++)
        mem_free(s->path[i]);
    mem_free(s->path);
    mem_free(s->kind);
    mem_free(s->bytes);
    record_free(&s->record);
    record_free(&s->head);
    image_free(&s->head_copy);
    mem_free(s);
}
