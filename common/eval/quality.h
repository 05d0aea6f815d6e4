#ifndef EVAL_QUALITY_H
#define EVAL_QUALITY_H
/*
 * quality - every figure that metrics prints, from labels and probabilities.  Formulas:
 * metrics(1).  Undefined is NaN.
 */
#include "common/eval/calibration.h"
#include "common/eval/counts.h"
#include "common/eval/curves.h"
enum { QUALITY_FPRS = 4 };
extern const double quality_fpr[QUALITY_FPRS]; /* .05 .01 .005 .001 */
struct quality {
    int classes;
    int64_t n;
    double threshold;               /* binary: positive when the score is >= it */
    struct counts counts;
    double brier, nll;
    /* binary */
    int64_t positives, negatives;
    double fpr, fnr, auroc, auprc, auprc_chance;
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
void quality_free(struct quality *q);
#endif
