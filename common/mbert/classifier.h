#ifndef MBERT_CLASSIFIER_H
#define MBERT_CLASSIFIER_H
/*
 * classifier - the last layer of a head, fitted on the head's outputs.
 */
#include "common/base/mat.h"
#include "common/mbert/fit.h"
#include "common/mbert/vectors.h"
/*
 * From v (named; x is what the classifier will see) to w [C,dim] and b [1,C], F32, whose p
 * the caller frees.  l2, folds, weights and seed are o's; what was chosen and how it went
 * is said on stderr and, as JSON lines, appended to log.  A class without rows (for sets:
 * none or all of them), with fewer rows than folds: die_data.
 */
void classifier_fit(const struct fit_options *o, const struct vectors *v, int threads,
                    struct mat *w, struct mat *b, struct buf *log);
#endif
