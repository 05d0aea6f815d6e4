#ifndef EVAL_CURVES_H
#define EVAL_CURVES_H
/*
 * curves - threshold-free figures of a binary score: rows sorted by score, equal scores one
 * step.  Undefined is NaN.
 */
#include <stdint.h>
#include "common/eval/ranking.h"
struct curve { int64_t n, positives, negatives, steps; double *score; int64_t *tp, *fp; };
/*
 * From scores and truths (0 or 1): step i is the i-th distinct score from above; tp[i], fp[i]
 * count rows with score >= it.
 */
void curve_make(struct curve *c, const double *score, const unsigned char *truth, int64_t n);
void curve_free(struct curve *c);
/* The same in two steps, for many weightings w of rows that are sorted once: room for n steps, */
void curve_alloc(struct curve *c, int64_t most);
/* then any number of these; the counts are of weights, n their sum. */
void curve_fill(struct curve *c, const struct ranked *r, int64_t n, const uint32_t *w);
/* [#(pos > neg) + 0.5 #(pos = neg)] / (P N): Mann-Whitney. */
double curve_auroc(const struct curve *c);
/* Average precision: sum of (R_i - R_(i-1)) Precision_i over the steps, no interpolation. */
double curve_auprc(const struct curve *c);
struct point { double tpr, fpr, threshold; }; /* threshold NaN: none qualifies (tpr = fpr = 0) */
/* The smallest score whose FPR is <= limit. */
struct point curve_tpr_at_fpr(const struct curve *c, double limit);
/* The largest score whose TPR is >= least. */
struct point curve_fpr_at_tpr(const struct curve *c, double least);
/* Of the scores whose precision is >= least, the one with the largest TPR; the largest of equals. */
struct point curve_tpr_at_precision(const struct curve *c, double least);
/* Precision at the largest score whose TPR is >= least. */
double curve_precision_at_tpr(const struct curve *c, double least);
#endif
