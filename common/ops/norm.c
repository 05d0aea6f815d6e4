#include "common/ops/backward.h"
#include "common/ops/packed.h"
#include "common/ops/lanes.h"

/* Row sums in double: LayerNorm's statistics then carry no error of their own. */
CLONES static double
row_sum(const float *x, int n)
{
    double s[LANES] = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            s[j] += x[i + j];
    for (; i < n; i++)
        s[i % LANES] += x[i];
    return lanes_sum_f64(s);
}

CLONES static double
row_squares(const float *x, int n, float mean)
{
    double s[LANES] = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            const double d = (double)x[i + j] - (double)mean;
            s[j] += d * d;
        }
    for (; i < n; i++) {
        const double d = (double)x[i] - (double)mean;
        s[i % LANES] += d * d;
    }
    return lanes_sum_f64(s);
}

CLONES static void
row_scale(float *y, const float *x, int n, float mean, float r, const float *w,
          const float *b)
{
    if (b)
        for (int i = 0; i < n; i++)
            y[i] = (x[i] - mean) * r * w[i] + b[i];
    else
        for (int i = 0; i < n; i++)
            y[i] = (x[i] - mean) * r * w[i];
}

void
norm_row(float *y, float *stat, const float *x, int n, const struct lnorm *norm)
{
    const float mean = (float)(row_sum(x, n) / n);
    const float r = (float)(1 / sqrt(row_squares(x, n, mean) / n + (double)norm->eps));
    row_scale(y, x, n, mean, r, norm->w.p, norm->b.p);
    if (stat) {
        stat[0] = mean;
        stat[1] = r;
    }
}

static void
check_norm(struct mat y, struct mat stat, struct mat x, const struct lnorm *norm)
{
    check_f32(y);
    check_f32(x);
    check_f32(norm->w);
    assert(same_shape(y, x) && norm->w.cols == x.cols &&
           (!norm->b.p || norm->b.cols == x.cols));
    assert(!stat.p || (stat.rows == x.rows && stat.cols == 2 && stat.type == F32));
    (void)y, (void)stat, (void)x, (void)norm;
}

void
cpu_norm(struct ctx *c, struct mat y, struct mat stat, struct mat x,
         const struct lnorm *norm)
{
    if (y.type != F32) {
        packed_norm(c, y, stat, x, norm);
        return;
    }
    check_norm(y, stat, x, norm);
    CPU_ROWS
    for (int t = 0; t < x.rows; t++)
        norm_row(mat_f32(y, t), stat.p ? mat_f32(stat, t) : NULL, mat_f32(x, t), x.cols,
                 norm);
}

struct mat
norm_all(struct ctx *c, struct mat h, struct mat stat, struct mat x,
         const struct lnorm *norm)
{
    if (!norm)
        return x;
    cpu_norm(c, h, stat, x, norm);
    return h;
}

/* sums of g = dy w and of g xhat over a row */
CLONES static void
row_moments(double *mg, double *mgx, const float *dy, const float *x, int n, float mean,
            float r, const float *w)
{
    double a[LANES] = { 0 }, b[LANES] = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            const float g = dy[i + j] * w[i + j];
            a[j] += g;
            b[j] += (double)g * (double)((x[i + j] - mean) * r);
        }
    for (; i < n; i++) {
        const float g = dy[i] * w[i];
        a[i % LANES] += g;
        b[i % LANES] += (double)g * (double)((x[i] - mean) * r);
    }
    *mg = lanes_sum_f64(a) / n;
    *mgx = lanes_sum_f64(b) / n;
}

CLONES static void
row_gradient(float *restrict dx, float *restrict dw, const float *restrict dy,
             const float *restrict x, int n, float mean, float r, const float *restrict w,
             float mg, float mgx)
{
    for (int i = 0; i < n; i++) {
        const float xhat = (x[i] - mean) * r;
        dw[i] += dy[i] * xhat;
        dx[i] += r * (dy[i] * w[i] - mg - xhat * mgx);
    }
}

void
norm_row_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
             const float *stat, int n, const float *w)
{
    double mg, mgx;
    row_moments(&mg, &mgx, dy, x, n, stat[0], stat[1], w);
    row_gradient(dx, dw, dy, x, n, stat[0], stat[1], w, (float)mg, (float)mgx);
    if (db)
        for (int i = 0; i < n; i++)
            db[i] += dy[i];
}

/* rows whose dw and db are summed in F32 before they join the rest in double */
enum { PART_ROWS = 64, PART_COLS = 64 };

void
sum_parts(struct ctx *c, float *to, const float *part, int parts, size_t stride, int n)
{
    CPU_FOR
    for (int j = 0; j < n; j += PART_COLS) {
        double sum[PART_COLS] = { 0 };
        const int cols = n - j < PART_COLS ? n - j : PART_COLS;
        for (int k = 0; k < parts; k++)
            for (int i = 0; i < cols; i++)
                sum[i] += part[(size_t)k * stride + (size_t)(j + i)];
        for (int i = 0; i < cols; i++)
            to[j + i] = (float)(to[j + i] + sum[i]);
    }
}

void
cpu_norm_bwd(struct ctx *c, struct mat dx, struct mat dw, struct mat db, struct mat dy,
             struct mat x, struct mat stat, const struct lnorm *norm)
{
    const int n = x.cols, parts = (x.rows + PART_ROWS - 1) / PART_ROWS;
    const size_t stride = 2 * (size_t)n;
    if (dy.type == BF16) {
        backward_norm(c, dx, dw, db, dy, x, stat, norm);
        return;
    }
    check_norm(dy, stat, x, norm);
    check_f32(dx);
    check_f32(dw);
    assert(same_shape(dx, x) && dw.cols == n && stat.p && (!db.p || db.cols == n));
    float *part = cpu_scratch(c, (size_t)parts * stride, sizeof *part);
    CPU_FOR
    for (int k = 0; k < parts; k++) {
        float *pw = part + (size_t)k * stride, *pb = db.p ? pw + n : NULL;
        const int end = (k + 1) * PART_ROWS < x.rows ? (k + 1) * PART_ROWS : x.rows;
        memset(pw, 0, stride * sizeof *pw);
        for (int t = k * PART_ROWS; t < end; t++)
            norm_row_bwd(mat_f32(dx, t), pw, pb, mat_f32(dy, t), mat_f32(x, t),
                         mat_f32(stat, t), n, norm->w.p);
    }
    sum_parts(c, dw.p, part, parts, stride, n);
    if (db.p)
        sum_parts(c, db.p, part + n, parts, stride, n);
}
