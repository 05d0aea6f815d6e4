/*
 * attention_packed - softmax attention by the tile products of kernel.h.
 *
 * A task is a head of a sequence, or a range of its queries.  Its keys and values are laid
 * into panels once: a key is a column of the first product, and a row of the second.  Then
 * GROUP queries at a time walk the key blocks with the online softmax of Milakov and
 * Gimelshein 2018, so that a block of keys is read once for all of them.  Blocks count from
 * the sequence's first row: neighbours in the batch change nothing.
 */
#include "common/ops/attention.h"
#include "common/ops/packed.h"
#if defined __AVX512F__
#include <math.h>
#include <omp.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/ops/panel.h"
#include "common/ops/vector.h"

enum { ROWS = 32, GROUP = 128, KEYS = 256, LANE = 16, ROWS_ALONE = 256 };

struct job {
    const struct kernel *k;
    struct heads h;
    struct mat o, lse, q, key, value;
    int firsts;     /* only first rows ask, and o has one row a sequence */
    float exponent; /* scale log2(e): probabilities are 2^(exponent (s - m)) */
};
/* A range of one head's queries, and the thread's memory for it. */
struct task { int first, end, head, from, to, out; }; /* out: o's row of query 0 */
struct place {
    uint32_t *keys, *values; /* panels of keys [base, ...) */
    float *s, *o;            /* [ROWS,KEYS], [GROUP,K] */
    uint16_t *p;             /* [ROWS,KEYS] bf16 */
    float *m, *l;            /* [GROUP], [GROUP,LANE] */
    struct meanwhile idle;        /* the kernel's */
    int base, words, key_words; /* first key; words of a values panel, of a keys panel */
};

static int
round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

/* Keys that queries [from, to) see, from a multiple of PANEL on; all in the sequence. */
static struct keys
keys_seen(const struct job *j, const struct task *t, int from, int to)
{
    const int n = t->end - t->first, w = j->h.window;
    struct keys k = { 0, n };
    if (w >= 0 && from > w)
        k.first = (from - w) / PANEL * PANEL;
    if (w >= 0 && w < n - to)
        k.end = to + w;
    return k;
}

static const void *
at(struct mat m, int row, int col)
{
    return (const char *)m.p + ((ptrdiff_t)row * m.ld + col) * (ptrdiff_t)dtype_size(m.type);
}

static void
lay_keys(const struct job *j, const struct task *t, struct place *w)
{
    const struct keys all = keys_seen(j, t, t->from, t->to);
    const int K = j->h.size, col = t->head * K, n = all.end - all.first;
    w->base = all.first;
    w->key_words = kernel_words(j->k, K);
    w->words = kernel_words(j->k, round_up(n, PANEL));
    for (int i = 0; i < n; i += PANEL_HALF) {
        uint32_t *panel = w->keys + (size_t)(i / PANEL) * (size_t)w->key_words * PANEL;
        const int rows = n - i < PANEL_HALF ? n - i : PANEL_HALF, half = i / PANEL_HALF % 2;
        panel_from_rows(panel, half, w->key_words, j->k->type,
                        at(j->key, t->first + all.first + i, col), j->key.type, j->key.ld,
                        rows, K);
        if (!half && i + PANEL_HALF >= n)
            panel_from_rows(panel, 1, w->key_words, j->k->type, NULL, j->key.type, 0, 0, K);
    }
    for (int c = 0; c < K; c += PANEL)
        panel_from_columns(w->values + (size_t)(c / PANEL) * (size_t)w->words * PANEL,
                           w->words, j->k->type,
                           at(j->value, t->first + all.first, col + c), j->value.type,
                           j->value.ld, PANEL, n);
}

/* c [rows, panels x PANEL] (+)= a x panels, each `stride` words after the other. */
static void
products(const struct kernel *k, struct meanwhile *m, float *c, ptrdiff_t ldc, int rows,
         const char *a, ptrdiff_t lda, const uint32_t *panels, size_t stride, int n, int words, int add)
{
    for (int i = 0; i < n; i++)
        for (int r = 0; r < rows; r += k->rows)
            k->mul(c + r * ldc + i * PANEL, ldc, rows - r < k->rows ? rows - r : k->rows,
                   a + r * lda, lda, panels + (size_t)i * stride, words, add, m);
}

VECTOR void
hide_lanes(float *s, __mmask16 m)
{
    /* whole vectors: a load after a masked store waits for the cache */
    _mm512_storeu_ps(s, _mm512_mask_mov_ps(_mm512_loadu_ps(s), m, splat(-1e30f)));
}

/* Scores beside those that are seen, in the vectors at both ends, become minus much. */
VECTOR void
hide(float *s, struct seen see)
{
    const int first = see.from / PANEL * PANEL, end = round_up(see.to, PANEL);
    for (int i = first; i < see.from; i += LANE)
        hide_lanes(s + i, first_lanes(see.from - i));
    for (int i = end - LANE; i + LANE > see.to; i -= LANE)
        hide_lanes(s + i, (__mmask16)~first_lanes(see.to - i));
}

VECTOR float
row_max(const float *s, int n, float m)
{
    __m512 a = splat(m), b = a;
    for (int i = 0; i < n; i += 2 * LANE) {
        a = _mm512_max_ps(a, _mm512_loadu_ps(s + i));
        b = _mm512_max_ps(b, _mm512_loadu_ps(s + i + LANE));
    }
    return _mm512_reduce_max_ps(_mm512_max_ps(a, b));
}

/* p = 2^(e (s - top)) in bf16; their sums by lane onto l. */
static void
row_exp_bf16(const float *s, uint16_t *p, int n, float exponent, float top, float *l)
{
    const __m512 e = splat(exponent), shift = splat(-top * exponent);
    __m512 a = _mm512_loadu_ps(l), b = _mm512_setzero_ps();
    for (int i = 0; i < n; i += 2 * LANE) {
        const __m512 x = vector_exp2(_mm512_fmadd_ps(_mm512_loadu_ps(s + i), e, shift)),
                     y = vector_exp2(_mm512_fmadd_ps(_mm512_loadu_ps(s + i + LANE), e, shift));
        a = _mm512_add_ps(a, x);
        b = _mm512_add_ps(b, y);
        _mm512_storeu_si512(p + i, pair_to_bf16(x, y));
    }
    _mm512_storeu_ps(l, _mm512_add_ps(a, b));
}

/* s = 2^(e (s - top)) as exactly as f32 goes: the difference first. */
static void
row_exp_f32(float *s, int n, float exponent, float top, float *l)
{
    __m512 a = _mm512_loadu_ps(l);
    for (int i = 0; i < n; i += LANE) {
        const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(s + i), splat(top));
        const __m512 x = vector_exp2_fine(_mm512_mul_ps(d, splat(exponent)));
        a = _mm512_add_ps(a, x);
        _mm512_storeu_ps(s + i, x);
    }
    _mm512_storeu_ps(l, a);
}

/*
 * One row of scores [0, n) of which some are seen: to probabilities of the running maximum.
 * Returns by how much what was summed before shrinks.
 */
static float
soften(const struct job *j, float *s, uint16_t *p, int n, struct seen see, float *m, float *l)
{
    const int first = see.from / PANEL * PANEL, end = round_up(see.to, PANEL);
    const size_t size = p ? sizeof *p : sizeof *s;
    char *out = p ? (char *)p : (char *)s;
    hide(s, see);
    const float top = row_max(s + first, end - first, *m), before = *m;
    float shrink = 1;
    if (top > before) {
        shrink = _mm512_cvtss_f32(vector_exp2_fine(splat((before - top) * j->exponent)));
        _mm512_storeu_ps(l, _mm512_mul_ps(_mm512_loadu_ps(l), splat(shrink)));
    }
    if (p)
        row_exp_bf16(s + first, p + first, end - first, j->exponent, top, l);
    else
        row_exp_f32(s + first, end - first, j->exponent, top, l);
    memset(out, 0, (size_t)first * size);
    memset(out + (size_t)end * size, 0, (size_t)(n - end) * size);
    *m = top;
    return shrink;
}

static void
shrink_row(float *o, int n, float by)
{
    for (int i = 0; i < n; i += LANE)
        _mm512_storeu_ps(o + i, _mm512_mul_ps(_mm512_loadu_ps(o + i), splat(by)));
}

/* Row i of the tile of scores: query `row` of the sequence, `own` of the group. */
static void
attend_row(const struct job *j, const struct task *t, struct place *w, int row, int own, int i,
           int k, int n)
{
    const int K = j->h.size, padded = round_up(n, PANEL), bf16 = j->k->type == BF16;
    const int dropped = j->h.drop.p > 0;
    float *s = w->s + (size_t)i * KEYS;
    uint16_t *p = bf16 ? w->p + (size_t)i * KEYS : NULL;
    const struct seen see = seen_by(&j->h, row, k, n);
    if (see.from == see.to) {
        memset(p ? (void *)p : (void *)s, 0, (size_t)padded * (p ? sizeof *p : sizeof *s));
        return;
    }
    const float by = soften(j, s, dropped ? NULL : p, padded, see, w->m + own,
                            w->l + (size_t)own * LANE);
    if (by != 1)
        shrink_row(w->o + (size_t)own * (size_t)K, K, by);
    if (dropped) {
        const struct block b = { .first = t->first };
        drop_keys(s, &j->h, b, t->first + row, t->head, t->first + k, padded);
        if (p)
            panel_convert(p, BF16, s, F32, (size_t)padded);
    }
}

/* ROWS queries from `row` (in the sequence, `own` in the group) meet keys [k, k + n). */
static void
attend_tile(const struct job *j, const struct task *t, struct place *w, int row, int own,
            int rows, int k, int n)
{
    const struct kernel *kn = j->k;
    const int K = j->h.size, padded = round_up(n, PANEL), bf16 = kn->type == BF16;
    const int from = k - w->base;
    const size_t value_word = (size_t)(from / (bf16 ? 2 : 1)) * PANEL;
    products(kn, &w->idle, w->s, KEYS, rows, at(j->q, t->first + row, t->head * K),
             j->q.ld * (ptrdiff_t)dtype_size(j->q.type),
             w->keys + (size_t)(from / PANEL) * (size_t)w->key_words * PANEL,
             (size_t)w->key_words * PANEL, padded / PANEL, w->key_words, 0);
    for (int i = 0; i < rows; i++)
        attend_row(j, t, w, row + i, own + i, i, k, n);
    products(kn, &w->idle, w->o + (size_t)own * (size_t)K, K, rows,
             bf16 ? (char *)w->p : (char *)w->s,
             KEYS * (bf16 ? 2 : 4), w->values + value_word, (size_t)w->words * PANEL,
             K / PANEL, kernel_words(kn, padded), 1);
}

static void
put_rows(const struct job *j, const struct task *t, const struct place *w, int row, int rows)
{
    const int K = j->h.size;
    const ptrdiff_t size = (ptrdiff_t)dtype_size(j->o.type);
    for (int i = 0; i < rows; i++) {
        const float l = _mm512_reduce_add_ps(_mm512_loadu_ps(w->l + (size_t)i * LANE));
        const int to = t->first + row + i;
        char *o = (char *)j->o.p +
                  ((ptrdiff_t)(t->out + row + i) * j->o.ld + t->head * K) * size;
        shrink_row(w->o + (size_t)i * (size_t)K, K, 1 / l);
        panel_convert(o, j->o.type, w->o + (size_t)i * (size_t)K, F32, (size_t)K);
        if (j->lse.p)
            mat_f32(j->lse, to)[t->head] =
                (float)((double)w->m[i] * (double)j->h.scale + log((double)l));
    }
}

static void
attend_task(const struct job *j, const struct task *t, struct place *w)
{
    const int K = j->h.size, group = j->h.window >= 0 ? ROWS : GROUP;
    lay_keys(j, t, w);
    for (int row = t->from; row < t->to; row += group) {
        const int rows = t->to - row < group ? t->to - row : group;
        const struct keys all = keys_seen(j, t, row, row + rows);
        memset(w->o, 0, (size_t)rows * (size_t)K * sizeof(float));
        memset(w->l, 0, (size_t)rows * LANE * sizeof(float));
        for (int i = 0; i < rows; i++)
            w->m[i] = -INFINITY;
        for (int k = all.first; k < all.end; k += KEYS)
            for (int i = 0; i < rows; i += ROWS)
                attend_tile(j, t, w, row + i, i, rows - i < ROWS ? rows - i : ROWS, k,
                            all.end - k < KEYS ? all.end - k : KEYS);
        put_rows(j, t, w, row, rows);
    }
}

/* ---- tasks and memory ----------------------------------------------------------------- */
/* Queries of a task: a whole sequence, unless there are too few heads for the threads. */
static int
range_of(const struct ctx *c, const struct seqs *s, int heads)
{
    const long want = 3L * c->threads;
    if ((long)s->n * heads >= want || s->longest <= GROUP)
        return s->longest > 0 ? s->longest : 1;
    const long parts = (want + heads - 1) / heads;
    return round_up((int)((s->longest + parts - 1) / parts), GROUP);
}

struct sizes { size_t keys, values, s, o, p, m, l, all; };

static struct sizes
sizes_of(const struct job *j, int longest)
{
    const int K = j->h.size, keys = round_up(longest, PANEL) + PANEL;
    struct sizes z = {
        .keys = (size_t)keys * (size_t)kernel_words(j->k, K),
        .values = (size_t)kernel_words(j->k, keys) * (size_t)K,
        .s = (size_t)ROWS * KEYS,
        .o = (size_t)GROUP * (size_t)K,
        .p = (size_t)ROWS * KEYS / 2,
        .m = GROUP,
        .l = (size_t)GROUP * LANE,
    };
    z.all = z.keys + z.values + z.s + z.o + z.p + z.m + z.l;
    return z;
}

static struct place
place_of(float *p, const struct sizes *z)
{
    struct place w = { .keys = (uint32_t *)p };
    w.values = (uint32_t *)(p += z->keys);
    w.s = p += z->values;
    w.o = p += z->s;
    w.p = (uint16_t *)(p += z->o);
    w.m = p += z->p;
    w.l = p + z->m;
    return w;
}

static void
check(const struct job *j)
{
    assert(j->o.cols == j->q.cols && (j->firsts || j->o.rows == j->q.rows));
    assert(same_shape(j->key, j->q) && same_shape(j->value, j->q));
    assert(j->key.type == j->q.type && j->value.type == j->q.type && j->k);
    assert(!j->lse.p || (j->lse.rows == j->q.rows && j->lse.cols == j->h.n));
    (void)j;
}

void
attention_packed(struct ctx *c, struct mat o, struct mat lse, struct mat q, struct mat k,
                 struct mat v, int heads, const struct seqs *s, int window, float scale,
                 struct drop drop)
{
    const struct plan *plan = s->plan;
    const struct job j = { .k = q.type == F32 ? c->f32 : c->bf16,
                           .h = heads_of(q, heads, s, window, scale, drop),
                           .firsts = o.rows != q.rows, /* then o.rows is s->n */
                           .o = o, .lse = lse, .q = q, .key = k, .value = v,
                           .exponent = scale * 1.44269504088896341f };
    const int range = range_of(c, s, heads), parts = (s->longest + range - 1) / range;
    /* a few rows are done before a second thread has come and gone */
    const int threads = (long)s->rows * heads <= ROWS_ALONE ? 1 : c->threads;
    const struct sizes z = sizes_of(&j, s->longest);
    const struct shares mine = cpu_shares(c, z.all);
    check(&j);
#pragma omp parallel num_threads(threads)
    {
        struct place w = place_of(cpu_share(mine), &z);
        j.k->begin();
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < s->n * heads * parts; i++) {
            const int b = plan->order[i / (heads * parts)], n = s->cu[b + 1] - s->cu[b];
            const int from = i / heads % parts * range, asks = j.firsts && n ? 1 : n;
            const struct task t = { s->cu[b], s->cu[b + 1], i % heads, from,
                                    asks - from < range ? asks : from + range,
                                    j.firsts ? b : s->cu[b] };
            if (from < asks)
                attend_task(&j, &t, &w);
        }
        j.k->end();
    }
}
#else
typedef int attention_packed_unused;
#endif
