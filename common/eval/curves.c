#include "common/eval/curves.h"
#include <math.h>
#include <stdlib.h>
#include "common/base/mem.h"

struct pair { double score; unsigned char truth; };

static int
descending(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    return a->score > b->score ? -1 : a->score < b->score;
}

void
curve_make(struct curve *c, const double *score, const unsigned char *truth, int64_t n)
{
    struct pair *p = mem_array((size_t)n + 1, sizeof *p);
    int64_t tp = 0, fp = 0;
    for (int64_t i = 0; i < n; i++)
        p[i] = (struct pair){ score[i], truth[i] };
    qsort(p, (size_t)n, sizeof *p, descending);
    *c = (struct curve){ .n = n };
    c->score = mem_array((size_t)n + 1, sizeof *c->score);
    c->tp = mem_array((size_t)n + 1, sizeof *c->tp);
    c->fp = mem_array((size_t)n + 1, sizeof *c->fp);
    for (int64_t i = 0; i < n; i++) {
        tp += p[i].truth;
        fp += !p[i].truth;
        if (i + 1 < n && p[i + 1].score == p[i].score)
            continue;
        c->score[c->steps] = p[i].score;
        c->tp[c->steps] = tp;
        c->fp[c->steps++] = fp;
    }
    c->positives = tp;
    c->negatives = fp;
    mem_free(p);
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
        sum += (double)(c->tp[i] - tp) / (double)c->positives * ((double)c->tp[i] / (double)(c->tp[i] + c->fp[i]));
        tp = c->tp[i];
    }
    return sum;
}

static struct point
at(const struct curve *c, int64_t i)
{
    return (struct point){ (double)c->tp[i] / (double)c->positives, (double)c->fp[i] / (double)c->negatives, c->score[i] };
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
