#ifndef MBERT_ACTS_H
#define MBERT_ACTS_H
/*
 * acts - where every activation of a batch lives.
 *
 * One function, acts_place, decides: run with a->base NULL it measures, with base set it
 * places.  At inference the layers share one set of matrices and the residual stream is one
 * matrix; in training each layer keeps what its backward needs (x, statistics, qkv, o, lse,
 * x2, u: the norms and the GLU are computed again).  With MODEL_RECOMPUTE it keeps x alone:
 * the layers share a set, and one that finds the layer above in it computes its own again.
 * Layers below what is trained (m->frozen) keep nothing, as at inference.  mbert_encode and
 * mbert_backward never know which.
 *
 * Bytes a token and layer in training, A of bf16: 16 D + 4 F + 4 H + 80 (17,024 for
 * ModernBERT-base), with MODEL_RECOMPUTE 4 D (3,072).
 *
 *     struct acts s = {0};
 *     acts_fit(&s, &m, ACTS_TRAIN, F32, T, B);   // for each batch; grows when it must
 *     struct acts now = acts_cut(&s, T, B);
 */
#include "common/mbert/model.h"

enum { ACTS_INFER, ACTS_TRAIN };
struct layer_acts {
    struct mat x;          /* [T,D] R: input of the layer */
    struct mat stat1, qkv, o, lse;
    struct mat x2;         /* [T,D] R: after attention */
    struct mat stat2, u;
};
/*
 * MLM in training looks at n rows: device [n] each, the rows of the batch and the ids that
 * were there.  Logits of MASKED_ROWS at most are there at once, and of fewer when their
 * matrix would exceed MASKED_BYTES.
 */
struct masked { const int *rows, *labels; int n; };
enum { MASKED_ROWS = 1024, MASKED_BYTES = 1 << 28 };
struct acts {
    int mode, rows, seqs;                  /* capacity: T and B */
    int layers;
    int by_token;                          /* the head looks at every token: N = T */
    enum dtype type;                       /* of A */
    int window_off;                        /* mbert_encode: every layer sees everything */
    int firsts;                            /* mbert_encode: cls pooling is all that follows */
    uint64_t drop_key;                     /* the caller's, training: 0 is no dropout */
    int *ids;                              /* [T] device */
    struct mat embed_stat;                 /* [T,2] */
    struct layer_acts layer[CONFIG_LAYERS];
    struct mat x;                          /* [T,D] R: after the last layer */
    struct mat h, g;                       /* scratch [T,D] A, [T,F] A */
    struct mat final, final_stat;          /* final_norm's output [T,D] R, [T,2]; over dx */
    struct mat pooled;                     /* [B,D] F32 */
    /* the head, N = B rows, or T when it looks at every token; absent without a head.
     * MLM in training: the first n of T rows are those of masked, in type A, and logits
     * [MASKED_ROWS,V] are dlogits too */
    struct masked masked;
    struct mat picked;                     /* [N,D] F32: final's rows, MLM in training */
    struct mat dense_u, dense, head_stat, head_out;  /* [N,D] F32, [N,2] */
    struct mat logits;                     /* [N,C] F32 */
    /* backward, ACTS_TRAIN only; dg and du lie where dout, dqkv and dfinal do */
    struct mat dx, dh, dqkv, dout, dg, du, dfinal, dpooled, ddense, dhead, dlogits;
    struct mat pad;                        /* [1,D] F32: E's row that embed_norm_bwd spares */
    float *loss;                           /* device F32 [1], accumulates */
    void *memory;                          /* acts_fit's */
};
/*
 * Places everything for T rows and B sequences from a->used on; run with a->base NULL to
 * learn a->used.  Of m only the config, head, classes and flags are looked at.
 */
void acts_place(struct acts *s, struct arena *a, const struct model *m, int mode,
                enum dtype type, int T, int B);
/* What of a placed set a smaller batch uses: every mat cut to T rows or B rows. */
struct acts acts_cut(const struct acts *s, int T, int B);
/* As acts_place, in device memory of its own, when s is too small for T or B. */
void acts_fit(struct acts *s, const struct model *m, int mode, enum dtype type, int T,
              int B);
void acts_free(struct acts *s, const struct model *m);
#endif
