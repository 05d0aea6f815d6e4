#include "common/mbert/mbert.h"
#include <assert.h>
#include "common/mbert/block.h"

_Static_assert((int)ACT_GELU == (int)OP_GELU && (int)ACT_SILU == (int)OP_SILU,
               "config and ops agree");
_Static_assert((int)ACT_GELU_TANH == (int)OP_GELU_TANH && (int)ACT_RELU == (int)OP_RELU,
               "config and ops agree");
_Static_assert((int)POOL_CLS == (int)OP_CLS && (int)POOL_MEAN == (int)OP_MEAN,
               "config and ops agree");

void
mbert_encode(struct model *m, struct acts *s, const struct seqs *q, int window_off,
             hidden_fn *each, void *arg)
{
    const struct ops *be = m->be;
    assert(s->rows == q->rows && s->seqs == q->n && q->longest <= m->positions);
    s->window_off = window_off;
    be->embed_norm(m->c, s->layer[0].x, s->embed_stat, s->ids, m->p.E, &m->p.embed_norm,
                   block_drop(m, s, 0, DROP_EMBED));
    for (int i = 0; i < m->cfg.layers; i++) {
        if (each)
            each(arg, i, s->layer[i].x);
        if (s->firsts && i + 1 == m->cfg.layers)
            block_firsts(m, s, q, i);
        else
            block_forward(m, s, q, i);
    }
    if (s->firsts) {
        be->norm(m->c, s->pooled, (struct mat){ 0 }, mat_rows(s->final, 0, q->n),
                 &m->p.final_norm);
        return;
    }
    if (each)
        each(arg, m->cfg.layers, s->x);
    be->norm(m->c, s->final, s->final_stat, s->x, &m->p.final_norm);
}

void
mbert_pool(struct model *m, struct acts *s, const struct seqs *q, enum pool_kind kind)
{
    m->be->pool(m->c, s->pooled, s->final, q, kind);
}

/* g of the embeddings: what the pad row has had, the decoder's, stays as it was. */
static void
embed_backward(const struct model *m, struct params *g, const struct acts *s)
{
    const struct ops *be = m->be;
    const size_t row = (size_t)m->cfg.hidden * sizeof(float);
    const int pad = m->cfg.pad, padded = pad >= 0 && pad < m->cfg.vocab,
              decodes = m->head == HEAD_MLM;
    const struct mat own = mat_rows(g->E, padded ? pad : 0, 1);
    if (padded && decodes) {
        be->zero(m->c, s->pad.p, row);
        be->add(m->c, s->pad, own);
    }
    be->embed_norm_bwd(m->c, g->E, g->embed_norm.w, g->embed_norm.b, s->dx, s->ids, m->p.E,
                       s->embed_stat, &m->p.embed_norm, block_drop(m, s, 0, DROP_EMBED));
    if (padded)
        be->zero(m->c, own.p, row);
    if (padded && decodes)
        be->add(m->c, own, s->pad);
}

void
mbert_backward(struct model *m, struct params *g, struct acts *s, const struct seqs *q,
               enum pool_kind kind)
{
    const struct ops *be = m->be;
    const size_t row = (size_t)m->cfg.hidden * sizeof(float);
    const int lowest = m->frozen ? m->frozen - 1 : 0;
    assert(s->mode == ACTS_TRAIN && m->flags & MODEL_TRAIN);
    if (m->head == HEAD_MLM)
        head_backward_masked(m, g, s);
    else if (s->by_token)
        head_backward(m, g, s, s->dfinal, s->final);
    else
        head_backward(m, g, s, s->dpooled, s->pooled);
    if (m->frozen > m->cfg.layers + 1)
        return;
    if (!s->by_token)
        be->pool_bwd(m->c, s->dfinal, s->dpooled, q, kind);
    be->zero(m->c, s->dx.p, (size_t)s->dx.rows * row);
    be->norm_bwd(m->c, s->dx, g->final_norm.w, g->final_norm.b, s->dfinal, s->x,
                 s->final_stat, &m->p.final_norm);
    for (int i = m->cfg.layers - 1; i >= lowest; i--)
        block_backward(m, g, s, q, i);
    if (!m->frozen)
        embed_backward(m, g, s);
}
