#include "common/mbert/model.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/packfile.h"
#include "common/mbert/weights.h"

static enum head_kind
head_of(const struct model *m)
{
    if (m->flags & MODEL_BODY)
        return HEAD_NONE;
    if (m->flags & MODEL_TRAIN)
        return m->flags & MODEL_MLM     ? HEAD_MLM
               : m->flags & MODEL_TOKEN ? HEAD_TOKEN
                                        : HEAD_SEQUENCE;
    switch (m->cfg.arch) {
    case ARCH_SEQUENCE: return HEAD_SEQUENCE;
    case ARCH_TOKEN: return HEAD_TOKEN;
    case ARCH_MLM: return HEAD_MLM;
    case ARCH_BARE:
    case ARCH_OTHER: break;
    }
    return HEAD_NONE;
}

static void
load_file(struct model *m, const char *dir, int classes, uint64_t seed)
{
    const struct config *c = &m->cfg;
    const int classified = m->head == HEAD_SEQUENCE || m->head == HEAD_TOKEN;
    m->file = safetensors_model(dir);
    m->name = safetensors_name(m->file);
    m->fingerprint = weights_fingerprint(c, m->file);
    if (m->flags & MODEL_HEAD && !classified)
        die_data("'%s': no classification head ('architectures' in config.json); "
                 "make one with mbert-train or clf-head --train", m->name);
    m->classes = m->flags & MODEL_TRAIN ? classes : classified ? weights_classes(m) : 0;
    if (classified && !(m->flags & MODEL_TRAIN) && c->labels && c->labels != m->classes)
        die_data("'%s': tensor 'classifier.weight' has %d rows, but config.json names %d "
                 "labels", m->name, m->classes, c->labels);
    m->entries = params_table(m->table, c, m->head, m->classes, &m->p);
    if (m->flags & MODEL_HEAD)
        m->entries = params_head(m->table, m->entries);
    if (m->flags & MODEL_TRAIN)
        weights_copy(m, seed);
    else
        weights_bind(m);
}

static void
pack(struct model *m, struct arena *a, struct weight *w, enum weight_use use)
{
    void **to = use == WEIGHT_BACKWARD ? &w->bwd : &w->fwd;
    /* F32 training multiplies the masters themselves: they change with every step */
    const int masters = m->flags & MODEL_TRAIN &&
                        (use == WEIGHT_HEAD || m->be->type(m->c) == F32);
    const size_t bytes = w->w.p && !masters ? m->be->weight_size(m->c, w->w, use) : 0;
    *to = bytes ? arena_take(a, bytes, 1) : NULL;
    if (use != WEIGHT_BACKWARD)
        w->fine = use == WEIGHT_FINE;
    if (*to && !m->mapped)
        m->be->weight_pack(m->c, *to, w->w, use);
}

static void
pack_both(struct model *m, struct arena *a, struct weight *w, enum weight_use use)
{
    pack(m, a, w, use);
    if (m->flags & MODEL_TRAIN && use != WEIGHT_HEAD)
        pack(m, a, w, WEIGHT_BACKWARD);
}

/* Run twice to measure and place; once more whenever the masters have changed. */
static void
pack_all(struct model *m, struct arena *a)
{
    for (int i = 0; i < m->cfg.layers && !(m->flags & MODEL_HEAD); i++) {
        struct layer_params *l = &m->p.layer[i];
        const enum weight_use use = i < MODEL_FINE_LAYERS ? WEIGHT_FINE : WEIGHT_FORWARD;
        pack_both(m, a, &l->Wqkv, use);
        pack_both(m, a, &l->Wo, use);
        pack_both(m, a, &l->Wi, use);
        pack_both(m, a, &l->Wo2, use);
    }
    pack(m, a, &m->p.dense, WEIGHT_HEAD);
    pack(m, a, &m->p.classifier, WEIGHT_HEAD);
    if (m->flags & MODEL_TRAIN)
        pack_both(m, a, &m->decoder, WEIGHT_FORWARD);
    else
        pack(m, a, &m->decoder, WEIGHT_HEAD);
}

void
model_pack(struct model *m)
{
    struct arena a = { 0 };
    if (!m->blobs) {
        pack_all(m, &a);
        if (!a.used)
            return;
        m->blob_bytes = a.used;
        if (m->file && !(m->flags & (MODEL_TRAIN | MODEL_HEAD | MODEL_PACK)) &&
            m->be->shares_memory(m->c))
            m->blobs = packfile_map(m, m->dir, a.used, &m->mapped);
        if (!m->blobs)
            m->blobs = m->be->alloc(m->c, a.used);
        a.used = 0;
    }
    a.base = m->blobs;
    pack_all(m, &a);
}

const struct ops *
model_backend(const char *name)
{
    const struct ops *be = ops_find(name);
    if (!be)
        die_usage("no such device '%s' in this build", name);
    return be;
}

struct ctx *
model_ctx(const struct ops *be, int threads, enum precision precision, const char *dir)
{
    struct config *c = mem_zalloc(1, sizeof *c);
    config_load(c, dir);
    const int size = c->head_size;
    const int odd = c->hidden % 32 || c->ffn % 32 || (size != 32 && size % 64);
    if (odd && (precision == OP_BF16 || precision == OP_INT8))
        die_usage("--dtype %s: '%s' has hidden size %d, feed-forward size %d and head size "
                  "%d, which must be multiples of 32 (heads: 32, 64, 128...); use --dtype f32",
                  precision == OP_BF16 ? "bf16" : "int8", dir, c->hidden, c->ffn, size);
    config_free(c);
    mem_free(c);
    return be->open(threads, odd ? OP_PLAIN : precision);
}

void
model_load(struct model *m, const struct ops *be, struct ctx *c, const char *dir,
           unsigned flags, int classes, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->be = be;
    m->c = c;
    m->flags = flags;
    m->dir = dir;
    config_load(&m->cfg, dir);
    m->head = head_of(m);
    if (m->head == HEAD_MLM && !m->cfg.tied)
        die_data("'%s/config.json': 'tie_word_embeddings' false is not supported", dir);
    if (flags & MODEL_RANDOM) {
        assert(flags & MODEL_TRAIN);
        m->name = dir;
        m->classes = classes;
        m->entries = params_table(m->table, &m->cfg, m->head, classes, &m->p);
        weights_init(m, seed);
    } else {
        load_file(m, dir, classes, seed);
    }
    if (m->head == HEAD_MLM)
        m->decoder = (struct weight){ .w = m->p.E, .b = m->p.decoder_bias };
    model_pack(m);
}

void
model_free(struct model *m)
{
    for (int i = 0; i < 2; i++)
        if (m->rope[i].table.p)
            m->be->free(m->c, m->rope[i].table.p);
    if (m->mapped)
        packfile_unmap(m->blobs, m->mapped);
    else if (m->blobs)
        m->be->free(m->c, m->blobs);
    if (m->memory)
        m->be->free(m->c, m->memory);
    if (m->file)
        safetensors_close(m->file);
    config_free(&m->cfg);
    memset(m, 0, sizeof *m);
}

/* Row t of the table: cos and sin of t theta^(-2k/K), in double and rounded once. */
static void
rope_rows(float *out, int from, int rows, int K, double theta)
{
    const int half = K / 2;
    for (int k = 0; k < half; k++) {
        const double f = pow(theta, -2.0 * k / K);
        for (int t = 0; t < rows; t++) {
            out[(size_t)t * (size_t)K + (size_t)k] = (float)cos((from + t) * f);
            out[(size_t)t * (size_t)K + (size_t)(half + k)] = (float)sin((from + t) * f);
        }
    }
}

void
model_positions(struct model *m, int longest)
{
    const int K = m->cfg.head_size, most = m->cfg.positions;
    const double theta[2] = { m->cfg.theta_local, m->cfg.theta_global };
    if (longest <= m->positions)
        return;
    assert(longest <= most);
    /* more than asked for: batches of growing length shall not come here each time */
    const int to = longest > most - 512 ? most : (longest + 511) / 512 * 512;
    const int rows = to - m->positions;
    const size_t row = (size_t)K * sizeof(float), bytes = (size_t)rows * row;
    float *host = m->be->host_alloc(m->c, bytes);
    for (int i = 0; i < 2; i++) {
        if (!m->rope[i].table.p)
            m->rope[i].table = mat_of(m->be->alloc(m->c, (size_t)most * row), most, K, F32);
        rope_rows(host, m->positions, rows, K, theta[i]);
        m->be->upload(m->c, mat_f32(m->rope[i].table, m->positions), host, bytes);
        m->be->sync(m->c);
    }
    m->be->host_free(m->c, host);
    m->positions = to;
}
