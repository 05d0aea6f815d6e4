#ifndef MBERT_MBERT_H
#define MBERT_MBERT_H
/*
 * mbert - the encoder and its head, forward and backward, over one backend.
 *
 * Forward of a batch: upload ids to s->ids, model_positions(m, q->longest), mbert_encode,
 * mbert_pool, head_forward.  Backward: fill s->dlogits (ce, bce, mse), mbert_backward.
 * s is cut to the batch (acts_cut), q made by seqs_make.  Semantics are those of
 * transformers 5.17 (mbert-tools(7) writes the model out).
 */
#include "common/mbert/acts.h"

/* Called with the residual stream after the embeddings (0) and after layers N = 1..L. */
typedef void hidden_fn(void *arg, int layer, struct mat x);
/*
 * The encoder: s->ids -> s->final.  window_off: every layer global (rope tables unchanged).
 * With s->firsts (inference, each NULL) the last layer computes what the first rows need,
 * and s->pooled is made at once instead of s->final: call no mbert_pool then.
 * each may be NULL.  Dropout with the config's probabilities when s->drop_key is not 0.
 */
void mbert_encode(struct model *m, struct acts *s, const struct seqs *q, int window_off,
                  hidden_fn *each, void *arg);
/* s->final -> s->pooled */
void mbert_pool(struct model *m, struct acts *s, const struct seqs *q, enum pool_kind kind);
/*
 * Head on x [N,D]: s->pooled for HEAD_SEQUENCE, s->final (every token) for HEAD_TOKEN and
 * HEAD_MLM: -> head_out, logits (classifier, or the tied decoder).
 */
void head_forward(struct model *m, struct acts *s, struct mat x);
/*
 * MLM in training (MODEL_MLM, ACTS_TRAIN), instead of head_forward: the head at k's rows of
 * s->final, *loss += scale times the sum of their cross-entropies, no dropout.  With g
 * (NULL: the loss alone) also the gradients of the decoder, which is E, and of what it read:
 * logits are there for a part of the rows at a time, so backward begins here.
 */
void mbert_masked(struct model *m, struct params *g, struct acts *s, const struct masked *k,
                  float *loss, float scale);
/*
 * From s->dlogits back to every parameter: g += gradient (g's table mirrors m's).  Needs
 * ACTS_TRAIN, a model loaded with MODEL_TRAIN, and what mbert_encode, mbert_pool (for
 * HEAD_SEQUENCE) and head_forward, for MLM mbert_masked, left.  The embedding's row of
 * config's pad_token_id gets no gradient, as torch's padding_idx has it, but the decoder's.
 * What m->frozen names is not computed.  s->dlogits is kept, but for MLM; s->final is not.
 */
void mbert_backward(struct model *m, struct params *g, struct acts *s, const struct seqs *q,
                    enum pool_kind kind);
#endif
