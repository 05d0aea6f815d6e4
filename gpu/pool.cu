#include "gpu/quad.cuh"
#include "gpu/sums.cuh"

/* A sequence without rows pools to zero. */
template <class T, int V>
KERNEL(ROW_THREADS, 8)
pool_first(struct mat p, struct mat h, const int *cu)
{
    const int b = quad_row();
    if (b >= p.rows)
        return;
    const T *from = mat_row<const T>(h, cu[b]);
    float *to = mat_row<float>(p, b);
    for (int at = V * quad_lane(); at < p.cols; at += V * 32)
        quad_store<V>(to + at, cu[b] < cu[b + 1] ? quad_load<V>(from + at) : quad_zero());
}

/* A block SUM_COLS columns of a sequence: the order of its sum is its own length's, not the
 * batch's. */
template <class T>
KERNEL(SUM_THREADS, 4)
pool_mean(struct mat p, struct mat h, const int *cu)
{
    const int across = (p.cols + SUM_COLS - 1) / SUM_COLS, b = dev_block() / across,
              i = dev_block() % across * SUM_COLS + sum_column(), n = cu[b + 1] - cu[b];
    const float sum = sum_rows(mat_row<const T>(h, cu[b]) + i, h.ld, i < p.cols ? n : 0);
    if (sum_first() && i < p.cols)
        mat_row<float>(p, b)[i] = n ? sum / (float)n : 0;
}

template <class T>
static void
pool_start(struct ctx *c, struct mat p, struct mat h, const int *cu, enum pool_kind kind)
{
    const int rows = cuda_blocks(p.rows, ROW_WARPS);
    if (kind == OP_MEAN)
        LAUNCH(c->stream, (pool_mean<T>), p.rows * cuda_blocks(p.cols, SUM_COLS),
               SUM_THREADS, SUM_BYTES, p, h, cu);
    else if (quads(p) && quads(h))
        LAUNCH(c->stream, (pool_first<T, 4>), rows, ROW_THREADS, 0, p, h, cu);
    else
        LAUNCH(c->stream, (pool_first<T, 1>), rows, ROW_THREADS, 0, p, h, cu);
}

static void
pool_check(struct mat p, struct mat h, const struct seqs *s)
{
    assert(p.type == F32 && p.rows == s->n && p.cols == h.cols && h.rows == s->rows);
    (void)p, (void)h, (void)s;
}

void
cuda_pool(struct ctx *c, struct mat p, struct mat h, const struct seqs *s,
          enum pool_kind kind)
{
    const struct plan *plan = (const struct plan *)s->plan;
    pool_check(p, h, s);
    FOR_TYPE(h, T, pool_start<T>(c, p, h, plan->cu, kind));
    cuda_launched("pool");
}

/* Row t of sequence b: dp[b] / length (mean), or dp[b] in its first row and else zero. */
template <class T, int V>
KERNEL(ROW_THREADS, 8)
pool_rows_bwd(struct mat dh, struct mat dp, const int *cu, const int *sequence, bool mean)
{
    const int t = quad_row();
    if (t >= dh.rows)
        return;
    const int b = sequence[t], n = cu[b + 1] - cu[b];
    const float *from = mat_row<float>(dp, b), by = mean ? (float)n : 1;
    for (int at = V * quad_lane(); at < dh.cols; at += V * 32) {
        struct quad q = mean || t == cu[b] ? quad_load<V>(from + at) : quad_zero();
        UNROLL
        for (int i = 0; i < V; i++)
            q.f[i] /= by;
        quad_store<V>(mat_row<T>(dh, t) + at, q);
    }
}

template <class T>
static void
pool_start_bwd(struct ctx *c, struct mat dh, struct mat dp, const struct plan *plan,
               bool mean)
{
    const int blocks = cuda_blocks(dh.rows, ROW_WARPS);
    if (quads(dh) && quads(dp))
        LAUNCH(c->stream, (pool_rows_bwd<T, 4>), blocks, ROW_THREADS, 0, dh, dp, plan->cu,
               plan->sequence, mean);
    else
        LAUNCH(c->stream, (pool_rows_bwd<T, 1>), blocks, ROW_THREADS, 0, dh, dp, plan->cu,
               plan->sequence, mean);
}

void
cuda_pool_bwd(struct ctx *c, struct mat dh, struct mat dp, const struct seqs *s,
              enum pool_kind kind)
{
    const struct plan *plan = (const struct plan *)s->plan;
    pool_check(dp, dh, s);
    FOR_TYPE(dh, T, pool_start_bwd<T>(c, dh, dp, plan, kind == OP_MEAN));
    cuda_launched("pool_bwd");
}
