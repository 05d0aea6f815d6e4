#ifndef MBERT_HEADFIT_H
#define MBERT_HEADFIT_H
/*
 * headfit - the whole head, head.dense, head.norm and classifier, trained on pooled vectors
 * by AdamW as mbert-train does it (betas .9 and .999, eps 1e-8, weight decay .01 on
 * matrices, gradients clipped to norm 1, a rate that falls linearly to 0), with the
 * config's classifier_dropout.
 */
#include "common/mbert/fit.h"
#include "common/mbert/trainer.h"
#include "common/mbert/vectors.h"
/*
 * Opens t on the head of the model in o->dir and trains it on v.  epochs, batch, lr, weights
 * and seed are o's; a JSON line an epoch is appended to log.  A loss or a gradient that is
 * not finite: die_data naming the step.  The caller closes t.
 */
void headfit_run(const struct fit_options *o, struct trainer *t, struct ctx *c,
                 const struct vectors *v, struct buf *log);
#endif
