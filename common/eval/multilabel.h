#ifndef EVAL_MULTILABEL_H
#define EVAL_MULTILABEL_H
/*
 * multilabel - figures of multi-label classification: each class is a yes or no of its own.
 * A class is predicted when its score is >= the threshold.  Micro figures are those of all
 * cells (rows times classes) thrown together; brier, nll and ece as well.  Undefined is NaN.
 */
#include "common/eval/calibration.h"
#include "common/eval/sample.h"
struct multilabel {
    int classes;
    int64_t n;                             /* rows, or the sum of their weights */
    double threshold;
    int64_t *tp, *fp, *fn;                 /* [classes] */
    double *auroc, *auprc;                 /* [classes] */
    double micro_precision, micro_recall, micro_f1, macro_f1, weighted_f1;
    double subset_accuracy;                /* rows whose every class is right */
    double hamming;                        /* share of cells that are wrong */
    double auroc_micro, auroc_macro, auprc_micro, auprc_macro; /* macro: plain mean */
    double brier, nll, ece_mass, ece_width;
    struct bin mass[CALIBRATION_BINS], width[CALIBRATION_BINS];
    int mass_bins;
};
double multilabel_precision(const struct multilabel *m, int k);
double multilabel_recall(const struct multilabel *m, int k);
double multilabel_f1(const struct multilabel *m, int k);
void multilabel_init(struct multilabel *m, int classes);
void multilabel_free(struct multilabel *m);

struct multilabel_rows;
/* s is SAMPLE_MULTI and must stay while the rows are used. */
struct multilabel_rows *multilabel_rows_new(const struct sample *s, double threshold);
/* Every figure anew, row i counted w[i] times; w NULL: once each. */
void multilabel_take(struct multilabel *m, struct multilabel_rows *r, const uint32_t *w);
/* Is every class of row i right? */
int multilabel_right(const struct sample *s, double threshold, int64_t i);
void multilabel_rows_free(struct multilabel_rows *r); /* accepts NULL */
#endif
