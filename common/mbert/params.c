#include "common/mbert/params.h"
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/base/rng.h"

struct listing { struct entry *out; int n; const char *prefix; int layer; };

enum { WEIGHT = 0, VECTOR = 1 };
static const double zeros = 0, ones = -1;

static void __attribute__((format(printf, 7, 8)))
put(struct listing *l, struct mat *at, int rows, int cols, int vector, double std,
    const char *fmt, ...)
{
    assert(l->n < PARAMS_MAX);
    struct entry *e = &l->out[l->n++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->name, sizeof e->name, fmt, ap);
    va_end(ap);
    e->at = at;
    e->of = NULL;
    e->rows = rows;
    e->cols = cols;
    e->vector = (unsigned char)vector;
    e->decays = !vector;
    e->layer = (short)l->layer;
    e->std = std;
}

static void
put_norm(struct listing *l, struct lnorm *n, const struct config *cfg, const char *name)
{
    n->eps = (float)cfg->norm_eps;
    put(l, &n->w, 1, cfg->hidden, VECTOR, ones, "%s.weight", name);
    if (cfg->norm_bias)
        put(l, &n->b, 1, cfg->hidden, VECTOR, zeros, "%s.bias", name);
}

static void
put_linear(struct listing *l, struct weight *w, int out, int in, int bias, double std,
           const char *name)
{
    put(l, &w->w, out, in, WEIGHT, std, "%s.weight", name);
    l->out[l->n - 1].of = w;
    if (bias)
        put(l, &w->b, 1, out, VECTOR, zeros, "%s.bias", name);
}

static void
put_layer(struct listing *l, struct layer_params *p, const struct config *cfg, int i,
          double std, double out)
{
    const int D = cfg->hidden, F = cfg->ffn;
    char name[64], *tail = name + snprintf(name, sizeof name, "%slayers.%d.", l->prefix, i);
    const size_t room = sizeof name - (size_t)(tail - name);
    if (i) {
        snprintf(tail, room, "attn_norm");
        put_norm(l, &p->attn_norm, cfg, name);
    }
    snprintf(tail, room, "attn.Wqkv");
    put_linear(l, &p->Wqkv, 3 * D, D, cfg->attention_bias, std, name);
    snprintf(tail, room, "attn.Wo");
    put_linear(l, &p->Wo, D, D, cfg->attention_bias, out, name);
    snprintf(tail, room, "mlp_norm");
    put_norm(l, &p->mlp_norm, cfg, name);
    snprintf(tail, room, "mlp.Wi");
    put_linear(l, &p->Wi, 2 * F, D, cfg->mlp_bias, std, name);
    snprintf(tail, room, "mlp.Wo");
    put_linear(l, &p->Wo2, D, F, cfg->mlp_bias, out, name);
}

int
params_table(struct entry *out, const struct config *cfg, enum head_kind head, int classes,
             struct params *p)
{
    /* transformers' ModernBertPreTrainedModel._init_weights: "in", "out", "final_out" */
    const double std = cfg->initializer_range, shrunk = std / sqrt(2.0 * cfg->layers);
    const int D = cfg->hidden;
    struct listing l = { out, 0, head == HEAD_NONE ? "" : "model.", -1 };
    char name[64];
    put(&l, &p->E, cfg->vocab, D, WEIGHT, std, "%sembeddings.tok_embeddings.weight",
        l.prefix);
    snprintf(name, sizeof name, "%sembeddings.norm", l.prefix);
    put_norm(&l, &p->embed_norm, cfg, name);
    while (++l.layer < cfg->layers)
        put_layer(&l, &p->layer[l.layer], cfg, l.layer, std, shrunk);
    snprintf(name, sizeof name, "%sfinal_norm", l.prefix);
    put_norm(&l, &p->final_norm, cfg, name);
    if (head == HEAD_NONE)
        return l.n;
    l.layer++;
    put_linear(&l, &p->dense, D, D, cfg->classifier_bias, shrunk, "head.dense");
    put_norm(&l, &p->head_norm, cfg, "head.norm");
    if (head == HEAD_MLM) {
        if (cfg->decoder_bias)
            put(&l, &p->decoder_bias, 1, cfg->vocab, VECTOR, zeros, "decoder.bias");
    } else {
        put_linear(&l, &p->classifier, classes, D, 1, 1 / sqrt((double)D), "classifier");
    }
    return l.n;
}

int
params_head(struct entry *table, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!strncmp(table[i].name, "head.", 5) || !strncmp(table[i].name, "classifier.", 11))
            table[kept++] = table[i];
    return kept;
}

void
params_place(struct arena *a, const struct entry *table, int n)
{
    for (int i = 0; i < n; i++) {
        const struct entry *e = &table[i];
        void *p = arena_take(a, mem_mul((size_t)e->rows, (size_t)e->cols), sizeof(float));
        *e->at = mat_of(p, e->rows, e->cols, F32);
    }
}

void
params_init(const struct entry *e, uint64_t seed, uint64_t index, double cutoff)
{
    const int64_t n = (int64_t)e->rows * e->cols;
    const uint64_t key = rng_key(seed, index, 0x696e6974); /* "init" */
    float *w = e->at->p;
    assert(e->at->type == F32 && e->at->ld == e->cols);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        if (e->std > 0)
            w[i] = (float)(e->std * rng_truncated(key, (uint64_t)i, cutoff));
        else
            w[i] = e->std < 0 ? 1 : 0;
}
