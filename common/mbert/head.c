/* head - norm(act(dense(x))), then the classifier or the decoder tied to the embeddings. */
#include <assert.h>
#include "common/mbert/block.h"

void
head_forward(struct model *m, struct acts *s, struct mat x)
{
    const struct ops *be = m->be;
    const struct weight *last = m->head == HEAD_MLM ? &m->decoder : &m->p.classifier;
    const struct drop drop = block_drop(m, s, 0, DROP_HEAD);
    assert(m->head != HEAD_NONE && x.rows == s->dense.rows);
    be->linear(m->c, s->dense, s->dense_u, x, &m->p.dense, (enum act)m->cfg.classifier_act);
    be->norm(m->c, s->head_out, s->head_stat, s->dense, &m->p.head_norm);
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
    be->zero(m->c, s->ddense.p,
             (size_t)s->ddense.rows * (size_t)s->ddense.cols * sizeof(float));
    be->norm_bwd(m->c, s->ddense, g->head_norm.w, g->head_norm.b, s->dhead, s->dense,
                 s->head_stat, &m->p.head_norm);
    be->act_bwd(m->c, s->dhead, s->ddense, s->dense_u, (enum act)m->cfg.classifier_act);
    be->linear_dw(m->c, g->dense.w, g->dense.b, s->dhead, x);
    if (m->frozen <= m->cfg.layers + 1)
        be->linear_dx(m->c, dx, s->dhead, &m->p.dense, 0);
}
