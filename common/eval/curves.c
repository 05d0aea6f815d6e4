#include "common/eval/curves.h"
#include <math.h>
#include "common/base/mem.h"

void
curve_alloc(struct curve *c, int64_t most)
{
    *c = (struct curve){ 0 };
    c->score = mem_array((size_t)most + 1, sizeof *c->score);
    c->tp = mem_array((size_t)most + 1, sizeof *c->tp);
    c->fp = mem_array((size_t)most + 1, sizeof *c->fp);
}

void
curve_fill(struct curve *c, const struct ranked *r, int64_t n, const uint32_t *w)
{
    int64_t tp = 0, fp = 0;
    c->steps = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t weight = ranked_weight(&r[i], w);
        tp += r[i].truth ? weight : 0;
        fp += r[i].truth ? 0 : weight;
        if (i + 1 < n && r[i + 1].score == r[i].score)
            continue;
        /* a score that no row counts for is no step */
        if (tp + fp == (c->steps ? c->tp[c->steps - 1] + c->fp[c->steps - 1] : 0))
            continue;
        c->score[c->steps] = r[i].score;
        c->tp[c->steps] = tp;
        c->fp[c->steps++] = fp;
    }
    c->positives = tp;
    c->negatives = fp;
    c->n = tp + fp;
}

void
curve_make(struct curve *c, const double *score, const unsigned char *truth, int64_t n)
{
    struct ranked *r = ranking_make(score, truth, n);
    curve_alloc(c, n);
    curve_fill(c, r, n, NULL);
    mem_free(r);
}

void
curve_free(struct curve *c)
{
    mem_free(c->score);
    mem_free(c->tp);
    mem_free(c->fp);
    *c = (struct curve){ 0 };
}

double
curve_auroc(const struct curve *c)
{
    double above = 0;
    int64_t tp = 0, fp = 0;
    if (!c->positives || !c->negatives)
        return NAN;
    for (int64_t i = 0; i < c->steps; i++) {
        /* the negatives of this step lie below tp positives and beside the step's own */
        above += (double)(c->fp[i] - fp) * ((double)tp + 0.5 * (double)(c->tp[i] - tp));
        tp = c->tp[i];
        fp = c->fp[i];
    }
    return above / ((double)c->positives * (double)c->negatives);
}

double
curve_auprc(const struct curve *c)
{
    double sum = 0;
    int64_t tp = 0;
    if (!c->positives)
        return NAN;
    for (int64_t i = 0; i < c->steps; i++) {
        sum += (double)(c->tp[i] - tp) / (double)c->positives *
               ((double)c->tp[i] / (double)(c->tp[i] + c->fp[i]));
        tp = c->tp[i];
    }
    return sum;
}

static struct point
at(const struct curve *c, int64_t i)
{
    return (struct point){ (double)c->tp[i] / (double)c->positives,
                           (double)c->fp[i] / (double)c->negatives, c->score[i] };
}

struct point
curve_tpr_at_fpr(const struct curve *c, double limit)
{
    struct point best = { 0, 0, NAN };
    if (!c->positives || !c->negatives)
        return (struct point){ NAN, NAN, NAN };
    for (int64_t i = 0; i < c->steps && at(c, i).fpr <= limit; i++)
        best = at(c, i);
    return best;
}

struct point
curve_fpr_at_tpr(const struct curve *c, double least)
{
    if (!c->positives || !c->negatives)
        return (struct point){ NAN, NAN, NAN };
    for (int64_t i = 0; i < c->steps; i++)
        if (at(c, i).tpr >= least)
            return at(c, i);
    return (struct point){ NAN, NAN, NAN };
}

struct point
curve_tpr_at_precision(const struct curve *c, double least)
{
    struct point best = { 0, 0, NAN };
    if (!c->positives || !c->negatives)
        return (struct point){ NAN, NAN, NAN };
    for (int64_t i = 0; i < c->steps; i++)
        if ((double)c->tp[i] / (double)(c->tp[i] + c->fp[i]) >= least &&
            at(c, i).tpr > best.tpr)
            best = at(c, i);
    return best;
}

double
curve_precision_at_tpr(const struct curve *c, double least)
{
    if (!c->positives || !c->negatives)
        return NAN;
    for (int64_t i = 0; i < c->steps; i++)
        if (at(c, i).tpr >= least)
            return (double)c->tp[i] / (double)(c->tp[i] + c->fp[i]);
    return NAN;
}
