#ifndef MBERT_MBERT_H
#define MBERT_MBERT_H
/*
 * mbert - the encoder and its head, forward and backward, over one backend.
 *
 * acts are placed once (acts_place, run twice) for the largest batch and reused.
 */
#include "common/mbert/model.h"

enum { ACTS_INFER, ACTS_TRAIN };
struct layer_acts {
    struct mat x;          /* [T,D] R: input of the layer */
    struct mat stat1, qkv, o, lse;
    struct mat x2;         /* [T,D] R: after attention */
    struct mat stat2, u;
};
struct acts {
    int mode, rows, seqs;                  /* capacity: T and B */
    enum dtype type;                       /* of A */
    struct mat embed_stat;                 /* [T,2] */
    struct layer_acts layer[CONFIG_LAYERS];
    struct mat x;                          /* [T,D] R: the residual stream after the last layer */
    struct mat h, g;                       /* scratch [T,D] A, [T,F] A */
    struct mat final, final_stat;          /* final_norm's output [T,D] R, [T,2] */
    struct mat pooled;                     /* [B,D] F32 */
    struct mat dense, dense_u, head_out, head_stat;  /* [B or T, D] F32 */
    struct mat logits;                     /* [B or T, C] F32 */
    int *ids;                              /* [T] device */
    /* backward, ACTS_TRAIN only */
    struct mat dx, dh, dqkv, dout, dg, du, dfinal, dpooled, ddense, dhead, dlogits;
    float *loss;                           /* device F32 [1], accumulates */
};
/* Places everything for T rows and B sequences; run with a->base NULL to learn a->used. */
void acts_place(struct acts *s, struct arena *a, const struct model *m, int mode, enum dtype type, int T, int B);
/* What of a placed set a smaller batch uses: every mat cut to T rows or B rows. */
struct acts acts_cut(const struct acts *s, int T, int B);

/* Called after the embeddings (layer 0) and after each layer N = 1..L with the residual stream. */
typedef void hidden_fn(void *arg, int layer, struct mat x);
/* The encoder: s->ids -> s->final.  window_off: every layer global (rope tables unchanged). */
void mbert_encode(struct model *m, struct acts *s, const struct seqs *q, int window_off,
                  hidden_fn *each, void *arg);
void mbert_pool(struct model *m, struct acts *s, const struct seqs *q, enum pool_kind kind); /* s->pooled */
/* Head on x [N,D] (pooled vectors, or every token): -> head_out, logits (classifier, or the tied decoder). */
void head_forward(struct model *m, struct acts *s, struct mat x);
/*
 * From s->dlogits back to every parameter: g += gradient (g's table mirrors m's).  Needs
 * ACTS_TRAIN and what mbert_encode, mbert_pool, head_forward left.
 */
void mbert_backward(struct model *m, struct params *g, struct acts *s, const struct seqs *q, enum pool_kind kind);
#endif
