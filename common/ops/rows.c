#include "common/ops/cpu.h"
#include <string.h>

void
cpu_gather_rows(struct ctx *c, struct mat y, struct mat x, const int *rows)
{
    const size_t bytes = (size_t)y.cols * sizeof(float);
    check_f32(y);
    check_f32(x);
    assert(y.cols == x.cols);
    CPU_ROWS
    for (int i = 0; i < y.rows; i++) {
        assert(rows[i] >= 0 && rows[i] < x.rows);
        memcpy(mat_f32(y, i), mat_f32(x, rows[i]), bytes);
    }
}

void
cpu_scatter_rows(struct ctx *c, struct mat y, struct mat x, const int *rows)
{
    const size_t bytes = (size_t)y.cols * sizeof(float);
    (void)c;
    check_f32(y);
    check_f32(x);
    assert(y.cols == x.cols);
    /* in order, so that the last of two rows with one target wins whatever the threads */
    for (int i = 0; i < x.rows; i++) {
        assert(rows[i] >= 0 && rows[i] < y.rows);
        memcpy(mat_f32(y, rows[i]), mat_f32(x, i), bytes);
    }
}

void
cpu_add(struct ctx *c, struct mat y, struct mat x)
{
    check_f32(y);
    check_f32(x);
    assert(same_shape(y, x));
    CPU_ROWS
    for (int t = 0; t < y.rows; t++) {
        float *to = mat_f32(y, t);
        const float *from = mat_f32(x, t);
        for (int i = 0; i < y.cols; i++)
            to[i] += from[i];
    }
}
