#ifndef MBERT_BLOCK_H
#define MBERT_BLOCK_H
/*
 * block - one layer, both directions, and where dropout applies.
 *
 *     x2 = x + drop(attention(norm(x)) Wo)      layer 0: no norm
 *     y  = x2 + drop(act(u[:F]) u[F:]) Wo2, u = norm(x2) Wi
 *
 * dx, the gradient of the residual stream, passes straight through both additions.
 */
#include "common/mbert/mbert.h"
/* Layer i: s->layer[i].x -> the next layer's x, or s->x after the last. */
void block_forward(const struct model *m, struct acts *s, const struct seqs *q, int i);
/*
 * The last layer where cls pooling follows: all rows are keys and values, but only the first
 * row of each sequence asks and goes on.  s->layer[i].x -> s->final, its first B rows.
 */
void block_firsts(const struct model *m, struct acts *s, const struct seqs *q, int i);
/* Layer i: s->dx becomes the gradient of s->layer[i].x; g += those of its parameters. */
void block_backward(const struct model *m, struct params *g, struct acts *s,
                    const struct seqs *q, int i);

enum drop_site { DROP_EMBED, DROP_ATTENTION, DROP_OUT, DROP_MLP, DROP_HEAD };
/* The dropout of one place in the model in this step: p 0 when s->drop_key is 0. */
struct drop block_drop(const struct model *m, const struct acts *s, int layer,
                       enum drop_site site);
/* The head's backward: s->dlogits -> the gradient of head_forward's x, dx [N,D]. */
void head_backward(const struct model *m, struct params *g, struct acts *s, struct mat dx,
                   struct mat x);
/* MLM, after mbert_masked: s->dhead -> s->dfinal. */
void head_backward_masked(const struct model *m, struct params *g, struct acts *s);
#endif
