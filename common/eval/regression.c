#include "common/eval/regression.h"
#include <math.h>
#include "common/base/mem.h"
#include "common/eval/ranking.h"

struct regression_rows {
    const struct sample *s;
    struct ranked *p, *gold;   /* sorted; truth unused */
    double *rank_p, *rank_gold; /* [n] scratch */
};

struct regression_rows *
regression_rows_new(const struct sample *s)
{
    struct regression_rows *r = mem_zalloc(1, sizeof *r);
    unsigned char *none = mem_zalloc((size_t)s->n + 1, 1);
    *r = (struct regression_rows){ .s = s, .p = ranking_make(s->p, none, s->n), .gold = ranking_make(s->gold, none, s->n) };
    r->rank_p = mem_array((size_t)s->n, sizeof *r->rank_p);
    r->rank_gold = mem_array((size_t)s->n, sizeof *r->rank_gold);
    mem_free(none);
    return r;
}

void
regression_rows_free(struct regression_rows *r)
{
    if (!r)
        return;
    mem_free(r->p);
    mem_free(r->gold);
    mem_free(r->rank_p);
    mem_free(r->rank_gold);
    mem_free(r);
}

static double
weight_of(const uint32_t *w, int64_t i)
{
    return w ? w[i] : 1;
}

/* rank[row], from the highest, ties at their mean: those above, and half of the equal ones. */
static void
ranks(double *rank, const struct ranked *r, int64_t n, const uint32_t *w)
{
    double above = 0;
    for (int64_t i = 0, j; i < n; i = j) {
        double equal = 0;
        for (j = i; j < n && r[j].score == r[i].score; j++)
            equal += (double)ranked_weight(&r[j], w);
        for (int64_t k = i; k < j; k++)
            rank[r[k].row] = above + equal / 2;
        above += equal;
    }
}

static double
correlation(const double *x, const double *y, int64_t n, const uint32_t *w)
{
    double all = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        all += weight_of(w, i);
        mx += weight_of(w, i) * x[i];
        my += weight_of(w, i) * y[i];
    }
    mx /= all;
    my /= all;
    for (int64_t i = 0; i < n; i++) {
        const double dx = x[i] - mx, dy = y[i] - my, v = weight_of(w, i);
        xx += v * dx * dx;
        yy += v * dy * dy;
        xy += v * dx * dy;
    }
    /* sums that overflow leave NaN, which fmin and fmax would hide */
    const double d = sqrt(xx) * sqrt(yy), r = xy / d;
    return !(d > 0) ? NAN : r > 1 ? 1 : r < -1 ? -1 : r;
}

/* Are all rows that count of one value?  Rounding of a mean must not make a variance. */
static int
constant(const struct ranked *r, int64_t n, const uint32_t *w)
{
    int64_t first = -1;
    for (int64_t i = 0; i < n; i++) {
        if (!ranked_weight(&r[i], w))
            continue;
        if (first >= 0 && r[i].score != r[first].score)
            return 0;
        first = first < 0 ? i : first;
    }
    return 1;
}

void
regression_take(struct regression *g, struct regression_rows *r, const uint32_t *w)
{
    const struct sample *s = r->s;
    double all = 0, square = 0, absolute = 0, mean = 0, spread = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const double d = s->p[i] - s->gold[i], v = weight_of(w, i);
        all += v;
        square += v * d * d;
        absolute += v * fabs(d);
        mean += v * s->gold[i];
    }
    mean /= all;
    for (int64_t i = 0; i < s->n; i++)
        spread += weight_of(w, i) * (s->gold[i] - mean) * (s->gold[i] - mean);
    g->n = (int64_t)all;
    g->mse = square / all;
    g->rmse = sqrt(g->mse);
    g->mae = absolute / all;
    const int flat = constant(r->gold, s->n, w);
    g->r2 = flat ? NAN : 1 - square / spread;
    g->pearson = g->spearman = NAN;
    if (flat || constant(r->p, s->n, w))
        return;
    ranks(r->rank_p, r->p, s->n, w);
    ranks(r->rank_gold, r->gold, s->n, w);
    g->pearson = correlation(s->p, s->gold, s->n, w);
    g->spearman = correlation(r->rank_p, r->rank_gold, s->n, w);
}
