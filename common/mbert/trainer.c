#include "common/mbert/trainer.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/mbert/block.h"

static void
place(struct trainer *t, struct arena *a)
{
    struct params *const mirrors[] = { &t->g, &t->first, &t->second };
    struct entry *spare = mem_array(PARAMS_MAX, sizeof *spare);
    for (int k = 0; k < 3; k++) {
        struct entry *e = k ? spare : t->g_table;
        int n = params_table(e, &t->m.cfg, t->m.head, t->m.classes, mirrors[k]);
        if (t->m.flags & MODEL_HEAD)
            n = params_head(e, n);
        assert(n == t->m.entries);
        params_place(a, e, n);
        if (!k)
            t->gradient_bytes = a->used;
        for (int i = 0; i < n; i++) {
            struct param *p = &t->table[i];
            float *at = e[i].at->p;
            *(k == 0 ? &p->g : k == 1 ? &p->m : &p->v) = at;
        }
    }
    mem_free(spare);
}

static unsigned
head_flags(enum problem p)
{
    return p == PROBLEM_MLM ? MODEL_MLM : p == PROBLEM_TOKEN ? MODEL_TOKEN : 0;
}

static void
place_weights(struct trainer *t, const float *weight)
{
    const size_t bytes = (size_t)t->m.classes * sizeof *weight;
    if (!weight)
        return;
    assert(t->objective.problem != PROBLEM_MLM &&
           t->objective.problem != PROBLEM_REGRESSION);
    t->weight = mat_of(t->m.be->alloc(t->m.c, bytes), 1, t->m.classes, F32);
    t->m.be->upload(t->m.c, t->weight.p, weight, bytes);
    t->objective.class_weight = NULL;
}

/* The optimizer's table: all that is not frozen. */
static void
list_trained(struct trainer *t)
{
    const int lowest = t->m.frozen - 1; /* layers below, and the embeddings, are frozen */
    t->trained_n = 0;
    for (int i = 0; i < t->m.entries; i++)
        if (!t->m.frozen || t->m.table[i].layer >= lowest)
            t->trained[t->trained_n++] = t->table[i];
}

void
trainer_open(struct trainer *t, const struct ops *be, struct ctx *c, const char *dir,
             unsigned flags, int classes, const struct objective *o, uint64_t seed)
{
    struct arena a = { 0 };
    memset(t, 0, sizeof *t);
    t->objective = *o;
    assert(o->problem != PROBLEM_AUTO);
    model_load(&t->m, be, c, dir, MODEL_TRAIN | head_flags(o->problem) | flags, classes,
               seed);
    place(t, &a);
    a.base = t->memory = be->alloc(c, a.used);
    a.used = 0;
    place(t, &a);
    for (int i = 0; i < t->m.entries; i++) {
        const struct entry *e = &t->m.table[i];
        t->table[i].w = e->at->p;
        t->table[i].n = (int64_t)e->rows * e->cols;
        t->table[i].decays = e->decays;
        t->table[i].of = e->of;
        t->table[i].rate = 1;
        if (t->m.decoder.w.p && e->at == &t->m.p.E)
            t->table[i].of = &t->m.decoder;
    }
    if (flags & MODEL_HEAD)
        t->m.frozen = t->m.cfg.layers + 2;
    list_trained(t);
    place_weights(t, o->class_weight);
    t->norm = be->alloc(c, sizeof *t->norm);
    t->loss = be->alloc(c, sizeof *t->loss);
}

void
trainer_freeze(struct trainer *t, int layers)
{
    const int L = t->m.cfg.layers;
    assert(layers >= -1 && layers <= L && !t->acts.memory);
    t->m.frozen = layers < 0 ? L + 2 : layers + 1;
    list_trained(t);
}

void
trainer_rates(struct trainer *t, double decay)
{
    const int L = t->m.cfg.layers;
    for (int i = 0; i < t->m.entries; i++) {
        const int layer = t->m.table[i].layer;
        t->table[i].rate = layer < L ? pow(decay, L - layer) : 1;
    }
    list_trained(t);
}

void
trainer_close(struct trainer *t)
{
    const struct ops *be = t->m.be;
    struct ctx *c = t->m.c;
    be->free(c, t->memory);
    be->free(c, t->norm);
    be->free(c, t->loss);
    be->free(c, t->labels);
    be->free(c, t->weight.p);
    mem_free(t->host.p);
    acts_free(&t->acts, &t->m);
    model_free(&t->m);
}

static void
put_labels(struct trainer *t, const void *labels, size_t n)
{
    const size_t bytes = n * 4;
    if (bytes > t->label_cap) {
        t->m.be->free(t->m.c, t->labels);
        t->labels = t->m.be->alloc(t->m.c, bytes);
        t->label_cap = bytes;
    }
    t->m.be->upload(t->m.c, t->labels, labels, bytes);
}

/* MLM: the rows whose label is not -100, then their labels; none: n 0. */
static struct masked
put_masked(struct trainer *t, const int *labels, int T)
{
    int n = 0;
    t->host.n = 0;
    for (int i = 0; i < T; i++)
        if (labels[i] != -100)
            buf_add(&t->host, &i, sizeof i), n++;
    for (int i = 0; i < T; i++)
        if (labels[i] != -100)
            buf_add(&t->host, &labels[i], sizeof *labels);
    if (n)
        put_labels(t, t->host.p, 2 * (size_t)n);
    return (struct masked){ t->labels, (const int *)t->labels + n, n };
}

static size_t
labels_of(const struct trainer *t, int T, int B)
{
    const enum problem p = t->objective.problem;
    return p == PROBLEM_TOKEN    ? (size_t)T
           : p == PROBLEM_SINGLE ? (size_t)B
                                 : (size_t)B * (size_t)t->m.classes;
}

static void
loss(struct trainer *t, struct acts *s, float scale)
{
    const struct ops *be = t->m.be;
    const enum problem p = t->objective.problem;
    const struct mat labels = mat_of(t->labels, s->logits.rows, t->m.classes, F32);
    const struct loss_form form = { t->weight, t->objective.smoothing,
                                    t->objective.focal };
    if (p == PROBLEM_SINGLE || p == PROBLEM_TOKEN)
        be->ce(t->m.c, t->loss, s->dlogits, s->logits, t->labels, form, scale);
    else if (p == PROBLEM_MULTI)
        be->bce(t->m.c, t->loss, s->dlogits, s->logits, labels, form, scale);
    else
        be->mse(t->m.c, t->loss, s->dlogits, s->logits, labels, scale);
}

/* ids -> s->final; *q is the caller's to free. */
static struct acts
encode(struct trainer *t, const int *ids, const int *cu, int B, uint64_t key,
       struct seqs *q)
{
    const struct ops *be = t->m.be;
    const int T = cu[B];
    acts_fit(&t->acts, &t->m, ACTS_TRAIN, be->type(t->m.c), T, B);
    struct acts s = acts_cut(&t->acts, T, B);
    s.drop_key = key;
    be->seqs_make(t->m.c, q, B, cu);
    model_positions(&t->m, q->longest);
    be->upload(t->m.c, s.ids, ids, (size_t)T * sizeof *ids);
    mbert_encode(&t->m, &s, q, 0, NULL, NULL);
    return s;
}

/* Everything up to the loss, and with g the backward. */
static void
classify(struct trainer *t, struct params *g, const int *ids, const int *cu, int B,
         const void *labels, float scale, uint64_t key, float *logits)
{
    const enum pool_kind kind = (enum pool_kind)t->m.cfg.pooling;
    struct seqs q;
    struct acts s = encode(t, ids, cu, B, key, &q);
    put_labels(t, labels, labels_of(t, cu[B], B));
    if (!s.by_token)
        mbert_pool(&t->m, &s, &q, kind);
    head_forward(&t->m, &s, s.by_token ? s.final : s.pooled);
    loss(t, &s, scale);
    if (g)
        mbert_backward(&t->m, g, &s, &q, kind);
    if (logits)
        t->m.be->download(t->m.c, logits, s.logits.p,
                          (size_t)s.logits.rows * (size_t)t->m.classes * sizeof *logits);
    t->m.be->seqs_free(t->m.c, &q);
}

/* The same for MLM; a batch of which nothing is masked has neither loss nor gradient. */
static void
unmask(struct trainer *t, struct params *g, const int *ids, const int *cu, int B,
       const int *labels, float scale, uint64_t key)
{
    struct seqs q;
    const struct masked k = put_masked(t, labels, cu[B]);
    if (!k.n)
        return;
    struct acts s = encode(t, ids, cu, B, key, &q);
    mbert_masked(&t->m, g, &s, &k, t->loss, scale);
    if (g)
        mbert_backward(&t->m, g, &s, &q, (enum pool_kind)t->m.cfg.pooling);
    t->m.be->seqs_free(t->m.c, &q);
}

void
trainer_add(struct trainer *t, const int *ids, const int *cu, int B, const void *labels,
            float scale, uint64_t key)
{
    if (t->objective.problem == PROBLEM_MLM)
        unmask(t, &t->g, ids, cu, B, labels, scale, key);
    else
        classify(t, &t->g, ids, cu, B, labels, scale, key, NULL);
}

void
trainer_add_pooled(struct trainer *t, const float *pooled, int B, const void *labels,
                   float scale, uint64_t key)
{
    const size_t row = (size_t)t->m.cfg.hidden * sizeof *pooled;
    acts_fit(&t->acts, &t->m, ACTS_TRAIN, F32, 1, B);
    struct acts s = acts_cut(&t->acts, 1, B);
    s.drop_key = key;
    t->m.be->upload(t->m.c, s.pooled.p, pooled, (size_t)B * row);
    put_labels(t, labels, labels_of(t, 1, B));
    head_forward(&t->m, &s, s.pooled);
    loss(t, &s, scale);
    head_backward(&t->m, &t->g, &s, s.dpooled, s.pooled);
}

void
trainer_predict(struct trainer *t, const int *ids, const int *cu, int B, const void *labels,
                float scale, float *logits)
{
    assert(t->objective.problem != PROBLEM_MLM || !logits);
    if (t->objective.problem == PROBLEM_MLM)
        unmask(t, NULL, ids, cu, B, labels, scale, 0);
    else
        classify(t, NULL, ids, cu, B, labels, scale, 0, logits);
}

double
trainer_loss(struct trainer *t)
{
    float f = 0;
    t->m.be->download(t->m.c, &f, t->loss, sizeof f);
    t->m.be->zero(t->m.c, t->loss, sizeof f);
    return f;
}

/* The first gradient that is not finite. */
static const char *
culprit(struct trainer *t)
{
    for (int i = 0; i < t->m.entries; i++) {
        float norm;
        t->m.be->sqnorm(t->m.c, t->norm, &t->table[i], 1);
        t->m.be->download(t->m.c, &norm, t->norm, sizeof norm);
        if (!isfinite(norm))
            return t->m.table[i].name;
    }
    return NULL;
}

static const char *
refuse(struct trainer *t, double loss)
{
    const char *name = isfinite(loss) ? culprit(t) : NULL;
    if (!isfinite(loss))
        snprintf(t->why, sizeof t->why, "the loss is not finite");
    else if (name)
        snprintf(t->why, sizeof t->why, "the gradient of '%s' is not finite", name);
    else
        snprintf(t->why, sizeof t->why, "the norm of all gradients together is not finite");
    return t->why;
}

const char *
trainer_step(struct trainer *t, const struct adam *a, double *loss, double *norm)
{
    const struct ops *be = t->m.be;
    const char *why = NULL;
    int packed = 1;
    float f;
    *loss = trainer_loss(t);
    be->sqnorm(t->m.c, t->norm, t->trained, t->trained_n);
    be->download(t->m.c, &f, t->norm, sizeof f);
    *norm = f;
    if (!isfinite(*loss) || !isfinite(f))
        why = refuse(t, *loss);
    else
        packed = be->adamw(t->m.c, t->trained, t->trained_n, a, t->norm);
    be->zero(t->m.c, t->memory, t->gradient_bytes);
    if (!packed)
        model_pack(&t->m);
    return why;
}
