#include "common/ops/backward.h"
#include "common/ops/packed.h"

enum { GLU_COLS = 128 };

struct glu { struct mat g, u, x; const float *w, *b; enum act act; struct drop drop; };

static void
add_bias(float *u, const float *b, int n)
{
    if (b)
        for (int i = 0; i < n; i++)
            u[i] += b[i];
}

/*
 * One tile of g: the same columns of both halves of u, then act(first) * second while both
 * are in cache.  At inference u is this thread's scratch, so [T,2F] is never stored.
 */
static void
glu_tile(const struct ctx *c, const struct glu *p, int row, int rows, int col, int cols,
         float *scratch)
{
    const int F = p->g.cols, D = p->x.cols, ld = p->u.p ? (int)p->u.ld : 2 * GLU_COLS;
    float *a = p->u.p ? mat_f32(p->u, row) + col : scratch,
          *b = p->u.p ? a + F : scratch + GLU_COLS;
    float *act = scratch + 2 * TILE_ROWS * GLU_COLS;
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_TRANSPOSED, rows, cols, D, 1,
             mat_f32(p->x, row), (int)p->x.ld, p->w + (size_t)col * (size_t)D, D, 0, a, ld);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, BLAS_TRANSPOSED, rows, cols, D, 1,
             mat_f32(p->x, row), (int)p->x.ld, p->w + (size_t)(F + col) * (size_t)D, D, 0,
             b, ld);
    for (int i = 0; i < rows; i++) {
        float *first = a + (ptrdiff_t)i * ld, *second = b + (ptrdiff_t)i * ld,
              *g = mat_f32(p->g, row + i) + col;
        add_bias(first, p->b ? p->b + col : NULL, cols);
        add_bias(second, p->b ? p->b + F + col : NULL, cols);
        act_row(act, first, cols, p->act);
        for (int j = 0; j < cols; j++)
            g[j] = act[j] * second[j];
        if (p->drop.p > 0)
            drop_row(g, g, cols, p->drop,
                     (uint64_t)(row + i) * (uint64_t)F + (uint64_t)col);
    }
}

void
cpu_norm_glu(struct ctx *c, struct mat g, struct mat u, struct mat stat, struct mat h,
             struct mat x, const struct lnorm *norm, const struct weight *Wi, enum act act,
             struct drop drop)
{
    if (Wi->fwd && c->f32) {
        packed_norm_glu(c, g, u, stat, h, x, norm, Wi, act, drop);
        return;
    }
    const struct glu p = { g,   u,   norm_all(c, h, stat, x, norm), weight_f32(Wi), Wi->b.p,
                           act, drop };
    const int F = g.cols, across = (F + GLU_COLS - 1) / GLU_COLS,
              down = (g.rows + TILE_ROWS - 1) / TILE_ROWS;
    check_f32(g);
    check_f32(p.x);
    assert(g.rows == x.rows && Wi->w.rows == 2 * F && Wi->w.cols == x.cols);
    assert(!Wi->b.p || (Wi->b.cols == 2 * F && Wi->b.type == F32));
    assert(!u.p || (u.rows == g.rows && u.cols == 2 * F && u.type == F32));
    blas_open(c);
    const struct shares s = cpu_shares(c, 2 * TILE_ROWS * GLU_COLS + GLU_COLS);
    CPU_FOR
    for (int i = 0; i < across * down; i++) {
        const int row = i / across * TILE_ROWS, col = i % across * GLU_COLS;
        glu_tile(c, &p, row, g.rows - row < TILE_ROWS ? g.rows - row : TILE_ROWS, col,
                 F - col < GLU_COLS ? F - col : GLU_COLS, cpu_share(s));
    }
}

/* g = a(u1) u2 k, with k the dropout factor: du1 = dg k u2 a'(u1), du2 = dg k a(u1) */
static void
glu_row_bwd(float *restrict du, float *restrict g, const float *restrict dg,
            const float *restrict u, const float *restrict act, const float *restrict slope,
            int F)
{
    for (int i = 0; i < F; i++) {
        g[i] = act[i] * u[F + i];
        du[i] = dg[i] * u[F + i] * slope[i];
        du[F + i] = dg[i] * act[i];
    }
}

void
cpu_glu_bwd(struct ctx *c, struct mat du, struct mat g, struct mat dg, struct mat u,
            enum act act, struct drop drop)
{
    const int F = g.cols;
    if (u.type == BF16) {
        backward_glu(c, du, g, dg, u, act, drop);
        return;
    }
    check_f32(du);
    check_f32(g);
    check_f32(dg);
    check_f32(u);
    assert(same_shape(du, u) && same_shape(g, dg) && u.cols == 2 * F && u.rows == g.rows);
    const struct shares s = cpu_shares(c, 3 * (size_t)F);
    CPU_ROWS
    for (int t = 0; t < g.rows; t++) {
        float *a = cpu_share(s), *slope = a + F, *d = a + 2 * F;
        const uint64_t at = (uint64_t)t * (uint64_t)F;
        act_slope(a, slope, mat_f32(u, t), F, act);
        drop_row(d, mat_f32(dg, t), F, drop, at);
        glu_row_bwd(mat_f32(du, t), mat_f32(g, t), d, mat_f32(u, t), a, slope, F);
        if (drop.p > 0)
            drop_row(mat_f32(g, t), mat_f32(g, t), F, drop, at);
    }
}
