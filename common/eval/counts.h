#ifndef EVAL_COUNTS_H
#define EVAL_COUNTS_H
/*
 * counts - a confusion matrix and what follows from it.  Undefined values are NaN here and
 * null in JSON; never 0.  Formulas: scikit-learn's, as metrics(1) states them.
 */
#include <stdint.h>
struct counts { int classes; int64_t n; int64_t *cell; /* [truth * classes + predicted] */ };
void counts_init(struct counts *c, int classes);
void counts_free(struct counts *c);
void counts_add(struct counts *c, int truth, int predicted);
void counts_put(struct counts *c, int truth, int predicted, int64_t rows); /* as many at once */
void counts_clear(struct counts *c);                                       /* no rows again */
int64_t counts_support(const struct counts *c, int k);   /* rows whose truth is k */
int64_t counts_predicted(const struct counts *c, int k); /* rows predicted as k */
double counts_accuracy(const struct counts *c);
double counts_precision(const struct counts *c, int k);
double counts_recall(const struct counts *c, int k);
double counts_f1(const struct counts *c, int k);
double counts_macro_f1(const struct counts *c);    /* mean of the defined f1 */
double counts_weighted_f1(const struct counts *c); /* by support; undefined f1 has support 0 */
double counts_mcc(const struct counts *c);         /* multi-class Matthews correlation */
#endif
