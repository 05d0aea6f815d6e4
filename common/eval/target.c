#include "common/eval/target.h"
#include <assert.h>
#include <math.h>
#include "common/base/mem.h"
#include "common/eval/curves.h"

int
target_choose(struct target *t, const struct sample *s)
{
    assert(s->task == SAMPLE_SINGLE && s->classes == 2);
    double *score = mem_array((size_t)s->n, sizeof *score);
    unsigned char *truth = mem_array((size_t)s->n, 1);
    struct curve c;
    for (int64_t i = 0; i < s->n; i++) {
        score[i] = s->p[2 * i + 1];
        truth[i] = s->label[i] == 1;
    }
    curve_make(&c, score, truth, s->n);
    const struct point p = t->kind == TARGET_FPR ? curve_tpr_at_fpr(&c, t->limit)
                                                 : curve_tpr_at_precision(&c, t->limit);
    t->threshold = p.threshold;
    t->n = c.n;
    t->positives = c.positives;
    t->negatives = c.negatives;
    for (int64_t i = 0; i < c.steps && c.score[i] >= p.threshold; i++) {
        t->tp = c.tp[i];
        t->fp = c.fp[i];
    }
    curve_free(&c);
    mem_free(score);
    mem_free(truth);
    return !isnan(p.threshold);
}
