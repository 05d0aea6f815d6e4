#include "common/eval/quality.h"
#include <math.h>
#include "common/base/mem.h"

const double quality_fpr[QUALITY_FPRS] = { .05, .01, .005, .001 };

struct quality_rows {
    const struct sample *s;
    double threshold;
    int *predicted;        /* [n] */
    double *brier, *nll;   /* [n] */
    struct ranked **rank;  /* [classes] by a class's score, NULL until used; binary: [1] alone */
    struct ranked *top;    /* by the confidence of the predicted class */
    struct curve curve;
};

static int
top(const double *p, int classes)
{
    int best = 0;
    for (int k = 1; k < classes; k++)
        if (p[k] > p[best])
            best = k;
    return best;
}

static double
row_nll(const double *p, const double *z, int classes, int label)
{
    const double least = 0x1p-52;
    if (z) {
        const double high = z[top(z, classes)];
        double sum = 0;
        for (int k = 0; k < classes; k++)
            sum += exp(z[k] - high);
        return log(sum) + high - z[label];
    }
    const double q = classes == 2 ? p[1] : p[label];
    const double clipped = q < least ? least : q > 1 - least ? 1 - least : q;
    return classes == 2 && !label ? -log(1 - clipped) : -log(clipped);
}

static double
row_brier(const double *p, int classes, int label)
{
    double sum = 0;
    if (classes == 2)
        return (p[1] - label) * (p[1] - label);
    for (int k = 0; k < classes; k++)
        sum += (p[k] - (k == label)) * (p[k] - (k == label));
    return sum;
}

/* Rows by the confidence of the predicted class; truth: is it right.  Always at 0.5. */
static struct ranked *
rank_top(const struct sample *s)
{
    double *conf = mem_array((size_t)s->n + 1, sizeof *conf);
    unsigned char *hit = mem_array((size_t)s->n + 1, 1);
    const int two = s->classes == 2;
    for (int64_t i = 0; i < s->n; i++) {
        const double *p = s->p + i * s->classes;
        const int k = two ? p[1] >= .5 : top(p, s->classes);
        conf[i] = two ? (p[1] > 1 - p[1] ? p[1] : 1 - p[1]) : p[k];
        hit[i] = k == s->label[i];
    }
    struct ranked *r = ranking_make(conf, hit, s->n);
    mem_free(conf);
    mem_free(hit);
    return r;
}

struct quality_rows *
quality_rows_new(const struct sample *s, double threshold)
{
    struct quality_rows *r = mem_zalloc(1, sizeof *r);
    const int C = s->classes;
    *r = (struct quality_rows){ .s = s, .threshold = threshold };
    r->predicted = mem_array((size_t)s->n, sizeof *r->predicted);
    r->brier = mem_array((size_t)s->n, sizeof *r->brier);
    r->nll = mem_array((size_t)s->n, sizeof *r->nll);
    for (int64_t i = 0; i < s->n; i++) {
        const double *p = s->p + i * C;
        r->predicted[i] = C == 2 ? p[1] >= threshold : top(p, C);
        r->brier[i] = row_brier(p, C, s->label[i]);
        r->nll[i] = row_nll(p, s->z ? s->z + i * C : NULL, C, s->label[i]);
    }
    r->rank = mem_zalloc((size_t)C, sizeof *r->rank);
    if (C == 2)
        r->rank[1] = ranking_class(s, 1);
    r->top = rank_top(s);
    curve_alloc(&r->curve, s->n);
    return r;
}

void
quality_rows_free(struct quality_rows *r)
{
    if (!r)
        return;
    for (int k = 0; k < r->s->classes; k++)
        mem_free(r->rank[k]);
    mem_free(r->rank);
    mem_free(r->top);
    mem_free(r->predicted);
    mem_free(r->brier);
    mem_free(r->nll);
    curve_free(&r->curve);
    mem_free(r);
}

const struct curve *
quality_curve(const struct quality_rows *r)
{
    return r->s->classes == 2 ? &r->curve : NULL;
}

int
quality_predicted(const struct quality_rows *r, int64_t i)
{
    return r->predicted[i];
}

static void
binary(struct quality *q, struct quality_rows *r, const uint32_t *w)
{
    struct curve *c = &r->curve;
    int bins;
    curve_fill(c, r->rank[1], r->s->n, w);
    q->positives = c->positives;
    q->negatives = c->negatives;
    q->precision = counts_precision(&q->counts, 1);
    q->recall = counts_recall(&q->counts, 1);
    q->f1 = counts_f1(&q->counts, 1);
    q->fpr = c->negatives ? (double)q->counts.cell[1] / (double)c->negatives : NAN;
    q->fnr = c->positives ? (double)q->counts.cell[2] / (double)c->positives : NAN;
    q->auroc = curve_auroc(c);
    q->auprc = curve_auprc(c);
    q->auprc_chance = (double)c->positives / (double)q->n;
    for (int i = 0; i < QUALITY_FPRS; i++)
        q->tpr_at[i] = curve_tpr_at_fpr(c, quality_fpr[i]);
    q->fpr_at_95 = curve_fpr_at_tpr(c, .95);
    q->ece_mass = calibration_mass(r->rank[1], r->s->n, w, q->mass, &bins);
    q->ece_width = calibration_width(r->rank[1], r->s->n, w, q->width);
    q->mass_bins = bins;
}

/* Many classes and rows are much to hold: sorted rows stay only for who comes again. */
static void
against_rest(struct quality *q, struct quality_rows *r, const uint32_t *w)
{
    q->auroc_macro = q->auprc_macro = 0;
    for (int k = 0; k < q->classes; k++) {
        if (!r->rank[k])
            r->rank[k] = ranking_class(r->s, k);
        curve_fill(&r->curve, r->rank[k], r->s->n, w);
        q->auroc_ovr[k] = curve_auroc(&r->curve);
        q->auprc_ovr[k] = curve_auprc(&r->curve);
        q->auroc_macro += q->auroc_ovr[k] / q->classes;
        q->auprc_macro += q->auprc_ovr[k] / q->classes;
        if (!w) {
            mem_free(r->rank[k]);
            r->rank[k] = NULL;
        }
    }
}

void
quality_take(struct quality *q, struct quality_rows *r, const uint32_t *w)
{
    const struct sample *s = r->s;
    struct bin spare[CALIBRATION_BINS];
    const int two = s->classes == 2;
    int bins;
    counts_clear(&q->counts);
    q->brier = q->nll = 0;
    q->threshold = r->threshold;
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t weight = w ? w[i] : 1;
        counts_put(&q->counts, s->label[i], r->predicted[i], weight);
        q->brier += (double)weight * r->brier[i];
        /* one that is infinite may not be drawn */
        q->nll += weight ? (double)weight * r->nll[i] : 0;
    }
    q->n = q->counts.n;
    q->brier /= (double)q->n;
    q->nll /= (double)q->n;
    q->ece_top_mass = calibration_mass(r->top, s->n, w, two ? spare : q->mass, &bins);
    q->ece_top_width = calibration_width(r->top, s->n, w, two ? spare : q->width);
    q->mass_bins = bins;
    if (two)
        binary(q, r, w);
    else
        against_rest(q, r, w);
}

void
quality_init(struct quality *q, int classes)
{
    *q = (struct quality){ .classes = classes };
    counts_init(&q->counts, classes);
    if (classes == 2)
        return;
    q->auroc_ovr = mem_array((size_t)classes, sizeof *q->auroc_ovr);
    q->auprc_ovr = mem_array((size_t)classes, sizeof *q->auprc_ovr);
}

void
quality_measure(struct quality *q, const int *label, const double *p, const double *z,
                int64_t n, int classes, double threshold)
{
    const struct sample s = { .classes = classes, .n = n, .label = label, .p = p, .z = z };
    struct quality_rows *r = quality_rows_new(&s, threshold);
    quality_init(q, classes);
    quality_take(q, r, NULL);
    quality_rows_free(r);
}

void
quality_free(struct quality *q)
{
    counts_free(&q->counts);
    mem_free(q->auroc_ovr);
    mem_free(q->auprc_ovr);
    *q = (struct quality){ 0 };
}
