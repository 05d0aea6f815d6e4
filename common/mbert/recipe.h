#ifndef MBERT_RECIPE_H
#define MBERT_RECIPE_H
/* recipe - what follows from the options of a run once the data is there. */
#include "common/mbert/examples.h"
#include "common/mbert/train.h"

enum { FREEZE_NONE = -2, FREEZE_ENCODER = -1 };
struct recipe {
    int freeze;            /* layers, or one of the above */
    float *weight;         /* [classes] or NULL */
    char *text;            /* the options that shape the run, for checkpoints */
    int64_t batches;       /* steps of an epoch */
    int64_t steps, warmup;
};
/* Options that do not go together: die_usage.  Before anything is read. */
void recipe_check(const struct train_options *o);
/* Options against the data and the model's layers: die_usage or die_data. */
void recipe_make(struct recipe *r, const struct train_options *o, const struct examples *train,
                 const struct examples *eval, int classes, int layers);
void recipe_free(struct recipe *r);
/*
 * Weights of e's classes from "balanced" (rows / (classes x rows of the class)) or "a,b,...":
 * a fresh array [classes]; NULL when text is.  What makes no sense is die_usage.
 */
float *recipe_weights(const char *text, const struct examples *e, int classes);
#endif
