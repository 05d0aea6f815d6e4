#include "common/ops/backward.h"
#include "common/ops/attention.h"
#include "common/ops/lanes.h"

/*
 * With P = exp(S - lse) and O = P V: dV = P^T dO, dP = dO V^T, dS = P (dP - D) with
 * D = rowsum(dO O), dQ = scale dS K, dK = scale dS^T Q (Dao 2023, FlashAttention-2).  One
 * task owns one head of one sequence and walks its tiles in order, so dK and dV are sums in
 * a fixed order without atomics.
 */
struct attend {
    struct heads h;
    struct mat dq, dk, dv, dout, o, lse, q, k, v;
};
/* Tiles of scores and of their gradients. */
struct tiles { float *p, *ds, *drop; };
enum { TILE = QUERY_ROWS * KEY_ROWS };

CLONES static void
row_probabilities(float *s, int n, float lse)
{
    for (int i = 0; i < n; i++)
        s[i] = lane_exp(s[i] - lse);
}

CLONES static void
row_ds(float *restrict ds, const float *restrict p, int n, float d)
{
    for (int i = 0; i < n; i++)
        ds[i] = p[i] * (ds[i] - d);
}

CLONES static double
row_dot(const float *a, const float *b, int n)
{
    double s[LANES] = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            s[j] += (double)a[i + j] * (double)b[i + j];
    for (int j = 0; i < n; i++, j++)
        s[j] += (double)a[i] * (double)b[i];
    return lanes_sum_f64(s);
}

static void
clear(struct mat m, int first, int end, int col, int n)
{
    for (int t = first; t < end; t++)
        memset(mat_f32(m, t) + col, 0, (size_t)n * sizeof(float));
}

/* Scores to probabilities in t->p, the gradients of what multiplied V to those of the
 * scores in t->ds. */
static void
rows_of_tile(const struct attend *a, const struct tiles *t, struct block b, int head, int k,
             int n, const float *D)
{
    const int dropped = a->h.drop.p > 0;
    for (int i = 0; i < b.rows; i++) {
        const struct seen seen = seen_by(&a->h, b.row + i, k, n);
        float *p = t->p + i * KEY_ROWS, *ds = t->ds + i * KEY_ROWS,
              *kept = t->drop + i * KEY_ROWS;
        memset(p, 0, (size_t)seen.from * sizeof *p);
        memset(p + seen.to, 0, (size_t)(n - seen.to) * sizeof *p);
        row_probabilities(p + seen.from, seen.to - seen.from,
                          mat_f32(a->lse, b.row + i)[head]);
        if (dropped) {
            memcpy(kept, p, (size_t)n * sizeof *p);
            drop_keys(kept, &a->h, b, b.row + i, head, k, n);
            drop_keys(ds, &a->h, b, b.row + i, head, k, n);
        }
        row_ds(ds, p, n, D[i]);
    }
}

static void
tile_bwd(const struct ctx *c, const struct attend *a, const struct tiles *t, struct block b,
         int head, int k, int n, const float *D, int first)
{
    const int K = a->h.size, at = head * K, rows = b.rows, ld = (int)a->q.ld;
    const float scale = a->h.scale, *q = mat_f32(a->q, b.row) + at,
                *key = mat_f32(a->k, k) + at;
    const float *dout = mat_f32(a->dout, b.row) + at;
    const int ldo = (int)a->dout.ld, ldk = (int)a->k.ld;
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_TRANSPOSED, rows, n, K, scale, q, ld, key,
             ldk, 0, t->p, KEY_ROWS);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_TRANSPOSED, rows, n, K, 1, dout, ldo,
             mat_f32(a->v, k) + at, (int)a->v.ld, 0, t->ds, KEY_ROWS);
    rows_of_tile(a, t, b, head, k, n, D);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_TRANSPOSED, BLAS_AS_IS, n, K, rows, 1,
             a->h.drop.p > 0 ? t->drop : t->p, KEY_ROWS, dout, ldo, 1,
             mat_f32(a->dv, k) + at, (int)a->dv.ld);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_TRANSPOSED, BLAS_AS_IS, n, K, rows, scale, t->ds,
             KEY_ROWS, q, ld, 1, mat_f32(a->dk, k) + at, (int)a->dk.ld);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_AS_IS, rows, K, n, scale, t->ds, KEY_ROWS,
             key, ldk, first ? 0 : 1, mat_f32(a->dq, b.row) + at, (int)a->dq.ld);
}

static void
head_bwd(const struct ctx *c, const struct attend *a, int first, int end, int head,
         const struct tiles *t)
{
    const int K = a->h.size, at = head * K;
    float D[QUERY_ROWS];
    clear(a->dk, first, end, at, K);
    clear(a->dv, first, end, at, K);
    for (int row = first; row < end; row += QUERY_ROWS) {
        const struct block b = { first, end, row,
                                 end - row < QUERY_ROWS ? end - row : QUERY_ROWS, row };
        const struct keys all = keys_of(&a->h, b);
        for (int i = 0; i < b.rows; i++)
            D[i] = (float)row_dot(mat_f32(a->dout, row + i) + at,
                                  mat_f32(a->o, row + i) + at, K);
        for (int k = all.first; k < all.end; k += KEY_ROWS)
            tile_bwd(c, a, t, b, head, k, all.end - k < KEY_ROWS ? all.end - k : KEY_ROWS,
                     D, k == all.first);
    }
}

static void
check_shapes(const struct attend *a)
{
    const struct mat all[] = { a->dq, a->dk, a->dv, a->dout, a->o, a->k, a->v };
    check_f32(a->q);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check_f32(all[i]);
        assert(same_shape(all[i], a->q));
    }
    check_f32(a->lse);
    assert(a->lse.rows == a->q.rows && a->lse.cols == a->h.n);
}

void
cpu_attention_bwd(struct ctx *c, struct mat dq, struct mat dk, struct mat dv,
                  struct mat dout, struct mat o, struct mat lse, struct mat q, struct mat k,
                  struct mat v, int heads, const struct seqs *s, int window, float scale,
                  struct drop drop)
{
    const struct plan *plan = s->plan;
    if (q.type == BF16) {
        backward_attention(c, dq, dk, dv, dout, o, lse, q, k, v, heads, s, window, scale,
                           drop);
        return;
    }
    const struct attend a = {
        heads_of(q, heads, s, window, scale, drop), dq, dk, dv, dout, o, lse, q, k, v
    };
    check_shapes(&a);
    blas_open(c);
    const struct shares tiles = cpu_shares(c, (size_t)(drop.p > 0 ? 3 : 2) * TILE);
    CPU_FOR
    for (int i = 0; i < s->n * heads; i++) {
        const int b = plan->order[i / heads];
        float *p = cpu_share(tiles);
        const struct tiles t = { p, p + TILE, p + (drop.p > 0 ? 2 * TILE : 0) };
        head_bwd(c, &a, s->cu[b], s->cu[b + 1], i % heads, &t);
    }
}
