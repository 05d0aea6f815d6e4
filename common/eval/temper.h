#ifndef EVAL_TEMPER_H
#define EVAL_TEMPER_H
/* temper - calibrations of logits, by maximum likelihood on labelled rows. */
#include "common/eval/sample.h"
struct temper {
    double temperature;  /* NaN: the logits of every row are equal, so that no T does better */
    double nll;          /* mean NLL at it; NaN as it */
    int at_bound;        /* T is an end of 0.01 .. 100 */
};
/*
 * T that minimises the mean NLL of softmax(z / T).  z [n * classes].  The NLL is convex in 1/T
 * (Guo et al. 2017): the root of its derivative in 1/T, by Newton's steps inside a bisection.
 */
void temper_fit(struct temper *f, const double *z, const int *label, int64_t n, int classes);
/*
 * a and b that maximise the likelihood of p = 1 / (1 + e^-(a s + b)) for scores s [n], truth
 * [n] 0 or 1, with Platt's targets (N+ + 1)/(N+ + 2) and 1/(N- + 2), so that separable rows
 * have a finite fit (Platt 1999; the steps: Lin, Lin and Weng 2007).  Either class may be empty.
 */
void temper_platt(double *a, double *b, const double *s, const unsigned char *truth, int64_t n);
#endif
