#include "common/eval/interval.h"
#include <math.h>
#include <stdlib.h>

struct interval
interval_wilson(double k, double n)
{
    const double z = 1.959963984540054, zz = z * z;
    if (!(n > 0))
        return (struct interval){ NAN, NAN };
    const double p = k / n, middle = p + zz / (2 * n);
    const double half = z * sqrt(p * (1 - p) / n + zz / (4 * n * n)), d = 1 + zz / n;
    return (struct interval){ fmax(0, (middle - half) / d), fmin(1, (middle + half) / d) };
}

static int
ascending(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

static double
quantile(const double *v, int64_t n, double share)
{
    const double at = share * (double)(n - 1), low = floor(at);
    const int64_t i = (int64_t)low;
    return i + 1 < n ? v[i] + (at - low) * (v[i + 1] - v[i]) : v[n - 1];
}

struct interval
interval_percentile(double *v, int64_t n)
{
    int64_t defined = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(v[i]))
            v[defined++] = v[i];
    if (!defined)
        return (struct interval){ NAN, NAN };
    qsort(v, (size_t)defined, sizeof *v, ascending);
    return (struct interval){ quantile(v, defined, .025), quantile(v, defined, .975) };
}
