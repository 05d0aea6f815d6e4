#include "common/mbert/vectors.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "formats/sequences.h"

enum { IGNORED = -100 };

float *
vectors_row(const struct vectors *v, int64_t i)
{
    return (float *)(void *)v->x.p + (size_t)i * (size_t)v->dim;
}

/* What the labels are, told by their type; it must stay the same. */
static void
settle(struct examples *e, struct stream_in *in, const struct tensor *t, int64_t n)
{
    const int ok = (t->type == I32 && t->rank == 1) ||
                   (t->type == F32 && (t->rank == 1 || t->rank == 2));
    if (!ok || t->shape[0] != n)
        stream_bad(in, "tensor 'labels' is %s of rank %d: I32 [B], F32 [B] or F32 [B,N] is "
                   "wanted (one a sequence)", dtype_name(t->type), t->rank);
    const enum problem p = t->type == I32 ? PROBLEM_SINGLE
                           : t->rank == 1 ? PROBLEM_REGRESSION
                                          : PROBLEM_MULTI;
    const int width = t->rank == 2 ? (int)t->shape[1] : 1;
    if (e->problem == PROBLEM_AUTO) {
        e->problem = p;
        e->width = width;
    }
    if (e->problem != p || e->width != width)
        stream_bad(in, "tensor 'labels' is of another kind than in the records before");
}

/* One label; 0 when the row has none. */
static int
take_label(struct examples *e, struct stream_in *in, const struct tensor *t, int64_t i,
           int64_t row)
{
    if (!t)
        return 0;
    const char *at = (const char *)t->data + (size_t)i * (size_t)e->width * 4;
    if (e->problem == PROBLEM_SINGLE) {
        const int32_t k = sequences_i32(t, i);
        if (k == IGNORED)
            return 0;
        if (k < 0)
            stream_bad(in, "row %" PRId64 ": label %d is negative", row, k);
        e->highest = k > e->highest ? k : e->highest;
    } else
        for (int k = 0; k < e->width; k++) {
            float y;
            memcpy(&y, at + 4 * k, 4);
            if (!isfinite(y))
                stream_bad(in, "row %" PRId64 ": its label is not finite", row);
        }
    buf_add(&e->labels, at, (size_t)e->width * 4);
    return 1;
}

static void
take_record(struct vectors *v, struct stream_in *in, const struct record *r,
            const struct sequences *s)
{
    struct examples *e = &v->e;
    const struct tensor *labels = record_tensor(r, "labels"),
                        *t = stream_need(in, r, "pooled", F32, 2, s->n, v->dim);
    const float *x = t->data;
    if (labels && s->n)
        settle(e, in, labels, s->n);
    for (int64_t i = 0; i < s->n; i++, x += v->dim) {
        if (!take_label(e, in, labels, i, s->row[i])) {
            e->unlabelled++;
            continue;
        }
        for (int k = 0; k < v->dim; k++)
            if (!isfinite(x[k]))
                stream_bad(in,
                           "row %" PRId64 ": its vector is not finite (NaN or infinity)",
                           s->row[i]);
        buf_add(&v->x, x, (size_t)v->dim * sizeof *x);
        e->n++;
    }
}

/* Class names say nothing about a number; mbert-fwd adds those of its model. */
static void
take_names(struct examples *e, const struct stream_in *in)
{
    e->label = stream_labels(stream_head(in), &e->label_n);
    if (e->problem != PROBLEM_REGRESSION || e->label_n == 1)
        return;
    strings_free(e->label, e->label_n);
    e->label = NULL;
    e->label_n = 0;
}

void
vectors_read(struct vectors *v, struct stream_in *in, int dim)
{
    struct sequences s = { 0 };
    struct examples *e = &v->e;
    const struct record *r;
    *v = (struct vectors){ .e = { .highest = -1 }, .dim = dim };
    while ((r = stream_next(in))) {
        const char *why = sequences_read(&s, r, stream_base(in));
        if (why || s.n < 0 || !s.row)
            stream_bad(in, "%s", why ? why : "tensor 'row' is missing");
        take_record(v, in, r, &s);
    }
    sequences_free(&s);
    e->name = mem_strdup(stream_name(in));
    take_names(e, in);
    examples_some(e);
}

void
vectors_free(struct vectors *v)
{
    examples_free(&v->e);
    mem_free(v->x.p);
    *v = (struct vectors){ 0 };
}

void
vectors_count(const struct vectors *v, int64_t *count)
{
    const int *class = (const int *)(const void *)v->e.labels.p;
    memset(count, 0, (size_t)v->e.label_n * sizeof *count);
    for (int64_t i = 0; i < v->e.n; i++)
        count[class[i]]++;
}
