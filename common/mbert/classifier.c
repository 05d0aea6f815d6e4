#include "common/mbert/classifier.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include "common/base/die.h"
#include "common/mbert/folds.h"
#include "common/mbert/recipe.h"

enum { STEPS = 1000 };
static const double tolerance = 1e-6;

/* The linear models that make up the classifier: one, or for sets one a class. */
struct parts {
    const struct vectors *v;
    struct folds_models models;
    struct glm_data *data;   /* [models.n] */
    float *y;                /* [models.n, rows] */
    double *weight;          /* [models.n, rows] */
};

static const float *
numbers(const struct vectors *v)
{
    return (const float *)(const void *)v->e.labels.p;
}

static const int *
classes(const struct vectors *v)
{
    return (const int *)(const void *)v->e.labels.p;
}

/* ---- is there enough of everything? ---- */
static void
enough(const struct vectors *v, const char *name, const char *what, int64_t count,
       int folds)
{
    if (!count)
        die_data("'%s': class '%s' has no row %sit: nothing to learn about it", v->e.name,
                 name, what);
    if (count < folds)
        die_data("'%s': class '%s' has %" PRId64 " rows %sit, too few for %d folds (use "
                 "--folds, or --l2)", v->e.name, name, count, what, folds);
}

/* folds 0: l2 is given. */
static void
check_rows(const struct vectors *v, int folds)
{
    const struct examples *e = &v->e;
    int64_t *count = mem_zalloc((size_t)e->label_n, sizeof *count);
    if (e->problem == PROBLEM_SINGLE)
        vectors_count(v, count);
    for (int k = 0; k < e->label_n; k++) {
        for (int64_t i = 0; e->problem == PROBLEM_MULTI && i < e->n; i++)
            count[k] += numbers(v)[i * e->label_n + k] >= .5f;
        if (e->problem != PROBLEM_REGRESSION)
            enough(v, e->label[k], "with ", count[k], folds);
        if (e->problem == PROBLEM_MULTI)
            enough(v, e->label[k], "without ", e->n - count[k], folds);
    }
    if (e->problem == PROBLEM_REGRESSION && e->n < folds)
        die_data("'%s': %" PRId64 " rows are too few for %d folds (use --folds, or --l2)",
                 e->name, e->n, folds);
    mem_free(count);
}

/* ---- the models ---- */
/* Labels of model k, and what each row counts. */
static void
fill_part(struct parts *p, int k, const float *class_weight, int threads)
{
    const struct examples *e = &p->v->e;
    const size_t at = (size_t)k * (size_t)e->n;
    float *y = p->y + at;
    double *weight = p->weight + at;
    for (int64_t i = 0; i < e->n; i++) {
        const int class = e->problem == PROBLEM_SINGLE ? classes(p->v)[i] : k;
        y[i] = e->problem == PROBLEM_SINGLE ? (float)class
               : e->problem == PROBLEM_MULTI
                   ? (float)(numbers(p->v)[i * e->label_n + k] >= .5f)
                   : numbers(p->v)[i];
        weight[i] = class_weight ? (double)class_weight[class] : 1;
    }
    p->data[k] =
        (struct glm_data){ vectors_row(p->v, 0), y, weight, e->n, p->v->dim, threads };
}

static void
open_parts(struct parts *p, const struct vectors *v, const char *weights, int threads)
{
    const struct examples *e = &v->e;
    const int n = e->problem == PROBLEM_MULTI ? e->label_n : 1,
              softmax = e->problem == PROBLEM_SINGLE && e->label_n > 2;
    float *class_weight = recipe_weights(weights, e, e->label_n);
    *p = (struct parts){ .v = v };
    p->data = mem_array((size_t)n, sizeof *p->data);
    p->y = mem_array(mem_mul((size_t)n, (size_t)e->n), sizeof *p->y);
    p->weight = mem_array(mem_mul((size_t)n, (size_t)e->n), sizeof *p->weight);
    for (int k = 0; k < n; k++)
        fill_part(p, k, class_weight, threads);
    p->models = (struct folds_models){
        .data = p->data,
        .n = n,
        .loss = e->problem == PROBLEM_REGRESSION ? GLM_SQUARE
                : softmax                        ? GLM_SOFTMAX
                                                 : GLM_SIGMOID,
        .outputs = softmax ? e->label_n : 1,
    };
    mem_free(class_weight);
}

static void
say_folds(const struct folds *f, const struct fit_options *o, int numbers, struct buf *log)
{
    const char *figure = numbers ? "rmse" : "auroc";
    buf_printf(log, "{\"folds\":%d,\"l2\":%g,\"table\":[", o->folds, f->l2[f->best]);
    if (!quiet)
        fprintf(stderr, "%s: %d folds, on the rows left out:\n%s: %8s %10s %10s %10s\n",
                argv0, o->folds, argv0, "l2", figure, "sd", numbers ? "" : "log loss");
    for (int l = 0; l < FOLDS_GRID; l++) {
        buf_printf(log, "%s{\"l2\":%g,\"%s\":%.9g,\"sd\":%.9g", l ? "," : "", f->l2[l],
                   figure, f->figure[l], f->sd[l]);
        if (!numbers)
            buf_printf(log, ",\"log_loss\":%.9g", f->loss[l]);
        buf_add(log, "}", 1);
        if (quiet)
            continue;
        fprintf(stderr, "%s: %8g %10.6f %10.6f", argv0, f->l2[l], f->figure[l], f->sd[l]);
        if (!numbers)
            fprintf(stderr, " %10.6f", f->loss[l]);
        fprintf(stderr, "%s\n", l == f->best ? "  chosen" : "");
    }
    buf_printf(log, "]}\n");
}

static void
say_fit(const struct parts *p, int part, double l2, const struct lbfgs *r, struct buf *log)
{
    const struct examples *e = &p->v->e;
    const char *name = p->models.n > 1 ? e->label[part] : NULL;
    buf_printf(log,
               "{\"fit\":\"classifier\",\"model\":%d,\"rows\":%" PRId64
               ",\"l2\":%.9g,\"objective\":%.9g,\"steps\":%d,\"gradient\":%.3g,"
               "\"converged\":%s}\n",
               part, e->n, l2, r->f, r->steps, r->gradient,
               r->converged ? "true" : "false");
    if (!quiet)
        fprintf(stderr, "%s: %s%s%" PRId64 " rows, l2 %g: objective %.6g after %d steps\n",
                argv0, name ? name : "", name ? ": " : "", e->n, l2, r->f, r->steps);
    if (!r->converged)
        warn("the fit has not converged in %d steps (largest gradient %.1e): a higher "
             "--l2 may help", r->steps, r->gradient);
}

/* Row k of the classifier: by times output `from` of g. */
static void
put_row(const struct glm *g, int from, double by, struct mat w, struct mat b, int k)
{
    for (int i = 0; i < g->dim; i++)
        mat_f32(w, k)[i] = (float)(by * g->w[(size_t)from * (size_t)g->dim + (size_t)i]);
    mat_f32(b, 0)[k] = (float)(by * g->b[from]);
}

static void
put_rows(const struct parts *p, int part, const struct glm *g, struct mat w, struct mat b)
{
    if (p->v->e.problem == PROBLEM_SINGLE && g->loss == GLM_SIGMOID) {
        put_row(g, 0, -.5, w, b, 0);
        put_row(g, 0, .5, w, b, 1);
        return;
    }
    for (int k = 0; k < g->outputs; k++)
        put_row(g, k, 1, w, b, part + k);
}

void
classifier_fit(const struct fit_options *o, const struct vectors *v, int threads,
               struct mat *w, struct mat *b, struct buf *log)
{
    struct parts p;
    double l2 = o->l2;
    check_rows(v, l2 < 0 ? o->folds : 0);
    open_parts(&p, v, o->weights, threads);
    *w = mat_of(mem_array(mem_mul((size_t)v->e.label_n, (size_t)v->dim), sizeof(float)),
                v->e.label_n, v->dim, F32);
    *b = mat_of(mem_array((size_t)v->e.label_n, sizeof(float)), 1, v->e.label_n, F32);
    if (l2 < 0) {
        struct folds f;
        folds_choose(&f, &p.models, o->folds, (uint64_t)o->seed);
        say_folds(&f, o, v->e.problem == PROBLEM_REGRESSION, log);
        l2 = f.l2[f.best];
    }
    for (int i = 0; i < p.models.n; i++) {
        struct glm g;
        glm_init(&g, p.models.loss, p.models.outputs, v->dim);
        const struct lbfgs r = glm_fit(&g, &p.data[i], l2, tolerance, STEPS);
        say_fit(&p, i, l2, &r, log);
        put_rows(&p, i, &g, *w, *b);
        glm_free(&g);
    }
    mem_free(p.data);
    mem_free(p.y);
    mem_free(p.weight);
}
