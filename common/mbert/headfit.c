#include "common/mbert/headfit.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/progress.h"
#include "common/base/rng.h"
#include "common/mbert/block.h"
#include "common/mbert/recipe.h"
#include "common/mbert/schedule.h"

/* streams of random numbers beside (seed, epoch or step) */
enum { ORDER = 1, DROPOUT = 2, MIRRORS = 3 };

struct run {
    const struct fit_options *o;
    struct model *m;
    const struct vectors *v;
    struct params g, first, second;
    struct param table[PARAMS_MAX];
    void *memory;              /* of the three mirrors; the gradients come first */
    size_t gradient_bytes;
    struct acts acts;
    float *class_weight;       /* [C]; NULL: all 1 */
    struct mat weight;         /* the same as the loss takes it */
    void *labels;              /* of a batch, device */
    float *loss, *norm;        /* device */
    int64_t step, steps;
};

/* Run twice: to measure, then to place. */
static void
place(struct run *r, struct arena *a)
{
    struct params *const mirrors[MIRRORS] = { &r->g, &r->first, &r->second };
    struct entry *all = mem_array(PARAMS_MAX, sizeof *all);
    for (int k = 0; k < MIRRORS; k++) {
        const int n = params_table(all, &r->m->cfg, r->m->head, r->m->classes, mirrors[k]);
        for (int i = 0, own = 0; i < n && own < r->m->entries; i++) {
            if (strcmp(all[i].name, r->m->table[own].name))
                continue; /* the encoder's */
            params_place(a, &all[i], 1);
            struct param *p = &r->table[own++];
            *(k == 0 ? &p->g : k == 1 ? &p->m : &p->v) = all[i].at->p;
        }
        if (!k)
            r->gradient_bytes = a->used;
    }
    mem_free(all);
}

static void
open_run(struct run *r)
{
    struct arena a = { 0 };
    struct model *m = r->m;
    place(r, &a);
    a.base = r->memory = m->be->alloc(m->c, a.used);
    a.used = 0;
    place(r, &a);
    for (int i = 0; i < m->entries; i++) {
        const struct entry *e = &m->table[i];
        struct param *p = &r->table[i];
        p->w = e->at->p;
        p->n = (int64_t)e->rows * e->cols;
        p->decays = e->decays;
        p->of = e->of;
        p->rate = 1;
    }
    m->frozen = m->cfg.layers + 2;
    acts_fit(&r->acts, m, ACTS_TRAIN, F32, 1, r->o->batch);
    r->labels = m->be->alloc(m->c, mem_mul((size_t)r->o->batch, (size_t)r->v->e.width) * 4);
    r->loss = m->be->alloc(m->c, sizeof *r->loss);
    r->norm = m->be->alloc(m->c, sizeof *r->norm);
    if (!r->o->weights)
        return;
    const size_t bytes = (size_t)m->classes * sizeof(float);
    r->class_weight = recipe_weights(r->o->weights, &r->v->e, m->classes);
    r->weight = mat_of(m->be->alloc(m->c, bytes), 1, m->classes, F32);
    m->be->upload(m->c, r->weight.p, r->class_weight, bytes);
}

static void
close_run(struct run *r)
{
    const struct ops *be = r->m->be;
    struct ctx *c = r->m->c;
    be->free(c, r->memory);
    be->free(c, r->labels);
    be->free(c, r->loss);
    be->free(c, r->norm);
    be->free(c, r->weight.p);
    acts_free(&r->acts, r->m);
    mem_free(r->class_weight);
}

/* Vectors and labels of rows order[0..n), and what a row's loss counts in their mean. */
static float
gather(struct run *r, struct acts *s, const uint32_t *order, int n)
{
    const struct examples *e = &r->v->e;
    const size_t row = (size_t)r->v->dim * sizeof(float), width = (size_t)e->width * 4;
    const int single = e->problem == PROBLEM_SINGLE;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const char *label = e->labels.p + (size_t)order[i] * width;
        r->m->be->upload(r->m->c, mat_f32(s->pooled, i), vectors_row(r->v, order[i]), row);
        r->m->be->upload(r->m->c, (char *)r->labels + (size_t)i * width, label, width);
        int class;
        memcpy(&class, label, sizeof class);
        sum += single && r->class_weight ? (double)r->class_weight[class] : 1;
    }
    return (float)(1 / (single ? sum : sum * r->m->classes));
}

static double
one_step(struct run *r, const uint32_t *order, int n)
{
    struct model *m = r->m;
    const struct ops *be = m->be;
    const struct loss_form form = { .weight = r->weight };
    struct acts s = acts_cut(&r->acts, 1, n);
    const float scale = gather(r, &s, order, n);
    const struct mat labels = mat_of(r->labels, n, m->classes, F32);
    const double lr = schedule_lr(SCHEDULE_LINEAR, r->o->lr, r->step, r->steps, 0, 0);
    const struct adam a = { lr, .9, .999, 1e-8, .01, 1, r->step + 1 };
    float loss, norm;
    s.drop_key = m->cfg.classifier_dropout > 0
                     ? rng_key((uint64_t)r->o->seed, DROPOUT, (uint64_t)r->step) | 1 : 0;
    head_forward(m, &s, s.pooled);
    if (r->v->e.problem == PROBLEM_SINGLE)
        be->ce(m->c, r->loss, s.dlogits, s.logits, r->labels, form, scale);
    else if (r->v->e.problem == PROBLEM_MULTI)
        be->bce(m->c, r->loss, s.dlogits, s.logits, labels, form, scale);
    else
        be->mse(m->c, r->loss, s.dlogits, s.logits, labels, scale);
    head_backward(m, &r->g, &s, s.dpooled, s.pooled);
    be->sqnorm(m->c, r->norm, r->table, m->entries);
    be->download(m->c, &loss, r->loss, sizeof loss);
    be->download(m->c, &norm, r->norm, sizeof norm);
    r->step++;
    if (!isfinite(loss) || !isfinite(norm))
        die_data("step %" PRId64 ": the %s is not finite (a lower --lr may help); nothing "
                 "was saved", r->step, isfinite(loss) ? "gradient" : "loss");
    const int packed = be->adamw(m->c, r->table, m->entries, &a, r->norm);
    be->zero(m->c, r->loss, sizeof loss);
    be->zero(m->c, r->memory, r->gradient_bytes);
    if (!packed)
        model_pack(m);
    return loss;
}

void
headfit_run(const struct fit_options *o, struct model *m, const struct vectors *v,
            struct buf *log)
{
    struct run *r = mem_zalloc(1, sizeof *r);
    const int64_t n = v->e.n;
    double loss = 0;
    *r = (struct run){ .o = o, .m = m, .v = v };
    if (n > UINT32_MAX)
        die_data("'%s': more than 2^32 rows", v->e.name);
    uint32_t *order = mem_array((size_t)n, sizeof *order);
    open_run(r);
    r->steps = (n + o->batch - 1) / o->batch * o->epochs;
    for (int epoch = 0; epoch < o->epochs; epoch++) {
        rng_permute(order, (size_t)n, rng_key((uint64_t)o->seed, ORDER, (uint64_t)epoch));
        loss = 0;
        for (int64_t at = 0; at < n; at += o->batch) {
            const int rows = n - at < o->batch ? (int)(n - at) : o->batch;
            loss += one_step(r, order + at, rows) * rows / (double)n;
            progress("epoch %d/%d  step %" PRId64 "/%" PRId64, epoch + 1, o->epochs,
                     r->step, r->steps);
        }
        buf_printf(log, "{\"step\":%" PRId64 ",\"epoch\":%d,\"loss\":%.9g}\n", r->step,
                   epoch + 1, loss);
    }
    progress_clear();
    if (!quiet)
        fprintf(stderr, "%s: %" PRId64 " rows, %d epochs: loss %.6g in the last\n", argv0,
                n, o->epochs, loss);
    close_run(r);
    mem_free(order);
    mem_free(r);
}
