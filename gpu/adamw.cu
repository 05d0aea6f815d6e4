#include <math.h>
#include "gpu/pair.cuh"
#include "gpu/quad.cuh"

/* Tensors are cut into pieces of at most this many elements; a piece is one block. */
enum { PIECE = 16384, THREADS = 256, WARPS = THREADS / 32 };
struct piece { float *w, *g, *m, *v; bf16 *blob; int n; float rate, fade; };

/* ---- the table on the device -------------------------------------------------------- */
/* What a table says of one tensor, and the blob that its weight had then. */
struct source { struct param p; void *blob; };

/* A table that was met and its pieces. */
struct listed {
    struct source *source;
    int n, count;
    struct piece *pieces; /* device */
    size_t room;
    uint64_t used;
};
/* Two: all tensors, each step, and what else is asked for between steps. */
enum { TABLES = 2 };
struct table_copy { struct listed list[TABLES]; uint64_t turn; };

static struct source
source_of(const struct param *p)
{
    const struct weight *W = p->of;
    void *blob = W ? W->fwd : NULL;
    assert(!blob || (W->w.p == p->w && W->w.type == F32 && W->w.ld == W->w.cols &&
                     (int64_t)W->w.rows * W->w.cols == p->n));
    return { *p, blob };
}

/* Member by member: the bytes between them mean nothing. */
static bool
source_same(const struct source *a, const struct source *b)
{
    return a->p.w == b->p.w && a->p.g == b->p.g && a->p.m == b->p.m && a->p.v == b->p.v &&
           a->p.n == b->p.n && !a->p.decays == !b->p.decays && a->p.rate == b->p.rate &&
           a->blob == b->blob;
}

static bool
listed_same(const struct listed *l, const struct param *table, int n)
{
    if (!l->source || l->n != n)
        return false;
    for (int i = 0; i < n; i++) {
        const struct source s = source_of(&table[i]);
        if (!source_same(&l->source[i], &s))
            return false;
    }
    return true;
}

static int
pieces_of(const struct param *table, int n)
{
    int64_t pieces = 0;
    for (int i = 0; i < n; i++)
        pieces += (table[i].n + PIECE - 1) / PIECE;
    assert(pieces < INT32_MAX / 2);
    return (int)pieces;
}

static struct piece *
source_cut(struct piece *to, const struct source *s)
{
    for (int64_t at = 0; at < s->p.n; at += PIECE) {
        const int64_t rest = s->p.n - at;
        *to++ = { s->p.w + at,
                  s->p.g + at,
                  s->p.m + at,
                  s->p.v + at,
                  s->blob ? (bf16 *)s->blob + at : NULL,
                  rest < PIECE ? (int)rest : PIECE,
                  (float)s->p.rate,
                  s->p.decays ? (float)s->p.rate : 0 };
    }
    return to;
}

static void
listed_fill(struct ctx *c, struct listed *l, const struct param *table, int n)
{
    l->count = pieces_of(table, n);
    const size_t bytes = mem_mul((size_t)l->count, sizeof(struct piece));
    struct piece *host = (struct piece *)mem_alloc(bytes), *end = host;
    mem_free(l->source);
    l->source = (struct source *)mem_array((size_t)n, sizeof *l->source);
    l->n = n;
    for (int i = 0; i < n; i++) {
        l->source[i] = source_of(&table[i]);
        end = source_cut(end, &l->source[i]);
    }
    assert(end == host + l->count);
    if (bytes > l->room) {
        cuda_free(c, l->pieces);
        l->pieces = (struct piece *)cuda_alloc(c, bytes);
        l->room = bytes;
    }
    cuda_upload(c, l->pieces, host, bytes);
    mem_free(host);
}

/* The table's pieces on the device: as they were left there, if it is one of the last. */
static const struct listed *
table_pieces(struct ctx *c, const struct param *table, int n)
{
    if (!c->table)
        c->table = (struct table_copy *)mem_zalloc(1, sizeof *c->table);
    struct table_copy *t = c->table;
    struct listed *oldest = &t->list[0], *found = NULL;
    for (int i = 0; i < TABLES && !found; i++) {
        if (listed_same(&t->list[i], table, n))
            found = &t->list[i];
        else if (t->list[i].used < oldest->used)
            oldest = &t->list[i];
    }
    if (!found)
        listed_fill(c, found = oldest, table, n);
    found->used = ++t->turn;
    return found;
}

void
table_free(struct ctx *c)
{
    for (int i = 0; c->table && i < TABLES; i++) {
        cuda_free(c, c->table->list[i].pieces);
        mem_free(c->table->list[i].source);
    }
    mem_free(c->table);
    c->table = NULL;
}

/* ---- the gradient's norm ------------------------------------------------------------ */
KERNEL(THREADS, 8)
piece_squares(struct pair *part, const struct piece *all)
{
    SMEM_DYN(struct pair, shared);
    const struct piece p = all[dev_block()];
    const int quads = (uintptr_t)p.g % 16 ? 0 : p.n / 4;
    struct pair s = { 0, 0 };
    for (int i = dev_thread(); i < quads; i += THREADS) {
        const struct quad g = dev_load4(p.g + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++)
            s = pair_square(s, g.f[j]);
    }
    for (int i = 4 * quads + dev_thread(); i < p.n; i += THREADS)
        s = pair_square(s, p.g[i]);
    s = pair_block(s, shared);
    if (dev_thread() == 0)
        part[dev_block()] = s;
}

KERNEL(THREADS, 1)
norm_of(float *norm, const struct pair *part, int n)
{
    SMEM_DYN(struct pair, shared);
    struct pair s = { 0, 0 };
    for (int i = dev_thread(); i < n; i += THREADS)
        s = pair_join(s, part[i]);
    s = pair_block(s, shared);
    if (dev_thread() == 0)
        *norm = pair_root(s);
}

/* Squares are F32: a norm above 1.8e19 is infinite. */
void
cuda_sqnorm(struct ctx *c, float *norm, const struct param *table, int n)
{
    const struct listed *l = table_pieces(c, table, n);
    const size_t smem = WARPS * sizeof(struct pair);
    struct pair *part =
        (struct pair *)cuda_scratch(c, SCRATCH_SUMS, (size_t)l->count, sizeof *part);
    LAUNCH(c->stream, (piece_squares), l->count, THREADS, smem, part, l->pieces);
    LAUNCH(c->stream, (norm_of), 1, THREADS, smem, norm, part, l->count);
    cuda_launched("sqnorm");
}

/* ---- the step ----------------------------------------------------------------------- */
/*
 * fade = lr decay, new1 = 1 - beta1: kept small, as F32 they have all their digits.  The
 * clip factor is a pair: v takes its square, and its rounding would be in all alike.
 */
struct step { float max_norm, fade, new1, new2, rate, root, eps; };

/* min(1, max_norm / (norm + 1e-6)), the quotient by one Newton step. */
DEV struct pair
clip_of(float max_norm, float norm)
{
    const struct pair size = pair_add({ norm, 0 }, 1e-6f);
    const float q = max_norm / size.hi;
    if (!(max_norm > 0) || q >= 1)
        return { 1, 0 };
    return { q, (fmaf(-q, size.hi, max_norm) - q * size.lo) / size.hi };
}

/* w -= fade w + rate m / (root sqrt(v) + eps): rounded once at the size of w. */
DEV void
adamw_one(float *w, float g, float *m, float *v, struct pair clip, const struct step &s)
{
    const struct pair d = pair_scale(clip, g);
    *m = fmaf(d.hi - *m, s.new1, *m);
    *v = fmaf(fmaf(d.hi, d.hi, 2 * d.hi * d.lo) - *v, s.new2, *v);
    *w -= fmaf(s.fade, *w, s.rate * *m / fmaf(sqrtf(*v), s.root, s.eps));
}

/* Of V elements from `at` on. */
template <int V>
DEV void
adamw_some(const struct piece &p, int at, struct pair clip, const struct step &s)
{
    struct quad w = quad_load<V>(p.w + at), m = quad_load<V>(p.m + at),
                v = quad_load<V>(p.v + at);
    const struct quad g = quad_load<V>(p.g + at);
    UNROLL
    for (int j = 0; j < V; j++)
        adamw_one(&w.f[j], g.f[j], &m.f[j], &v.f[j], clip, s);
    quad_store<V>(p.w + at, w);
    quad_store<V>(p.m + at, m);
    quad_store<V>(p.v + at, v);
    if (p.blob)
        quad_store<V>(p.blob + at, w);
}

KERNEL(THREADS, 4)
adamw_pieces(const struct piece *all, struct step s, const float *norm)
{
    const struct piece p = all[dev_block()];
    const float size = *norm;
    if (!(size < INFINITY))
        return;
    const struct pair clip = clip_of(s.max_norm, size);
    s.fade *= p.fade;
    s.rate *= p.rate;
    /* a quad of the blob is half as long */
    const uintptr_t start = (uintptr_t)p.w | (uintptr_t)p.g | (uintptr_t)p.m |
                            (uintptr_t)p.v | (uintptr_t)p.blob * 2;
    const int quads = start % 16 ? 0 : p.n / 4;
    for (int i = dev_thread(); i < quads; i += THREADS)
        adamw_some<4>(p, 4 * i, clip, s);
    for (int i = 4 * quads + dev_thread(); i < p.n; i += THREADS)
        adamw_some<1>(p, i, clip, s);
}

int
cuda_adamw(struct ctx *c, const struct param *table, int n, const struct adam *a,
           const float *norm)
{
    const double lr = a->lr, b1 = a->beta1, b2 = a->beta2, t = (double)a->step;
    const struct step s = {
        (float)a->max_norm,
        (float)(lr * a->decay),
        (float)(1 - b1),
        (float)(1 - b2),
        (float)(lr / (1 - pow(b1, t))),
        (float)(1 / sqrt(1 - pow(b2, t))),
        (float)a->eps,
    };
    const struct listed *l = table_pieces(c, table, n);
    assert(a->step >= 1);
    LAUNCH(c->stream, (adamw_pieces), l->count, THREADS, 0, l->pieces, s, norm);
    cuda_launched("adamw");
    return 1;
}
