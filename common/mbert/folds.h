#ifndef MBERT_FOLDS_H
#define MBERT_FOLDS_H
/*
 * folds - the L2 penalty of linear models, chosen by K-fold cross-validation.
 *
 * Each model's rows are dealt to K folds class by class, in an order that depends on the
 * seed alone, so that the folds have as many rows of each class as can be (to one).  For
 * every fold and every l2 of the grid the model is fitted on the others and measured on the
 * fold: AUROC (of three classes and more the mean over one class against the rest) and log
 * loss; for numbers the root of the mean squared error alone.  Figures are means over folds
 * and models.
 *
 * Chosen is, of the l2 whose AUROC is within one standard error (sd / sqrt K) of the best
 * one's, that of the lowest log loss: AUROC does not see how sure a model is.  For numbers,
 * that of the lowest error.  Of equal ones the larger l2.
 */
#include "common/mbert/glm.h"
enum { FOLDS_GRID = 7 };
struct folds {
    double l2[FOLDS_GRID];   /* 1, .1, ..., 1e-6 */
    double figure[FOLDS_GRID]; /* AUROC, or error: the mean over folds, */
    double sd[FOLDS_GRID];   /* and its spread */
    double loss[FOLDS_GRID]; /* log loss, or error */
    int best;                /* its index */
};
/* Models that share rows; every class of y must have `folds` rows at least. */
struct folds_models {
    const struct glm_data *data;  /* [n]: x and y differ only in y */
    int n;
    enum glm_loss loss;
    int outputs;
};
void folds_choose(struct folds *f, const struct folds_models *m, int folds, uint64_t seed);
/* fold [n]: the fold of each row; classes 1: y is not looked at. */
void folds_deal(int *fold, const float *y, int64_t n, int classes, int folds, uint64_t key);
#endif
