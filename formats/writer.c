/* writer - stream.h's writing half. */
#include <assert.h>
#include <errno.h>
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
#include "formats/wire.h"

enum { LEVEL_MIN = -7, LEVEL_MAX = 9, LEVEL_FLOATS = -5, LEVEL_INTEGERS = 1 };
/* Ids repeat in runs or hardly at all: level 1 with longer matches and a table that stays in
 * cache needs three quarters of its time and gives 5 % more bytes. */
enum { INTEGERS_MATCH = 7, INTEGERS_HASH_LOG = 12 };

struct stream_out {
    struct sink *sink;
    char *kind;
    struct image head;
    int begun;               /* the head is out */
    int busy;                /* inside the sink: nothing can follow a cut frame */
    int level;
    int64_t seq, records, examples, tokens;
    uint64_t prev;
    XXH64_state_t *hash;
    int64_t written;         /* seq and prev after what the sink has: frames may be under way */
    uint64_t written_prev;
    struct frame frame;      /* for what one thread writes */
};

static int
level_of(int level)
{
    const char *text = getenv("MBERT_LEVEL");
    char *end;
    if (!level && text && *text) {
        errno = 0;
        const long v = strtol(text, &end, 10);
        if (errno || *end || v < LEVEL_MIN || v > LEVEL_MAX)
            die_usage("MBERT_LEVEL: '%s' is not a level of %d..%d", text, LEVEL_MIN,
                      LEVEL_MAX);
        level = (int)v;
    }
    if (level < LEVEL_MIN || level > LEVEL_MAX)
        die_usage("compression level %d is outside %d..%d", level, LEVEL_MIN, LEVEL_MAX);
    return level;
}

/* Floats hardly compress: into a pipe zstd is told not to try hard.  *ids: what is in the
 * record repeats as ids do, and no level was asked for. */
static int
level_for(const struct stream_out *s, const struct record *r, int *ids)
{
    size_t floats = 0, all = 0;

    *ids = 0;
    if (s->level)
        return s->level;
    for (int i = 0; i < r->tensors; i++) {
        all += r->tensor[i].bytes;
        floats += r->tensor[i].type <= F64 ? r->tensor[i].bytes : 0;
    }
    *ids = all > 0 && floats <= all / 2;
    return floats > all / 2 && !sink_regular(s->sink) ? LEVEL_FLOATS : LEVEL_INTEGERS;
}

/* Numbers b, ties it to the record before, and makes its header. */
static void
number(struct stream_out *s, struct image *b, const char *kind, struct frame *f)
{
    image_metaf(b, "stz", "%d", WIRE_VERSION);
    image_meta(b, "kind", kind);
    image_metaf(b, "seq", "%" PRId64, s->seq);
    if (s->seq)
        image_metaf(b, "prev", "%016" PRIx64, s->prev);
    image_header(b);
    if (b->r.size > STREAM_MAX_RECORD)
        die_data("record %" PRId64 " of %zu bytes is over the limit of %d: make smaller batches",
                 s->seq, b->r.size, STREAM_MAX_RECORD);
    XXH64_reset(s->hash, 0);
    XXH64_update(s->hash, b->bytes, b->size);
    for (int i = 0; i < b->r.tensors; i++)
        XXH64_update(s->hash, b->r.tensor[i].data, b->r.tensor[i].bytes);
    s->prev = f->hash = XXH64_digest(s->hash);
    s->seq++;
}

void
stream_compress(const struct stream_out *s, struct image *b, struct frame *f)
{
    size_t bound;
    int level, ids;

    image_fill(b);
    bound = ZSTD_compressBound(b->size);
    if (bound > f->cap) {
        mem_free(f->p);
        f->p = mem_alloc(bound);
        f->cap = bound;
    }
    if (!f->zstd)
        f->zstd = ZSTD_createCCtx();
    errno = 0;
    if (!f->zstd)
        die_sys("out of memory (zstd)");
    level = level_for(s, &b->r, &ids);
    ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_minMatch, ids ? INTEGERS_MATCH : 0);
    ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_hashLog, ids ? INTEGERS_HASH_LOG : 0);
    f->n = ZSTD_compress2(f->zstd, f->p, f->cap, b->bytes, b->size);
    errno = 0;
    if (ZSTD_isError(f->n))
        die_sys("can't compress a record: %s", ZSTD_getErrorName(f->n));
}

void
stream_write(struct stream_out *s, const struct frame *f)
{
    s->busy = 1;
    sink_write(s->sink, f->p, f->n);
    sink_flush(s->sink);
    s->busy = 0;
    s->written++;
    s->written_prev = f->hash;
}

void
frame_free(struct frame *f)
{
    ZSTD_freeCCtx(f->zstd);
    mem_free(f->p);
    *f = (struct frame){ 0 };
}

/* One record, one frame. */
static void
emit(struct stream_out *s, struct image *b, const char *kind)
{
    number(s, b, kind, &s->frame);
    stream_compress(s, b, &s->frame);
    stream_write(s, &s->frame);
}

/* TOOL: TEXT, where TOOL is the one that failed first, however far upstream. */
static void
blame(struct image *b, const char *message)
{
    static const char begin[] = "upstream ", middle[] = " failed: ";
    const char *tool = message + sizeof begin - 1, *text = strstr(message, middle);
    if (strncmp(message, begin, sizeof begin - 1) || !text)
        image_metaf(b, "message", "%s: %s", argv0, message);
    else
        image_metaf(b, "message", "%.*s: %s", (int)(text - tool), tool, text + sizeof middle - 1);
}

static void
begin(struct stream_out *s)
{
    if (s->begun)
        return;
    emit(s, &s->head, "head");
    s->begun = 1;
}

/*
 * Dying in mid-stream: say so downstream.  A reader that has gone must not turn our status
 * into a SIGPIPE, and a sink that failed has nobody to tell.
 */
static void
on_death(void *arg, int status, const char *message)
{
    struct stream_out *s = arg;
    struct image b;
    if (s->busy)
        return;
    s->seq = s->written;
    s->prev = s->written_prev;
    signal(SIGPIPE, SIG_IGN);
    begin(s); /* with a head the stage after us opens its own output, and can pass the error on */
    image_init(&b);
    blame(&b, message);
    image_metaf(&b, "exit", "%d", status);
    emit(s, &b, "error");
    image_free(&b);
}

/* chain: the list of what each stage was, with this one added. */
static void
extend_chain(struct image *head, const char *chain, const char *tool, const char *options)
{
    struct json *j = json_new();
    struct json_value v;
    struct buf b = { 0 };
    if (chain && !json_parse(j, chain, strlen(chain), &v) && json_type(v) == JSON_ARRAY) {
        json_text(v, &b);
        b.n--; /* its bracket */
        if (json_size(v))
            buf_add(&b, ",", 1);
    } else {
        buf_add(&b, "[", 1);
    }
    buf_printf(&b, "{\"tool\":");
    jsonout_string(&b, tool, strlen(tool));
    buf_printf(&b, ",\"version\":\"%s\",\"options\":", MBERT_VERSION);
    jsonout_string(&b, options ? options : "", options ? strlen(options) : 0);
    buf_add(&b, "}]", 3);
    image_meta(head, "chain", b.p);
    mem_free(b.p);
    json_free(j);
}

static void
inherit(struct image *head, const struct record *from)
{
    static const char *const own[] = { "stz", "kind", "seq", "prev", "schema", "shard" };
    for (int i = 0; from && i < from->metas; i++) {
        int mine = 0;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            mine |= !strcmp(from->meta[i].key, own[k]);
        if (!mine)
            image_meta(head, from->meta[i].key, from->meta[i].value);
    }
}

struct stream_out *
stream_create(const char *path, const char *kind, const struct record *from,
              const char *tool, const char *options, int level)
{
    struct stream_out *s = mem_zalloc(1, sizeof *s);
    s->level = level_of(level);
    s->sink = sink_open(path);
    if (sink_terminal(s->sink))
        die_usage("a stream is not for terminals: use -o FILE, or pipe it into 'tens ls'");
    s->kind = mem_strdup(kind);
    s->hash = XXH64_createState();
    errno = 0;
    if (!s->hash)
        die_sys("out of memory (xxhash)");
    image_init(&s->head);
    inherit(&s->head, from);
    image_meta(&s->head, "schema", kind);
    if (tool)
        extend_chain(&s->head, from ? record_meta(from, "chain") : NULL, tool, options);
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
stream_stage(struct stream_out *s, struct image *b, int64_t examples, int64_t tokens,
             struct frame *f)
{
    begin(s);
    number(s, b, s->kind, f);
    s->records++;
    s->examples += examples;
    s->tokens += tokens;
}

void
stream_put(struct stream_out *s, struct image *b, int64_t examples, int64_t tokens)
{
    stream_stage(s, b, examples, tokens, &s->frame);
    stream_compress(s, b, &s->frame);
    stream_write(s, &s->frame);
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
    image_free(&b);
    die_unhook(on_death, s);
    sink_commit(s->sink);
    frame_free(&s->frame);
    XXH64_freeState(s->hash);
    image_free(&s->head);
    mem_free(s->kind);
    mem_free(s);
}
