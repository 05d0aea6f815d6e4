#ifndef EVAL_TARGET_H
#define EVAL_TARGET_H
/*
 * target - a threshold that is chosen on one sample, for another.  Two classes.
 *
 *     TARGET_FPR        the smallest score whose FPR is <= limit
 *     TARGET_PRECISION  of the scores whose precision is >= limit, the one with the largest
 *                       recall (the largest of equals)
 */
#include "common/eval/sample.h"
enum target_kind { TARGET_FPR, TARGET_PRECISION };
struct target {
    enum target_kind kind;
    double limit;
    int same;               /* chosen on the rows that are measured, for want of others */
    /* set by target_choose */
    double threshold;
    int64_t n, positives, negatives, tp, fp; /* of the rows it was chosen on, at it */
};
/* 0: no score of s qualifies, or a class has no rows. */
int target_choose(struct target *t, const struct sample *s);
#endif
