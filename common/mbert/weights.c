#include "common/mbert/weights.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/half.h"

static const struct record *
record_of(const struct model *m)
{
    return safetensors_record(m->file);
}

static int
starts(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

static const char *
bare(const char *name)
{
    return starts(name, "model.") ? name + 6 : name;
}

/* transformers writes "model." before the encoder's names, but not in a bare model. */
const struct tensor *
weights_find(const struct model *m, const char *name)
{
    const struct record *r = record_of(m);
    const struct tensor *t = record_tensor(r, name);
    char other[sizeof ((struct entry *)0)->name + 8];
    if (t)
        return t;
    if (bare(name) != name)
        return record_tensor(r, bare(name));
    snprintf(other, sizeof other, "model.%s", name);
    return record_tensor(r, other);
}

static int
fits(const struct entry *e, const struct tensor *t)
{
    if (e->vector)
        return t->rank == 1 && t->shape[0] == e->cols;
    return t->rank == 2 && t->shape[0] == e->rows && t->shape[1] == e->cols;
}

static void
shape_text(struct buf *b, const struct tensor *t)
{
    buf_printf(b, "[");
    for (int i = 0; i < t->rank; i++)
        buf_printf(b, i ? ",%lld" : "%lld", (long long)t->shape[i]);
    buf_printf(b, "]");
    buf_add(b, "", 1);
}

const struct tensor *
weights_tensor(const struct model *m, const struct entry *e)
{
    const struct tensor *t = weights_find(m, e->name);
    struct buf got = { 0 };
    if (!t)
        return NULL;
    if (!fits(e, t)) {
        shape_text(&got, t);
        if (e->vector)
            die_data("'%s': tensor '%s' has shape %s, expected [%d] by config.json",
                     m->name, t->name, got.p, e->cols);
        die_data("'%s': tensor '%s' has shape %s, expected [%d,%d] by config.json", m->name,
                 t->name, got.p, e->rows, e->cols);
    }
    if (t->type != F32 && t->type != BF16 && t->type != F16 && t->type != F64)
        die_data("'%s': tensor '%s' is %s, expected F32, BF16 or F16", m->name, t->name,
                 dtype_name(t->type));
    return t;
}

static _Noreturn void
missing(const struct model *m, const struct entry *e)
{
    die_data("'%s': tensor '%s' is missing", m->name, e->name);
}

int
weights_classes(const struct model *m)
{
    const struct tensor *t = weights_find(m, "classifier.weight");
    if (!t)
        die_data("'%s': tensor 'classifier.weight' is missing", m->name);
    if (t->rank != 2 || t->shape[0] < 1 || t->shape[0] > 1 << 20)
        die_data("'%s': tensor 'classifier.weight' is not a matrix of 1 to 2^20 rows",
                 m->name);
    return (int)t->shape[0];
}

/* Widens t to F32 in device memory. */
static void
store(const struct model *m, void *to, const struct tensor *t, size_t n)
{
    if (t->type == F32) {
        m->be->upload(m->c, to, t->data, n * sizeof(float));
        return;
    }
    float *wide = m->be->host_alloc(m->c, n * sizeof *wide);
    half_widen(wide, t->data, t->type, n);
    m->be->upload(m->c, to, wide, n * sizeof *wide);
    m->be->sync(m->c);
    m->be->host_free(m->c, wide);
}

/* Run twice: to measure, then to place and store. */
static void
bind(struct model *m, struct arena *a)
{
    const int shared = m->be->shares_memory(m->c);
    for (int i = 0; i < m->entries; i++) {
        const struct entry *e = &m->table[i];
        const struct tensor *t = weights_tensor(m, e);
        const size_t n = (size_t)e->rows * (size_t)e->cols;
        if (!t)
            missing(m, e);
        const int widened =
            e->vector || t->type == F64 || (uintptr_t)t->data % dtype_size(t->type);
        if (!widened) {
            void *p = shared ? (void *)(uintptr_t)t->data
                             : arena_take(a, n, dtype_size(t->type));
            if (!shared && a->base)
                m->be->upload(m->c, p, t->data, n * dtype_size(t->type));
            *e->at = mat_of(p, e->rows, e->cols, t->type);
            continue;
        }
        *e->at = mat_of(arena_take(a, n, sizeof(float)), e->rows, e->cols, F32);
        if (a->base)
            store(m, e->at->p, t, n);
    }
}

/* A tensor that the config does not explain (a bias it denies, say): another model? */
static void
warn_unknown(const struct model *m)
{
    const struct record *r = record_of(m);
    const char *first = NULL;
    int n = 0;
    for (int i = 0; i < r->tensors; i++) {
        const char *name = r->tensor[i].name, *own = bare(name);
        int known =
            starts(own, "head.") || starts(own, "classifier.") || starts(own, "decoder.");
        for (int k = 0; k < m->entries && !known; k++)
            known = !strcmp(own, bare(m->table[k].name));
        if (!known && !n++)
            first = name;
    }
    if (n)
        warn("'%s': %d tensor%s not in this model by config.json: ignored ('%s'%s)",
             m->name, n, n > 1 ? "s" : "", first, n > 1 ? " and more" : "");
}

void
weights_bind(struct model *m)
{
    struct arena a = { 0 };
    bind(m, &a);
    a.base = m->memory = m->be->alloc(m->c, a.used);
    a.used = 0;
    bind(m, &a);
    if (!(m->flags & MODEL_HEAD))
        warn_unknown(m);
}

static void
place_masters(struct model *m)
{
    struct arena a = { 0 };
    params_place(&a, m->table, m->entries);
    a.base = m->memory = m->be->alloc(m->c, a.used);
    a.used = 0;
    params_place(&a, m->table, m->entries);
}

static void
make_new(const struct model *m, int i, uint64_t seed)
{
    struct entry e = m->table[i];
    const size_t bytes = (size_t)e.rows * (size_t)e.cols * sizeof(float);
    struct mat host = mat_of(m->be->host_alloc(m->c, bytes), e.rows, e.cols, F32);
    void *to = e.at->p;
    e.at = &host;
    params_init(&e, seed, (uint64_t)i, m->cfg.initializer_cutoff);
    m->be->upload(m->c, to, host.p, bytes);
    m->be->sync(m->c);
    m->be->host_free(m->c, host.p);
}

static void
say(const char *what, const struct buf *names)
{
    if (names->n && !quiet)
        fprintf(stderr, "%s: %s:%.*s\n", argv0, what, (int)names->n, names->p);
}

void
weights_copy(struct model *m, uint64_t seed)
{
    const struct record *r = record_of(m);
    unsigned char *used = mem_zalloc((size_t)r->tensors + 1, 1);
    struct buf fresh = { 0 }, replaced = { 0 }, dropped = { 0 };
    place_masters(m);
    for (int i = 0; i < m->entries; i++) {
        const struct entry *e = &m->table[i];
        const struct tensor *t = weights_find(m, e->name);
        const int last = starts(e->name, "classifier.");
        if (t)
            used[t - r->tensor] = 1;
        if (t && (!last || fits(e, t))) {
            store(m, e->at->p, weights_tensor(m, e), (size_t)e->rows * (size_t)e->cols);
            continue;
        }
        if (!t && e->layer <= m->cfg.layers)
            missing(m, e);
        make_new(m, i, seed);
        buf_printf(t ? &replaced : &fresh, " %s", e->name);
    }
    for (int i = 0; i < r->tensors; i++)
        if (!used[i] && !(m->head == HEAD_MLM && starts(r->tensor[i].name, "decoder.weight")))
            buf_printf(&dropped, " %s", r->tensor[i].name);
    if (!(m->flags & MODEL_HEAD)) {
        say("new", &fresh);
        say("new, of another shape in the file", &replaced);
        say("dropped", &dropped);
    }
    mem_free(fresh.p);
    mem_free(replaced.p);
    mem_free(dropped.p);
    mem_free(used);
}

void
weights_init(struct model *m, uint64_t seed)
{
    static const char all[] = " every tensor, from config.json alone";
    place_masters(m);
    for (int i = 0; i < m->entries; i++)
        make_new(m, i, seed);
    say("new", &(struct buf){ .p = (char *)(uintptr_t)all, .n = sizeof all - 1 });
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

uint64_t
weights_fingerprint(const struct config *c, const struct safetensors *file)
{
    const struct record *r = safetensors_record(file);
    const int64_t whole[] = { c->hidden, c->layers, c->heads,          c->ffn,    c->vocab,
                              c->window, c->act,    c->classifier_act, c->pooling };
    const double real[] = { c->theta_global, c->theta_local, c->norm_eps };
    const char *header;
    const size_t n = safetensors_header(file, &header);
    XXH64_state_t *x = XXH64_createState();
    if (!x)
        die_sys("out of memory");
    XXH64_reset(x, 0);
    XXH64_update(x, whole, sizeof whole);
    XXH64_update(x, real, sizeof real);
    XXH64_update(x, c->global, (size_t)c->layers);
    XXH64_update(x, header, n);
    for (int i = 0; i < r->tensors; i++)
        if (r->tensor[i].bytes)
            XXH64_update(x, r->tensor[i].data, least(r->tensor[i].bytes, 4096));
    const uint64_t h = XXH64_digest(x);
    XXH64_freeState(x);
    return h;
}
