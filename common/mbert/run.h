#ifndef MBERT_RUN_H
#define MBERT_RUN_H
/* run - a training run in memory: what train, journal and forecast share. */
#include "common/mbert/batches.h"
#include "common/mbert/checkpoint.h"
#include "common/mbert/evaluate.h"
#include "common/mbert/recipe.h"

struct run {
    const struct train_options *o;
    struct examples train, eval;     /* eval.name NULL: none */
    struct recipe recipe;
    struct batches on, off;          /* of train and eval */
    struct hiding hiding;
    struct trainer t;
    struct rundir *dir;              /* NULL: nothing is written */
    struct state s;
    struct buf line;
    double begun, since;             /* clock: of the process, of the log's last record */
    int64_t first, tokens;           /* step it began at; tokens since the last record */
    double lr;                       /* of the last step */
    struct evaluation last;          /* the newest */
    double first_loss;               /* of the first step */
};
/* The trainer, on the model or, resuming, on the newest checkpoint. */
void train_open(struct run *r);
/* Gradients and update of step r->s.step, which then counts; else why there is none. */
const char *train_step(struct run *r, double *loss, double *norm);
#endif
