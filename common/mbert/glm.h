#ifndef MBERT_GLM_H
#define MBERT_GLM_H
/*
 * glm - linear models z = W x + b on fixed vectors: multinomial logistic regression, binary
 * logistic regression, least squares; with an L2 penalty, by L-BFGS in double precision.
 *
 *     struct glm g;
 *     glm_init(&g, GLM_SOFTMAX, classes, dim);           // W and b zero
 *     struct lbfgs how = glm_fit(&g, &data, l2, 1e-6, 1000);
 *     glm_apply(&g, x, z);
 *     glm_free(&g);
 *
 * What is minimised, over n rows (those of weight > 0) whose features were standardised to
 * mean 0 and variance 1 (one that does not vary gets weight 0):
 *     1/n sum_i weight_i loss_i + l2/2 |W'|^2      W' for standardised x, b is free
 * It is scikit-learn's objective behind a StandardScaler with C = 1/(n l2), in Ridge
 * alpha = n l2.  W and b that come out are for x as it is.
 *
 *     GLM_SOFTMAX   loss = log sum_k exp z_k - z_y; the sums of W and b over classes are 0
 *     GLM_SIGMOID   loss = log(1 + exp z) - y z; one output
 *     GLM_SQUARE    loss = (y - z)^2 / 2; one output; y is standardised too, and l2
 *                   meets the weights it would meet if it were not
 *
 * Sums are taken over parts of the rows that depend on the shape alone, in their order:
 * same data, same bytes, for any number of threads.
 */
#include <stdint.h>
#include "common/mbert/lbfgs.h"
enum glm_loss { GLM_SOFTMAX, GLM_SIGMOID, GLM_SQUARE };
struct glm {
    enum glm_loss loss;
    int outputs, dim;
    double *w, *b;         /* [outputs,dim], [outputs] */
};
struct glm_data {
    const float *x;        /* [n, dim] */
    const float *y;        /* [n]: class, 0 or 1, value */
    const double *weight;  /* [n], not negative; 0 leaves the row out */
    int64_t n;
    int dim, threads;
};
void glm_init(struct glm *g, enum glm_loss loss, int outputs, int dim);
void glm_free(struct glm *g);
/* Starts from what g holds.  Ends as lbfgs_minimize does, of W and b for standardised x. */
struct lbfgs glm_fit(struct glm *g, const struct glm_data *d, double l2, double tolerance,
                     int most);
/* z [outputs] of one row. */
void glm_apply(const struct glm *g, const float *x, double *z);
#endif
