#include "common/mbert/lbfgs.h"
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include "common/base/mem.h"

enum { PAIRS = 10, TRIES = 60 };

struct search {
    lbfgs_fn *fn;
    void *arg;
    int n;
    double *x, *g;           /* where we are */
    double *to, *to_g;       /* where the step would go */
    double *d;               /* direction */
    double *s, *y;           /* [PAIRS, n]: steps and what they changed of the gradient */
    double rho[PAIRS];       /* 1 / s.y */
    int pairs, newest;
    struct lbfgs r;
};

static double
dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void
add(double *a, double by, const double *b, int n)
{
    for (int i = 0; i < n; i++)
        a[i] += by * b[i];
}

static double
largest(const double *g, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        if (!(fabs(g[i]) <= most))
            most = fabs(g[i]);
    return most;
}

static double
call(struct search *q, const double *x, double *g)
{
    q->r.calls++;
    return q->fn(q->arg, x, g);
}

/* d = -H g by the two loops over the pairs (Nocedal and Wright 2006, algorithm 7.4). */
static void
direct(struct search *q)
{
    double a[PAIRS];
    const int n = q->n;
    for (int i = 0; i < n; i++)
        q->d[i] = -q->g[i];
    for (int k = 0; k < q->pairs; k++) {
        const int i = (q->newest - k + PAIRS) % PAIRS;
        const double *s = q->s + (size_t)i * (size_t)n, *y = q->y + (size_t)i * (size_t)n;
        a[i] = q->rho[i] * dot(s, q->d, n);
        add(q->d, -a[i], y, n);
    }
    if (q->pairs) {
        const double *y = q->y + (size_t)q->newest * (size_t)n;
        const double scale = 1 / (q->rho[q->newest] * dot(y, y, n));
        for (int i = 0; i < n; i++)
            q->d[i] *= scale;
    }
    for (int k = q->pairs - 1; k >= 0; k--) {
        const int i = (q->newest - k + PAIRS) % PAIRS;
        const double *s = q->s + (size_t)i * (size_t)n, *y = q->y + (size_t)i * (size_t)n;
        add(q->d, a[i] - q->rho[i] * dot(y, q->d, n), s, n);
    }
}

/* A step along d to q->to, its gradient in q->to_g; 0 when none goes lower. */
static int
step(struct search *q, double *f)
{
    const double slope = dot(q->g, q->d, q->n), slack = 4 * DBL_EPSILON * fabs(q->r.f);
    double low = 0, high = INFINITY,
           t = q->pairs ? 1 : fmin(1, 1 / sqrt(dot(q->g, q->g, q->n)));
    if (!(slope < 0))
        return 0;
    for (int i = 0; i < TRIES; i++) {
        memcpy(q->to, q->x, (size_t)q->n * sizeof *q->x);
        add(q->to, t, q->d, q->n);
        *f = call(q, q->to, q->to_g);
        if (!(*f <= q->r.f + 1e-4 * t * slope + slack))
            high = t;
        else if (dot(q->to_g, q->d, q->n) < .9 * slope)
            low = t;
        else
            return 1;
        t = isinf(high) ? 2 * low : low + (high - low) / 2;
    }
    return 0;
}

/* Remembers the step from x to `to`, and goes there. */
static void
go(struct search *q, double f)
{
    const int i = q->pairs ? (q->newest + 1) % PAIRS : 0, n = q->n;
    double *s = q->s + (size_t)i * (size_t)n, *y = q->y + (size_t)i * (size_t)n;
    for (int k = 0; k < n; k++) {
        s[k] = q->to[k] - q->x[k];
        y[k] = q->to_g[k] - q->g[k];
    }
    memcpy(q->x, q->to, (size_t)n * sizeof *q->x);
    memcpy(q->g, q->to_g, (size_t)n * sizeof *q->g);
    q->r.f = f;
    q->r.steps++;
    const double sy = dot(s, y, n);
    if (!(sy > DBL_EPSILON * dot(y, y, n))) /* nothing to learn from it */
        return;
    q->rho[i] = 1 / sy;
    q->newest = i;
    q->pairs += q->pairs < PAIRS;
}

static void
search(struct search *q, double tolerance, int most)
{
    double f;
    q->r.f = call(q, q->x, q->g);
    while (q->r.gradient = largest(q->g, q->n), !(q->r.gradient <= tolerance)) {
        if (q->r.steps == most)
            return;
        direct(q);
        if (step(q, &f)) {
            go(q, f);
            continue;
        }
        if (!q->pairs)
            return;
        q->pairs = 0; /* once more, straight downhill */
    }
    q->r.converged = 1;
}

struct lbfgs
lbfgs_minimize(lbfgs_fn *fn, void *arg, double *x, int n, double tolerance, int most)
{
    struct search q = { .fn = fn, .arg = arg, .n = n, .x = x };
    assert(n >= 1);
    const size_t one = (size_t)n;
    double *all = mem_zalloc(mem_mul(one, 4 + 2 * PAIRS), sizeof *all);
    q.g = all;
    q.to = all + one;
    q.to_g = all + 2 * one;
    q.d = all + 3 * one;
    q.s = all + 4 * one;
    q.y = all + (4 + PAIRS) * one;
    search(&q, tolerance, most);
    mem_free(all);
    return q.r;
}
