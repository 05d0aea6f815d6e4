#ifndef BASE_SERIES_H
#define BASE_SERIES_H
/*
 * series - a figure over steps: n points, x rising; and what a training run logs of itself.
 *
 * series_add keeps x rising: points at x or above it go first.  So a run that was resumed
 * from step 40 takes the place of what its log said about step 40 and later.
 */
#include <stdint.h>
struct series { char *name; int64_t n; double *x, *y; };
void series_add(struct series *s, double x, double y);
void series_free(struct series *s); /* the name too */

enum { RUN_EVALS = 32 };
struct run {
    struct series loss, lr, grad_norm; /* n 0: it logged none */
    int evals;
    struct series eval[RUN_EVALS];     /* figures of evaluations, by their names */
};
/* The evaluation figure of that name, or NULL. */
const struct series *run_eval(const struct run *r, const char *name);
void run_free(struct run *r);
#endif
