#include "common/mbert/evaluate.h"
#include <math.h>
#include <string.h>
#include "common/base/softmax.h"
#include "common/eval/measure.h"

/* Decisions so far: a row, or of PROBLEM_TOKEN a token, each. */
struct tally { int classes; int64_t n; struct buf label, truth, p; };

static void
add_class(struct tally *y, const float *z, int label)
{
    double *p = buf_room(&y->p, (size_t)y->classes * sizeof *p);
    if (label < 0)
        return;
    for (int k = 0; k < y->classes; k++)
        p[k] = z[k];
    softmax(p, p, y->classes);
    y->p.n += (size_t)y->classes * sizeof *p;
    buf_add(&y->label, &label, sizeof label);
    y->n++;
}

static void
add_set(struct tally *y, const float *z, const float *label)
{
    for (int k = 0; k < y->classes; k++) {
        const double p = 1 / (1 + exp(-(double)z[k]));
        const unsigned char is = label[k] >= .5f;
        buf_add(&y->p, &p, sizeof p);
        buf_add(&y->truth, &is, 1);
    }
    y->n++;
}

static void
add_batch(struct tally *y, const struct batches *b, int B, const float *z)
{
    const int *label = (const int *)(const void *)b->labels.p;
    const float *set = (const float *)(const void *)b->labels.p;
    const int T = ((const int *)(const void *)b->cu.p)[B],
              rows = b->problem == PROBLEM_TOKEN ? T : B;
    for (int64_t i = 0; i < rows; i++)
        if (b->problem == PROBLEM_MULTI)
            add_set(y, z + i * y->classes, set + i * y->classes);
        else if (b->problem == PROBLEM_SINGLE || b->problem == PROBLEM_TOKEN)
            add_class(y, z + i * y->classes, label[i]);
}

static double
figure(const struct measure *m, const char *name)
{
    struct asked a;
    return measure_ask(m, name, strlen(name), &a) ? measure_value(m, &a) : NAN;
}

static void
measured(const struct tally *y, enum problem problem, struct evaluation *out)
{
    const int multi = problem == PROBLEM_MULTI;
    const struct sample s = { .task = multi ? SAMPLE_MULTI : SAMPLE_SINGLE,
                              .classes = y->classes, .n = y->n,
                              .label = (const int *)(const void *)y->label.p,
                              .truth = (const unsigned char *)y->truth.p,
                              .p = (const double *)(const void *)y->p.p };
    if (!y->n || (!multi && y->classes < 2))
        return;
    struct measure *m = measure_new(&s, .5);
    out->accuracy = multi ? 1 - figure(m, "hamming") : figure(m, "accuracy");
    out->f1 = figure(m, "macro_f1");
    if (problem != PROBLEM_TOKEN)
        out->auroc = figure(m, "auroc");
    measure_free(m);
}

int
evaluate(struct trainer *t, struct batches *b, struct evaluation *out, int (*stop)(void))
{
    struct tally y = { .classes = t->m.classes };
    struct buf logits = { 0 };
    const double total = batches_total(b, 0, b->e->n);
    double loss = 0;
    int whole = 1;
    *out = (struct evaluation){ NAN, NAN, NAN, NAN };
    for (int64_t at = 0; whole && at < b->e->n;) {
        const int B = batches_gather(b, at, b->e->n);
        const int *cu = (const int *)(const void *)b->cu.p;
        const size_t rows = (size_t)(b->problem == PROBLEM_TOKEN ? cu[B] : B);
        float *z = b->problem == PROBLEM_MLM
                 ? NULL
                 : buf_room(&logits, mem_mul(rows * sizeof *z, (size_t)y.classes));
        trainer_predict(t, (const int *)(const void *)b->ids.p, cu, B, b->labels.p,
                        (float)(1 / total), z);
        loss += trainer_loss(t);
        if (z)
            add_batch(&y, b, B, z);
        at += B;
        whole = !stop || !stop();
    }
    out->loss = total > 0 ? loss : NAN;
    measured(&y, b->problem, out);
    mem_free(y.label.p);
    mem_free(y.truth.p);
    mem_free(y.p.p);
    mem_free(logits.p);
    return whole;
}
