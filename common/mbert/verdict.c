#include "common/mbert/verdict.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/mbert.h"
#include "common/mbert/printer.h"
#include "formats/scaling.h"

struct verdict {
    const struct verdict_options *o;
    struct model m;
    struct acts acts;
    struct stream_in *in;
    struct line_style style;    /* names, problem, what to print */
    struct scaling scaling;     /* with o->calibration */
    struct sequences s;
    struct buf logits, scores;  /* float [rows,C]: a row a sequence, or a token */
    double *row;                /* [C] */
    int64_t rows;
    int classes;
    int64_t seen, cut;          /* sequences, those that were truncated */
    struct printer printer;     /* lines, */
    /* or a stream */
    struct stream_out *out;
    struct image image;
};

/* ---- what the scores mean ---- */
static void
check_model(struct verdict *v)
{
    const char *made_by = record_meta(stream_head(v->in), "model");
    if (v->m.head == HEAD_TOKEN && strcmp(stream_kind(v->in), "logits"))
        die_data("'%s' classifies tokens, but '%s' has a vector a sequence: use mbert-fwd "
                 "--emit logits",
                 v->o->dir, stream_name(v->in));
    if (v->m.head == HEAD_TOKEN && v->o->aggregate)
        die_usage("option --aggregate: '%s' classifies tokens", v->o->dir);
    if (made_by && strtoull(made_by, NULL, 16) != v->m.fingerprint)
        die_data("'%s' was made by model %s, but '%s' is %016" PRIx64, stream_name(v->in),
                 made_by, v->o->dir, v->m.fingerprint);
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
        die_data("'%s': id2label has %d names, but the classifier has %d rows", v->o->dir,
                 c->labels, v->classes);
    for (int i = 0; i < v->classes; i++) {
        const char *ours = c->label ? c->label[i] : NULL,
                   *their = theirs && i < n ? theirs[i] : NULL;
        if (ours && theirs && (n != v->classes || strcmp(ours, their)))
            die_data("'%s' names class %d '%s', but '%s' names it '%s'", stream_name(v->in),
                     i, their ? their : "nothing", v->o->dir, ours);
        v->style.name[i] = ours || (their && n == v->classes)
                               ? mem_strdup(ours ? ours : their)
                               : mem_printf("LABEL_%d", i);
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
                die_data("'%s': classes %d and %d are both named '%s' (id2label in "
                         "config.json)", v->o->dir, j, i, v->style.name[i]);
}

static void
choose_problem(struct verdict *v)
{
    const char *task = record_meta(stream_head(v->in), "task");
    v->style.problem = v->m.head == HEAD_TOKEN ? PROBLEM_TOKEN : v->m.cfg.problem;
    if (v->style.problem == PROBLEM_AUTO)
        v->style.problem = v->classes == 1 ? PROBLEM_REGRESSION
                         : task && !strcmp(task, "multi") ? PROBLEM_MULTI : PROBLEM_SINGLE;
}

static void
choose_scaling(struct verdict *v)
{
    const char *path = v->o->calibration;
    if (!path)
        return;
    scaling_load(&v->scaling, path);
    if (v->style.problem == PROBLEM_REGRESSION)
        die_data("'%s': '%s' gives numbers, which have no calibration", path, v->o->dir);
    if (v->scaling.classes != v->classes)
        die_data("'%s' is for %d classes, but '%s' has %d", path, v->scaling.classes,
                 v->o->dir, v->classes);
    if (v->scaling.kind == SCALING_PLATT && v->style.problem != PROBLEM_SINGLE)
        die_data("'%s' is Platt scaling, which is for one of two classes; '%s' gives sets",
                 path, v->o->dir);
    v->style.scaling = &v->scaling;
}

/* ---- one record ---- */
static void
head_on(struct verdict *v, const struct tensor *t, float *logits)
{
    const struct ops *be = v->m.be;
    const int B = (int)v->s.n;
    acts_fit(&v->acts, &v->m, ACTS_INFER, F32, 1, B);
    struct acts s = acts_cut(&v->acts, 1, B);
    be->upload(v->m.c, s.pooled.p, t->data, t->bytes);
    head_forward(&v->m, &s, s.pooled);
    be->download(v->m.c, logits, s.logits.p,
                 (size_t)B * (size_t)v->classes * sizeof *logits);
}

/* The input row that row i of the logits belongs to. */
static int64_t
input_row(const struct verdict *v, int64_t i)
{
    int64_t b = 0;
    if (v->m.head != HEAD_TOKEN)
        return v->s.row[i];
    while (v->s.cu[b + 1] <= i)
        b++;
    return v->s.row[b];
}

static void
read_logits(struct verdict *v, const struct record *r)
{
    const int pooled = !strcmp(stream_kind(v->in), "pooled"), C = v->classes;
    const struct tensor *t = stream_need(v->in, r, pooled ? "pooled" : "logits", F32, 2,
                                         v->rows, pooled ? v->m.cfg.hidden : C);
    v->logits.n = v->scores.n = 0;
    float *z = buf_room(&v->logits, mem_mul((size_t)v->rows * sizeof *z, (size_t)C) + 1);
    float *p = buf_room(&v->scores, mem_mul((size_t)v->rows * sizeof *p, (size_t)C) + 1);
    if (pooled && v->rows)
        head_on(v, t, z);
    else
        memcpy(z, t->data, t->bytes);
    for (int64_t i = 0; i < v->rows; i++, z += C, p += C) {
        for (int k = 0; k < C; k++) {
            if (!isfinite(z[k]))
                stream_bad(v->in,
                           "row %" PRId64
                           ": a logit is not finite (NaN or infinity): no verdict",
                           input_row(v, i));
            v->row[k] = z[k];
        }
        line_probabilities(&v->style, v->row, p);
    }
}

static const char *
read_record(struct verdict *v, const struct record *r)
{
    const char *why = sequences_read(&v->s, r, stream_base(v->in));
    if (why)
        return why;
    if (v->s.n < 0 || !v->s.row)
        return "tensor 'row' is missing";
    if (v->m.head == HEAD_TOKEN && !v->s.cu)
        return "tensor 'cu_seqlens' is missing";
    v->rows = v->m.head == HEAD_TOKEN ? v->s.tokens : v->s.n;
    return NULL;
}

static void
put_record(struct verdict *v, const struct record *r)
{
    image_reset(&v->image);
    image_2d(&v->image, "scores", F32, v->rows, v->classes, v->scores.p);
    if (v->o->logits)
        image_2d(&v->image, "logits", F32, v->rows, v->classes, v->logits.p);
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        if (sequences_travels(&v->s, t))
            image_tensor(&v->image, t->name, t->type, t->rank, t->shape, t->data);
    }
    stream_put(v->out, &v->image, v->s.n, v->s.tokens > 0 ? v->s.tokens : 0);
}

static void
count_cut(struct verdict *v, const struct record *r)
{
    const struct tensor *t = record_tensor(r, "truncated");
    v->seen += v->s.n;
    if (!t || t->type != U8 || t->rank != 1 || t->shape[0] != v->s.n)
        return;
    for (int64_t i = 0; i < v->s.n; i++)
        v->cut += ((const unsigned char *)t->data)[i] != 0;
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
    mem_free(v->row);
    mem_free(v);
}

static void
open_all(struct verdict *v, const char *path)
{
    const struct ops *be = ops_find("cpu");
    const struct verdict_options *o = v->o;
    struct ctx *c = model_ctx(be, o->threads, OP_F32, o->dir);
    model_load(&v->m, be, c, o->dir, MODEL_HEAD, 0, 0);
    check_model(v);
    choose_names(v);
    choose_problem(v);
    check_names(v);
    choose_scaling(v);
    v->style.logits = o->logits;
    v->row = mem_array((size_t)v->classes, sizeof *v->row);
    image_init(&v->image);
    v->printer = (struct printer){ .in = v->in, .style = &v->style, .how = o->aggregate };
    if (!o->stream) {
        printer_open(&v->printer, path);
        return;
    }
    char *options = mem_printf("%s%s%s", o->logits ? "--logits" : "",
                               o->logits && o->calibration ? " " : "",
                               o->calibration ? "--calibration" : "");
    v->out = stream_create(path, "scores", stream_head(v->in), argv0, options, 0);
    mem_free(options);
}

void
verdict_run(const struct verdict_options *o, struct stream_in *in, const char *path)
{
    struct verdict *v = mem_zalloc(1, sizeof *v);
    const struct record *r;
    v->o = o;
    v->in = in;
    open_all(v, path);
    while ((r = stream_next(in))) {
        const char *why = read_record(v, r);
        if (why)
            stream_bad(in, "%s", why);
        read_logits(v, r);
        count_cut(v, r);
        if (o->stream)
            put_record(v, r);
        else
            printer_put(&v->printer, &v->s, r, (const float *)(void *)v->logits.p,
                        (const float *)(void *)v->scores.p);
    }
    if (o->stream)
        stream_end(v->out, stream_rows(in));
    else
        printer_close(&v->printer);
    if (v->cut)
        warn("%" PRId64 " of %" PRId64
             " prompts had been cut (truncated): their verdicts are of what was left",
             v->cut, v->seen);
    close_all(v);
}
