#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/version.h"
#include "formats/json.h"
#include "formats/jsonout.h"
#include "formats/sink.h"
#include "formats/stream.h"

enum { LEVEL_INTEGERS = 1, LEVEL_FLOATS_PIPE = -5, LEVEL_FILE = 1, LEVEL_MIN = -7, LEVEL_MAX = 9 };

struct stream_out {
    struct sink *sink;
    char *kind;
    ZSTD_CCtx *zstd;
    struct image head;
    int begun, failed;
    int64_t seq, records, examples, tokens;
    uint64_t chain;
    char *frame;
    size_t cap;
};

static void
frame_put(struct stream_out *s, const void *p, size_t n)
{
    const size_t bound = ZSTD_compressBound(n);
    if (bound > s->cap) {
        mem_free(s->frame);
        s->frame = mem_alloc(s->cap = bound);
    }
    const size_t z = ZSTD_compress2(s->zstd, s->frame, s->cap, p, n);
    if (ZSTD_isError(z))
        die_sys("can't compress a record: %s", ZSTD_getErrorName(z));
    sink_write(s->sink, s->frame, z);
    sink_flush(s->sink);
}

/* Adds what every record says, and writes it. */
static void
emit(struct stream_out *s, struct image *b, const char *kind)
{
    image_metaf(b, "stz", "1");
    image_metaf(b, "kind", "%s", kind);
    image_metaf(b, "seq", "%" PRId64, s->seq);
    if (s->seq)
        image_metaf(b, "prev", "%016" PRIx64, s->chain);
    image_finish(b);
    s->chain = XXH64(b->bytes, b->size, 0);
    s->seq++;
    frame_put(s, b->bytes, b->size);
}

static void
begin(struct stream_out *s)
{
    if (s->begun)
        return;
    s->begun = 1;
    emit(s, &s->head, "head");
}

/*
 * The process dies in mid-stream: say so downstream instead of an end.  A regular file is
 * not renamed, so nobody would read it there.
 */
static void
on_death(void *arg, int status, const char *message)
{
    struct stream_out *s = arg;
    struct image b;
    char *text;
    if (s->failed || sink_regular(s->sink))
        return;
    s->failed = 1; /* a write that fails here ends the process with the first status */
    signal(SIGPIPE, SIG_IGN);
    begin(s);
    image_init(&b);
    text = mem_printf("%s: %s", argv0, message);
    image_meta(&b, "message", text);
    image_metaf(&b, "exit", "%d", status);
    emit(s, &b, "error");
    mem_free(text);
    image_free(&b);
}

static int
level_for(const struct stream_out *s, int level)
{
    const char *env = getenv("MBERT_LEVEL");
    char *end;
    if (level)
        return level;
    if (env && *env) {
        const long n = strtol(env, &end, 10);
        if (*end || n < LEVEL_MIN || n > LEVEL_MAX)
            die_usage("MBERT_LEVEL: '%s' is not a level from %d to %d", env, LEVEL_MIN, LEVEL_MAX);
        return (int)n;
    }
    if (!strcmp(s->kind, "tokens") || !strcmp(s->kind, "batch"))
        return LEVEL_INTEGERS;
    return sink_regular(s->sink) ? LEVEL_FILE : LEVEL_FLOATS_PIPE;
}

/* {"tool":..,"version":..,"options":..} after what the head we inherit says. */
static void
extend_chain(struct image *head, const char *tool, const char *options)
{
    struct buf b = { 0 };
    for (int i = 0; i < head->r.metas; i++) {
        const char *v = head->r.meta[i].value;
        const size_t n = strlen(v);
        if (!strcmp(head->r.meta[i].key, "chain") && n > 2 && v[0] == '[' && v[n - 1] == ']')
            buf_printf(&b, "%.*s,", (int)(n - 1), v);
    }
    if (!b.n)
        buf_add(&b, "[", 1);
    buf_printf(&b, "{\"tool\":");
    jsonout_string(&b, tool, strlen(tool));
    buf_printf(&b, ",\"version\":\"%s\",\"options\":", MBERT_VERSION);
    jsonout_string(&b, options ? options : "", options ? strlen(options) : 0);
    buf_add(&b, "}]", 3); /* and the NUL */
    image_meta(head, "chain", b.p);
    mem_free(b.p);
}

static void
inherit(struct image *head, const struct record *from)
{
    static const char *const own[] = { "stz", "kind", "seq", "prev", "shard", "schema" };
    for (int i = 0; from && i < from->metas; i++) {
        int keep = 1;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            keep &= strcmp(from->meta[i].key, own[k]) != 0;
        if (keep)
            image_meta(head, from->meta[i].key, from->meta[i].value);
    }
}

struct stream_out *
stream_create(const char *path, const char *kind, const struct record *from, const char *tool,
              const char *options, int level)
{
    struct stream_out *s = mem_zalloc(1, sizeof *s);
    s->sink = sink_open(path);
    if (sink_terminal(s->sink))
        die_usage("refusing to write a binary stream to a terminal: use -o FILE, or pipe it into tens");
    s->kind = mem_strdup(kind);
    s->zstd = ZSTD_createCCtx();
    if (!s->zstd)
        die_sys("out of memory (zstd)");
    level = level_for(s, level);
    if (ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_contentSizeFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, level)))
        die_sys("can't set up zstd");
    image_init(&s->head);
    inherit(&s->head, from);
    image_meta(&s->head, "schema", kind);
    extend_chain(&s->head, tool, options);
    die_hook(on_death, s);
    return s;
}

struct image *
stream_header(struct stream_out *s)
{
    assert(!s->begun);
    return &s->head;
}

void
stream_put(struct stream_out *s, struct image *b, int64_t examples, int64_t tokens)
{
    begin(s);
    emit(s, b, s->kind);
    s->records++;
    s->examples += examples;
    s->tokens += tokens;
}

void
stream_end(struct stream_out *s, int64_t rows)
{
    struct image b;
    begin(s);
    image_init(&b);
    image_metaf(&b, "records", "%" PRId64, s->records);
    image_metaf(&b, "examples", "%" PRId64, s->examples);
    image_metaf(&b, "tokens", "%" PRId64, s->tokens);
    image_metaf(&b, "rows", "%" PRId64, rows);
    emit(s, &b, "end");
    die_unhook(on_death, s);
    sink_commit(s->sink);
    image_free(&b);
    image_free(&s->head);
    ZSTD_freeCCtx(s->zstd);
    mem_free(s->frame);
    mem_free(s->kind);
    mem_free(s);
}

char **
stream_labels(const struct record *head, int *n)
{
    const char *text = record_meta(head, "labels"), *s;
    struct json_value root, v;
    size_t len;
    *n = 0;
    if (!text)
        return NULL;
    struct json *j = json_new();
    if (json_parse(j, text, strlen(text), &root) || json_type(root) != JSON_ARRAY)
        die_data("head: labels is not a JSON list: '%s'", text);
    char **names = mem_array(json_size(root) + 1, sizeof *names);
    for (struct json_iter it = json_iter(root); json_next(&it, NULL, NULL, &v);) {
        if (!json_string(v, &s, &len) || memchr(s, 0, len))
            die_data("head: labels holds something that is not a name: '%s'", text);
        names[(*n)++] = mem_strndup(s, len);
    }
    json_free(j);
    return names;
}

void
stream_labels_set(struct image *head, char *const *names, int n)
{
    struct buf b = { 0 };
    buf_add(&b, "[", 1);
    for (int i = 0; i < n; i++) {
        buf_add(&b, ",", i > 0);
        jsonout_string(&b, names[i], strlen(names[i]));
    }
    buf_add(&b, "]", 2);
    image_meta(head, "labels", b.p);
    mem_free(b.p);
}

void
strings_free(char **names, int n)
{
    for (int i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}
