/*
 * attention_bwd_packed - attention's backward by the tile products of kernel.h.
 *
 * A task is a head of a sequence.  GROUP queries at a time meet all keys they see, TILE keys
 * at a time, with keys as rows: S^T = K Q^T and dP^T = V dO^T, so that P^T and dS^T are the
 * left sides of dV += P^T dO and dK += dS^T Q as they come out.  dQ^T = K^T dS^T takes dS^T
 * as panels, which are two of its rows interleaved: nothing is transposed but K, once, and
 * dQ^T, at the end.  Probabilities come again from lse (Dao 2023, FlashAttention-2).  Tiles
 * that the window hides are never made.  All count from the sequence's first row, in one
 * order: neighbours and threads change nothing.
 */
#include "common/ops/attention.h"
#include "common/ops/backward.h"
#if defined __AVX512F__
#include "common/ops/panel.h"
#include "common/ops/vector.h"

enum { TILE = 32, GROUP = 128, KEYS = 512, LANE = 16, PAIR = PANEL / 2 };

struct job {
    const struct kernel *k;
    struct heads h;
    struct mat dq, dk, dv, dout, o, lse, q, key, value;
    int words;      /* of a panel over K */
    float exponent; /* scale log2(e) */
};
/* Rows [first, first + n) and one head. */
struct task { int first, n, head; };
struct place {
    uint32_t *q_rows, *o_rows;  /* [GROUP / PANEL] panels: a query of q or dO is a column */
    uint32_t *q_cols, *o_cols;  /* [K / PANEL] panels: a query is a row */
    uint32_t *ds_panels;        /* [GROUP / PANEL] panels of KEYS rows of dS^T */
    uint16_t *kt;               /* K^T [K, ldt] */
    float *dk, *dv, *dq;        /* [n,K], [n,K], [K,GROUP] */
    float *s, *dp, *keep;       /* [TILE,GROUP] */
    uint16_t *p, *ds;           /* [TILE,GROUP] */
    float *lse, *d;             /* [GROUP]: lse log2(e), rowsum(dO O) */
    int ldt;
};
/* Queries [from, from + rows) of the sequence; panels of them. */
struct group { int from, rows, panels; };

static int
round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

static char *
at(const struct job *j, struct mat m, const struct task *t, int row)
{
    return (char *)m.p + ((ptrdiff_t)(t->first + row) * m.ld + t->head * j->h.size) *
                             (ptrdiff_t)dtype_size(m.type);
}

/* c [rows,PANEL] += or = a x panel, however many rows. */
static void
multiply(const struct kernel *k, float *c, ptrdiff_t ldc, int rows, const void *a,
         ptrdiff_t lda, const uint32_t *panel, int words, int add)
{
    const int tiles = (rows + k->rows - 1) / k->rows;
    for (int i = 0, from = 0; i < tiles; i++) {
        const int to = rows * (i + 1) / tiles;
        k->mul(c + from * ldc, ldc, to - from, (const char *)a + from * lda, lda, panel,
               words, add, NULL);
        from = to;
    }
}

static int
tile_seen(const struct job *j, int query, int key)
{
    const int w = j->h.window;
    return w < 0 || (key - (query + TILE - 1) <= w && query - (key + TILE - 1) <= w);
}

/* ---- what a group of queries brings ------------------------------------------------- */
static void
lay_matrix(const struct job *j, const struct task *t, const struct group *g, struct mat m,
           uint32_t *rows, uint32_t *cols)
{
    const int K = j->h.size, depth = kernel_words(j->k, g->panels * PANEL);
    for (int i = 0; i < g->panels * 2; i++) {
        const int from = i * PANEL_HALF, n = g->rows - from;
        panel_from_rows(rows + (ptrdiff_t)(i / 2) * j->words * PANEL, i % 2, j->words, BF16,
                        at(j, m, t, g->from + (n > 0 ? from : 0)), BF16, m.ld,
                        n > PANEL_HALF ? PANEL_HALF : n > 0 ? n : 0, K);
    }
    for (int c = 0; c < K; c += PANEL)
        panel_from_columns(cols + (ptrdiff_t)(c / PANEL) * depth * PANEL, depth, BF16,
                           at(j, m, t, g->from) + 2 * c, BF16, m.ld, PANEL, g->rows);
}

/* D = rowsum(dO O) of one row */
static float
row_dot(const char *a, const char *b, int n)
{
    __m512 s = _mm512_setzero_ps();
    for (int i = 0; i < n; i += LANE)
        s = _mm512_fmadd_ps(load_as_f32(a, BF16, (size_t)i, 0xffff),
                            load_as_f32(b, BF16, (size_t)i, 0xffff), s);
    return _mm512_reduce_add_ps(s);
}

/* Queries past the group's end are zero rows of q and dO: whatever P they get adds nothing. */
static void
lay_group(const struct job *j, const struct task *t, const struct group *g, struct place *w)
{
    lay_matrix(j, t, g, j->q, w->q_rows, w->q_cols);
    lay_matrix(j, t, g, j->dout, w->o_rows, w->o_cols);
    for (int i = 0; i < GROUP; i++)
        w->lse[i] = w->d[i] = 0;
    for (int i = 0; i < g->rows; i++) {
        const int row = g->from + i;
        w->lse[i] = mat_f32(j->lse, t->first + row)[t->head] * 1.44269504088896341f;
        w->d[i] = row_dot(at(j, j->dout, t, row), at(j, j->o, t, row), j->h.size);
    }
    memset(w->dq, 0, (size_t)GROUP * (size_t)j->h.size * sizeof *w->dq);
}

/* ---- a tile: TILE keys and the panels [from, to) of the group's queries ------------- */
struct meet { int key, rows, from, to; };

/* Sixteen queries from i on, one key: S and dP become P, dropped P, and dS. */
struct grads { __m512 p, ds; };

VECTOR struct grads
grads_at(const struct job *j, const struct place *w, int row, int i, int query, int key)
{
    const __m512 s = _mm512_loadu_ps(w->s + row * GROUP + i);
    __m512 dp = _mm512_loadu_ps(w->dp + row * GROUP + i);
    __m512 p = vector_exp2(
        _mm512_fmsub_ps(s, splat(j->exponent), _mm512_loadu_ps(w->lse + i)));
    if (j->h.window >= 0) {
        const int from = key - j->h.window - query, to = key + j->h.window + 1 - query;
        p = _mm512_maskz_mov_ps((__mmask16)(first_lanes(to) & ~first_lanes(from)), p);
    }
    struct grads r = { .p = p };
    if (j->h.drop.p > 0) {
        const __m512 keep = _mm512_loadu_ps(w->keep + row * GROUP + i);
        dp = _mm512_mul_ps(dp, keep);
        r.p = _mm512_mul_ps(p, keep);
    }
    r.ds = _mm512_mul_ps(p, _mm512_sub_ps(dp, _mm512_loadu_ps(w->d + i)));
    return r;
}

/* Two keys and PANEL queries from i on; `panel`: the word of dS^T that they are. */
VECTOR void
two_keys(const struct job *j, struct place *w, const struct group *g, const struct meet *l,
         int row, int i, uint32_t *panel)
{
    const __m512i mix = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25,
                                         9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2,
                                         17, 1, 16, 0);
    struct grads r[2][2];
    for (int k = 0; k < 2; k++)
        for (int h = 0; h < 2; h++) {
            r[k][h] = (struct grads){ _mm512_setzero_ps(), _mm512_setzero_ps() };
            if (row + k < l->rows)
                r[k][h] = grads_at(j, w, row + k, i + LANE * h, g->from + i + LANE * h,
                                   l->key + row + k);
        }
    for (int k = 0; k < 2; k++) {
        const ptrdiff_t to = (row + k) * GROUP + i;
        _mm512_storeu_si512(w->p + to, pair_to_bf16(r[k][0].p, r[k][1].p));
        _mm512_storeu_si512(w->ds + to, pair_to_bf16(r[k][0].ds, r[k][1].ds));
    }
    for (int h = 0; h < 2; h++)
        _mm512_storeu_si512(panel + LANE * h,
                            _mm512_permutexvar_epi16(mix, pair_to_bf16(r[0][h].ds,
                                                                       r[1][h].ds)));
}

static void
lay_keep(const struct job *j, const struct task *t, const struct group *g,
         const struct meet *l, struct place *w)
{
    for (int row = 0; row < l->rows; row++)
        for (int i = l->from * PANEL; i < l->to * PANEL; i++) {
            const uint64_t query = (uint64_t)(t->first + g->from + i);
            w->keep[row * GROUP + i] =
                drop_factor(j->h.drop, (query * (uint64_t)j->h.n + (uint64_t)t->head) << 32 |
                                           (uint64_t)(l->key + row));
        }
}

/* chunk: the first key whose dS^T is in ds_panels */
static void
tile_bwd(const struct job *j, const struct task *t, const struct group *g,
         const struct meet *l, int chunk, struct place *w)
{
    const struct kernel *k = j->k;
    const int K = j->h.size, depth = kernel_words(k, g->panels * PANEL);
    const ptrdiff_t ldk = j->key.ld * 2, ldv = j->value.ld * 2;
    for (int p = l->from; p < l->to; p++) {
        const ptrdiff_t panel = (ptrdiff_t)p * j->words * PANEL;
        multiply(k, w->s + p * PANEL, GROUP, l->rows, at(j, j->key, t, l->key), ldk,
                 w->q_rows + panel, j->words, 0);
        multiply(k, w->dp + p * PANEL, GROUP, l->rows, at(j, j->value, t, l->key), ldv,
                 w->o_rows + panel, j->words, 0);
    }
    if (j->h.drop.p > 0)
        lay_keep(j, t, g, l, w);
    for (int row = 0; row < TILE; row += 2)
        for (int p = l->from; p < l->to; p++)
            two_keys(j, w, g, l, row, p * PANEL,
                     w->ds_panels + ((ptrdiff_t)p * (KEYS / 2) + (l->key - chunk + row) / 2) *
                                        PANEL);
    const int first = l->from * PANEL, words = (l->to - l->from) * PAIR;
    for (int c = 0; c < K; c += PANEL) {
        const ptrdiff_t panel = ((ptrdiff_t)(c / PANEL) * depth + first / 2) * PANEL;
        multiply(k, w->dv + (ptrdiff_t)l->key * K + c, K, l->rows, w->p + first, GROUP * 2,
                 w->o_cols + panel, words, 1);
        multiply(k, w->dk + (ptrdiff_t)l->key * K + c, K, l->rows, w->ds + first, GROUP * 2,
                 w->q_cols + panel, words, 1);
    }
}

/* dQ^T += K^T dS^T over the keys [chunk, end) that are laid out. */
static void
add_dq(const struct job *j, const struct group *g, int chunk, int end, struct place *w)
{
    for (int p = 0; p < g->panels; p++) {
        int from = chunk, to = end;
        while (from < to && !tile_seen(j, g->from + p * PANEL, from))
            from += TILE;
        while (from < to && !tile_seen(j, g->from + p * PANEL, to - TILE))
            to -= TILE;
        if (from < to)
            multiply(j->k, w->dq + p * PANEL, GROUP, j->h.size, w->kt + from, w->ldt * 2,
                     w->ds_panels + ((ptrdiff_t)p * (KEYS / 2) + (from - chunk) / 2) * PANEL,
                     (to - from) / 2, 1);
    }
}

/* ---- what leaves -------------------------------------------------------------------- */
static void
put_dq(const struct job *j, const struct task *t, const struct group *g,
       const struct place *w)
{
    const __m512 scale = splat(j->h.scale);
    for (int row = 0; row < g->rows; row += LANE)
        for (int c = 0; c < j->h.size; c += LANE) {
            __m512i r[LANE];
            for (int i = 0; i < LANE; i++)
                r[i] = _mm512_loadu_si512(w->dq + (c + i) * GROUP + row);
            transpose16(r);
            for (int i = 0; i < LANE && row + i < g->rows; i++)
                store_as(at(j, j->dq, t, g->from + row + i), BF16, (size_t)c, 0xffff,
                         _mm512_mul_ps(scale, _mm512_castsi512_ps(r[i])));
        }
}

static void
put_rows(const struct job *j, const struct task *t, struct mat to, const float *from,
         float by)
{
    for (int row = 0; row < t->n; row++, from += j->h.size)
        for (int c = 0; c < j->h.size; c += LANE)
            store_as(at(j, to, t, row), BF16, (size_t)c, 0xffff,
                     _mm512_mul_ps(splat(by), _mm512_loadu_ps(from + c)));
}

/* ---- a task ------------------------------------------------------------------------- */
static void
group_bwd(const struct job *j, const struct task *t, const struct group *g, struct place *w)
{
    const int window = j->h.window, last = g->from + g->rows;
    const int first = window >= 0 && g->from > window ? (g->from - window) / TILE * TILE : 0;
    const int seen = window >= 0 && window < t->n - last ? last + window : t->n,
              end = round_up(seen, TILE);
    lay_group(j, t, g, w);
    for (int chunk = first; chunk < end; chunk += KEYS) {
        const int stop = least(chunk + KEYS, end);
        for (int key = chunk; key < stop; key += TILE) {
            struct meet l = { key, least(TILE, t->n - key), 0, g->panels };
            while (l.from < l.to && !tile_seen(j, g->from + l.from * PANEL, key))
                l.from++;
            while (l.from < l.to && !tile_seen(j, g->from + (l.to - 1) * PANEL, key))
                l.to--;
            if (l.from < l.to)
                tile_bwd(j, t, g, &l, chunk, w);
        }
        add_dq(j, g, chunk, stop, w);
    }
    put_dq(j, t, g, w);
}

static void
task_bwd(const struct job *j, const struct task *t, struct place *w)
{
    const int K = j->h.size, padded = round_up(t->n, TILE);
    const size_t bytes = (size_t)padded * (size_t)K * sizeof(float);
    w->ldt = padded + TILE; /* rows no power of two apart */
    panel_transpose(w->kt, w->ldt, BF16, at(j, j->key, t, 0), BF16, j->key.ld, K, t->n,
                    padded);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
    for (int from = 0; from < t->n; from += GROUP) {
        const int rows = least(GROUP, t->n - from);
        const struct group g = { from, rows, (rows + PANEL - 1) / PANEL };
        group_bwd(j, t, &g, w);
    }
    put_rows(j, t, j->dk, w->dk, j->h.scale);
    put_rows(j, t, j->dv, w->dv, 1);
}

/* n floats on cache lines of their own; with p NULL only counted. */
static void *
take(float *p, size_t *used, size_t n)
{
    void *r = p ? p + *used : NULL;
    *used += (n + 15) / 16 * 16;
    return r;
}

/* One thread's memory; returns how many floats it is. */
static size_t
place(struct place *w, float *p, const struct job *j, int longest)
{
    const size_t K = (size_t)j->h.size, n = (size_t)round_up(longest, TILE);
    const size_t tile = (size_t)TILE * GROUP, per = GROUP / PANEL;
    size_t used = 0;
    w->q_rows = take(p, &used, per * (size_t)j->words * PANEL);
    w->o_rows = take(p, &used, per * (size_t)j->words * PANEL);
    w->q_cols = take(p, &used, (size_t)GROUP / 2 * K);
    w->o_cols = take(p, &used, (size_t)GROUP / 2 * K);
    w->ds_panels = take(p, &used, per * (KEYS / 2) * PANEL);
    w->kt = take(p, &used, K * (n + TILE) / 2);
    w->dk = take(p, &used, n * K);
    w->dv = take(p, &used, n * K);
    w->dq = take(p, &used, K * GROUP);
    w->s = take(p, &used, tile);
    w->dp = take(p, &used, tile);
    w->keep = take(p, &used, tile);
    w->p = take(p, &used, tile / 2);
    w->ds = take(p, &used, tile / 2);
    w->lse = take(p, &used, GROUP);
    w->d = take(p, &used, GROUP);
    return used;
}

static void
check(const struct job *j)
{
    const struct mat all[] = { j->dq, j->dk, j->dv, j->dout, j->o, j->key, j->value };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert(same_shape(all[i], j->q) && all[i].type == BF16);
    assert(j->lse.rows == j->q.rows && j->lse.cols == j->h.n && heads_packed(j->h.size));
    (void)all, (void)j;
}

void
backward_attention(struct ctx *c, struct mat dq, struct mat dk, struct mat dv,
                   struct mat dout, struct mat o, struct mat lse, struct mat q, struct mat k,
                   struct mat v, int heads, const struct seqs *s, int window, float scale,
                   struct drop drop)
{
    const struct plan *plan = s->plan;
    struct job j = { .k = c->bf16, .h = heads_of(q, heads, s, window, scale, drop),
                     .dq = dq, .dk = dk, .dv = dv, .dout = dout, .o = o, .lse = lse, .q = q,
                     .key = k, .value = v, .exponent = scale * 1.44269504088896341f };
    struct place none;
    j.words = kernel_words(j.k, j.h.size);
    check(&j);
    const struct shares mine = cpu_shares(c, place(&none, NULL, &j, s->longest));
#pragma omp parallel num_threads(c->threads)
    {
        struct place w;
        place(&w, cpu_share(mine), &j, s->longest);
        j.k->begin();
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < s->n * heads; i++) {
            const int b = plan->order[i / heads];
            const struct task t = { s->cu[b], s->cu[b + 1] - s->cu[b], i % heads };
            if (t.n)
                task_bwd(&j, &t, &w);
        }
        j.k->end();
    }
}
#else
typedef int attention_bwd_packed_unused;
#endif
