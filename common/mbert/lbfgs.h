#ifndef MBERT_LBFGS_H
#define MBERT_LBFGS_H
/*
 * lbfgs - the minimum of a smooth convex function of n doubles: limited-memory BFGS
 * (Liu and Nocedal 1989), the step by bisection until the weak Wolfe conditions hold
 * (Lewis and Overton 2013; c1 = 1e-4, c2 = 0.9).
 *
 * One thread and one order of sums: same function, same bytes.
 */
/* The function's value at x, and its gradient.  NaN and infinity count as too high. */
typedef double lbfgs_fn(void *arg, const double *x, double *gradient);
struct lbfgs {
    double f, gradient; /* at the end: the value, the largest |component| of the gradient */
    int steps, calls;    /* calls: of the function */
    int converged;       /* gradient <= tolerance */
};
/*
 * From x [n], in place, until the gradient is within tolerance, `most` steps were made, or
 * rounding lets no step go lower.  n >= 1.
 */
struct lbfgs lbfgs_minimize(lbfgs_fn *fn, void *arg, double *x, int n, double tolerance,
                            int most);
#endif
