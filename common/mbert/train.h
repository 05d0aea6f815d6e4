#ifndef MBERT_TRAIN_H
#define MBERT_TRAIN_H
/*
 * train - the fine-tuning run of mbert-train(1): epochs, batches, evaluation, checkpoints.
 *
 * Order, packing, dropout and what masked language modelling hides are functions of (seed,
 * epoch, step): the same options and input give the same bytes, for any number of threads,
 * and for a run that was killed and resumed.
 */
#include <stdint.h>
enum train_task { TASK_AUTO, TASK_MLM };
enum train_best { BEST_NONE, BEST_F1, BEST_ACCURACY, BEST_AUROC, BEST_LOSS };
struct train_options {
    const char *dir, *out, *train, *eval, *labels;
    const char *freeze;                    /* a number of layers, "encoder", or NULL */
    const char *class_weights;             /* "balanced", "a,b,...", or NULL */
    const char *device;
    int epochs, batch, schedule;           /* enum schedule */
    int task, best;                        /* enum train_task, train_best */
    int tokens;                            /* of a micro-batch; a longer one goes alone */
    int eval_every, save_every, keep, patience; /* steps; 0: each epoch, never, -, - */
    int warmup_steps;                      /* 0: warmup is the share */
    int log_every, report_every;           /* steps; seconds */
    int random, force, resume, recompute, threads;
    int dtype;                             /* 0 auto, 1 f32, 2 bf16 */
    int skip;                              /* steps that are not finite, tolerated */
    int dry_run, overfit;                  /* overfit: rows, 0: no */
    double lr, decay, warmup, max_norm;    /* warmup: share of the steps */
    double beta1, beta2, eps, llrd, decay_share; /* decay_share: of wsd */
    double smoothing, focal, mask;
    int64_t seed;
};
/*
 * Dies of wrong options, stream or model.  Returns the exit status: EXIT_OK, EXIT_STOPPED
 * after a signal, or EXIT_NO when --overfit did not learn its rows.
 */
int train_run(const struct train_options *o);
#endif
