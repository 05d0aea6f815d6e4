#include "common/mbert/block.h"
#include <math.h>
#include "common/base/rng.h"

struct drop
block_drop(const struct model *m, const struct acts *s, int layer, enum drop_site site)
{
    const struct config *c = &m->cfg;
    /* attention_dropout serves twice: the probabilities, and what Wo gives */
    const double p = site == DROP_EMBED  ? c->embedding_dropout
                     : site == DROP_MLP  ? c->mlp_dropout
                     : site == DROP_HEAD ? c->classifier_dropout
                                         : c->attention_dropout;
    if (!s->drop_key || p == 0)
        return (struct drop){ 0, 0 };
    return (struct drop){ (float)p, rng_key(s->drop_key, (uint64_t)layer, (uint64_t)site) };
}

/* What attention needs to know of a layer: the same forward and backward. */
struct view { struct mat q, k, v; struct rope rope; int window; float scale; };

static struct view
view_of(const struct model *m, const struct acts *s, int i)
{
    const struct config *c = &m->cfg;
    const struct mat qkv = s->layer[i].qkv;
    return (struct view){
        .q = mat_cols(qkv, 0, c->hidden),
        .k = mat_cols(qkv, c->hidden, c->hidden),
        .v = mat_cols(qkv, 2 * c->hidden, c->hidden),
        .rope = m->rope[c->global[i]],
        .window = c->global[i] || s->window_off ? -1 : c->window,
        .scale = (float)(1 / sqrt((double)c->head_size)),
    };
}

/* All of a layer but its end: to s->g. */
static void
block_inside(const struct model *m, struct acts *s, const struct seqs *q, int i)
{
    const struct layer_params *p = &m->p.layer[i];
    const struct layer_acts *a = &s->layer[i];
    const struct ops *be = m->be;
    const struct view w = view_of(m, s, i);
    be->norm_qkv(m->c, a->qkv, a->stat1, s->h, a->x, i ? &p->attn_norm : NULL, &p->Wqkv,
                 w.rope, m->cfg.heads, q);
    be->attention(m->c, a->o, a->lse, w.q, w.k, w.v, m->cfg.heads, q, w.window, w.scale,
                  block_drop(m, s, i, DROP_ATTENTION));
    be->linear_add(m->c, a->x2, a->o, &p->Wo, a->x, block_drop(m, s, i, DROP_OUT));
    be->norm_glu(m->c, s->g, a->u, a->stat2, s->h, a->x2, &p->mlp_norm, &p->Wi,
                 (enum act)m->cfg.act, block_drop(m, s, i, DROP_MLP));
}

void
block_forward(const struct model *m, struct acts *s, const struct seqs *q, int i)
{
    const struct mat next = i + 1 < m->cfg.layers ? s->layer[i + 1].x : s->x;
    block_inside(m, s, q, i);
    m->be->linear_add(m->c, next, s->g, &m->p.layer[i].Wo2, s->layer[i].x2,
                      (struct drop){ 0, 0 });
}

void
block_firsts(const struct model *m, struct acts *s, const struct seqs *q, int i)
{
    const struct layer_params *p = &m->p.layer[i];
    const struct layer_acts *a = &s->layer[i];
    const struct ops *be = m->be;
    const struct view w = view_of(m, s, i);
    const struct drop never = { 0, 0 };
    const struct mat none = { 0 }, x = mat_rows(s->final, 0, q->n),
                     o = mat_rows(a->o, 0, q->n), h = mat_rows(s->h, 0, q->n),
                     g = mat_rows(s->g, 0, q->n);
    be->norm_qkv(m->c, a->qkv, none, s->h, a->x, i ? &p->attn_norm : NULL, &p->Wqkv, w.rope,
                 m->cfg.heads, q);
    be->attention(m->c, o, none, w.q, w.k, w.v, m->cfg.heads, q, w.window, w.scale, never);
    be->pool(m->c, x, a->x, q, OP_CLS);
    be->linear_add(m->c, x, o, &p->Wo, x, never);
    be->norm_glu(m->c, g, none, none, h, x, &p->mlp_norm, &p->Wi, (enum act)m->cfg.act,
                 never);
    be->linear_add(m->c, x, g, &p->Wo2, x, never);
}

static void
mlp_backward(const struct model *m, struct layer_params *g, struct acts *s, int i)
{
    const struct layer_params *p = &m->p.layer[i];
    const struct layer_acts *a = &s->layer[i];
    const struct ops *be = m->be;
    be->linear_dx(m->c, s->dg, s->dx, &p->Wo2, 0);
    be->glu_bwd(m->c, s->du, s->g, s->dg, a->u, (enum act)m->cfg.act,
                block_drop(m, s, i, DROP_MLP));
    be->linear_dw(m->c, g->Wo2.w, g->Wo2.b, s->dx, s->g);
    be->norm(m->c, s->h, (struct mat){ 0 }, a->x2, &p->mlp_norm);
    be->linear_dw(m->c, g->Wi.w, g->Wi.b, s->du, s->h);
    be->linear_dx(m->c, s->dh, s->du, &p->Wi, 0);
    be->norm_bwd(m->c, s->dx, g->mlp_norm.w, g->mlp_norm.b, s->dh, a->x2, a->stat2,
                 &p->mlp_norm);
}

static void
attention_backward(const struct model *m, struct layer_params *g, struct acts *s,
                   const struct seqs *q, int i)
{
    const struct layer_params *p = &m->p.layer[i];
    const struct layer_acts *a = &s->layer[i];
    const struct ops *be = m->be;
    const struct view w = view_of(m, s, i);
    const struct drop out = block_drop(m, s, i, DROP_OUT);
    const int D = m->cfg.hidden;
    struct mat dy = s->dx;
    if (out.p > 0) {
        dy = s->dh;
        be->dropout(m->c, dy, s->dx, out);
    }
    be->linear_dw(m->c, g->Wo.w, g->Wo.b, dy, a->o);
    be->linear_dx(m->c, s->dout, dy, &p->Wo, 0);
    be->attention_bwd(m->c, mat_cols(s->dqkv, 0, D), mat_cols(s->dqkv, D, D),
                      mat_cols(s->dqkv, 2 * D, D), s->dout, a->o, a->lse, w.q, w.k, w.v,
                      m->cfg.heads, q, w.window, w.scale,
                      block_drop(m, s, i, DROP_ATTENTION));
    be->rope_bwd(m->c, s->dqkv, w.rope, m->cfg.heads, q);
    if (!i) { /* no norm: Wqkv read the residual stream itself */
        be->linear_dw(m->c, g->Wqkv.w, g->Wqkv.b, s->dqkv, a->x);
        be->linear_dx(m->c, s->dx, s->dqkv, &p->Wqkv, 1);
        return;
    }
    be->norm(m->c, s->h, (struct mat){ 0 }, a->x, &p->attn_norm);
    be->linear_dw(m->c, g->Wqkv.w, g->Wqkv.b, s->dqkv, s->h);
    be->linear_dx(m->c, s->dh, s->dqkv, &p->Wqkv, 0);
    be->norm_bwd(m->c, s->dx, g->attn_norm.w, g->attn_norm.b, s->dh, a->x, a->stat1,
                 &p->attn_norm);
}

void
block_backward(const struct model *m, struct params *g, struct acts *s,
               const struct seqs *q, int i)
{
    /* the layer above has left its own in a set they share: the same again, from x */
    if (i + 1 < m->cfg.layers && s->layer[i].qkv.p == s->layer[i + 1].qkv.p)
        block_inside(m, s, q, i);
    mlp_backward(m, &g->layer[i], s, i);
    attention_backward(m, &g->layer[i], s, q, i);
}
