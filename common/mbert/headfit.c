#include "common/mbert/headfit.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/progress.h"
#include "common/base/rng.h"
#include "common/mbert/batches.h"
#include "common/mbert/recipe.h"
#include "common/mbert/schedule.h"

struct run {
    const struct fit_options *o;
    struct trainer *t;
    const struct vectors *v;
    float *class_weight;       /* [C]; NULL: all 1 */
    struct buf x, labels;      /* of a batch */
    int64_t step, steps;
};

/* Vectors and labels of rows order[0..n), and what a row's loss counts in their mean. */
static float
gather(struct run *r, const uint32_t *order, int n)
{
    const struct examples *e = &r->v->e;
    const size_t row = (size_t)r->v->dim * sizeof(float), width = (size_t)e->width * 4;
    const int single = e->problem == PROBLEM_SINGLE;
    double sum = 0;
    r->x.n = r->labels.n = 0;
    for (int i = 0; i < n; i++) {
        const char *label = e->labels.p + (size_t)order[i] * width;
        buf_add(&r->x, vectors_row(r->v, order[i]), row);
        buf_add(&r->labels, label, width);
        int class;
        memcpy(&class, label, sizeof class);
        sum += single && r->class_weight ? (double)r->class_weight[class] : 1;
    }
    return (float)(1 / (single ? sum : sum * r->t->m.classes));
}

static double
one_step(struct run *r, const uint32_t *order, int n)
{
    const uint64_t seed = (uint64_t)r->o->seed;
    const float scale = gather(r, order, n);
    const double lr = schedule_lr(SCHEDULE_LINEAR, r->o->lr, r->step, r->steps, 0, 0);
    const struct adam a = { lr, .9, .999, 1e-8, .01, 1, r->step + 1 };
    double loss, norm;
    const uint64_t key = r->t->m.cfg.classifier_dropout > 0
                             ? rng_key(seed, STREAM_DROPOUT, (uint64_t)r->step) | 1 : 0;
    trainer_add_pooled(r->t, (const float *)(const void *)r->x.p, n, r->labels.p, scale,
                       key);
    const char *why = trainer_step(r->t, &a, &loss, &norm);
    r->step++;
    if (why)
        die_data("step %" PRId64 ": %s (a lower --lr may help); nothing was saved", r->step,
                 why);
    return loss;
}

void
headfit_run(const struct fit_options *o, struct trainer *t, struct ctx *c,
            const struct vectors *v, struct buf *log)
{
    const int64_t n = v->e.n;
    const int classes = v->e.label_n;
    struct run r = { .o = o, .t = t, .v = v,
                     .class_weight = recipe_weights(o->weights, &v->e, classes) };
    const struct objective objective = { v->e.problem, r.class_weight, 0, 0 };
    double loss = 0;
    if (n > UINT32_MAX)
        die_data("'%s': more than 2^32 rows", v->e.name);
    uint32_t *order = mem_array((size_t)n, sizeof *order);
    trainer_open(t, ops_find("cpu"), c, o->dir, MODEL_HEAD, classes, &objective,
                 (uint64_t)o->seed);
    r.steps = (n + o->batch - 1) / o->batch * o->epochs;
    for (int epoch = 0; epoch < o->epochs; epoch++) {
        rng_permute(order, (size_t)n, rng_key((uint64_t)o->seed, STREAM_ORDER, (uint64_t)epoch));
        loss = 0;
        for (int64_t at = 0; at < n; at += o->batch) {
            const int rows = n - at < o->batch ? (int)(n - at) : o->batch;
            loss += one_step(&r, order + at, rows) * rows / (double)n;
            progress("epoch %d/%d  step %" PRId64 "/%" PRId64, epoch + 1, o->epochs, r.step,
                     r.steps);
        }
        buf_printf(log, "{\"step\":%" PRId64 ",\"epoch\":%d,\"loss\":%.9g}\n", r.step,
                   epoch + 1, loss);
    }
    progress_clear();
    if (!quiet)
        fprintf(stderr, "%s: %" PRId64 " rows, %d epochs: loss %.6g in the last\n", argv0,
                n, o->epochs, loss);
    mem_free(r.class_weight);
    mem_free(r.x.p);
    mem_free(r.labels.p);
    mem_free(order);
}
