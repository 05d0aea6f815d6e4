/* fused - the forward ops over packed weights: one product each, and what surrounds it. */
#include "common/ops/packed.h"
#if defined __AVX512F__
#include <math.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/ops/panel.h"
#include "common/ops/quantize.h"
#include "common/ops/vector.h"

/* The kernel that x [.,K] meets W's blob with, and the left side's memory. */
struct left { const struct kernel *k; const void *x; ptrdiff_t ld; const float *scale; };

/*
 * Rows of x as the kernel reads them: themselves when whole words of it are there, else a
 * copy with zeros to the word's end.
 */
static struct left
left_for(struct ctx *c, const struct kernel *k, struct mat x)
{
    const size_t size = dtype_size(x.type);
    const int words = kernel_words(k, x.cols);
    if (k->type == x.type && (size_t)words * 4 == (size_t)x.cols * size)
        return (struct left){ k, x.p, x.ld * (ptrdiff_t)size, NULL };
    const size_t row = (size_t)words * 4;
    char *copy = cpu_left(c, mem_mul((size_t)x.rows, row));
    CPU_ROWS
    for (int t = 0; t < x.rows; t++) {
        const char *from = (const char *)x.p + (ptrdiff_t)t * x.ld * (ptrdiff_t)size;
        char *to = copy + (size_t)t * row;
        panel_convert(to, k->type, from, x.type, (size_t)x.cols);
        const size_t used = (size_t)x.cols * dtype_size(k->type);
        memset(to + used, 0, row - used);
    }
    return (struct left){ k, copy, (ptrdiff_t)row, NULL };
}

/* Mean and 1/deviation of a row, in F32 over sixteen lanes: for outputs in fewer bits. */
static void
moments(const float *x, int n, float eps, float *mean, float *inverse)
{
    __m512 s = _mm512_setzero_ps(), t = s, q = s, r = s;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        s = _mm512_add_ps(s, _mm512_loadu_ps(x + i));
        t = _mm512_add_ps(t, _mm512_loadu_ps(x + i + 16));
    }
    *mean = _mm512_reduce_add_ps(_mm512_add_ps(s, t)) / (float)n;
    for (i = 0; i + 32 <= n; i += 32) {
        const __m512 a = _mm512_sub_ps(_mm512_loadu_ps(x + i), splat(*mean)),
                     b = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16), splat(*mean));
        q = _mm512_fmadd_ps(a, a, q);
        r = _mm512_fmadd_ps(b, b, r);
    }
    const float variance = _mm512_reduce_add_ps(_mm512_add_ps(q, r)) / (float)n;
    *inverse = 1 / sqrtf(variance + eps);
}

/* y F32 or BF16. */
VECTOR void
norm_vectors(void *y, const enum dtype type, float *stat, const float *x, int n,
             const struct lnorm *norm)
{
    const float *w = norm->w.p, *b = norm->b.p;
    float mean, inverse;
    moments(x, n, norm->eps, &mean, &inverse);
    for (int i = 0; i < n; i += 32) {
        __m512 v[2];
        for (int h = 0; h < 2; h++) {
            const int at = i + 16 * h;
            v[h] = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + at), splat(mean)),
                                 splat(inverse));
            v[h] = _mm512_mul_ps(v[h], _mm512_loadu_ps(w + at));
            if (b)
                v[h] = _mm512_add_ps(v[h], _mm512_loadu_ps(b + at));
        }
        if (type == BF16) {
            _mm512_storeu_si512((uint16_t *)y + i, pair_to_bf16(v[0], v[1]));
        } else {
            _mm512_storeu_ps((float *)y + i, v[0]);
            _mm512_storeu_ps((float *)y + i + 16, v[1]);
        }
    }
    if (stat) {
        stat[0] = mean;
        stat[1] = inverse;
    }
}

/* A batch of a few rows is normed before a second thread has woken. */
enum { ROWS_ALONE = 64 };

void
packed_norm(struct ctx *c, struct mat h, struct mat stat, struct mat x,
            const struct lnorm *norm)
{
    const size_t size = dtype_size(h.type);
    const int threads = x.rows <= ROWS_ALONE ? 1 : c->threads;
    assert(h.type == F32 || x.cols % 32 == 0);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int t = 0; t < x.rows; t++) {
        char *to = (char *)h.p + (ptrdiff_t)t * h.ld * (ptrdiff_t)size;
        float *own = stat.p ? mat_f32(stat, t) : NULL;
        if (!norm)
            panel_convert(to, h.type, mat_f32(x, t), F32, (size_t)x.cols);
        else if (h.type == F32)
            norm_row((float *)(void *)to, own, mat_f32(x, t), x.cols, norm);
        else
            norm_vectors(to, BF16, own, mat_f32(x, t), x.cols, norm);
    }
}

/*
 * Rows of norm(x), or of x (norm NULL), in int8 with a scale each.  The norm is quantised
 * from F32: it is never rounded to bf16.
 */
static struct left
left_i8(struct ctx *c, struct mat stat, struct mat x, const struct lnorm *norm)
{
    /* an odd number of lines, so that rows lie apart in the cache */
    const size_t row = (size_t)kernel_words(c->i8, x.cols) * 4,
                 ld = ((row + 63) & ~(size_t)63) | 64, size = dtype_size(x.type);
    const int threads = x.rows <= ROWS_ALONE ? 1 : c->threads;
    char *copy = cpu_left(c, mem_mul((size_t)x.rows, ld + sizeof(float)));
    float *scale = (float *)(copy + (size_t)x.rows * ld);
    const struct shares s = cpu_shares(c, norm ? (size_t)x.cols : 1);
    assert(!norm || x.cols % 32 == 0);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int t = 0; t < x.rows; t++) {
        const void *from = (char *)x.p + (ptrdiff_t)t * x.ld * (ptrdiff_t)size;
        uint8_t *to = (uint8_t *)copy + (size_t)t * ld;
        if (norm) {
            norm_vectors(cpu_share(s), F32, stat.p ? mat_f32(stat, t) : NULL, from, x.cols,
                         norm);
            from = cpu_share(s);
        }
        scale[t] = quantize_row(to, from, x.type, x.cols);
        memset(to + x.cols, 0, row - (size_t)x.cols);
    }
    return (struct left){ c->i8, copy, (ptrdiff_t)ld, scale };
}

/* The left side of a product of W with an activation. */
static struct left
left_of(struct ctx *c, struct mat x, const struct weight *W)
{
    const struct kernel *k = x.type == F32 ? c->f32 : c->bf16;
    assert(k);
    if (x.type != F32 && c->i8 && !W->fine)
        return left_i8(c, (struct mat){ 0 }, x, NULL);
    return left_for(c, k, x);
}

/* The same of norm(x), or of x (norm NULL), in h's type; h may be used. */
static struct left
left_normed(struct ctx *c, struct mat h, struct mat stat, struct mat x,
            const struct lnorm *norm, const struct weight *W)
{
    if (h.type != F32 && c->i8 && !W->fine)
        return left_i8(c, stat, x, norm);
    if (!norm && h.type == x.type)
        return left_of(c, x, W);
    packed_norm(c, h, stat, x, norm);
    return left_of(c, h, W);
}

static struct unscale
unscale_of(const struct left *l, const struct weight *W)
{
    if (!l->scale)
        return (struct unscale){ 0 };
    const size_t panels = ((size_t)W->w.rows + PANEL - 1) / PANEL;
    const float *scale = (const float *)W->fwd +
                         panels * PANEL * (size_t)kernel_words(l->k, W->w.cols);
    return (struct unscale){ scale, l->scale, (const int32_t *)(scale + panels * PANEL) };
}

static struct packed
packed_of(const struct left *l, const void *panels, int depth, int rows, int units,
          done_fn *done, const void *arg)
{
    return (struct packed){ .k = l->k,
                            .panels = panels,
                            .words = kernel_words(l->k, depth),
                            .x = l->x,
                            .ldx = l->ld,
                            .rows = rows,
                            .units = units,
                            .done = done,
                            .arg = arg };
}

void
packed_linear(struct ctx *c, struct mat y, struct mat u, struct mat x,
              const struct weight *W, enum act act)
{
    const struct left l = left_of(c, x, W);
    const struct done_linear f = { .y = y, .u = u, .b = W->b.p, .act = act,
                                   .s = unscale_of(&l, W) };
    const struct packed p =
        packed_of(&l, W->fwd, x.cols, x.rows, panels_of(y.cols), done_linear, &f);
    packed_run(c, &p);
}

void
packed_linear_add(struct ctx *c, struct mat y, struct mat x, const struct weight *W,
                  struct mat r, struct drop drop)
{
    const struct left l = left_of(c, x, W);
    const struct done_linear f = { .y = y, .r = r, .b = W->b.p, .drop = drop,
                                   .s = unscale_of(&l, W) };
    const struct packed p =
        packed_of(&l, W->fwd, x.cols, x.rows, panels_of(y.cols), done_add, &f);
    packed_run(c, &p);
}

void
packed_linear_dx(struct ctx *c, struct mat dx, struct mat dy, const struct weight *W,
                 int accumulate)
{
    const struct left l = left_for(c, c->bf16, dy);
    const struct done_linear f = { .y = dx };
    const struct packed p = packed_of(&l, W->bwd, dy.cols, dy.rows, panels_of(dx.cols),
                                      accumulate ? done_more : done_linear, &f);
    packed_run(c, &p);
}

void
packed_norm_glu(struct ctx *c, struct mat g, struct mat u, struct mat stat, struct mat h,
                struct mat x, const struct lnorm *norm, const struct weight *Wi,
                enum act act, struct drop drop)
{
    const struct left l = left_normed(c, h, stat, x, norm, Wi);
    const struct done_glu f = { g, u, Wi->b.p, act, drop, unscale_of(&l, Wi) };
    assert(g.cols % PANEL == 0 && Wi->w.rows == 2 * g.cols);
    struct packed p =
        packed_of(&l, Wi->fwd, x.cols, x.rows, g.cols / PANEL, done_glu, &f);
    p.apart = g.cols / PANEL;
    packed_run(c, &p);
}

void
packed_norm_qkv(struct ctx *c, struct mat qkv, struct mat stat, struct mat h, struct mat x,
                const struct lnorm *norm, const struct weight *Wqkv, struct rope rope,
                int heads, const struct seqs *s)
{
    const struct plan *plan = s->plan;
    const int size = qkv.cols / 3 / heads;
    const struct left l = left_normed(c, h, stat, x, norm, Wqkv);
    const struct done_qkv f = { qkv, rope.table, plan->position, Wqkv->b.p, size,
                                unscale_of(&l, Wqkv) };
    assert(size == PANEL || size % (2 * PANEL) == 0);
    struct packed p = packed_of(&l, Wqkv->fwd, x.cols, x.rows, 0, done_qkv, &f);
    p.apart = size / (2 * PANEL);
    p.units = qkv.cols / PANEL / (p.apart ? 2 : 1);
    packed_run(c, &p);
}
#else
typedef int fused_unused;
#endif
