#include "common/mbert/evaluate.h"
#include <math.h>
#include "common/eval/quality.h"

/* What the figures are made of: one row a decision. */
struct tally {
    int classes;
    int64_t n;
    struct buf label, p;      /* int [n], double [n * classes]; multi: label [n * classes] */
};

static void
softmax(const float *z, double *p, int n)
{
    double top = z[0], sum = 0;
    for (int i = 1; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (int i = 0; i < n; i++)
        sum += p[i] = exp(z[i] - top);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}

static void
add_classes(struct tally *y, const float *z, int label)
{
    double *p = buf_room(&y->p, (size_t)y->classes * sizeof *p);
    if (label < 0)
        return;
    softmax(z, p, y->classes);
    y->p.n += (size_t)y->classes * sizeof *p;
    buf_add(&y->label, &label, sizeof label);
    y->n++;
}

static void
add_sets(struct tally *y, const float *z, const float *label)
{
    for (int k = 0; k < y->classes; k++) {
        const double p = 1 / (1 + exp(-(double)z[k]));
        const int is = label[k] >= .5f;
        buf_add(&y->p, &p, sizeof p);
        buf_add(&y->label, &is, sizeof is);
    }
    y->n++;
}

static void
of_classes(const struct tally *y, struct evaluation *out, int curves)
{
    const int *label = (const int *)(const void *)y->label.p;
    struct quality q;
    if (!y->n || y->classes < 2)
        return;
    quality_measure(&q, label, (const double *)(const void *)y->p.p, NULL, y->n, y->classes,
                    .5);
    out->accuracy = counts_accuracy(&q.counts);
    out->f1 = counts_macro_f1(&q.counts);
    if (curves)
        out->auroc = y->classes == 2 ? q.auroc : q.auroc_macro;
    quality_free(&q);
}

/* One label against its absence. */
static void
of_label(const struct tally *y, int k, struct counts *c, double *auroc)
{
    const int *label = (const int *)(const void *)y->label.p;
    const double *p = (const double *)(const void *)y->p.p;
    double *score = mem_array((size_t)y->n, sizeof *score);
    unsigned char *truth = mem_array((size_t)y->n, 1);
    struct curve curve;
    for (int64_t i = 0; i < y->n; i++) {
        score[i] = p[i * y->classes + k];
        truth[i] = (unsigned char)label[i * y->classes + k];
        counts_add(c, truth[i], score[i] >= .5);
    }
    curve_make(&curve, score, truth, y->n);
    *auroc = curve_auroc(&curve);
    curve_free(&curve);
    mem_free(score);
    mem_free(truth);
}

static double
mean(double sum, int n)
{
    return n ? sum / n : NAN;
}

static void
of_sets(const struct tally *y, struct evaluation *out)
{
    double accuracy = 0, f1 = 0, area = 0;
    int f1s = 0, areas = 0;
    if (!y->n)
        return;
    for (int k = 0; k < y->classes; k++) {
        struct counts c;
        double a;
        counts_init(&c, 2);
        of_label(y, k, &c, &a);
        const double f = counts_f1(&c, 1);
        accuracy += counts_accuracy(&c);
        f1 += isnan(f) ? 0 : f;
        f1s += !isnan(f);
        area += isnan(a) ? 0 : a;
        areas += !isnan(a);
        counts_free(&c);
    }
    out->accuracy = accuracy / y->classes;
    out->f1 = mean(f1, f1s);
    out->auroc = mean(area, areas);
}

static void
add_batch(struct tally *y, const struct batches *b, int B, const float *z)
{
    const int *label = (const int *)(const void *)b->labels.p;
    const int T = ((const int *)(const void *)b->cu.p)[B];
    if (b->problem == PROBLEM_TOKEN || b->problem == PROBLEM_SINGLE)
        for (int i = 0; i < (b->problem == PROBLEM_TOKEN ? T : B); i++)
            add_classes(y, z + (int64_t)i * y->classes, label[i]);
    else if (b->problem == PROBLEM_MULTI)
        for (int i = 0; i < B; i++)
            add_sets(y, z + (int64_t)i * y->classes,
                     (const float *)(const void *)b->labels.p + (int64_t)i * y->classes);
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
        add_batch(&y, b, B, z);
        at += B;
        whole = !stop || !stop();
    }
    out->loss = total > 0 ? loss : NAN;
    if (b->problem == PROBLEM_SINGLE || b->problem == PROBLEM_TOKEN)
        of_classes(&y, out, b->problem == PROBLEM_SINGLE);
    else if (b->problem == PROBLEM_MULTI)
        of_sets(&y, out);
    mem_free(y.label.p);
    mem_free(y.p.p);
    mem_free(logits.p);
    return whole;
}
