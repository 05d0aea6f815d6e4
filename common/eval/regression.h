#ifndef EVAL_REGRESSION_H
#define EVAL_REGRESSION_H
/*
 * regression - figures of predicted numbers p against true ones y.  Undefined is NaN: R2 and
 * the correlations of constant truths, correlations of constant predictions.
 */
#include "common/eval/sample.h"
struct regression {
    int64_t n;                 /* rows, or the sum of their weights */
    double mse, rmse, mae;     /* mean (p - y)^2, its root, mean |p - y| */
    double r2;                 /* 1 - sum (p - y)^2 / sum (y - mean y)^2 */
    double pearson, spearman;  /* Spearman: Pearson's of the ranks, equal values sharing their mean rank */
};
struct regression_rows;
/* s is SAMPLE_REGRESSION and must stay while the rows are used. */
struct regression_rows *regression_rows_new(const struct sample *s);
/* Every figure anew, row i counted w[i] times; w NULL: once each. */
void regression_take(struct regression *g, struct regression_rows *r, const uint32_t *w);
void regression_rows_free(struct regression_rows *r); /* accepts NULL */
#endif
