#include "formats/compare.h"
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "formats/union.h"
#include "formats/list.h"
#include "formats/numbers.h"

struct found {
    int64_t count, differ, worst_at;
    double worst, worst_a, worst_b, error, power;
};

/* 64-bit integers do not fit a double; equal bytes are equal, the rest is near enough. */
static int
same_integers(const struct tensor *a, const struct tensor *b, int64_t i)
{
    return a->type == b->type && (a->type == I64 || a->type == U64) &&
           !memcmp((const char *)a->data + i * 8, (const char *)b->data + i * 8, 8);
}

static double
distance(double a, double b)
{
    if (a == b)
        return 0; /* infinities, too */
    return isnan(a) || isnan(b) ? NAN : fabs(a - b);
}

static void
measure(struct found *f, const struct compare_options *o, const struct tensor *a,
        const struct tensor *b)
{
    double x[NUMBERS_CHUNK], y[NUMBERS_CHUNK];
    const int wide = a->type == I64 || a->type == U64;
    f->count = numbers_count(a);
    f->worst_at = -1;
    for (int64_t at = 0; at < f->count; at += NUMBERS_CHUNK) {
        const int n = (int)(f->count - at < NUMBERS_CHUNK ? f->count - at : NUMBERS_CHUNK);
        numbers_read(a, at, n, x);
        numbers_read(b, at, n, y);
        for (int i = 0; i < n; i++) {
            double d = distance(x[i], y[i]);
            if (wide && !d && a->type == b->type && !same_integers(a, b, at + i))
                d = 1; /* at least */
            /* an infinite distance is beyond every tolerance, and 0 within, though y is infinite */
            f->differ += d != 0 && !(isfinite(d) && d <= o->atol + o->rtol * fabs(y[i]));
            f->error += d * d;
            f->power += y[i] * y[i];
            /* the first of the greatest; a NaN is greater than all */
            if (f->worst_at < 0 || (!(d <= f->worst) && !isnan(f->worst))) {
                f->worst = d;
                f->worst_at = at + i;
                f->worst_a = x[i];
                f->worst_b = y[i];
            }
        }
    }
}

static void
index_of(struct buf *b, const struct tensor *t, int64_t at)
{
    int64_t left[TENSOR_RANK];
    for (int k = t->rank - 1; k >= 0; k--) {
        left[k] = at % t->shape[k];
        at /= t->shape[k];
    }
    buf_add(b, "[", 1);
    for (int k = 0; k < t->rank; k++)
        buf_printf(b, "%s%lld", k ? "," : "", (long long)left[k]);
    buf_add(b, "]", 1);
}

static int
same_shape(const struct tensor *a, const struct tensor *b)
{
    if (a->rank != b->rank)
        return 0;
    for (int k = 0; k < a->rank; k++)
        if (a->shape[k] != b->shape[k])
            return 0;
    return 1;
}

static int
pair(struct buf *line, const struct compare_options *o, const struct tensor *a,
     const struct tensor *b)
{
    struct found f = { 0 };
    buf_printf(line, "%s\t", a->name);
    if (!same_shape(a, b)) {
        buf_printf(line, "differs\t");
        list_shape(line, a);
        buf_printf(line, " is not ");
        list_shape(line, b);
        buf_add(line, "\n", 1);
        return 0;
    }
    measure(&f, o, a, b);
    buf_printf(line, "%s\t%lld of %lld", f.differ ? "differs" : "same", (long long)f.differ,
               (long long)f.count);
    if (f.worst_at >= 0 && (f.worst > 0 || isnan(f.worst))) {
        buf_printf(line, "\tworst %.9g at ", f.worst);
        index_of(line, a, f.worst_at);
        buf_printf(line, ": %.9g, %.9g\tnmse %.3g", f.worst_a, f.worst_b,
                   f.error / f.power);
    }
    buf_add(line, "\n", 1);
    return !f.differ;
}

static int
find(const struct gather *g, const char *name, struct tensor *t)
{
    for (int i = 0; i < g->columns; i++)
        if (!strcmp(g->column[i].name, name)) {
            *t = gather_tensor(g, i);
            return 1;
        }
    return 0;
}

static void
read_all(struct gather *g, const char *path, const char *name)
{
    char *paths[] = { (char *)(uintptr_t)path, NULL };
    *g = (struct gather){ .whole = 1, .only = name };
    struct input *in = input_open(1, paths, NULL);
    union_read(g, in);
    if (name && !g->columns)
        die_data("'%s': no tensor '%s'", input_name(in), name);
    input_close(in);
}

int
compare_run(const char *a, const char *b, const struct compare_options *o, struct sink *out)
{
    struct gather one, two;
    struct tensor x, y;
    struct buf line = { 0 };
    int same = 1;
    read_all(&one, a, o->name);
    read_all(&two, b, o->name);
    for (int i = 0; i < one.columns; i++) {
        x = gather_tensor(&one, i);
        if (find(&two, x.name, &y)) {
            same &= pair(&line, o, &x, &y);
        } else {
            buf_printf(&line, "%s\tdiffers\tonly in %s\n", x.name, a);
            same = 0;
        }
    }
    for (int i = 0; i < two.columns; i++)
        if (!find(&one, two.column[i].name, &x)) {
            buf_printf(&line, "%s\tdiffers\tonly in %s\n", two.column[i].name, b);
            same = 0;
        }
    if (line.n)
        sink_write(out, line.p, line.n);
    mem_free(line.p);
    gather_free(&one);
    gather_free(&two);
    return same;
}
