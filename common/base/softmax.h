#ifndef BASE_SOFTMAX_H
#define BASE_SOFTMAX_H
/* p[i] = exp(z[i]) / sum of exp(z), i < n, taken from the largest so that nothing overflows.
 * p may be z. */
void softmax(const double *z, double *p, int n);
#endif
