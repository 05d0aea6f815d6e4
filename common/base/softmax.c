#include "common/base/softmax.h"
#include <math.h>

void
softmax(const double *z, double *p, int n)
{
    double top = z[0], sum = 0;
    for (int i = 1; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (int i = 0; i < n; i++)
        sum += p[i] = exp(z[i] - top);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}
