#ifndef EVAL_INTERVAL_H
#define EVAL_INTERVAL_H
/* interval - 95 % intervals.  Undefined: both ends NaN. */
#include <stdint.h>
struct interval { double low, high; };
/*
 * Wilson's score interval of a share of k in n (Wilson 1927), z = 1.959963984540054, clamped to
 * [0, 1]; n 0: undefined.
 */
struct interval interval_wilson(double k, double n);
/*
 * Percentiles 2.5 and 97.5 of v [n], linear between neighbours (Hyndman and Fan's type 7).  NaN
 * are left out; v is sorted.
 */
struct interval interval_percentile(double *v, int64_t n);
#endif
