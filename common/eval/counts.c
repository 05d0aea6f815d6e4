#include "common/eval/counts.h"
#include <assert.h>
#include <math.h>
#include "common/base/mem.h"

static int64_t
at(const struct counts *c, int truth, int predicted)
{
    return c->cell[(int64_t)truth * c->classes + predicted];
}

/* Rows whose truth is k. */
static int64_t
support(const struct counts *c, int k)
{
    int64_t sum = 0;
    for (int j = 0; j < c->classes; j++)
        sum += at(c, k, j);
    return sum;
}

/* Rows predicted to be k. */
static int64_t
claimed(const struct counts *c, int k)
{
    int64_t sum = 0;
    for (int j = 0; j < c->classes; j++)
        sum += at(c, j, k);
    return sum;
}

static int64_t
correct(const struct counts *c)
{
    int64_t sum = 0;
    for (int k = 0; k < c->classes; k++)
        sum += at(c, k, k);
    return sum;
}

static double
ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

void
counts_init(struct counts *c, int classes)
{
    assert(classes > 0);
    *c = (struct counts){ .classes = classes };
    c->cell = mem_zalloc(mem_mul((size_t)classes, (size_t)classes), sizeof *c->cell);
}

void
counts_free(struct counts *c)
{
    mem_free(c->cell);
    *c = (struct counts){ 0 };
}

void
counts_add(struct counts *c, int truth, int predicted)
{
    assert(truth >= 0 && truth < c->classes && predicted >= 0 && predicted < c->classes);
    c->cell[(int64_t)truth * c->classes + predicted]++;
    c->n++;
}

int64_t
counts_support(const struct counts *c, int k)
{
    return support(c, k);
}

double
counts_accuracy(const struct counts *c)
{
    return ratio(correct(c), c->n);
}

double
counts_precision(const struct counts *c, int k)
{
    return ratio(at(c, k, k), claimed(c, k));
}

double
counts_recall(const struct counts *c, int k)
{
    return ratio(at(c, k, k), support(c, k));
}

double
counts_f1(const struct counts *c, int k)
{
    return ratio(2 * at(c, k, k), support(c, k) + claimed(c, k));
}

double
counts_macro_f1(const struct counts *c)
{
    double sum = 0;
    int defined = 0;
    for (int k = 0; k < c->classes; k++) {
        const double f1 = counts_f1(c, k);
        if (!isnan(f1)) {
            sum += f1;
            defined++;
        }
    }
    return defined ? sum / defined : NAN;
}

double
counts_weighted_f1(const struct counts *c)
{
    double sum = 0;
    for (int k = 0; k < c->classes; k++)
        if (support(c, k))
            sum += (double)support(c, k) * counts_f1(c, k);
    return c->n ? sum / (double)c->n : NAN;
}

/* Gorodkin 2004: the covariance of truth and prediction over the root of their variances. */
double
counts_mcc(const struct counts *c)
{
    const double n = (double)c->n;
    double both = n * (double)correct(c), truth = n * n, predicted = n * n;
    for (int k = 0; k < c->classes; k++) {
        const double t = (double)support(c, k), p = (double)claimed(c, k);
        both -= t * p;
        truth -= t * t;
        predicted -= p * p;
    }
    return truth > 0 && predicted > 0 ? both / (sqrt(truth) * sqrt(predicted)) : NAN;
}
