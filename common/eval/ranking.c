#include "common/eval/ranking.h"
#include <stdlib.h>
#include "common/base/mem.h"
#include "common/eval/sample.h"

static int
descending(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

struct ranked *
ranking_make(const double *score, const unsigned char *truth, int64_t n)
{
    struct ranked *r = mem_array((size_t)n + 1, sizeof *r);
    for (int64_t i = 0; i < n; i++)
        r[i] = (struct ranked){ score[i], (uint64_t)i, truth[i] };
    qsort(r, (size_t)n, sizeof *r, descending);
    return r;
}

struct ranked *
ranking_class(const struct sample *s, int k)
{
    double *score = mem_array((size_t)s->n + 1, sizeof *score);
    unsigned char *truth = mem_array((size_t)s->n + 1, 1);
    for (int64_t i = 0; i < s->n; i++) {
        score[i] = s->p[i * s->classes + k];
        truth[i] = s->task == SAMPLE_MULTI ? s->truth[i * s->classes + k] : s->label[i] == k;
    }
    struct ranked *r = ranking_make(score, truth, s->n);
    mem_free(score);
    mem_free(truth);
    return r;
}
