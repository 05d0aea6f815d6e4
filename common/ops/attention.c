#include "common/ops/cpu.h"
#include "common/ops/attention.h"
#include "common/ops/lanes.h"

/*
 * Softmax attention over tiles of QUERY_ROWS x KEY_ROWS scores, with the online softmax of
 * Milakov and Gimelshein 2018: a row keeps its largest score m, the sum l of exp(s - m),
 * and o unnormalised; a larger m rescales them.
 */
struct attend {
    struct heads h;
    struct mat o, lse;
    struct mat q, k, v;
};

CLONES static float
row_max(const float *s, int n, float m)
{
    float lane[LANES];
    for (int j = 0; j < LANES; j++)
        lane[j] = m;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = s[i + j] > lane[j] ? s[i + j] : lane[j];
    for (int j = 0; j < LANES; j++)
        m = lane[j] > m ? lane[j] : m;
    for (; i < n; i++)
        m = s[i] > m ? s[i] : m;
    return m;
}

/* s = exp(s - m); their sum */
CLONES static float
row_exp(float *s, int n, float m)
{
    float lane[LANES] = { 0 };
    int i;
    for (i = 0; i < n; i++)
        s[i] = lane_exp(s[i] - m);
    for (i = 0; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += s[i + j];
    for (int j = 0; i < n; i++, j++)
        lane[j] += s[i];
    return lanes_sum(lane);
}

static void
row_scale_by(float *x, int n, float f)
{
    for (int i = 0; i < n; i++)
        x[i] *= f;
}

struct online { float m; double l; };

/* One row of a score tile becomes probabilities up to the row's factor; o and l follow. */
static void
soften(struct online *r, float *s, struct seen seen, int n, float *o, int size)
{
    memset(s, 0, (size_t)seen.from * sizeof *s);
    memset(s + seen.to, 0, (size_t)(n - seen.to) * sizeof *s);
    if (seen.from == seen.to)
        return;
    const float m = row_max(s + seen.from, seen.to - seen.from, r->m);
    if (m > r->m && r->l != 0) {
        const float shrink = lane_exp(r->m - m);
        r->l *= (double)shrink;
        row_scale_by(o, size, shrink);
    }
    r->m = m;
    r->l += (double)row_exp(s + seen.from, seen.to - seen.from, m);
}

static void
attend_block(const struct ctx *c, const struct attend *a, struct block b, int head,
             float *s)
{
    const int K = a->h.size, at = head * K;
    struct online row[QUERY_ROWS];
    float *o = mat_f32(a->o, b.out) + at;
    struct keys all = keys_of(&a->h, b);
    for (int i = 0; i < b.rows; i++)
        row[i] = (struct online){ -INFINITY, 0 };
    for (int k = all.first; k < all.end; k += KEY_ROWS) {
        const int n = all.end - k < KEY_ROWS ? all.end - k : KEY_ROWS;
        c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_TRANSPOSED, b.rows, n, K, a->h.scale,
                 mat_f32(a->q, b.row) + at, (int)a->q.ld, mat_f32(a->k, k) + at,
                 (int)a->k.ld, 0, s, KEY_ROWS);
        for (int i = 0; i < b.rows; i++) {
            soften(&row[i], s + i * KEY_ROWS, seen_by(&a->h, b.row + i, k, n), n,
                   o + (ptrdiff_t)i * a->o.ld, K);
            drop_keys(s + i * KEY_ROWS, &a->h, b, b.row + i, head, k, n);
        }
        c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_AS_IS, b.rows, K, n, 1, s, KEY_ROWS,
                 mat_f32(a->v, k) + at, (int)a->v.ld, k > all.first, o, (int)a->o.ld);
    }
    for (int i = 0; i < b.rows; i++) {
        row_scale_by(o + (ptrdiff_t)i * a->o.ld, K, (float)(1 / row[i].l));
        if (a->lse.p)
            mat_f32(a->lse, b.row + i)[head] = (float)((double)row[i].m + log(row[i].l));
    }
}

struct heads
heads_of(struct mat q, int heads, const struct seqs *s, int window, float scale,
         struct drop drop)
{
    assert(heads > 0 && q.cols % heads == 0 && q.rows == s->rows);
    assert(drop.p >= 0 && drop.p < 1);
    return (struct heads){ heads, q.cols / heads, window, scale, drop };
}

void
drop_keys(float *s, const struct heads *h, struct block b, int t, int head, int k, int n)
{
    if (h->drop.p > 0)
        drop_row(s, s, n, h->drop,
                 ((uint64_t)t * (uint64_t)h->n + (uint64_t)head) << 32 |
                     (uint64_t)(k - b.first));
}

void
cpu_attention(struct ctx *c, struct mat o, struct mat lse, struct mat q, struct mat k,
              struct mat v, int heads, const struct seqs *s, int window, float scale,
              struct drop drop)
{
    const struct plan *plan = s->plan;
    if (c->f32 && heads_packed(q.cols / heads)) {
        attention_packed(c, o, lse, q, k, v, heads, s, window, scale, drop);
        return;
    }
    const struct attend a = { heads_of(q, heads, s, window, scale, drop), o, lse, q, k, v };
    check_f32(o);
    check_f32(q);
    check_f32(k);
    check_f32(v);
    assert(o.cols == q.cols && same_shape(k, q) && same_shape(v, q));
    assert(o.rows == q.rows || (o.rows == s->n && !lse.p));
    assert(!lse.p || (lse.rows == q.rows && lse.cols == heads && lse.type == F32));
    blas_open(c);
    const struct shares scores = cpu_shares(c, QUERY_ROWS * KEY_ROWS);
    if (o.rows != q.rows) { /* only first rows ask */
        CPU_FOR
        for (int i = 0; i < s->n * heads; i++) {
            const int b = i / heads, first = s->cu[b], end = s->cu[b + 1];
            if (first < end)
                attend_block(c, &a, (struct block){ first, end, first, 1, b }, i % heads,
                             cpu_share(scores));
        }
        return;
    }
    CPU_FOR
    for (int i = 0; i < plan->blocks * heads; i++)
        attend_block(c, &a, plan->block[i / heads], i % heads, cpu_share(scores));
}
