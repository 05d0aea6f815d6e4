#include "common/mbert/schedule.h"
#include <math.h>

double
schedule_lr(enum schedule kind, double lr, int64_t s, int64_t steps, int64_t warmup,
            int64_t decay)
{
    const double pi = 3.14159265358979323846;
    if (s < warmup)
        return lr * (double)s / (double)warmup;
    if (kind == SCHEDULE_CONSTANT || steps <= warmup)
        return lr;
    if (kind == SCHEDULE_WSD)
        return steps - s >= decay ? lr : lr * (double)(steps - s) / (double)decay;
    const double done = (double)(s - warmup) / (double)(steps - warmup);
    return kind == SCHEDULE_LINEAR ? lr * (1 - done) : lr * .5 * (1 + cos(pi * done));
}
