#ifndef OPS_BACKWARD_H
#define OPS_BACKWARD_H
/*
 * backward - the backward ops over BF16 activations, which the ops of the same names hand
 * over.  AVX-512 with bf16: only for contexts that have c->bf16.  Sums and what a row keeps
 * are F32; what is stored as A is rounded once.
 */
#include "common/ops/cpu.h"

/* dw += dy^T x by panels; dy and x F32 or BF16. */
op_linear_dw_fn backward_linear_dw;
op_glu_bwd_fn backward_glu;             /* du, g, dg, u BF16 */
op_attention_bwd_fn backward_attention; /* all but lse BF16; heads_packed */
op_rope_bwd_fn backward_rope;           /* dqkv BF16 */
op_norm_bwd_fn backward_norm;           /* dy BF16 */
op_dropout_fn backward_dropout;         /* y, x F32 or BF16 */

/* The optimizer in F32, for runs whose gradients come from bf16 products: the sum of squares
 * of n elements, and one step's update of n. */
struct adam_step { double clip, keep, new1, beta2, new2, rate, root, eps; };
double backward_squares(const float *g, int n);
void backward_update(float *w, const float *g, float *m, float *v, int n,
                     const struct adam_step *s);
#endif
