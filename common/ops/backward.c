#include "common/ops/backward.h"
#include "common/ops/panel.h"
#if defined __AVX512F__
#include "common/ops/vector.h"

enum { LANE = 16 };

static void *
row_of(struct mat m, int row)
{
    return (char *)m.p + (ptrdiff_t)row * m.ld * (ptrdiff_t)dtype_size(m.type);
}

VECTOR __m512
load_bf16(const uint16_t *p, __mmask16 m)
{
    return load_as_f32(p, BF16, 0, m);
}

VECTOR void
store_bf16(uint16_t *p, __mmask16 m, __m512 x)
{
    store_as(p, BF16, 0, m, x);
}

/* ---- GLU ---------------------------------------------------------------------------- */
/* g = a(u1) u2, du1 = dg u2 a'(u1), du2 = dg a(u1); gelu: a' = Phi + u pdf */
static void
gelu_row_bwd(uint16_t *du, uint16_t *g, const uint16_t *dg, const uint16_t *u, int F)
{
    const __m512 log = splat(-0.72134752044448170f), top = splat(0.39894228040143268f);
    for (int i = 0; i < F; i += LANE) {
        const __mmask16 m = first_lanes(F - i);
        const __m512 a = load_bf16(u + i, m), b = load_bf16(u + F + i, m),
                     d = load_bf16(dg + i, m);
        const __m512 phi = vector_phi(a), act = _mm512_mul_ps(a, phi),
                     pdf = _mm512_mul_ps(
                         top, vector_exp2(_mm512_mul_ps(_mm512_mul_ps(a, a), log)));
        const __m512 slope = _mm512_fmadd_ps(a, pdf, phi);
        store_bf16(g + i, m, _mm512_mul_ps(act, b));
        store_bf16(du + i, m, _mm512_mul_ps(_mm512_mul_ps(d, b), slope));
        store_bf16(du + F + i, m, _mm512_mul_ps(d, act));
    }
}

/* Any act, and dropout, whose factor k multiplies g and dg: rows of F32. */
static void
glu_row_bwd(const struct mat all[4], int t, float *own, enum act act, struct drop drop)
{
    const int F = all[1].cols;
    float *u = own, *a = u + 2 * F, *slope = a + F, *d = slope + F, *du = d + F;
    const uint64_t at = (uint64_t)t * (uint64_t)F;
    panel_convert(d, F32, row_of(all[2], t), BF16, (size_t)F);
    panel_convert(u, F32, row_of(all[3], t), BF16, 2 * (size_t)F);
    act_slope(a, slope, u, F, act);
    drop_row(d, d, F, drop, at);
    for (int i = 0; i < F; i++) {
        du[i] = d[i] * u[F + i] * slope[i];
        du[F + i] = d[i] * a[i];
        a[i] *= u[F + i];
    }
    drop_row(a, a, F, drop, at);
    panel_convert(row_of(all[0], t), BF16, du, F32, 2 * (size_t)F);
    panel_convert(row_of(all[1], t), BF16, a, F32, (size_t)F);
}

void
backward_glu(struct ctx *c, struct mat du, struct mat g, struct mat dg, struct mat u,
             enum act act, struct drop drop)
{
    const int F = g.cols, plain = act == OP_GELU && !(drop.p > 0);
    const struct mat all[4] = { du, g, dg, u };
    const struct shares s = cpu_shares(c, plain ? 1 : 7 * (size_t)F);
    assert(same_shape(du, u) && same_shape(g, dg) && u.cols == 2 * F && u.rows == g.rows);
    assert(du.type == BF16 && g.type == BF16 && dg.type == BF16 && u.type == BF16);
    CPU_ROWS
    for (int t = 0; t < g.rows; t++) {
        if (plain)
            gelu_row_bwd(row_of(du, t), row_of(g, t), row_of(dg, t), row_of(u, t), F);
        else
            glu_row_bwd(all, t, cpu_share(s), act, drop);
    }
}

/* ---- rotation ----------------------------------------------------------------------- */
/* One head back: halves a, b become (a c + b s, b c - a s). */
static void
turn_back(uint16_t *h, const float *table, int half)
{
    for (int i = 0; i < half; i += LANE) {
        const __mmask16 m = first_lanes(half - i);
        const __m512 a = load_bf16(h + i, m), b = load_bf16(h + half + i, m),
                     c = _mm512_maskz_loadu_ps(m, table + i),
                     s = _mm512_maskz_loadu_ps(m, table + half + i);
        store_bf16(h + i, m, _mm512_fmadd_ps(a, c, _mm512_mul_ps(b, s)));
        store_bf16(h + half + i, m, _mm512_fmsub_ps(b, c, _mm512_mul_ps(a, s)));
    }
}

void
backward_rope(struct ctx *c, struct mat dqkv, struct rope rope, int heads,
              const struct seqs *s)
{
    const struct plan *plan = s->plan;
    const int D = dqkv.cols / 3, K = D / heads;
    assert(dqkv.type == BF16 && dqkv.cols == 3 * D && D == heads * K && K % 2 == 0);
    assert(dqkv.rows == s->rows && rope.table.cols == K && rope.table.rows >= s->longest);
    CPU_ROWS
    for (int t = 0; t < dqkv.rows; t++)
        for (int j = 0; j < 2 * heads; j++)
            turn_back((uint16_t *)row_of(dqkv, t) + j * K,
                      mat_f32(rope.table, plan->position[t]), K / 2);
}

/* ---- LayerNorm ---------------------------------------------------------------------- */
struct normed { const uint16_t *dy; const float *x, *w; float mean, r; int n; };

/* g = dy w and xhat of sixteen columns */
VECTOR void
terms(const struct normed *a, int i, __mmask16 m, __m512 *dy, __m512 *g, __m512 *xhat)
{
    *dy = load_bf16(a->dy + i, m);
    *g = _mm512_mul_ps(*dy, _mm512_maskz_loadu_ps(m, a->w + i));
    *xhat = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, a->x + i), splat(a->mean)),
                          splat(a->r));
}

/* dx += r (g - mean(g) - xhat mean(g xhat)), dw += dy xhat, db += dy (db NULL: no bias) */
static void
norm_row_back(float *dx, float *dw, float *db, const struct normed *a)
{
    __m512 dy, g, xhat, sum = _mm512_setzero_ps(), with = sum;
    for (int i = 0; i < a->n; i += LANE) {
        terms(a, i, first_lanes(a->n - i), &dy, &g, &xhat);
        sum = _mm512_add_ps(sum, g);
        with = _mm512_fmadd_ps(g, xhat, with);
    }
    const __m512 mg = splat(_mm512_reduce_add_ps(sum) / (float)a->n),
                 mgx = splat(_mm512_reduce_add_ps(with) / (float)a->n), r = splat(a->r);
    for (int i = 0; i < a->n; i += LANE) {
        const __mmask16 m = first_lanes(a->n - i);
        terms(a, i, m, &dy, &g, &xhat);
        const __m512 d = _mm512_fnmadd_ps(xhat, mgx, _mm512_sub_ps(g, mg));
        _mm512_mask_storeu_ps(dx + i, m,
                              _mm512_fmadd_ps(r, d, _mm512_maskz_loadu_ps(m, dx + i)));
        _mm512_mask_storeu_ps(dw + i, m,
                              _mm512_fmadd_ps(dy, xhat, _mm512_maskz_loadu_ps(m, dw + i)));
        if (db)
            _mm512_mask_storeu_ps(db + i, m,
                                  _mm512_add_ps(dy, _mm512_maskz_loadu_ps(m, db + i)));
    }
}

/* rows whose dw and db are summed in F32 before they join the rest in double */
enum { PART_ROWS = 64 };

void
backward_norm(struct ctx *c, struct mat dx, struct mat dw, struct mat db, struct mat dy,
              struct mat x, struct mat stat, const struct lnorm *norm)
{
    const int n = x.cols, parts = (x.rows + PART_ROWS - 1) / PART_ROWS;
    const size_t stride = 2 * (size_t)n;
    check_f32(dx);
    check_f32(dw);
    check_f32(x);
    assert(dy.type == BF16 && same_shape(dy, x) && same_shape(dx, x) && dw.cols == n);
    assert(stat.p && (!db.p || db.cols == n));
    float *part = cpu_scratch(c, (size_t)parts * stride, sizeof *part);
    CPU_FOR
    for (int k = 0; k < parts; k++) {
        float *pw = part + (size_t)k * stride, *pb = db.p ? pw + n : NULL;
        const int end = (k + 1) * PART_ROWS < x.rows ? (k + 1) * PART_ROWS : x.rows;
        memset(pw, 0, stride * sizeof *pw);
        for (int t = k * PART_ROWS; t < end; t++) {
            const struct normed a = { row_of(dy, t), mat_f32(x, t), norm->w.p,
                                      mat_f32(stat, t)[0], mat_f32(stat, t)[1], n };
            norm_row_back(mat_f32(dx, t), pw, pb, &a);
        }
    }
    sum_parts(c, dw.p, part, parts, stride, n);
    if (db.p)
        sum_parts(c, db.p, part + n, parts, stride, n);
}

/* ---- dropout ------------------------------------------------------------------------ */
void
backward_dropout(struct ctx *c, struct mat y, struct mat x, struct drop drop)
{
    const int n = x.cols;
    const struct shares s = cpu_shares(c, (size_t)n);
    assert(same_shape(y, x));
    CPU_ROWS
    for (int t = 0; t < x.rows; t++) {
        float *own = cpu_share(s);
        panel_convert(own, F32, row_of(x, t), x.type, (size_t)n);
        drop_row(own, own, n, drop, (uint64_t)t * (uint64_t)n);
        panel_convert(row_of(y, t), y.type, own, F32, (size_t)n);
    }
}

/* ---- the optimizer ------------------------------------------------------------------ */
/* In F32 by lanes, chunks in double. */
double
backward_squares(const float *g, int n)
{
    enum { CHUNK = 4096 };
    double sum = 0;
    for (int at = 0; at < n; at += CHUNK) {
        const int end = n - at < CHUNK ? n : at + CHUNK;
        __m512 s[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
        for (int i = at; i < end; i += 2 * LANE)
            for (int k = 0; k < 2; k++) {
                const int from = i + k * LANE;
                const __m512 x =
                    from < end ? _mm512_maskz_loadu_ps(first_lanes(end - from), g + from)
                               : _mm512_setzero_ps();
                s[k] = _mm512_fmadd_ps(x, x, s[k]);
            }
        sum += (double)_mm512_reduce_add_ps(_mm512_add_ps(s[0], s[1]));
    }
    return sum;
}

void
backward_update(float *w, const float *g, float *m, float *v, int n,
                const struct adam_step *s)
{
    const __m512 clip = splat((float)s->clip), keep = splat((float)s->keep),
                 new1 = splat((float)s->new1), beta2 = splat((float)s->beta2),
                 new2 = splat((float)s->new2), rate = splat((float)s->rate),
                 root = splat((float)s->root), eps = splat((float)s->eps);
    for (int i = 0; i < n; i += LANE) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 d = _mm512_mul_ps(_mm512_maskz_loadu_ps(k, g + i), clip);
        __m512 mm = _mm512_maskz_loadu_ps(k, m + i), vv = _mm512_maskz_loadu_ps(k, v + i);
        mm = _mm512_fmadd_ps(_mm512_sub_ps(d, mm), new1, mm);
        vv = _mm512_fmadd_ps(_mm512_mul_ps(d, d), new2, _mm512_mul_ps(vv, beta2));
        const __m512 by = _mm512_fmadd_ps(_mm512_sqrt_ps(vv), root, eps);
        const __m512 move = _mm512_div_ps(_mm512_mul_ps(rate, mm), by);
        const __m512 old = _mm512_maskz_loadu_ps(k, w + i);
        _mm512_mask_storeu_ps(m + i, k, mm);
        _mm512_mask_storeu_ps(v + i, k, vv);
        _mm512_mask_storeu_ps(w + i, k, _mm512_fmsub_ps(old, keep, move));
    }
}
#else
typedef int backward_unused;
#endif
