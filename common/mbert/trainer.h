#ifndef MBERT_TRAINER_H
#define MBERT_TRAINER_H
/*
 * trainer - a model with its gradients and moments, and one optimizer step.
 *
 *     trainer_open(&t, be, c, dir, 0, classes, PROBLEM_SINGLE, seed);
 *     for each micro-batch of a batch: trainer_add(&t, ids, cu, B, labels, scale, key);
 *     loss = trainer_step(&t, &adam, &norm);
 *
 * Losses as transformers': single-label cross-entropy, BCE with logits, MSE; means over the
 * whole batch through scale.
 */
#include "common/mbert/mbert.h"

struct trainer {
    struct model m;
    struct params g, first, second;            /* gradients, Adam's moments: as m.p */
    struct entry g_table[PARAMS_MAX];
    struct param table[PARAMS_MAX];
    void *memory;                              /* of the three mirrors */
    size_t gradient_bytes;                     /* the gradients are its first bytes */
    struct acts acts;
    enum problem problem;
    void *labels;                              /* device */
    size_t label_cap;
    float *norm, *loss;                        /* device */
};
void trainer_open(struct trainer *t, const struct ops *be, struct ctx *c, const char *dir,
                  unsigned flags, int classes, enum problem problem, uint64_t seed);
void trainer_close(struct trainer *t);
/*
 * Forward, loss, backward of B sequences ids[cu[0]..cu[B]): loss and gradients accumulate.
 * labels: int [B] or float [B * classes] by the problem.  scale: 1 / rows of the batch
 * (single), 1 / (rows * classes) otherwise.  key: of the dropout masks, 0 without dropout.
 */
void trainer_add(struct trainer *t, const int *ids, const int *cu, int B,
                 const void *labels, float scale, uint64_t key);
/* Forward and loss alone; logits [B * classes] to the host. */
void trainer_predict(struct trainer *t, const int *ids, const int *cu, int B,
                     const void *labels, float scale, float *logits);
/* The loss that accumulated since the last call, which is then 0. */
double trainer_loss(struct trainer *t);
/*
 * AdamW on what accumulated, then gradients are cleared.  Returns the loss; *norm is the
 * gradients' before clipping.  Not finite: die_data naming step and tensor.
 */
double trainer_step(struct trainer *t, const struct adam *a, double *norm);
#endif
