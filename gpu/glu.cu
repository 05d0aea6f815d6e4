#include "gpu/act.cuh"
#include "gpu/drop.cuh"
#include "gpu/vector.cuh"

enum { THREADS = 256 };

/* Everything is of one type.  A thread has V neighbours of each half of u. */
struct glu { struct mat du, g, dg, u; enum act act; struct drop drop; unsigned across; };

/* Where this thread's elements are: row, column of g; false: beyond the end. */
template <int V>
DEV bool
glu_here(const struct glu &p, int *row, int *col)
{
    const unsigned i = (unsigned)(dev_block() * THREADS + dev_thread());
    *row = (int)(i / p.across);
    *col = (int)(i % p.across) * V;
    return *row < p.g.rows;
}

/* x = drop(x), the elements that g has at [row, col ...] */
template <int V>
DEV void
glu_drop(float x[V], const struct glu &p, int row, int col)
{
    const uint64_t at = (uint64_t)row * (uint64_t)p.g.cols + (uint64_t)col;
    if (p.drop.p > 0) {
        UNROLL
        for (int i = 0; i < V; i++)
            x[i] *= drop_factor(p.drop, at + (uint64_t)i);
    }
}

/* g = drop(act(u1) u2) */
template <class T, int V>
KERNEL(THREADS, 6)
glu_forward(struct glu p)
{
    float a[V], b[V];
    int row, col;
    if (!glu_here<V>(p, &row, &col))
        return;
    const T *u = mat_row<T>(p.u, row) + col;
    vector_load<V>(a, u);
    vector_load<V>(b, u + p.g.cols);
    act_row<V>(a, a, p.act);
    UNROLL
    for (int i = 0; i < V; i++)
        a[i] *= b[i];
    glu_drop<V>(a, p, row, col);
    vector_store<V>(mat_row<T>(p.g, row) + col, a);
}

/* With d = drop(dg): du1 = d u2 act'(u1), du2 = d act(u1); and g again, for Wo's
 * gradient. */
template <class T, int V>
KERNEL(THREADS, 4)
glu_backward(struct glu p)
{
    float a[V], b[V], d[V], slope[V];
    int row, col;
    if (!glu_here<V>(p, &row, &col))
        return;
    const T *u = mat_row<T>(p.u, row) + col;
    T *du = mat_row<T>(p.du, row) + col;
    vector_load<V>(a, u);
    vector_load<V>(b, u + p.g.cols);
    vector_load<V>(d, mat_row<T>(p.dg, row) + col);
    act_slope<V>(a, slope, a, p.act);
    glu_drop<V>(d, p, row, col);
    UNROLL
    for (int i = 0; i < V; i++) {
        slope[i] *= d[i] * b[i];
        d[i] *= a[i];
        a[i] *= b[i];
    }
    glu_drop<V>(a, p, row, col);
    vector_store<V>(du, slope);
    vector_store<V>(du + p.g.cols, d);
    vector_store<V>(mat_row<T>(p.g, row) + col, a);
}

/* Both halves of a mat [T,2F] can be read by vectors. */
static bool
halves_fit(struct mat m)
{
    const int F = m.cols / 2;
    return vector_fits(mat_cols(m, 0, F)) && vector_fits(mat_cols(m, F, F));
}

static int
glu_blocks(struct glu *p, bool fast)
{
    p->across = (unsigned)(p->g.cols / (fast ? VECTOR : 1));
    const int64_t all = (int64_t)p->g.rows * p->across;
    assert(all < INT32_MAX - THREADS);
    return cuda_blocks(all, THREADS);
}

void
cuda_norm_glu(struct ctx *c, struct mat g, struct mat u, struct mat stat, struct mat h,
              struct mat x, const struct lnorm *norm, const struct weight *Wi, enum act act,
              struct drop drop)
{
    const int T = g.rows, F = g.cols;
    if (norm)
        cuda_norm(c, h, stat, x, norm);
    if (!u.p)
        u = mat_of(cuda_scratch(c, SCRATCH_OUT, (size_t)T * 2 * (size_t)F,
                                dtype_size(g.type)), T, 2 * F, g.type);
    assert(u.rows == T && u.cols == 2 * F && u.type == g.type && x.rows == T);
    assert(Wi->w.rows == 2 * F && Wi->w.cols == x.cols && drop.p >= 0 && drop.p < 1);
    linear_product(c, u, norm ? h : x, Wi, (struct mat){});
    struct glu p = { {}, g, {}, u, act, drop, 0 };
    const bool fast = vector_fits(g) && halves_fit(u);
    const int blocks = glu_blocks(&p, fast);
    FOR_TYPE(g, A, {
        if (fast)
            LAUNCH(c->stream, (glu_forward<A, VECTOR>), blocks, THREADS, 0, p);
        else
            LAUNCH(c->stream, (glu_forward<A, 1>), blocks, THREADS, 0, p);
    });
    cuda_launched("norm_glu");
}

void
cuda_glu_bwd(struct ctx *c, struct mat du, struct mat g, struct mat dg, struct mat u,
             enum act act, struct drop drop)
{
    const int T = g.rows, F = g.cols;
    assert(du.rows == T && u.rows == T && dg.rows == T && dg.cols == F);
    assert(du.cols == 2 * F && u.cols == 2 * F && drop.p >= 0 && drop.p < 1);
    assert(du.type == g.type && dg.type == g.type && u.type == g.type);
    struct glu p = { du, g, dg, u, act, drop, 0 };
    const bool fast =
        vector_fits(g) && vector_fits(dg) && halves_fit(u) && halves_fit(du);
    const int blocks = glu_blocks(&p, fast);
    FOR_TYPE(g, A, {
        if (fast)
            LAUNCH(c->stream, (glu_backward<A, VECTOR>), blocks, THREADS, 0, p);
        else
            LAUNCH(c->stream, (glu_backward<A, 1>), blocks, THREADS, 0, p);
    });
    cuda_launched("glu_bwd");
    (void)T;
}
