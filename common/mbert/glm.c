#include "common/mbert/glm.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/ops/lanes.h"

enum { WIDE = 2 * LANES, PARTS = 64, PARTS_BYTES = 64 << 20 };
/* Below this many products in a pass other threads are not worth waiting for. */
enum { ALONE = 1 << 20 };

struct fit {
    const struct glm *g;
    const struct glm_data *d;
    double l2, rows;           /* rows of weight > 0 */
    double *mean, *unit;       /* [dim] of x: x' = (x - mean) unit */
    double y_mean, y_scale;    /* GLM_SQUARE, else 0 and 1 */
    double *v, *c;             /* W' unit [outputs,dim] and b' - v mean [outputs]: for x */
    int parts, threads;
    size_t stride;             /* doubles of a part */
    double *part;              /* each: sums [outputs,dim], [outputs]; z [outputs]; loss */
};

static CLONES double
dot(const double *v, const float *x, int n)
{
    double lane[WIDE] = { 0 }, sum = 0;
    int i = 0;
    for (; i + WIDE <= n; i += WIDE)
        for (int k = 0; k < WIDE; k++)
            lane[k] += v[i + k] * (double)x[i + k];
    for (int k = 0; i < n; i++, k++)
        lane[k] += v[i] * (double)x[i];
    for (int k = 0; k < WIDE; k++)
        sum += lane[k];
    return sum;
}

/* sum += r x */
static CLONES void
add(double *sum, double r, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        sum[i] += r * (double)x[i];
}

/* sum += (x - mean)^2 */
static CLONES void
add_squares(double *sum, const double *mean, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        sum[i] += ((double)x[i] - mean[i]) * ((double)x[i] - mean[i]);
}

static const float *
row_of(const struct fit *f, int64_t i)
{
    return f->d->x + (size_t)i * (size_t)f->d->dim;
}

/* The first row of part p. */
static int64_t
start_of(const struct fit *f, int p)
{
    return f->d->n / f->parts * p + f->d->n % f->parts * p / f->parts;
}

/* ---- one row: residuals dloss/dz in z, returns the loss ---- */
static double
softmax_row(double *z, int n, int class)
{
    double top = z[0], sum = 0;
    for (int k = 1; k < n; k++)
        top = z[k] > top ? z[k] : top;
    const double own = z[class] - top;
    for (int k = 0; k < n; k++)
        sum += z[k] = exp(z[k] - top);
    for (int k = 0; k < n; k++)
        z[k] /= sum;
    z[class] -= 1;
    return log(sum) - own;
}

static double
sigmoid_row(double *z, double y)
{
    const double e = exp(-fabs(*z)), p = *z >= 0 ? 1 / (1 + e) : e / (1 + e);
    const double loss = log1p(e) + (*z > 0 ? *z : 0) - y * *z;
    *z = p - y;
    return loss;
}

static double
loss_row(const struct fit *f, double *z, double y)
{
    if (f->g->loss == GLM_SOFTMAX)
        return softmax_row(z, f->g->outputs, (int)y);
    if (f->g->loss == GLM_SIGMOID)
        return sigmoid_row(z, y);
    *z -= (y - f->y_mean) / f->y_scale;
    return .5 * *z * *z;
}

/* ---- value and gradient ---- */
static void
run_part(const struct fit *f, int p)
{
    const int outputs = f->g->outputs, dim = f->g->dim;
    double *sums = f->part + (size_t)p * f->stride,
           *ones = sums + (size_t)outputs * (size_t)dim, *z = ones + outputs,
           *loss = z + outputs;
    const int64_t end = start_of(f, p + 1);
    memset(sums, 0, f->stride * sizeof *sums);
    for (int64_t i = start_of(f, p); i < end; i++) {
        const double weight = f->d->weight[i];
        const float *x = row_of(f, i);
        if (!(weight > 0))
            continue;
        for (int k = 0; k < outputs; k++)
            z[k] = f->c[k] + dot(f->v + (size_t)k * (size_t)dim, x, dim);
        *loss += weight * loss_row(f, z, f->d->y[i]);
        for (int k = 0; k < outputs; k++) {
            add(sums + (size_t)k * (size_t)dim, weight * z[k], x, dim);
            ones[k] += weight * z[k];
        }
    }
}

/* theta and gradient: W' [outputs,dim], then b' [outputs]. */
static double
evaluate(void *arg, const double *theta, double *gradient)
{
    struct fit *f = arg;
    const int outputs = f->g->outputs, dim = f->g->dim;
    const size_t weights = (size_t)outputs * (size_t)dim;
    double loss = 0, square = 0;
    for (int k = 0; k < outputs; k++) {
        double *v = f->v + (size_t)k * (size_t)dim;
        f->c[k] = theta[weights + (size_t)k];
        for (int i = 0; i < dim; i++) {
            v[i] = theta[(size_t)k * (size_t)dim + (size_t)i] * f->unit[i];
            f->c[k] -= v[i] * f->mean[i];
        }
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(f->threads)
    for (int p = 0; p < f->parts; p++)
        run_part(f, p);
    memset(gradient, 0, (weights + (size_t)outputs) * sizeof *gradient);
    for (int p = 0; p < f->parts; p++) {
        const double *sums = f->part + (size_t)p * f->stride;
        for (size_t i = 0; i < weights + (size_t)outputs; i++)
            gradient[i] += sums[i];
        loss += sums[f->stride - 1];
    }
    for (size_t i = 0; i < weights; i++) {
        const size_t k = i / (size_t)dim, at = i % (size_t)dim;
        gradient[i] = (gradient[i] - f->mean[at] * gradient[weights + k]) * f->unit[at];
        gradient[i] = gradient[i] / f->rows + f->l2 * theta[i];
        square += theta[i] * theta[i];
    }
    for (size_t k = weights; k < weights + (size_t)outputs; k++)
        gradient[k] /= f->rows;
    return loss / f->rows + .5 * f->l2 * square;
}

/* ---- standardisation ---- */
/* 1 / standard deviation; 0 where what varies is no more than the rounding of floats. */
static double
unit_of(double variance, double mean)
{
    const double sd = sqrt(variance);
    return sd > 1e-7 * fabs(mean) ? 1 / sd : 0;
}

/* to = sums over the rows of x, or of (x - mean)^2. */
static void
column_sums(const struct fit *f, double *to, const double *mean)
{
    const struct glm_data *d = f->d;
#pragma omp parallel for schedule(dynamic, 1) num_threads(f->threads)
    for (int p = 0; p < f->parts; p++) {
        double *own = f->part + (size_t)p * f->stride;
        memset(own, 0, (size_t)d->dim * sizeof *own);
        for (int64_t i = start_of(f, p); i < start_of(f, p + 1); i++)
            if (d->weight[i] > 0 && mean)
                add_squares(own, mean, row_of(f, i), d->dim);
            else if (d->weight[i] > 0)
                add(own, 1, row_of(f, i), d->dim);
    }
    for (int p = 0; p < f->parts; p++)
        for (int k = 0; k < d->dim; k++)
            to[k] += f->part[(size_t)p * f->stride + (size_t)k];
}

static void
standardize_x(struct fit *f)
{
    const int dim = f->d->dim;
    column_sums(f, f->mean, NULL);
    for (int k = 0; k < dim; k++)
        f->mean[k] /= f->rows;
    column_sums(f, f->unit, f->mean);
    for (int k = 0; k < dim; k++)
        f->unit[k] = unit_of(f->unit[k] / f->rows, f->mean[k]);
}

static void
standardize_y(struct fit *f)
{
    const struct glm_data *d = f->d;
    double sum = 0, square = 0;
    f->y_scale = 1;
    if (f->g->loss != GLM_SQUARE)
        return;
    for (int64_t i = 0; i < d->n; i++)
        sum += d->weight[i] > 0 ? (double)d->y[i] : 0;
    f->y_mean = sum / f->rows;
    for (int64_t i = 0; i < d->n; i++)
        if (d->weight[i] > 0)
            square += (d->y[i] - f->y_mean) * (d->y[i] - f->y_mean);
    const double unit = unit_of(square / f->rows, f->y_mean);
    f->y_scale = unit > 0 ? 1 / unit : 1;
}

static void
open_fit(struct fit *f)
{
    const size_t outputs = (size_t)f->g->outputs, dim = (size_t)f->g->dim;
    f->stride = mem_add(mem_mul(outputs, dim + 2), 1);
    const size_t fit = PARTS_BYTES / (f->stride * sizeof *f->part);
    f->parts = fit < 1 ? 1 : fit > PARTS ? PARTS : (int)fit;
    f->part = mem_array(mem_mul((size_t)f->parts, f->stride), sizeof *f->part);
    f->mean = mem_zalloc(dim, sizeof *f->mean);
    f->unit = mem_zalloc(dim, sizeof *f->unit);
    f->v = mem_array(mem_mul(outputs, dim), sizeof *f->v);
    f->c = mem_array(outputs, sizeof *f->c);
    for (int64_t i = 0; i < f->d->n; i++)
        f->rows += f->d->weight[i] > 0;
    assert(f->rows > 0);
    f->threads = f->rows * (double)(outputs * dim) < ALONE ? 1 : f->d->threads;
    standardize_x(f);
    standardize_y(f);
}

/* g as theta, and back. */
static void
fold(const struct fit *f, const struct glm *g, double *theta, int back)
{
    for (int k = 0; k < g->outputs; k++) {
        double *w = g->w + (size_t)k * (size_t)g->dim,
               *own = theta + (size_t)k * (size_t)g->dim,
               *b = theta + (size_t)g->outputs * (size_t)g->dim + k, shift = 0;
        for (int i = 0; i < g->dim; i++) {
            if (back)
                w[i] = own[i] * f->unit[i] * f->y_scale;
            else
                own[i] = f->unit[i] > 0 ? w[i] / f->unit[i] / f->y_scale : 0;
            shift += w[i] * f->mean[i];
        }
        if (back)
            g->b[k] = *b * f->y_scale + f->y_mean - shift;
        else
            *b = (g->b[k] + shift - f->y_mean) / f->y_scale;
    }
}

struct lbfgs
glm_fit(struct glm *g, const struct glm_data *d, double l2, double tolerance, int most)
{
    struct fit f = { .g = g, .d = d, .l2 = l2 };
    const int n = g->outputs * (g->dim + 1);
    assert(g->dim == d->dim && (g->loss == GLM_SOFTMAX || g->outputs == 1));
    double *theta = mem_array((size_t)n, sizeof *theta);
    open_fit(&f);
    fold(&f, g, theta, 0);
    const struct lbfgs r = lbfgs_minimize(evaluate, &f, theta, n, tolerance, most);
    fold(&f, g, theta, 1);
    mem_free(theta);
    mem_free(f.part);
    mem_free(f.mean);
    mem_free(f.unit);
    mem_free(f.v);
    mem_free(f.c);
    return r;
}

void
glm_init(struct glm *g, enum glm_loss loss, int outputs, int dim)
{
    *g = (struct glm){ .loss = loss, .outputs = outputs, .dim = dim };
    assert(mem_mul((size_t)outputs, (size_t)dim + 1) < 1u << 31);
    g->w = mem_zalloc(mem_mul((size_t)outputs, (size_t)dim), sizeof *g->w);
    g->b = mem_zalloc((size_t)outputs, sizeof *g->b);
}

void
glm_free(struct glm *g)
{
    mem_free(g->w);
    mem_free(g->b);
    *g = (struct glm){ 0 };
}

void
glm_apply(const struct glm *g, const float *x, double *z)
{
    for (int k = 0; k < g->outputs; k++)
        z[k] = g->b[k] + dot(g->w + (size_t)k * (size_t)g->dim, x, g->dim);
}
