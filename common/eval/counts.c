#include "common/eval/counts.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "common/base/mem.h"

void
counts_init(struct counts *c, int classes)
{
    assert(classes > 0);
    *c = (struct counts){ .classes = classes, .cell = mem_zalloc(mem_mul((size_t)classes, (size_t)classes), sizeof *c->cell) };
}

void
counts_free(struct counts *c)
{
    mem_free(c->cell);
    *c = (struct counts){ 0 };
}

void
counts_clear(struct counts *c)
{
    memset(c->cell, 0, (size_t)c->classes * (size_t)c->classes * sizeof *c->cell);
    c->n = 0;
}

void
counts_put(struct counts *c, int truth, int predicted, int64_t rows)
{
    assert(truth >= 0 && truth < c->classes && predicted >= 0 && predicted < c->classes);
    c->cell[truth * c->classes + predicted] += rows;
    c->n += rows;
}

void
counts_add(struct counts *c, int truth, int predicted)
{
    counts_put(c, truth, predicted, 1);
}

int64_t
counts_support(const struct counts *c, int k)
{
    int64_t n = 0;
    for (int j = 0; j < c->classes; j++)
        n += c->cell[k * c->classes + j];
    return n;
}

int64_t
counts_predicted(const struct counts *c, int k)
{
    int64_t n = 0;
    for (int i = 0; i < c->classes; i++)
        n += c->cell[i * c->classes + k];
    return n;
}

static double
ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

double
counts_accuracy(const struct counts *c)
{
    double right = 0;
    for (int k = 0; k < c->classes; k++)
        right += (double)c->cell[k * c->classes + k];
    return ratio(right, (double)c->n);
}

double
counts_precision(const struct counts *c, int k)
{
    return ratio((double)c->cell[k * c->classes + k], (double)counts_predicted(c, k));
}

double
counts_recall(const struct counts *c, int k)
{
    return ratio((double)c->cell[k * c->classes + k], (double)counts_support(c, k));
}

double
counts_f1(const struct counts *c, int k)
{
    return ratio(2 * (double)c->cell[k * c->classes + k], (double)(counts_support(c, k) + counts_predicted(c, k)));
}

double
counts_macro_f1(const struct counts *c)
{
    double sum = 0;
    int n = 0;
    for (int k = 0; k < c->classes; k++) {
        const double f = counts_f1(c, k);
        if (!isnan(f)) {
            sum += f;
            n++;
        }
    }
    return ratio(sum, n);
}

double
counts_weighted_f1(const struct counts *c)
{
    double sum = 0;
    for (int k = 0; k < c->classes; k++) {
        const double f = counts_f1(c, k);
        if (!isnan(f))
            sum += (double)counts_support(c, k) * f;
    }
    return ratio(sum, (double)c->n);
}

double
counts_mcc(const struct counts *c)
{
    /* Gorodkin 2004, as scikit-learn: covariance of truth and prediction over their deviations */
    const double s = (double)c->n;
    double right = 0, tp = 0, tt = 0, pp = 0;
    for (int k = 0; k < c->classes; k++) {
        const double t = (double)counts_support(c, k), p = (double)counts_predicted(c, k);
        right += (double)c->cell[k * c->classes + k];
        tp += t * p;
        tt += t * t;
        pp += p * p;
    }
    const double a = s * s - pp, b = s * s - tt;
    return a > 0 && b > 0 ? (right * s - tp) / sqrt(a) / sqrt(b) : NAN;
}
