#include "common/ops/cpu.h"
#include <string.h>

enum { POOL_COLS = 64 };

/* The mean of rows [first, end), columns [j, j + n), summed in double. */
static void
mean_columns(float *p, struct mat h, int first, int end, int j, int n)
{
    double sum[POOL_COLS] = { 0 };
    for (int t = first; t < end; t++) {
        const float *row = mat_f32(h, t) + j;
        for (int i = 0; i < n; i++)
            sum[i] += row[i];
    }
    for (int i = 0; i < n; i++)
        p[j + i] = (float)(sum[i] / (end - first));
}

/* A sequence without rows pools to zero. */
void
cpu_pool(struct ctx *c, struct mat p, struct mat h, const struct seqs *s,
         enum pool_kind kind)
{
    const int D = h.cols;
    check_f32(p);
    check_f32(h);
    assert(p.rows == s->n && p.cols == D && h.rows == s->rows &&
           (kind == OP_CLS || kind == OP_MEAN));
    CPU_FOR
    for (int b = 0; b < s->n; b++) {
        const int first = s->cu[b], end = s->cu[b + 1];
        if (first == end)
            memset(mat_f32(p, b), 0, (size_t)D * sizeof(float));
        else if (kind == OP_CLS)
            memcpy(mat_f32(p, b), mat_f32(h, first), (size_t)D * sizeof(float));
        else
            for (int j = 0; j < D; j += POOL_COLS)
                mean_columns(mat_f32(p, b), h, first, end, j,
                             D - j < POOL_COLS ? D - j : POOL_COLS);
    }
}

void
cpu_pool_bwd(struct ctx *c, struct mat dh, struct mat dp, const struct seqs *s,
             enum pool_kind kind)
{
    const int D = dh.cols;
    check_f32(dh);
    check_f32(dp);
    assert(dp.rows == s->n && dp.cols == D && dh.rows == s->rows &&
           (kind == OP_CLS || kind == OP_MEAN));
    CPU_FOR
    for (int b = 0; b < s->n; b++) {
        const int first = s->cu[b], end = s->cu[b + 1];
        const float *from = mat_f32(dp, b);
        for (int t = first; t < end; t++) {
            float *to = mat_f32(dh, t);
            if (kind == OP_MEAN)
                for (int i = 0; i < D; i++)
                    to[i] = from[i] / (float)(end - first);
            else if (t == first)
                memcpy(to, from, (size_t)D * sizeof *to);
            else
                memset(to, 0, (size_t)D * sizeof *to);
        }
    }
}
