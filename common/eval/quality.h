#ifndef EVAL_QUALITY_H
#define EVAL_QUALITY_H
/*
 * quality - the figures of single-label classification, from labels and probabilities.
 * Formulas: metrics(1).  Undefined is NaN.
 *
 *     quality_measure(&q, label, p, NULL, n, classes, .5);    // once
 *     ... q.auroc, counts_macro_f1(&q.counts) ...
 *     quality_free(&q);
 *
 *     struct quality_rows *r = quality_rows_new(&sample, .5); // often, for a bootstrap:
 *     quality_init(&q, sample.classes);                       // rows are sorted once
 *     quality_take(&q, r, weight);                            // O(n classes) each
 */
#include "common/eval/calibration.h"
#include "common/eval/counts.h"
#include "common/eval/curves.h"
#include "common/eval/sample.h"
enum { QUALITY_FPRS = 4 };
extern const double quality_fpr[QUALITY_FPRS]; /* .05 .01 .005 .001 */
struct quality {
    int classes;
    int64_t n;                      /* rows, or the sum of their weights */
    double threshold;               /* binary: positive when the score is >= it */
    struct counts counts;
    double brier, nll;
    /* binary; precision, recall, f1 of class 1 */
    int64_t positives, negatives;
    double precision, recall, f1, fpr, fnr, auroc, auprc, auprc_chance;
    struct point tpr_at[QUALITY_FPRS], fpr_at_95;
    double ece_mass, ece_width;     /* of P(1) itself */
    /* all: confidence of the predicted class */
    double ece_top_mass, ece_top_width;
    struct bin mass[CALIBRATION_BINS], width[CALIBRATION_BINS]; /* binary: of P(1); else of the top class */
    int mass_bins;
    /* more than two classes: one class against the rest, [classes] */
    double *auroc_ovr, *auprc_ovr, auroc_macro, auprc_macro;
};
/* label [n], p [n * classes], z logits [n * classes] or NULL (NLL then comes from p, clipped to 2^-52). */
void quality_measure(struct quality *q, const int *label, const double *p, const double *z, int64_t n,
                     int classes, double threshold);
void quality_init(struct quality *q, int classes);
void quality_free(struct quality *q);

struct quality_rows;
/* s is SAMPLE_SINGLE and must stay while the rows are used. */
struct quality_rows *quality_rows_new(const struct sample *s, double threshold);
/* Every figure anew, row i counted w[i] times; w NULL: once each. */
void quality_take(struct quality *q, struct quality_rows *r, const uint32_t *w);
/* The curve of class 1 that the last quality_take drew; more than two classes: NULL. */
const struct curve *quality_curve(const struct quality_rows *r);
int quality_predicted(const struct quality_rows *r, int64_t i); /* class of row i */
void quality_rows_free(struct quality_rows *r); /* accepts NULL */
#endif
