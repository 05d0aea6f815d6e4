#include "common/ops/cpu.h"
#include <math.h>

/* Loss and gradient of one row, in double: rows are few or long, and the loss is reported.
 */
static double
ce_row(float *d, const float *z, int n, int label, float scale)
{
    double m = -INFINITY, sum = 0;
    if (label == -100) {
        for (int i = 0; i < n; i++)
            d[i] = 0;
        return 0;
    }
    assert(label >= 0 && label < n);
    for (int i = 0; i < n; i++)
        m = (double)z[i] > m ? (double)z[i] : m;
    for (int i = 0; i < n; i++)
        sum += exp((double)z[i] - m);
    for (int i = 0; i < n; i++)
        d[i] = (float)((double)scale * (exp((double)z[i] - m) / sum - (i == label)));
    return log(sum) + m - (double)z[label];
}

/* log(1 + e^-|z|) + max(z, 0) - z y */
static double
bce_row(float *d, const float *z, const float *y, int n, float scale)
{
    double loss = 0;
    for (int i = 0; i < n; i++) {
        const double x = (double)z[i];
        loss +=
            log1p(exp(-fabs(x))) + (x > 0 ? x : 0) - x * (double)y[i] + (isnan(x) ? x : 0);
        d[i] = (float)((double)scale * (1 / (1 + exp(-x)) - (double)y[i]));
    }
    return loss;
}

static double
mse_row(float *d, const float *z, const float *y, int n, float scale)
{
    double loss = 0;
    for (int i = 0; i < n; i++) {
        const double e = (double)z[i] - (double)y[i];
        loss += e * e;
        d[i] = (float)(2 * (double)scale * e);
    }
    return loss;
}

static void
check_loss(struct mat dlogits, struct mat logits)
{
    check_f32(dlogits);
    check_f32(logits);
    assert(same_shape(dlogits, logits));
    (void)dlogits, (void)logits;
}

/* rows in order */
static void
add_rows(float *loss, const double *row, int n, float scale)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += row[i];
    *loss = (float)((double)*loss + (double)scale * sum);
}

void
cpu_ce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, const int *labels,
       float scale)
{
    check_loss(dlogits, logits);
    double *row = cpu_scratch(c, (size_t)logits.rows, sizeof *row);
    CPU_ROWS
    for (int i = 0; i < logits.rows; i++)
        row[i] =
            ce_row(mat_f32(dlogits, i), mat_f32(logits, i), logits.cols, labels[i], scale);
    add_rows(loss, row, logits.rows, scale);
}

/* bce and mse differ in the loss of a row alone. */
typedef double row_fn(float *d, const float *z, const float *y, int n, float scale);

static void
by_row(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, struct mat labels,
       float scale, row_fn *one)
{
    check_loss(dlogits, logits);
    check_loss(labels, logits);
    double *row = cpu_scratch(c, (size_t)logits.rows, sizeof *row);
    CPU_ROWS
    for (int i = 0; i < logits.rows; i++)
        row[i] = one(mat_f32(dlogits, i), mat_f32(logits, i), mat_f32(labels, i),
                     logits.cols, scale);
    add_rows(loss, row, logits.rows, scale);
}

void
cpu_bce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        struct mat labels, float scale)
{
    by_row(c, loss, dlogits, logits, labels, scale, bce_row);
}

void
cpu_mse(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        struct mat labels, float scale)
{
    by_row(c, loss, dlogits, logits, labels, scale, mse_row);
}
