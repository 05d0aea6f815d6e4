#include "common/ops/backward.h"
#include <string.h>
#include "common/base/rng.h"

/* Kept when 24 random bits are at or above p. */
float
drop_factor(struct drop drop, uint64_t at)
{
    const float u = (float)(rng_u64(drop.key, at) >> 40) * 0x1p-24f;
    return u >= drop.p ? 1 / (1 - drop.p) : 0;
}

void
drop_row(float *y, const float *x, int n, struct drop drop, uint64_t at)
{
    assert(drop.p >= 0 && drop.p < 1);
    if (drop.p > 0)
        for (int i = 0; i < n; i++)
            y[i] = x[i] * drop_factor(drop, at + (uint64_t)i);
    else if (y != x)
        memcpy(y, x, (size_t)n * sizeof *y);
}

void
cpu_dropout(struct ctx *c, struct mat y, struct mat x, struct drop drop)
{
    if (y.type == BF16) {
        backward_dropout(c, y, x, drop);
        return;
    }
    check_f32(y);
    check_f32(x);
    assert(same_shape(y, x));
    CPU_ROWS
    for (int t = 0; t < x.rows; t++)
        drop_row(mat_f32(y, t), mat_f32(x, t), x.cols, drop,
                 (uint64_t)t * (uint64_t)x.cols);
}
