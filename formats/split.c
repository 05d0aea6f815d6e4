#include "formats/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "formats/gather.h"
#include "formats/sink.h"
#include "formats/sniff.h"
#include "formats/source.h"
#include "formats/spool.h"
#include "formats/stream.h"

enum {
    TRAIN,
    TEST,
    NOWHERE,
    SIDES = 2,
    CHUNK = 1 << 16,
    CUT_SEQUENCES = 1024,
    CUT_TOKENS = 65536
};
static const char *const sides[] = { "train", "test" };

struct example {
    uint64_t hash;
    int64_t row, at;
};
struct split {
    const struct split_options *o;
    const char *name; /* the input, for messages */
    const char *path; /* what to open */
    const char *to[SIDES], *tool;
    uint64_t key;
    struct buf example; /* struct example, [n] */
    int64_t n;
    struct buf side; /* unsigned char by line or sequence: TRAIN, TEST, NOWHERE */
};

static void
add(struct split *p, int64_t row)
{
    const struct example e = { rng_u64(p->key, (uint64_t)row), row, (int64_t)p->side.n };
    buf_add(&p->example, &e, sizeof e);
    buf_add(&p->side, &(unsigned char){ TRAIN }, 1);
    p->n++;
}

static int
by_hash(const void *a, const void *b)
{
    const struct example *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void
choose(struct split *p)
{
    struct example *e = (struct example *)(void *)p->example.p;
    const double want = p->o->share < 1 ? ceil(p->o->share * (double)p->n) : p->o->share;
    if (!p->n)
        die_data("'%s': no examples to split", p->name);
    if (!(want < (double)p->n))
        die_data("'%s': --test %.10g of %lld examples leaves none to train on", p->name,
                 p->o->share, (long long)p->n);
    qsort(e, (size_t)p->n, sizeof *e, by_hash);
    for (int64_t i = 0; i < (int64_t)want; i++)
        p->side.p[e[i].at] = TEST;
}

/* One pass over the bytes of a text; calls back for each line, or a part of it. */
typedef void line_fn(void *arg, int64_t line, const char *text, size_t n, int ends);

static void
each_line(const struct split *p, line_fn *fn, void *arg)
{
    struct source *s = source_open(p->path, 0);
    char *chunk = mem_alloc(CHUNK);
    ptrdiff_t n;
    int64_t line = 0;
    while ((n = source_read(s, chunk, CHUNK)) > 0)
        for (const char *at = chunk, *end = chunk + n; at < end;) {
            const char *stop = memchr(at, '\n', (size_t)(end - at));
            const size_t part = (size_t)((stop ? stop + 1 : end) - at);
            fn(arg, line, at, part, stop != NULL);
            line += stop != NULL;
            at += part;
        }
    if (n < 0)
        die_data("%s:%lld: %s", p->name, (long long)line + 1, source_error(s));
    mem_free(chunk);
    source_close(s);
}

struct seen {
    struct split *p;
    int64_t line;
    int any, text;
};

static void
end_line(struct seen *s)
{
    if (s->text)
        add(s->p, s->line);
    else
        buf_add(&s->p->side, &(unsigned char){ NOWHERE }, 1);
    s->text = s->any = 0;
}

static void
see(void *arg, int64_t line, const char *text, size_t n, int ends)
{
    struct seen *s = arg;
    s->line = line;
    s->any = 1;
    for (size_t i = 0; i < n && !s->text; i++)
        s->text = !strchr(" \t\r\n", text[i]) || !text[i];
    if (ends)
        end_line(s);
}

struct writer {
    const struct split *p;
    struct sink *out[SIDES];
};

static void
copy(void *arg, int64_t line, const char *text, size_t n, int ends)
{
    struct writer *w = arg;
    const int side = w->p->side.p[line];
    (void)ends;
    if (side != NOWHERE)
        sink_write(w->out[side], text, n);
}

static void
split_text(struct split *p)
{
    struct seen s = { .p = p };
    struct writer w = { .p = p };
    each_line(p, see, &s);
    if (s.any)
        end_line(&s);
    choose(p);
    for (int i = 0; i < SIDES; i++)
        w.out[i] = sink_open(p->to[i]);
    each_line(p, copy, &w);
    for (int i = 0; i < SIDES; i++)
        sink_flush(w.out[i]);
    for (int i = 0; i < SIDES; i++)
        sink_commit(w.out[i]);
}

static void
need(const struct stream_in *in, const char *why)
{
    if (why)
        stream_bad(in, "%s", why);
}

static struct stream_in *
open_stream(const struct split *p)
{
    char *paths[] = { (char *)(uintptr_t)p->path, NULL };
    return stream_open(1, paths, "tokens|batch|pooled|logits|scores", 0);
}

static void
see_stream(struct split *p)
{
    struct stream_in *in = open_stream(p);
    struct sequences s = { 0 };
    const struct record *r;
    while ((r = stream_next(in))) {
        need(in, sequences_read(&s, r, stream_base(in)));
        if (!s.row)
            stream_bad(in, "tensor 'row' is missing");
        for (int64_t i = 0; i < s.n; i++)
            add(p, s.row[i]);
    }
    sequences_free(&s);
    stream_close(in);
}

struct shard {
    struct stream_out *out;
    struct gather g;
    struct image b;
};

static void
put(struct shard *d, const struct stream_in *in)
{
    if (!d->g.n)
        return;
    image_reset(&d->b);
    need(in, gather_image(&d->g, &d->b));
    stream_put(d->out, &d->b, d->g.n, d->g.tokens);
    gather_reset(&d->g);
}

static struct stream_out *
open_shard(const struct split *p, const struct stream_in *in, int side, const char *options)
{
    struct stream_out *out =
        stream_create(p->to[side], stream_kind(in), stream_head(in), p->tool, options, 0);
    image_metaf(stream_header(out), "shard", "%s of %s", sides[side], options);
    return out;
}

/* A batch stays one, less the other side's sequences; tokens fill their records. */
static void
split_stream(struct split *p)
{
    struct shard d[SIDES] = { 0 };
    struct sequences s = { 0 };
    const struct record *r;
    int64_t at = 0;
    see_stream(p);
    choose(p);
    struct stream_in *in = open_stream(p);
    const int fill = !strcmp(stream_kind(in), "tokens");
    char *options =
        mem_printf("split --test %.10g --seed %lld", p->o->share, (long long)p->o->seed);
    for (int i = 0; i < SIDES; i++) {
        d[i].out = open_shard(p, in, i, options);
        image_init(&d[i].b);
    }
    while ((r = stream_next(in))) {
        need(in, sequences_read(&s, r, stream_base(in)));
        for (int64_t i = 0; i < s.n; i++) {
            struct shard *to = &d[(int)p->side.p[at++]];
            const int64_t tokens = s.cu ? s.cu[i + 1] - s.cu[i] : 0;
            if (to->g.n == CUT_SEQUENCES || (fill && to->g.tokens + tokens > CUT_TOKENS))
                put(to, in);
            need(in, gather_add(&to->g, &s, i, 1, 0));
        }
        for (int i = 0; i < SIDES && !fill; i++)
            put(&d[i], in);
    }
    for (int i = 0; i < SIDES; i++)
        put(&d[i], in);
    for (int i = 0; i < SIDES; i++) {
        stream_end(d[i].out, stream_rows(in));
        gather_free(&d[i].g);
        image_free(&d[i].b);
    }
    sequences_free(&s);
    stream_close(in);
    mem_free(options);
}

static void
check_output(const struct split *p, const char *in, int side)
{
    const char *path = p->to[side];
    struct stat a, b;
    if (!strcmp(path, "-") || stat(path, &a) || !S_ISREG(a.st_mode))
        return;
    if (!stat(in, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        die_usage("'%s' is the input, too", path);
    if (!p->o->force)
        die_usage("'%s' is there already; use --force to write over it", path);
}

void
split_run(const struct split_options *o, const char *in, const char *train,
          const char *test, const char *tool)
{
    struct split p = { .o = o, .to = { train, test }, .tool = tool };
    if (!(o->share > 0))
        die_usage("--test S is required: a share between 0 and 1, or a number of examples");
    if (o->share >= 1 && floor(o->share) != o->share)
        die_usage("--test %.10g: a number of examples must be whole", o->share);
    if (!strcmp(train, test))
        die_usage("'%s': both outputs cannot be one file", train);
    check_output(&p, in, TRAIN);
    check_output(&p, in, TEST);
    struct spool *s = spool_open(in);
    p.name = strcmp(in, "-") ? in : "standard input";
    p.path = spool_path(s);
    p.key = rng_key((uint64_t)o->seed, 0, 0);
    switch (sniff(p.path)) {
    case CONTENT_STREAM: split_stream(&p); break;
    case CONTENT_SAFETENSORS:
        die_data("'%s': a .safetensors file has no rows to split", p.name);
    case CONTENT_EMPTY:
    case CONTENT_TEXT: split_text(&p); break;
    }
    spool_close(s);
    mem_free(p.example.p);
    mem_free(p.side.p);
}
