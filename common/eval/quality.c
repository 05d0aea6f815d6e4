#include "common/eval/quality.h"
#include <math.h>
#include "common/base/mem.h"

const double quality_fpr[QUALITY_FPRS] = { .05, .01, .005, .001 };

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

/* Score k of every row, and whether its truth is k. */
static void
one_against_rest(struct curve *c, const int *label, const double *p, int64_t n, int classes, int k)
{
    double *score = mem_array((size_t)n + 1, sizeof *score);
    unsigned char *truth = mem_array((size_t)n + 1, 1);
    for (int64_t i = 0; i < n; i++) {
        score[i] = p[i * classes + k];
        truth[i] = label[i] == k;
    }
    curve_make(c, score, truth, n);
    mem_free(score);
    mem_free(truth);
}

static void
binary(struct quality *q, const int *label, const double *p)
{
    struct curve c;
    one_against_rest(&c, label, p, q->n, 2, 1);
    q->positives = c.positives;
    q->negatives = c.negatives;
    q->fpr = c.negatives ? (double)q->counts.cell[1] / (double)c.negatives : NAN;
    q->fnr = c.positives ? (double)q->counts.cell[2] / (double)c.positives : NAN;
    q->auroc = curve_auroc(&c);
    q->auprc = curve_auprc(&c);
    q->auprc_chance = (double)c.positives / (double)q->n;
    for (int i = 0; i < QUALITY_FPRS; i++)
        q->tpr_at[i] = curve_tpr_at_fpr(&c, quality_fpr[i]);
    q->fpr_at_95 = curve_fpr_at_tpr(&c, .95);
    curve_free(&c);
}

static void
against_rest(struct quality *q, const int *label, const double *p)
{
    q->auroc_ovr = mem_array((size_t)q->classes, sizeof *q->auroc_ovr);
    q->auprc_ovr = mem_array((size_t)q->classes, sizeof *q->auprc_ovr);
    for (int k = 0; k < q->classes; k++) {
        struct curve c;
        one_against_rest(&c, label, p, q->n, q->classes, k);
        q->auroc_ovr[k] = curve_auroc(&c);
        q->auprc_ovr[k] = curve_auprc(&c);
        q->auroc_macro += q->auroc_ovr[k] / q->classes;
        q->auprc_macro += q->auprc_ovr[k] / q->classes;
        curve_free(&c);
    }
}

static void
calibrate(struct quality *q, const int *label, const double *p)
{
    struct bin spare[CALIBRATION_BINS];
    double *conf = mem_array((size_t)q->n + 1, sizeof *conf), *hit = mem_array((size_t)q->n + 1, sizeof *hit);
    const int two = q->classes == 2;
    int bins;
    for (int64_t i = 0; i < q->n; i++) {
        const double *r = p + i * q->classes;
        const int k = two ? r[1] >= .5 : top(r, q->classes);
        conf[i] = two ? (r[1] > 1 - r[1] ? r[1] : 1 - r[1]) : r[k];
        hit[i] = k == label[i];
    }
    q->ece_top_mass = calibration_mass(conf, hit, q->n, two ? spare : q->mass, &bins);
    q->ece_top_width = calibration_width(conf, hit, q->n, two ? spare : q->width);
    for (int64_t i = 0; two && i < q->n; i++) {
        conf[i] = p[2 * i + 1];
        hit[i] = label[i];
    }
    if (two) {
        q->ece_mass = calibration_mass(conf, hit, q->n, q->mass, &bins);
        q->ece_width = calibration_width(conf, hit, q->n, q->width);
    }
    q->mass_bins = bins;
    mem_free(conf);
    mem_free(hit);
}

void
quality_measure(struct quality *q, const int *label, const double *p, const double *z, int64_t n,
                int classes, double threshold)
{
    *q = (struct quality){ .classes = classes, .n = n, .threshold = threshold };
    counts_init(&q->counts, classes);
    for (int64_t i = 0; i < n; i++) {
        const double *r = p + i * classes;
        counts_add(&q->counts, label[i], classes == 2 ? r[1] >= threshold : top(r, classes));
        q->brier += row_brier(r, classes, label[i]);
        q->nll += row_nll(r, z ? z + i * classes : NULL, classes, label[i]);
    }
    q->brier /= (double)n;
    q->nll /= (double)n;
    if (classes == 2)
        binary(q, label, p);
    else
        against_rest(q, label, p);
    calibrate(q, label, p);
}

void
quality_free(struct quality *q)
{
    counts_free(&q->counts);
    mem_free(q->auroc_ovr);
    mem_free(q->auprc_ovr);
    *q = (struct quality){ 0 };
}
