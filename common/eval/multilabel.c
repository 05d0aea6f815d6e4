#include "common/eval/multilabel.h"
#include <math.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/eval/curves.h"

struct multilabel_rows {
    const struct sample *s;
    double threshold;
    double *brier, *nll;   /* [n] sums over the classes of a row */
    struct ranked **rank;  /* [classes] */
    struct ranked *cells;  /* [n * classes] */
    struct curve curve;
};

static double
ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

double
multilabel_precision(const struct multilabel *m, int k)
{
    return ratio((double)m->tp[k], (double)(m->tp[k] + m->fp[k]));
}

double
multilabel_recall(const struct multilabel *m, int k)
{
    return ratio((double)m->tp[k], (double)(m->tp[k] + m->fn[k]));
}

double
multilabel_f1(const struct multilabel *m, int k)
{
    return ratio(2 * (double)m->tp[k], (double)(2 * m->tp[k] + m->fp[k] + m->fn[k]));
}

void
multilabel_init(struct multilabel *m, int classes)
{
    const size_t C = (size_t)classes;
    *m = (struct multilabel){ .classes = classes };
    m->tp = mem_zalloc(C, sizeof *m->tp);
    m->fp = mem_zalloc(C, sizeof *m->fp);
    m->fn = mem_zalloc(C, sizeof *m->fn);
    m->auroc = mem_zalloc(C, sizeof *m->auroc);
    m->auprc = mem_zalloc(C, sizeof *m->auprc);
}

void
multilabel_free(struct multilabel *m)
{
    mem_free(m->tp);
    mem_free(m->fp);
    mem_free(m->fn);
    mem_free(m->auroc);
    mem_free(m->auprc);
    *m = (struct multilabel){ 0 };
}

/* -ln of the probability that a cell's truth has; of its logit z, or of p clipped */
static double
cell_nll(double p, const double *z, int truth)
{
    const double least = 0x1p-52, q = p < least ? least : p > 1 - least ? 1 - least : p;
    if (z) {
        const double x = truth ? -*z : *z;
        return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    }
    return truth ? -log(q) : -log(1 - q);
}

struct multilabel_rows *
multilabel_rows_new(const struct sample *s, double threshold)
{
    struct multilabel_rows *r = mem_zalloc(1, sizeof *r);
    const int C = s->classes;
    *r = (struct multilabel_rows){ .s = s, .threshold = threshold };
    r->brier = mem_zalloc((size_t)s->n, sizeof *r->brier);
    r->nll = mem_zalloc((size_t)s->n, sizeof *r->nll);
    for (int64_t c = 0; c < s->n * C; c++) {
        const double d = s->p[c] - s->truth[c];
        r->brier[c / C] += d * d;
        r->nll[c / C] += cell_nll(s->p[c], s->z ? s->z + c : NULL, s->truth[c]);
    }
    r->rank = mem_zalloc((size_t)C, sizeof *r->rank);
    for (int k = 0; k < C; k++)
        r->rank[k] = ranking_class(s, k);
    r->cells = ranking_make(s->p, s->truth, s->n * C);
    for (int64_t c = 0; c < s->n * C; c++)
        r->cells[c].row /= (uint64_t)C; /* a cell weighs what its row does */
    curve_alloc(&r->curve, s->n * C);
    return r;
}

void
multilabel_rows_free(struct multilabel_rows *r)
{
    if (!r)
        return;
    for (int k = 0; k < r->s->classes; k++)
        mem_free(r->rank[k]);
    mem_free(r->rank);
    mem_free(r->cells);
    mem_free(r->brier);
    mem_free(r->nll);
    curve_free(&r->curve);
    mem_free(r);
}

int
multilabel_right(const struct sample *s, double threshold, int64_t i)
{
    for (int64_t c = i * s->classes; c < (i + 1) * s->classes; c++)
        if ((s->p[c] >= threshold) != s->truth[c])
            return 0;
    return 1;
}

/* What follows from tp, fp, fn of the classes. */
static void
averages(struct multilabel *m)
{
    double tp = 0, fp = 0, fn = 0, sum = 0, weighted = 0;
    int defined = 0;
    for (int k = 0; k < m->classes; k++) {
        const double f = multilabel_f1(m, k);
        tp += (double)m->tp[k];
        fp += (double)m->fp[k];
        fn += (double)m->fn[k];
        if (isnan(f))
            continue;
        sum += f;
        defined++;
        weighted += (double)(m->tp[k] + m->fn[k]) * f;
    }
    m->micro_precision = ratio(tp, tp + fp);
    m->micro_recall = ratio(tp, tp + fn);
    m->micro_f1 = ratio(2 * tp, 2 * tp + fp + fn);
    m->macro_f1 = ratio(sum, defined);
    m->weighted_f1 = ratio(weighted, tp + fn);
    m->hamming = ratio(fp + fn, (double)m->n * m->classes);
}

static void
count(struct multilabel *m, const struct multilabel_rows *r, const uint32_t *w)
{
    const struct sample *s = r->s;
    const size_t C = (size_t)m->classes;
    double right = 0;
    m->n = 0;
    m->brier = m->nll = 0;
    memset(m->tp, 0, C * sizeof *m->tp);
    memset(m->fp, 0, C * sizeof *m->fp);
    memset(m->fn, 0, C * sizeof *m->fn);
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t weight = w ? w[i] : 1;
        if (!weight)
            continue;
        for (int k = 0; k < s->classes; k++) {
            const int64_t c = i * s->classes + k;
            /* [truth][predicted] */
            int64_t *cell[2][2] = { { NULL, m->fp }, { m->fn, m->tp } };
            int64_t *to = cell[s->truth[c]][s->p[c] >= r->threshold];
            if (to)
                to[k] += weight;
        }
        right += multilabel_right(s, r->threshold, i) ? (double)weight : 0;
        m->n += weight;
        m->brier += (double)weight * r->brier[i];
        m->nll += (double)weight * r->nll[i];
    }
    m->subset_accuracy = ratio(right, (double)m->n);
    m->brier = ratio(m->brier, (double)m->n * m->classes);
    m->nll = ratio(m->nll, (double)m->n * m->classes);
}

void
multilabel_take(struct multilabel *m, struct multilabel_rows *r, const uint32_t *w)
{
    const struct sample *s = r->s;
    const int64_t cells = s->n * s->classes;
    m->threshold = r->threshold;
    count(m, r, w);
    averages(m);
    m->auroc_macro = m->auprc_macro = 0;
    for (int k = 0; k < m->classes; k++) {
        curve_fill(&r->curve, r->rank[k], s->n, w);
        m->auroc[k] = curve_auroc(&r->curve);
        m->auprc[k] = curve_auprc(&r->curve);
        m->auroc_macro += m->auroc[k] / m->classes;
        m->auprc_macro += m->auprc[k] / m->classes;
    }
    curve_fill(&r->curve, r->cells, cells, w);
    m->auroc_micro = curve_auroc(&r->curve);
    m->auprc_micro = curve_auprc(&r->curve);
    m->ece_mass = calibration_mass(r->cells, cells, w, m->mass, &m->mass_bins);
    m->ece_width = calibration_width(r->cells, cells, w, m->width);
}
