#ifndef MBERT_TRAINER_H
#define MBERT_TRAINER_H
/*
 * trainer - a model with its gradients and moments, and one optimizer step.
 *
 *     trainer_open(&t, be, c, dir, 0, classes, &objective, seed);
 *     for each micro-batch of a batch: trainer_add(&t, ids, cu, B, labels, scale, key);
 *     why = trainer_step(&t, &adam, &loss, &norm);
 *
 * Losses as transformers' and torch's: cross-entropy over the classes (single label, token),
 * over the vocabulary at the masked tokens (MLM), BCE with logits (multi), MSE (regression);
 * means over the whole batch through scale.
 */
#include "common/mbert/mbert.h"

struct objective {
    enum problem problem;            /* not PROBLEM_AUTO */
    const float *class_weight;       /* [classes] or NULL: all 1; the caller's again at once */
    float smoothing;                 /* label smoothing [0,1); single and token */
    float focal;                     /* gamma >= 0, 0: none; single and token */
};
struct trainer {
    struct model m;
    struct params g, first, second;            /* gradients, Adam's moments: as m.p */
    struct entry g_table[PARAMS_MAX];
    /*
     * Parameter i: m.table[i] has its name and shape, table[i] the device pointers .w, .g,
     * .m, .v of n F32 each, in the file's order.  Checkpoints download .w, .m and .v, or
     * upload over them and call model_pack.  trained: those the optimizer sees.
     */
    struct param table[PARAMS_MAX], trained[PARAMS_MAX];
    int trained_n;
    void *memory;                              /* of the three mirrors */
    size_t gradient_bytes;                     /* the gradients are its first bytes */
    struct acts acts;
    struct objective objective;                /* class_weight NULL: see weight */
    struct mat weight;                         /* device [1,classes], or p NULL */
    void *labels;                              /* device */
    size_t label_cap;
    struct buf host;                           /* MLM: rows and labels on their way */
    float *norm, *loss;                        /* device */
    char why[128];
};
/*
 * flags: MODEL_RANDOM, MODEL_RECOMPUTE, MODEL_HEAD (the head alone is loaded and trained, by
 * trainer_add_pooled; not of tokens).  classes: outputs of the classifier, 0 with
 * PROBLEM_MLM, whose outputs are the vocabulary.  The head is of the objective's kind; what
 * the file lacks of it is new.  MLM from a classifier keeps head.dense and head.norm.
 */
void trainer_open(struct trainer *t, const struct ops *be, struct ctx *c, const char *dir,
                  unsigned flags, int classes, const struct objective *o, uint64_t seed);
void trainer_close(struct trainer *t);
/*
 * Before the first trainer_add.  layers -1: the whole encoder gets neither gradients nor
 * updates; n in [0, L]: the embeddings and the n lowest layers.  Backward ends above what is
 * frozen, which stays as it was, bit for bit; moments stay 0.
 */
void trainer_freeze(struct trainer *t, int layers);
/*
 * Layer-wise rates: lr is multiplied by decay^(L - i) for layer i in [0, L), by
 * decay^(L + 1) for the embeddings (MLM's tied decoder with them), by 1 for final_norm and
 * the head.  decay 1: none.  Weight decay is lr's part, so it follows.
 */
void trainer_rates(struct trainer *t, double decay);
/*
 * Forward, loss, backward of B sequences ids[cu[0]..cu[B]): loss and gradients accumulate.
 * labels: int [B] (single), float [B * classes] (multi, regression), int [T] (token: the
 * class, or -100: ignored; MLM: the id that was masked, -100 elsewhere: ignored), T = cu[B].
 * scale: what a row's loss, the sum over its classes, counts: 1 / rows of the batch (single),
 * 1 / (rows * classes) (multi, regression), 1 / labels that are not -100 (token, MLM); with
 * class weights 1 / the sum of the labels' weights, as torch (single, token).
 * key: of the dropout masks, 0 without dropout.
 */
void trainer_add(struct trainer *t, const int *ids, const int *cu, int B,
                 const void *labels, float scale, uint64_t key);
/* The same from B vectors [B,D] that an encoder has pooled: MODEL_HEAD. */
void trainer_add_pooled(struct trainer *t, const float *pooled, int B, const void *labels,
                        float scale, uint64_t key);
/*
 * Forward and loss alone, no dropout; logits [B * classes], token: [T * classes], to the
 * host; MLM: NULL.
 */
void trainer_predict(struct trainer *t, const int *ids, const int *cu, int B,
                     const void *labels, float scale, float *logits);
/* The loss that accumulated since the last call, which is then 0. */
double trainer_loss(struct trainer *t);
/*
 * AdamW on what accumulated, then gradients are cleared.  *loss is what accumulated, *norm
 * the gradients' before clipping.  NULL: done.  Else why not: then nothing but the gradients,
 * which are cleared, has changed: "the loss is not finite" or "the gradient of 'NAME' is not
 * finite" (the string is t's).
 */
const char *trainer_step(struct trainer *t, const struct adam *a, double *loss, double *norm);
#endif
