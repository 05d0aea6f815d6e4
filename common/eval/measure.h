#ifndef EVAL_MEASURE_H
#define EVAL_MEASURE_H
/*
 * measure - a sample of any task, measured, and its figures asked for by name.
 *
 *     struct measure *m = measure_new(&sample, .5);  // measured once
 *     struct asked a;
 *     if (measure_ask(m, "recall@fpr=0.01", 15, &a))
 *         ... measure_value(m, &a) ...
 *     measure_take(m, weight);                       // and again, row i counted weight[i] times
 *
 * Names: a figure of --json ("auroc"); NAME[CLASS] with precision, recall, f1, and auroc or
 * auprc where classes are measured one by one ("f1[unsafe]"; without names the number); on the
 * curve of two classes recall@fpr=X (or tpr@fpr=X), fpr@recall=X, precision@recall=X,
 * recall@precision=X.  Short for others: ece is ece_mass, or ece_top_mass with more than two
 * classes; auroc and auprc are then the means over classes.
 */
#include "common/base/mem.h"
#include "common/eval/figures.h"
struct measure {
    const struct sample *s;
    double threshold;
    struct figures figures;
    struct quality quality;         /* SAMPLE_SINGLE */
    struct multilabel multilabel;   /* SAMPLE_MULTI */
    struct regression regression;   /* SAMPLE_REGRESSION */
    struct temper fit;                 /* after measure_fit */
    struct quality_rows *quality_rows;
    struct multilabel_rows *multilabel_rows;
    struct regression_rows *regression_rows;
};
/* s must stay.  Measured with every row once. */
struct measure *measure_new(const struct sample *s, double threshold);
void measure_take(struct measure *m, const uint32_t *w);
/*
 * Adds the fitted temperature to the figures, until the next measure_take.  Two classes or more
 * from sample_logits; multi-label one for all classes; regression has none.
 */
void measure_fit(struct measure *m);
void measure_free(struct measure *m); /* accepts NULL */

enum asked_kind { ASKED_FIGURE, ASKED_CLASS, ASKED_CURVE };
struct asked { enum asked_kind kind; int which, of; double at; int falls; /* less is better */ };
/* 1: known, *a is set; it fits every sample of the same task and classes. */
int measure_ask(const struct measure *m, const char *name, size_t n, struct asked *a);
double measure_value(const struct measure *m, const struct asked *a);
/* What measure_ask knows, for messages: "accuracy, ..., f1[CLASS], recall@fpr=X". */
void measure_names(const struct measure *m, struct buf *to);
/* Is row i predicted right?  (multi-label: all of its classes; regression: none is) */
int measure_right(const struct measure *m, int64_t i);
#endif
