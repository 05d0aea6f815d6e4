/* head - norm(act(dense(x))), then the classifier or the decoder tied to the embeddings. */
#include <assert.h>
#include "common/mbert/block.h"

/* x [N,D] -> head_out; rows of s that there are for it. */
static void
dense_forward(const struct model *m, const struct acts *s, struct mat x)
{
    const struct ops *be = m->be;
    const int N = x.rows;
    be->linear(m->c, mat_rows(s->dense, 0, N), mat_rows(s->dense_u, 0, N), x, &m->p.dense,
               (enum act)m->cfg.classifier_act);
    be->norm(m->c, mat_rows(s->head_out, 0, N), mat_rows(s->head_stat, 0, N),
             mat_rows(s->dense, 0, N), &m->p.head_norm);
}

/* s->dhead -> the gradient of x, dx [N,D], which may be s->ddense. */
static void
dense_backward(const struct model *m, struct params *g, const struct acts *s, struct mat dx,
               struct mat x)
{
    const struct ops *be = m->be;
    const int N = x.rows;
    const struct mat dhead = mat_rows(s->dhead, 0, N), ddense = mat_rows(s->ddense, 0, N);
    be->zero(m->c, ddense.p, (size_t)N * (size_t)ddense.cols * sizeof(float));
    be->norm_bwd(m->c, ddense, g->head_norm.w, g->head_norm.b, dhead, mat_rows(s->dense, 0, N),
                 mat_rows(s->head_stat, 0, N), &m->p.head_norm);
    be->act_bwd(m->c, dhead, ddense, mat_rows(s->dense_u, 0, N),
                (enum act)m->cfg.classifier_act);
    be->linear_dw(m->c, g->dense.w, g->dense.b, dhead, x);
    if (m->frozen <= m->cfg.layers + 1)
        be->linear_dx(m->c, dx, dhead, &m->p.dense, 0);
}

void
head_forward(struct model *m, struct acts *s, struct mat x)
{
    const struct ops *be = m->be;
    const struct weight *last = m->head == HEAD_MLM ? &m->decoder : &m->p.classifier;
    const struct drop drop = block_drop(m, s, 0, DROP_HEAD);
    assert(m->head != HEAD_NONE && x.rows == s->dense.rows && !s->picked.p);
    dense_forward(m, s, x);
    if (drop.p > 0)
        be->dropout(m->c, s->head_out, s->head_out, drop);
    be->linear(m->c, s->logits, (struct mat){ 0 }, s->head_out, last, OP_NONE);
}

void
head_backward(const struct model *m, struct params *g, struct acts *s, struct mat dx,
              struct mat x)
{
    const struct ops *be = m->be;
    const struct drop drop = block_drop(m, s, 0, DROP_HEAD);
    assert(m->head == HEAD_SEQUENCE || m->head == HEAD_TOKEN);
    be->linear_dw(m->c, g->classifier.w, g->classifier.b, s->dlogits, s->head_out);
    be->linear_dx(m->c, s->dhead, s->dlogits, &m->p.classifier, 0);
    if (drop.p > 0)
        be->dropout(m->c, s->dhead, s->dhead, drop);
    dense_backward(m, g, s, dx, x);
}

/* Rows [from, from + n) of the masked: their logits, loss and, with g, gradients. */
static void
decode_rows(const struct model *m, struct params *g, const struct acts *s, int from, int n,
            float *loss, float scale)
{
    const struct ops *be = m->be;
    const struct loss_form plain = { .smoothing = 0 };
    const struct mat z = mat_rows(s->logits, 0, n), x = mat_rows(s->head_out, from, n),
                     unwanted = { 0 };
    be->linear(m->c, z, unwanted, x, &m->decoder, OP_NONE);
    be->ce(m->c, loss, z, z, s->masked.labels + from, plain, scale);
    if (!g)
        return;
    be->linear_dw(m->c, m->frozen ? unwanted : g->E, g->decoder_bias, z, x);
    be->linear_dx(m->c, mat_rows(s->dhead, from, n), z, &m->decoder, 0);
}

void
mbert_masked(struct model *m, struct params *g, struct acts *s, const struct masked *k,
             float *loss, float scale)
{
    const int n = k->n, most = s->logits.rows;
    const struct mat x = mat_rows(s->picked, 0, n);
    assert(m->head == HEAD_MLM && s->mode == ACTS_TRAIN && n > 0 && n <= s->rows);
    s->masked = *k;
    m->be->gather_rows(m->c, x, s->final, k->rows);
    dense_forward(m, s, x);
    for (int i = 0; i < n; i += most)
        decode_rows(m, g, s, i, n - i < most ? n - i : most, loss, scale);
}

void
head_backward_masked(const struct model *m, struct params *g, struct acts *s)
{
    const struct ops *be = m->be;
    const struct mat dx = mat_rows(s->ddense, 0, s->masked.n);
    dense_backward(m, g, s, dx, mat_rows(s->picked, 0, s->masked.n));
    if (m->frozen > m->cfg.layers + 1)
        return;
    be->zero(m->c, s->dfinal.p,
             (size_t)s->dfinal.rows * (size_t)s->dfinal.cols * sizeof(float));
    be->scatter_rows(m->c, s->dfinal, dx, s->masked.rows);
}
