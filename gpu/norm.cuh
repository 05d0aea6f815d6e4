#ifndef GPU_NORM_CUH
#define GPU_NORM_CUH
/*
 * norm - LayerNorm of rows, a warp a row, for norm.cu and embed.cu.
 *
 *     y = drop((x - mean) r w + b),  r = 1 / sqrt(variance + eps)
 *
 * _held: a row of quads up to 1024 columns, read once and kept in registers; _read: any
 * row, read again in each pass.
 */
#include "gpu/drop.cuh"
#include "gpu/quad.cuh"

enum { NORM_QUADS = 8, NORM_HELD = 128 * NORM_QUADS };

static inline bool
norm_holds(struct mat y, struct mat x, const struct lnorm *n)
{
    return x.cols <= NORM_HELD && quads(y) && quads(x) && quads(n->w) && quads(n->b);
}

static inline void
norm_check(struct mat y, struct mat stat, struct mat x, const struct lnorm *n)
{
    assert(n->w.type == F32 && n->w.cols == x.cols && y.cols == x.cols);
    assert(!n->b.p || (n->b.type == F32 && n->b.cols == x.cols));
    assert(!stat.p || (stat.rows == y.rows && stat.cols == 2 && stat.type == F32));
    (void)y, (void)stat, (void)x, (void)n;
}

DEV float
norm_drop(float y, struct drop drop, uint64_t at)
{
    return drop.p > 0 ? y * drop_factor(drop, at) : y;
}

DEV void
norm_put_stat(float *stat, float mean, float r)
{
    if (stat && quad_lane() == 0) {
        stat[0] = mean;
        stat[1] = r;
    }
}

/* y's elements are first, first + 1, ... of drop's. */
template <class X, class Y>
DEV void
norm_held(Y *y, float *stat, const X *x, struct lnorm n, struct drop drop, uint64_t first)
{
    const int D = n.w.cols;
    const float *w = (const float *)n.w.p, *b = (const float *)n.b.p;
    struct quad v[NORM_QUADS];
    float sum = 0, squares = 0;
    row_load<NORM_QUADS>(v, x, D);
    UNROLL
    for (int j = 0; j < NORM_QUADS; j++)
        sum += (v[j].f[0] + v[j].f[1]) + (v[j].f[2] + v[j].f[3]);
    const float mean = dev_sum_warp(sum) / (float)D;
    UNROLL
    for (int j = 0; j < NORM_QUADS; j++)
        UNROLL
        for (int i = 0; i < 4; i++) {
            v[j].f[i] -= mean;
            squares += quad_at(j) < D ? v[j].f[i] * v[j].f[i] : 0;
        }
    const float r = 1 / sqrtf(dev_sum_warp(squares) / (float)D + n.eps);
    UNROLL
    for (int j = 0; j < NORM_QUADS; j++) {
        const int at = quad_at(j);
        if (at < D) {
            const struct quad qw = dev_load4(w + at),
                              qb = b ? dev_load4(b + at) : quad_zero();
            UNROLL
            for (int i = 0; i < 4; i++)
                v[j].f[i] = norm_drop(v[j].f[i] * r * qw.f[i] + qb.f[i], drop,
                                      first + (uint64_t)(at + i));
            quad_store<4>(y + at, v[j]);
        }
    }
    norm_put_stat(stat, mean, r);
}

template <class X, class Y>
DEV void
norm_read(Y *y, float *stat, const X *x, struct lnorm n, struct drop drop, uint64_t first)
{
    const int D = n.w.cols;
    const float *w = (const float *)n.w.p, *b = (const float *)n.b.p;
    float sum = 0, squares = 0;
    for (int i = quad_lane(); i < D; i += 32)
        sum += dev_widen(x[i]);
    const float mean = dev_sum_warp(sum) / (float)D;
    for (int i = quad_lane(); i < D; i += 32) {
        const float d = dev_widen(x[i]) - mean;
        squares += d * d;
    }
    const float r = 1 / sqrtf(dev_sum_warp(squares) / (float)D + n.eps);
    for (int i = quad_lane(); i < D; i += 32)
        dev_put(y + i, norm_drop((dev_widen(x[i]) - mean) * r * w[i] + (b ? b[i] : 0), drop,
                                 first + (uint64_t)i));
    norm_put_stat(stat, mean, r);
}

/* ---- backward ----------------------------------------------------------------------- */
/*
 * With xhat = (x - mean) r and g = dy w the row's gradient is
 * d = r (g - mean(g) - xhat mean(g xhat)); dw and db are the sums over rows of dy xhat and
 * dy.  A block adds those of NORM_CHUNK rows up to one part: all of dw's parts, then db's.
 */
enum { NORM_CHUNK = 32 };
struct norm_back {
    struct mat dx, dy, x, stat;
    struct lnorm norm;
    float *part; /* [2, chunks, D] */
    /* the embedding's: x is row ids[t] of E, dy is dropped first, dx = d and not += d */
    const int *ids;
    struct drop drop;
};

/* The part that this chunk gives to dw (which 0) or db (1). */
DEV float *
norm_part(const struct norm_back &a, int which, int chunk)
{
    const size_t chunks = (size_t)((a.dy.rows + NORM_CHUNK - 1) / NORM_CHUNK);
    return a.part + ((size_t)which * chunks + (size_t)chunk) * (size_t)a.norm.w.cols;
}

template <class X>
DEV const X *
norm_x(const struct norm_back &a, int t)
{
    return mat_row<const X>(a.x, a.ids ? a.ids[t] : t);
}

/* Row t; its terms are added to dw and db. */
template <class X, class G, int N, bool EMBED>
DEV void
norm_back_row(const struct norm_back &a, int t, struct quad dw[N], struct quad db[N])
{
    const int D = a.norm.w.cols;
    const float *w = (const float *)a.norm.w.p, *stat = mat_row<float>(a.stat, t),
                mean = stat[0], r = stat[1];
    float *dx = mat_row<float>(a.dx, t), sum = 0, with = 0;
    struct quad x[N], g[N], d[N];
    row_load<N>(x, norm_x<X>(a, t), D);
    row_load<N>(g, mat_row<G>(a.dy, t), D);
    if (!EMBED)
        row_load<N>(d, dx, D);
    UNROLL
    for (int j = 0; j < N; j++) {
        const struct quad qw = quad_at(j) < D ? dev_load4(w + quad_at(j)) : quad_zero();
        UNROLL
        for (int i = 0; i < 4; i++) {
            float dy = g[j].f[i];
            if (EMBED)
                dy = norm_drop(dy, a.drop,
                               (uint64_t)t * (uint64_t)D + (uint64_t)(quad_at(j) + i));
            x[j].f[i] = (x[j].f[i] - mean) * r;
            g[j].f[i] = dy * qw.f[i];
            dw[j].f[i] += dy * x[j].f[i];
            db[j].f[i] += dy;
            sum += g[j].f[i];
            with += g[j].f[i] * x[j].f[i];
        }
    }
    const float mg = dev_sum_warp(sum) / (float)D, mgx = dev_sum_warp(with) / (float)D;
    UNROLL
    for (int j = 0; j < N; j++) {
        UNROLL
        for (int i = 0; i < 4; i++) {
            const float own = r * (g[j].f[i] - mg - x[j].f[i] * mgx);
            d[j].f[i] = EMBED ? own : d[j].f[i] + own;
        }
        if (quad_at(j) < D)
            quad_store<4>(dx + quad_at(j), d[j]);
    }
}

/* The lanes' shares of the block's sums, warp after warp, to the block's part. */
template <int N>
DEV void
norm_back_sums(const struct norm_back &a, const struct quad dw[N], const struct quad db[N])
{
    SMEM_DYN(float, sums); /* [2, D] */
    const int D = a.norm.w.cols;
    for (int warp = 0; warp < ROW_WARPS; warp++) {
        UNROLL
        for (int j = 0; j < N; j++) {
            float *s = sums + quad_at(j);
            UNROLL
            for (int i = 0; i < 4 && dev_thread() / 32 == warp && quad_at(j) < D; i++) {
                s[i] = warp ? s[i] + dw[j].f[i] : dw[j].f[i];
                s[D + i] = warp ? s[D + i] + db[j].f[i] : db[j].f[i];
            }
        }
        dev_sync_block();
    }
    for (int i = dev_thread(); i < 2 * D; i += ROW_THREADS)
        norm_part(a, i / D, dev_block())[i % D] = sums[i];
}

template <class X, class G, int N, bool EMBED>
KERNEL(ROW_THREADS, 2)
norm_back_held(struct norm_back a)
{
    const int first = dev_block() * NORM_CHUNK, T = a.dy.rows;
    struct quad dw[N], db[N];
    UNROLL
    for (int j = 0; j < N; j++)
        dw[j] = db[j] = quad_zero();
    for (int t = first + dev_thread() / 32; t < T && t < first + NORM_CHUNK; t += ROW_WARPS)
        norm_back_row<X, G, N, EMBED>(a, t, dw, db);
    norm_back_sums<N>(a, dw, db);
}

DEV float
norm_dy(const struct norm_back &a, float dy, int t, int i)
{
    return norm_drop(dy, a.drop, (uint64_t)t * (uint64_t)a.norm.w.cols + (uint64_t)i);
}

template <class X, class G, bool EMBED>
KERNEL(ROW_THREADS, 8)
norm_back_read(struct norm_back a)
{
    const int t = quad_row(), D = a.norm.w.cols;
    if (t >= a.dy.rows)
        return;
    const float *w = (const float *)a.norm.w.p, *stat = mat_row<float>(a.stat, t),
                mean = stat[0], r = stat[1];
    const X *x = norm_x<X>(a, t);
    const G *dy = mat_row<G>(a.dy, t);
    float *dx = mat_row<float>(a.dx, t), sum = 0, with = 0;
    for (int i = quad_lane(); i < D; i += 32) {
        const float g = norm_dy(a, dev_widen(dy[i]), t, i) * w[i];
        sum += g;
        with += g * ((dev_widen(x[i]) - mean) * r);
    }
    const float mg = dev_sum_warp(sum) / (float)D, mgx = dev_sum_warp(with) / (float)D;
    for (int i = quad_lane(); i < D; i += 32) {
        const float g = norm_dy(a, dev_widen(dy[i]), t, i) * w[i],
                    d = r * (g - mg - (dev_widen(x[i]) - mean) * r * mgx);
        dx[i] = EMBED ? d : dx[i] + d;
    }
}

/* A thread a column, a block ROW_THREADS columns of a chunk. */
template <class X, class G>
KERNEL(ROW_THREADS, 8)
norm_back_columns(struct norm_back a)
{
    const int D = a.norm.w.cols, across = (D + ROW_THREADS - 1) / ROW_THREADS,
              chunk = dev_block() / across,
              i = dev_block() % across * ROW_THREADS + dev_thread();
    const int first = chunk * NORM_CHUNK, T = a.dy.rows;
    float dw = 0, db = 0;
    if (i >= D)
        return;
    for (int t = first; t < T && t < first + NORM_CHUNK; t++) {
        const float *stat = mat_row<float>(a.stat, t),
                    dy = norm_dy(a, dev_widen(mat_row<G>(a.dy, t)[i]), t, i);
        dw += dy * ((dev_widen(norm_x<X>(a, t)[i]) - stat[0]) * stat[1]);
        db += dy;
    }
    norm_part(a, 0, chunk)[i] = dw;
    norm_part(a, 1, chunk)[i] = db;
}

/* norm.cu: sum_parts of [parts, cols] to `to`, and of what follows to `also` (or NULL). */
void sum_two_parts(struct ctx *c, float *to, float *also, const float *part, int parts,
                   int cols);

/* dx; dw and db += . */
template <class X, class G, bool EMBED>
static inline void
norm_backward(struct ctx *c, struct norm_back a, struct mat dw, struct mat db)
{
    const int T = a.dy.rows, D = a.norm.w.cols, chunks = cuda_blocks(T, NORM_CHUNK);
    const size_t smem = 2 * (size_t)D * sizeof(float);
    assert(dw.type == F32 && dw.cols == D && (!db.p || (db.type == F32 && db.cols == D)));
    a.part = (float *)cuda_scratch(c, SCRATCH_SUMS, mem_mul((size_t)chunks, 2 * (size_t)D),
                                   sizeof(float));
    if (norm_holds(a.dx, a.x, &a.norm) && quads(a.dy)) {
        if (D <= 768)
            LAUNCH(c->stream, (norm_back_held<X, G, 6, EMBED>), chunks, ROW_THREADS, smem,
                   a);
        else
            LAUNCH(c->stream, (norm_back_held<X, G, 8, EMBED>), chunks, ROW_THREADS, smem,
                   a);
    } else {
        LAUNCH(c->stream, (norm_back_read<X, G, EMBED>), cuda_blocks(T, ROW_WARPS),
               ROW_THREADS, 0, a);
        LAUNCH(c->stream, (norm_back_columns<X, G>), chunks * cuda_blocks(D, ROW_THREADS),
               ROW_THREADS, 0, a);
    }
    sum_two_parts(c, (float *)dw.p, (float *)db.p, a.part, chunks, D);
}
#endif
