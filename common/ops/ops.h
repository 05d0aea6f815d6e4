#ifndef OPS_OPS_H
#define OPS_OPS_H
/*
 * ops - the op interface.  The model is written once over `const struct ops *be`; a backend
 * is one table.  One documented typedef per op, one list OPS, so that a wrong signature is a
 * compile error and no slot can be NULL.
 *
 * Alphabet: T token rows in the batch, B sequences, D hidden, H heads, K head size,
 * F feed-forward, V vocabulary, C classes, L layers, cu[B+1] the row where each starts.
 *
 * R  residual stream, F32.  A  activation, F32 or BF16 as the run says (the type of the mats
 * passed).  Statistics, losses and gradients of parameters are F32.  A mat whose p is NULL
 * means "not wanted".  stat [T,2] F32 holds mean and 1/sqrt(variance + eps) of each row.
 *
 * Every op's first argument is `struct ctx *c`: the backend's private state (threads,
 * scratch, device, stream).  No other state exists.
 *
 * Argument order: outputs, saved-for-backward, inputs, weights, scalars.  Backward:
 * d-outputs first, then dy, then what forward saved.  Gradients of parameters are `+=`;
 * gradients of activations are `=`; the residual stream's dx is `+=`.  Arguments do not
 * overlap unless the op says so.
 *
 * Ops do not fail: shapes are asserted, machine errors die.  Only sync, download and fetched
 * wait.
 * Sums are F32 in a fixed order: same input, same bytes, for any thread count.
 *
 * drop = {p, key}: dropout with probability p, the mask recomputed from (key, element), never
 * stored.  A backend that cannot yet do p > 0 dies with status 4 saying so.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
#ifdef __cplusplus
extern "C" {
#endif

struct ctx; /* a backend's private state */

/* The batch: made once, used by every layer.  cu is the host's array; plan is the backend's. */
struct seqs { int n, rows, longest; const int *cu; void *plan; };

/*
 * A linear layer y = x w^T + b.  w [out, in] and b [1, out] (p NULL: no bias) stay in
 * checkpoint order, F32 or the mapped file's F32/BF16/F16.  fwd, bwd: blobs a backend packs
 * for y = x w^T and dx = dy w; NULL when its weight_size says 0.  fine: fwd was packed as
 * WEIGHT_FINE.
 */
struct weight { struct mat w, b; void *fwd, *bwd; int fine; };
/* LayerNorm over the last dimension: w [1,D], b [1,D] or p NULL. */
struct lnorm { struct mat w, b; float eps; };
struct drop { float p; uint64_t key; };
/* Rotary table: cos in columns [0, K/2), sin in [K/2, K); row = position; F32 [positions, K]. */
struct rope { struct mat table; };
enum act { OP_NONE, OP_GELU, OP_SILU, OP_GELU_TANH, OP_RELU };
enum pool_kind { OP_CLS, OP_MEAN };
/* Which blob: y = x w^T or dx = dy w over activations; HEAD: y = x w^T over F32, whatever the
 * run's type; FINE: y = x w^T over activations, in bf16 where the run is int8. */
enum weight_use { WEIGHT_FORWARD, WEIGHT_BACKWARD, WEIGHT_HEAD, WEIGHT_FINE };
/*
 * How ce and bce weigh.  weight F32 [1,C], p NULL: all 1.  smoothing in [0,1): of the labels
 * of ce; focal: ce's gamma, 0: none.  Not both; bce takes neither.
 */
struct loss_form { struct mat weight; float smoothing, focal; };
/* How a run computes.  OP_AUTO: the fastest that keeps a model's verdicts: bf16 where the
 * processor multiplies it, else f32.  OP_PLAIN: f32 by the ops that take any shape (the
 * others want hidden, feed-forward and head sizes in multiples of 32). */
enum precision { OP_AUTO, OP_F32, OP_BF16, OP_INT8, OP_PLAIN };

/* One tensor of the optimizer's table; all F32 [n].  of: the weight whose master w is, or
 * NULL. */
struct param {
    float *w, *g, *m, *v;
    int64_t n;
    int decays;
    const struct weight *of;
    double rate;             /* times lr: 1, or less for lower layers; 0 leaves w alone */
};
struct adam { double lr, beta1, beta2, eps, decay, max_norm; int64_t step; }; /* step counts from 1 */

/* ---- state and memory --------------------------------------------------------------- */
/* A context with `threads` workers (0: as many as the machine has, OMP_NUM_THREADS honoured).
 * A precision the machine cannot do is die_usage. */
typedef struct ctx *op_open_fn(int threads, enum precision precision);
/* The precision, what OP_AUTO became: a context opened with it meets the same blobs.  The
 * type of A: F32 or BF16. */
typedef enum precision op_precision_fn(struct ctx *c);
typedef enum dtype op_type_fn(struct ctx *c);
typedef int op_threads_fn(struct ctx *c);
/* 1: device memory is the host's, and what a file maps can be read where it lies.  0: every
 * mat that an op reads must have been uploaded. */
typedef int op_shares_memory_fn(struct ctx *c);
/* Names the form of this context's blobs: contexts that give the same name share them. */
typedef const char *op_packing_fn(struct ctx *c);
typedef void op_close_fn(struct ctx *c);
/* What was chosen, for --print-config: "cpu, 2 threads, amx bf16".  Belongs to c. */
typedef const char *op_about_fn(struct ctx *c);
/* Bytes of device memory that can still be had: of a host, of what its limits leave. */
typedef size_t op_room_fn(struct ctx *c);
typedef void *op_alloc_fn(struct ctx *c, size_t bytes);        /* zeroed, 64-byte aligned; dies of memory */
typedef void op_free_fn(struct ctx *c, void *p);
typedef void *op_host_alloc_fn(struct ctx *c, size_t bytes);   /* host memory fit for upload */
typedef void op_host_free_fn(struct ctx *c, void *p);
/* Enqueued; host is the caller's again at once. */
typedef void op_upload_fn(struct ctx *c, void *device, const void *host, size_t bytes);
typedef void op_download_fn(struct ctx *c, void *host, const void *device, size_t bytes); /* waits */
/*
 * download in two steps.  fetch returns at once; host, which is host_alloc's, holds the bytes
 * when fetched has returned, which waits for all fetches but the `later` newest (0 or 1).
 */
typedef void op_fetch_fn(struct ctx *c, void *host, const void *device, size_t bytes);
typedef void op_fetched_fn(struct ctx *c, int later);
typedef void op_zero_fn(struct ctx *c, void *device, size_t bytes);
typedef void op_sync_fn(struct ctx *c);
/*
 * A run of ops that comes again: `key` names all that they get (shapes, addresses, scalars).
 * replay returns 1 when it has started once more what was recorded under key: the ops are
 * then not called.  Else 0: the caller runs them and calls recorded.  Between the two there
 * is no alloc, upload, download, sync or seqs_make.  A backend that gains nothing by it
 * always returns 0.
 */
typedef int op_replay_fn(struct ctx *c, uint64_t key);
typedef void op_recorded_fn(struct ctx *c);
/* Fills s for B sequences with rows cu[0..B] (host; copied): row positions, work lists. */
typedef void op_seqs_make_fn(struct ctx *c, struct seqs *s, int n, const int *cu);
typedef void op_seqs_free_fn(struct ctx *c, struct seqs *s);
/* Bytes of the blob for w [out,in] and this use; 0: this backend needs none. */
typedef size_t op_weight_size_fn(struct ctx *c, struct mat w, enum weight_use use);
typedef void op_weight_pack_fn(struct ctx *c, void *blob, struct mat w, enum weight_use use);

/* ---- forward ------------------------------------------------------------------------ */
/* x = drop(norm(E[ids])).  x [T,D] R, stat [T,2]; ids I32 [T] (device), E [V,D] any float type. */
typedef void op_embed_norm_fn(struct ctx *c, struct mat x, struct mat stat, const int *ids,
                              struct mat E, const struct lnorm *norm, struct drop drop);
/*
 * qkv = rope(h Wqkv^T + b), h = norm(x), or x itself when norm is NULL (layer 0).
 * qkv [T,3D] A: q, k, v of D columns each, head-major; q and k saved rotated: with c, s of
 * position t - cu[b] and halves a, b of a head's K columns: (a c - b s, b c + a s).
 * stat [T,2] or p NULL; h [T,D] A scratch (left holding the norm's output when norm is given).
 */
typedef void op_norm_qkv_fn(struct ctx *c, struct mat qkv, struct mat stat, struct mat h, struct mat x,
                            const struct lnorm *norm, const struct weight *Wqkv, struct rope rope,
                            int heads, const struct seqs *s);
/*
 * o = softmax(scale q k^T over visible keys) v, per sequence and head.  Visible: same
 * sequence and (window < 0 or |i - j| <= window).  o [T,D] A; lse [T,H] F32 (p NULL at
 * inference): log of the sum of exp(scale q.k).  q, k, v [T,D] A views, ld free.  With o
 * [B,D] (and no lse) only the first row of each sequence asks: row b of o is its answer.
 * Tiled with an online softmax: no T x T scores; window layers touch only visible tiles.
 */
typedef void op_attention_fn(struct ctx *c, struct mat o, struct mat lse, struct mat q, struct mat k, struct mat v,
                             int heads, const struct seqs *s, int window, float scale, struct drop drop);
/* y = r + drop(x W^T + b).  y [T,D] R, may be r itself; x A. */
typedef void op_linear_add_fn(struct ctx *c, struct mat y, struct mat x, const struct weight *W, struct mat r, struct drop drop);
/*
 * u = h Wi^T + b, h = norm(x); g = drop(act(u[:, :F]) * u[:, F:]).  g [T,F] A; u [T,2F] A, or p
 * NULL at inference (the backend then uses scratch); stat [T,2] or p NULL; h [T,D] A scratch.
 * act gelu is the exact erf form.
 */
typedef void op_norm_glu_fn(struct ctx *c, struct mat g, struct mat u, struct mat stat, struct mat h, struct mat x,
                            const struct lnorm *norm, const struct weight *Wi, enum act act, struct drop drop);
/* y = norm(x), y A or R; stat or p NULL. */
typedef void op_norm_fn(struct ctx *c, struct mat y, struct mat stat, struct mat x, const struct lnorm *norm);
/* u = x W^T + b, y = act(u).  u p NULL: not wanted; OP_NONE: y = u. */
typedef void op_linear_fn(struct ctx *c, struct mat y, struct mat u, struct mat x, const struct weight *W, enum act act);
/* p [B,D] F32 = first row, or mean of the rows, of each sequence of h [T,D]. */
typedef void op_pool_fn(struct ctx *c, struct mat p, struct mat h, const struct seqs *s, enum pool_kind kind);
/* y[i] = x[rows[i]]: rows I32 [y.rows] (device).  scatter: y[rows[i]] = x[i]. */
typedef void op_gather_rows_fn(struct ctx *c, struct mat y, struct mat x, const int *rows);
typedef void op_scatter_rows_fn(struct ctx *c, struct mat y, struct mat x, const int *rows);
/* y = drop(x), elementwise; y may be x.  Its backward is itself on the gradient. */
typedef void op_dropout_fn(struct ctx *c, struct mat y, struct mat x, struct drop drop);
/*
 * Losses.  *loss (device F32) += scale * sum over rows of the row's loss; dlogits [N,C] F32 =
 * its gradient; it may be logits itself.  The mean is the caller's, through scale.
 *
 * ce: labels I32 [N], -100 ignored (zero gradient).  With p = softmax(z), y the label, w the
 * weights and s the smoothing, a row's loss is that of torch.nn.CrossEntropyLoss(weight,
 * label_smoothing=s):
 *     (1 - s) w[y] (-log p[y]) + s / C sum over k of w[k] (-log p[k])
 * so that a mean as torch's has scale 1 / (the sum of w[y] over the rows that are not
 * ignored).  With focal g it is w[y] (1 - p[y])^g (-log p[y]) (Lin et al. 2017).
 * bce: labels F32 [N,C]; the sum over classes of w[k] BCE with logits (torch's
 * BCEWithLogitsLoss(weight), not its pos_weight).  mse: labels F32 [N,C], sum of squared
 * differences.  Scale of their mean: 1 / (N C).
 */
typedef void op_ce_fn(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, const int *labels, struct loss_form form, float scale);
typedef void op_bce_fn(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, struct mat labels, struct loss_form form, float scale);
typedef void op_mse_fn(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, struct mat labels, float scale);

/* ---- backward ----------------------------------------------------------------------- */
/* dx = dy w, or dx += dy w when accumulate. */
typedef void op_linear_dx_fn(struct ctx *c, struct mat dx, struct mat dy, const struct weight *W, int accumulate);
/* dw += dy^T x, db += column sums of dy (either p NULL: not wanted). */
typedef void op_linear_dw_fn(struct ctx *c, struct mat dw, struct mat db, struct mat dy, struct mat x);
/* du = dy act'(u). */
typedef void op_act_bwd_fn(struct ctx *c, struct mat du, struct mat dy, struct mat u, enum act act);
/* From dg [T,F] and the saved u [T,2F]: du [T,2F] =, and g [T,F] = forward's g again (for Wo's dw). */
typedef void op_glu_bwd_fn(struct ctx *c, struct mat du, struct mat g, struct mat dg, struct mat u, enum act act, struct drop drop);
/* dq, dk, dv =.  Recomputes probabilities from lse; deterministic, no T x T memory. */
typedef void op_attention_bwd_fn(struct ctx *c, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
                                 struct mat o, struct mat lse, struct mat q, struct mat k, struct mat v,
                                 int heads, const struct seqs *s, int window, float scale, struct drop drop);
/* Rotates the q and k gradients in dqkv [T,3D] back, in place. */
typedef void op_rope_bwd_fn(struct ctx *c, struct mat dqkv, struct rope rope, int heads, const struct seqs *s);
/* dx += ; dw, db +=.  x is the norm's input, stat what forward saved. */
typedef void op_norm_bwd_fn(struct ctx *c, struct mat dx, struct mat dw, struct mat db, struct mat dy,
                            struct mat x, struct mat stat, const struct lnorm *norm);
/* dE += at the rows used (sums in row order whatever the threads); dw, db +=. */
typedef void op_embed_norm_bwd_fn(struct ctx *c, struct mat dE, struct mat dw, struct mat db, struct mat dx,
                                  const int *ids, struct mat E, struct mat stat, const struct lnorm *norm, struct drop drop);
/* dh [T,D] = (every row is written; zero where the pooling did not look). */
typedef void op_pool_bwd_fn(struct ctx *c, struct mat dh, struct mat dp, const struct seqs *s, enum pool_kind kind);
/* y += x, elementwise (same shape and type F32). */
typedef void op_add_fn(struct ctx *c, struct mat y, struct mat x);

/* ---- optimizer ---------------------------------------------------------------------- */
/* *norm (device F32) = sqrt of the sum of squares of all g of the table; NaN or inf stay so. */
typedef void op_sqnorm_fn(struct ctx *c, float *norm, const struct param *table, int n);
/*
 * One AdamW step for all tensors (Loshchilov & Hutter 2019, torch.optim.AdamW's order):
 * lr is a's times the tensor's rate; g' = g * min(1, max_norm / (norm + 1e-6)) (max_norm <= 0:
 * no clipping); w *= 1 - lr decay where decays; m, v; w -= lr (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps).
 * Skipped altogether when *norm is not finite.  Does not clear g.  Returns 1 when it has
 * refreshed the blobs of the weights that the table names; after 0 they are packed again.
 */
typedef int op_adamw_fn(struct ctx *c, const struct param *table, int n, const struct adam *a, const float *norm);

#define OPS(_)                                                                             \
    _(open) _(close) _(precision) _(type) _(threads) _(shares_memory) _(packing) _(about) _(room) _(alloc) _(free)   \
    _(host_alloc) _(host_free) _(upload) _(download) _(fetch) _(fetched) _(zero) _(sync) _(replay) _(recorded) _(seqs_make) _(seqs_free) _(weight_size) _(weight_pack)      \
    _(embed_norm) _(norm_qkv) _(attention) _(linear_add) _(norm_glu) _(norm) _(linear)       \
    _(pool) _(gather_rows) _(scatter_rows) _(dropout) _(ce) _(bce) _(mse)                    \
    _(linear_dx) _(linear_dw) _(act_bwd) _(glu_bwd) _(attention_bwd) _(rope_bwd)             \
    _(norm_bwd) _(embed_norm_bwd) _(pool_bwd) _(add) _(sqnorm) _(adamw)

struct ops {
    const char *name;
#define _(op) op_##op##_fn *op;
    OPS(_)
#undef _
};

/*
 * The backend of that name ("cpu", "cuda"), or for "auto" the best there is.  NULL: this
 * build has no such device.  "cuda" and "auto" open the module mbert-cuda.so: the one that
 * MBERT_CUDA names, beside the executable or in ../lib/mbert-tools from there.  "cuda": one
 * that is there but cannot be loaded is die_sys; that there is a card is for open to see.
 */
const struct ops *ops_find(const char *name);
#ifdef __cplusplus
}
#endif
#endif
