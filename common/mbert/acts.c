#include "common/mbert/acts.h"
#include <assert.h>

static struct mat
take(struct arena *a, int rows, int cols, enum dtype type)
{
    void *p = arena_take(a, mem_mul((size_t)rows, (size_t)cols), dtype_size(type));
    return mat_of(p, rows, cols, type);
}

/*
 * The left side of a product.  In bf16 its rows lie a cache line further apart than they are
 * long: tiles of sixteen rows 1,536 bytes apart meet in few sets of the first cache.
 */
static struct mat
take_left(struct arena *a, int rows, int cols, enum dtype type)
{
    if (type == F32)
        return take(a, rows, cols, type);
    struct mat m = take(a, rows, cols + 32, type);
    m.cols = cols;
    return m;
}

static const struct mat none;

/* What a layer computes, and with `keep` what its backward needs besides; not x. */
static struct layer_acts
layer_set(struct arena *a, const struct config *c, enum dtype type, int T, int keep)
{
    const int D = c->hidden;
    struct layer_acts l = { .x = none };
    l.qkv = take(a, T, 3 * D, type);
    l.o = take_left(a, T, D, type);
    if (!keep)
        return l;
    l.stat1 = take(a, T, 2, F32);
    l.stat2 = take(a, T, 2, F32);
    l.lse = take(a, T, c->heads, F32);
    l.u = take(a, T, 2 * c->ffn, type);
    l.x2 = take(a, T, D, F32);
    return l;
}

/* Layers [first, L) keep what they need; those below share a set, and the residual stream
 * goes through them in place. */
static void
place_layers(struct acts *s, struct arena *a, const struct model *m, int T, int first)
{
    const struct config *c = &m->cfg;
    struct layer_acts below = { .x = none };
    for (int i = first; i < c->layers; i++) {
        s->layer[i] = i > first && m->flags & MODEL_RECOMPUTE
                          ? s->layer[first]
                          : layer_set(a, c, s->type, T, 1);
        s->layer[i].x = take(a, T, c->hidden, F32);
    }
    if (first < c->layers) {
        below = s->layer[first];
    } else {
        below = layer_set(a, c, s->type, T, 0);
        below.x = s->x;
    }
    below.x2 = below.x;
    for (int i = 0; i < first; i++)
        s->layer[i] = below;
}

static void
place_encoder(struct acts *s, struct arena *a, const struct model *m, int T, int train)
{
    const struct config *c = &m->cfg;
    const int frozen = m->frozen ? m->frozen - 1 : 0,
              first = train && frozen < c->layers ? frozen : c->layers;
    s->ids = arena_take(a, (size_t)T, sizeof *s->ids);
    s->x = take(a, T, c->hidden, F32);
    s->h = take_left(a, T, c->hidden, s->type);
    s->g = take_left(a, T, c->ffn, s->type);
    s->final = take(a, T, c->hidden, F32);
    s->embed_stat = train ? take(a, T, 2, F32) : none;
    s->final_stat = train ? take(a, T, 2, F32) : none;
    place_layers(s, a, m, T, first);
}

static void
place_head(struct acts *s, struct arena *a, const struct model *m, int N, int train)
{
    const int D = m->cfg.hidden, C = m->head == HEAD_MLM ? m->cfg.vocab : m->classes;
    s->dense_u = train ? take(a, N, D, F32) : none;
    s->dense = take(a, N, D, F32);
    s->head_stat = train ? take(a, N, 2, F32) : none;
    s->head_out = take(a, N, D, F32);
    s->logits = take(a, N, C, F32);
    s->dlogits = train ? take(a, N, C, F32) : none;
    s->dhead = train ? take(a, N, D, F32) : none;
    s->ddense = train ? take(a, N, D, F32) : none;
}

/* Rows of logits that are there at once. */
static int
masked_rows(int vocab, int T)
{
    const int64_t most = MASKED_BYTES / ((int64_t)vocab * (int64_t)sizeof(float)) & ~63;
    const int rows = most < 64 ? 64 : most < MASKED_ROWS ? (int)most : MASKED_ROWS;
    return T < rows ? T : rows;
}

/* MLM in training: see acts.h. */
static void
place_masked(struct acts *s, struct arena *a, const struct config *c, int T)
{
    const int D = c->hidden;
    s->picked = take(a, T, D, F32);
    s->dense_u = take(a, T, D, F32);
    s->dense = take(a, T, D, F32);
    s->head_stat = take(a, T, 2, F32);
    s->head_out = take_left(a, T, D, s->type);
    s->dlogits = s->logits = take(a, masked_rows(c->vocab, T), c->vocab, F32);
    s->dhead = take(a, T, D, F32);
    s->ddense = take(a, T, D, F32);
    s->pad = take(a, 1, D, F32);
}

static void
place_backward(struct acts *s, struct arena *a, const struct config *c, int T, int B)
{
    const int D = c->hidden;
    const size_t from = a->used;
    s->dg = take(a, T, c->ffn, s->type);
    s->du = take(a, T, 2 * c->ffn, s->type);
    const size_t end = a->used;
    /* the MLP's are done with before attention's are written, and again the other way */
    a->used = from;
    s->dqkv = take(a, T, 3 * D, s->type);
    s->dout = take(a, T, D, s->type);
    a->used = a->used > end ? a->used : end;
    /* done with before all of these; 3 D of A hold D of F32 */
    s->dfinal = mat_of(s->dqkv.p, T, D, F32);
    s->dx = s->final; /* which the head and its backward have read by then */
    s->dh = take(a, T, D, s->type);
    s->dpooled = take(a, B, D, F32);
}

void
acts_place(struct acts *s, struct arena *a, const struct model *m, int mode,
           enum dtype type, int T, int B)
{
    const int train = mode == ACTS_TRAIN;
    const uint64_t key = s->drop_key;
    void *memory = s->memory;
    *s = (struct acts){
        .mode = mode, .rows = T, .seqs = B, .layers = m->cfg.layers, .type = type
    };
    s->drop_key = key;
    s->memory = memory;
    s->by_token = m->head == HEAD_TOKEN || m->head == HEAD_MLM;
    assert(T >= 0 && B >= 0 && (type == F32 || type == BF16));
    if (!(m->flags & MODEL_HEAD))
        place_encoder(s, a, m, T, train);
    s->pooled = take(a, B, m->cfg.hidden, F32);
    if (m->head == HEAD_MLM && train)
        place_masked(s, a, &m->cfg, T);
    else if (m->head != HEAD_NONE)
        place_head(s, a, m, s->by_token ? T : B, train);
    if (train)
        place_backward(s, a, &m->cfg, T, B);
    s->loss = arena_take(a, 1, sizeof *s->loss);
}

static void
cut(struct mat *m, int rows)
{
    if (m->p)
        m->rows = rows;
}

struct acts
acts_cut(const struct acts *s, int T, int B)
{
    struct acts r = *s;
    assert(T <= s->rows && B <= s->seqs);
    struct mat *const tokens[] = { &r.embed_stat, &r.x,  &r.h,     &r.g,    &r.final,
                                   &r.final_stat, &r.dx, &r.dh,    &r.dqkv, &r.dout,
                                   &r.dg,         &r.du, &r.dfinal };
    struct mat *const head[] = { &r.dense_u, &r.dense, &r.head_stat, &r.head_out, &r.logits,
                                 &r.dlogits, &r.dhead, &r.ddense };
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        cut(tokens[i], T);
    for (int i = 0; i < s->layers; i++) {
        struct layer_acts *l = &r.layer[i];
        struct mat *const own[] = { &l->x,   &l->stat1, &l->qkv,   &l->o,
                                    &l->lse, &l->x2,    &l->stat2, &l->u };
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            cut(own[k], T);
    }
    for (size_t i = 0; i < sizeof head / sizeof *head && !s->picked.p; i++)
        cut(head[i], s->by_token ? T : B);
    cut(&r.pooled, B);
    cut(&r.dpooled, B);
    r.rows = T;
    r.seqs = B;
    return r;
}

void
acts_fit(struct acts *s, const struct model *m, int mode, enum dtype type, int T, int B)
{
    struct arena a = { 0 };
    if (s->memory && s->mode == mode && s->type == type && T <= s->rows && B <= s->seqs)
        return;
    T = T > s->rows ? T : s->rows;
    B = B > s->seqs ? B : s->seqs;
    if (s->memory)
        m->be->free(m->c, s->memory);
    acts_place(s, &a, m, mode, type, T, B);
    a.base = s->memory = m->be->alloc(m->c, a.peak);
    a.used = 0;
    acts_place(s, &a, m, mode, type, T, B);
}

void
acts_free(struct acts *s, const struct model *m)
{
    if (s->memory)
        m->be->free(m->c, s->memory);
    *s = (struct acts){ 0 };
}
