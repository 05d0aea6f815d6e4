#ifndef EVAL_RANKING_H
#define EVAL_RANKING_H
/*
 * ranking - rows sorted by score once, so that figures of many weightings of the same rows
 * cost O(n) each.  A weight says how often a row counts (bootstrap); weights NULL: once each.
 */
#include <stdint.h>
struct sample;
struct ranked { double score; uint64_t row : 63, truth : 1; };
/* Fresh, [n], from the highest score down, equal scores by row; truth [n] is 0 or 1. */
struct ranked *ranking_make(const double *score, const unsigned char *truth, int64_t n);
/* Rows by the score of class k; truth: is it the row's class, or one of them. */
struct ranked *ranking_class(const struct sample *s, int k);
static inline int64_t
ranked_weight(const struct ranked *r, const uint32_t *w)
{
    return w ? w[r->row] : 1;
}
#endif
