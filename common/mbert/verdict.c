#include "common/mbert/verdict.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/line.h"
#include "common/mbert/mbert.h"
#include "formats/sequences.h"
#include "formats/sink.h"

/* A finished line that waits because the stream was shuffled. */
struct held { int64_t row; size_t at, n; };

struct verdict {
    const struct verdict_options *o;
    struct model m;
    struct acts acts;
    struct stream_in *in;
    struct line_style style;    /* names, problem, what to print */
    struct sequences s;
    struct buf logits, scores;  /* float [B,C] of the record */
    int classes;
    /* JSON lines */
    struct sink *sink;
    struct buf line, waiting, index;
    int shuffled;
    /* stream */
    struct stream_out *out;
    struct image image;
};

/* ---- what the scores mean -------------------------------------------------------------- */
static void
check_model(struct verdict *v)
{
    const char *made_by = record_meta(stream_head(v->in), "model");
    if (v->m.head != HEAD_SEQUENCE)
        die_data("'%s' has no sequence classification head ('architectures' in config.json)", v->o->dir);
    if (made_by && strtoull(made_by, NULL, 16) != v->m.fingerprint)
        die_data("'%s' was made by model %s, but '%s' is %016" PRIx64, stream_name(v->in), made_by, v->o->dir,
                 v->m.fingerprint);
    v->classes = v->m.classes;
}

static void
choose_names(struct verdict *v)
{
    const struct config *c = &v->m.cfg;
    int n;
    char **theirs = stream_labels(stream_head(v->in), &n);
    v->style.classes = v->classes;
    v->style.name = mem_array((size_t)v->classes, sizeof *v->style.name);
    if (c->label && c->labels != v->classes)
        die_data("'%s': id2label has %d names, but the classifier has %d rows", v->o->dir, c->labels, v->classes);
    for (int i = 0; i < v->classes; i++) {
        const char *ours = c->label ? c->label[i] : NULL, *their = theirs && i < n ? theirs[i] : NULL;
        if (ours && theirs && (n != v->classes || strcmp(ours, their)))
            die_data("'%s' names class %d '%s', but '%s' names it '%s'", stream_name(v->in), i, their ? their : "nothing",
                     v->o->dir, ours);
        v->style.name[i] = ours || (their && n == v->classes) ? mem_strdup(ours ? ours : their) : mem_printf("LABEL_%d", i);
    }
    strings_free(theirs, n);
}

/* Two classes of one name cannot both be a key of `scores`. */
static void
check_names(const struct verdict *v)
{
    for (int i = 0; i < v->classes && v->style.problem != PROBLEM_REGRESSION; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(v->style.name[i], v->style.name[j]))
                die_data("'%s': classes %d and %d are both named '%s' (id2label in config.json)", v->o->dir, j, i,
                         v->style.name[i]);
}

static void
choose_problem(struct verdict *v)
{
    const char *task = record_meta(stream_head(v->in), "task");
    v->style.problem = v->m.cfg.problem;
    if (v->style.problem == PROBLEM_AUTO)
        v->style.problem = v->classes == 1 ? PROBLEM_REGRESSION
                         : task && !strcmp(task, "multi") ? PROBLEM_MULTI : PROBLEM_SINGLE;
}

/* ---- one record ------------------------------------------------------------------------ */
static void
head_on(struct verdict *v, const struct tensor *t, float *logits)
{
    const struct ops *be = v->m.be;
    const int B = (int)v->s.n;
    acts_fit(&v->acts, &v->m, ACTS_INFER, F32, 1, B);
    struct acts s = acts_cut(&v->acts, 1, B);
    be->upload(v->m.c, s.pooled.p, t->data, t->bytes);
    head_forward(&v->m, &s, s.pooled);
    be->download(v->m.c, logits, s.logits.p, (size_t)B * (size_t)v->classes * sizeof *logits);
}

static void
read_logits(struct verdict *v, const struct record *r)
{
    const int pooled = !strcmp(stream_kind(v->in), "pooled");
    const int64_t cols = pooled ? v->m.cfg.hidden : v->classes;
    const struct tensor *t = stream_need(v->in, r, pooled ? "pooled" : "logits", F32, 2, v->s.n, cols);
    v->logits.n = 0;
    float *z = buf_room(&v->logits, mem_mul((size_t)v->s.n * sizeof *z, (size_t)v->classes) + 1);
    if (pooled && v->s.n)
        head_on(v, t, z);
    else
        memcpy(z, t->data, t->bytes);
    for (int64_t i = 0; i < v->s.n * v->classes; i++)
        if (!isfinite(z[i]))
            stream_bad(v->in, "row %" PRId64 ": a logit is not finite (NaN or infinity): no verdict",
                       v->s.row[i / v->classes]);
    v->scores.n = 0;
    float *p = buf_room(&v->scores, mem_mul((size_t)v->s.n * sizeof *p, (size_t)v->classes) + 1);
    for (int64_t i = 0; i < v->s.n; i++)
        line_probabilities(&v->style, z + i * v->classes, p + i * v->classes);
}

static void
put_lines(struct verdict *v, const struct record *r)
{
    const float *z = (const float *)(void *)v->logits.p, *p = (const float *)(void *)v->scores.p;
    for (int64_t i = 0; i < v->s.n; i++) {
        v->line.n = 0;
        const char *why = line_put(&v->style, &v->s, r, i, z + i * v->classes, p + i * v->classes, &v->line);
        if (why)
            stream_bad(v->in, "row %" PRId64 ": %s", v->s.row[i], why);
        if (!v->shuffled) {
            sink_write(v->sink, v->line.p, v->line.n);
            continue;
        }
        const struct held h = { v->s.row[i], v->waiting.n, v->line.n };
        buf_add(&v->waiting, v->line.p, v->line.n);
        buf_add(&v->index, &h, sizeof h);
    }
    if (!v->shuffled)
        sink_flush(v->sink);
}

static void
put_record(struct verdict *v, const struct record *r)
{
    image_reset(&v->image);
    image_2d(&v->image, "scores", F32, v->s.n, v->classes, v->scores.p);
    if (v->o->logits)
        image_2d(&v->image, "logits", F32, v->s.n, v->classes, v->logits.p);
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        if (sequences_travels(&v->s, t))
            image_tensor(&v->image, t->name, t->type, t->rank, t->shape, t->data);
    }
    stream_put(v->out, &v->image, v->s.n, v->s.tokens > 0 ? v->s.tokens : 0);
}

static int
by_row(const void *pa, const void *pb)
{
    const struct held *a = pa, *b = pb;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void
put_held(struct verdict *v)
{
    struct held *h = (struct held *)(void *)v->index.p;
    const size_t n = v->index.n / sizeof *h;
    if (n)
        qsort(h, n, sizeof *h, by_row);
    for (size_t i = 0; i < n; i++)
        sink_write(v->sink, v->waiting.p + h[i].at, h[i].n);
}

static void
close_all(struct verdict *v)
{
    const struct ops *be = v->m.be;
    struct ctx *c = v->m.c;
    acts_free(&v->acts, &v->m);
    model_free(&v->m);
    be->close(c);
    strings_free(v->style.name, v->classes);
    sequences_free(&v->s);
    image_free(&v->image);
    mem_free(v->logits.p);
    mem_free(v->scores.p);
    mem_free(v->line.p);
    mem_free(v->waiting.p);
    mem_free(v->index.p);
    mem_free(v);
}

void
verdict_run(const struct verdict_options *o, struct stream_in *in, const char *path)
{
    struct verdict *v = mem_zalloc(1, sizeof *v);
    const struct ops *be = ops_find("cpu");
    const char *chain = record_meta(stream_head(in), "chain");
    const struct record *r;
    v->o = o;
    v->in = in;
    model_load(&v->m, be, model_ctx(be, o->threads, OP_F32, o->dir), o->dir, MODEL_HEAD, 0, 0);
    check_model(v);
    choose_names(v);
    choose_problem(v);
    check_names(v);
    v->style.logits = o->logits;
    v->shuffled = chain && strstr(chain, "--shuffle") != NULL;
    image_init(&v->image);
    if (o->stream)
        v->out = stream_create(path, "scores", stream_head(in), argv0, o->logits ? "--logits" : "", 0);
    else
        v->sink = sink_open(path);
    while ((r = stream_next(in))) {
        const char *why = sequences_read(&v->s, r, stream_base(in));
        if (why || v->s.n < 0 || !v->s.row)
            stream_bad(in, "%s", why ? why : "tensor 'row' is missing");
        read_logits(v, r);
        (o->stream ? put_record : put_lines)(v, r);
    }
    if (o->stream)
        stream_end(v->out, stream_rows(in));
    else {
        put_held(v);
        sink_commit(v->sink);
    }
    close_all(v);
}
