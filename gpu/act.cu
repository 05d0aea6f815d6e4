#include "gpu/act.cuh"
#include "gpu/vector.cuh"

enum { THREADS = 256 };

/* A thread has V neighbours; `across` threads a row. */
template <int V>
KERNEL(THREADS, 6)
act_backward(struct mat du, struct mat dy, struct mat u, unsigned across, enum act act)
{
    const unsigned i = (unsigned)(dev_block() * THREADS + dev_thread());
    const int row = (int)(i / across), col = (int)(i % across) * V;
    float x[V], slope[V] = {}, d[V];
    if (row >= u.rows)
        return;
    vector_load<V>(x, mat_row<float>(u, row) + col);
    vector_load<V>(d, mat_row<float>(dy, row) + col);
    act_slope<V>(x, slope, x, act);
    UNROLL
    for (int j = 0; j < V; j++)
        d[j] *= slope[j];
    vector_store<V>(mat_row<float>(du, row) + col, d);
}

void
cuda_act_bwd(struct ctx *c, struct mat du, struct mat dy, struct mat u, enum act act)
{
    const bool fast = vector_fits(du) && vector_fits(dy) && vector_fits(u);
    const int across = u.cols / (fast ? VECTOR : 1);
    const int64_t all = (int64_t)u.rows * across;
    const int blocks = cuda_blocks(all, THREADS);
    assert(du.rows == u.rows && du.cols == u.cols);
    assert(dy.rows == u.rows && dy.cols == u.cols);
    assert(du.type == F32 && dy.type == F32 && u.type == F32);
    assert(all < INT32_MAX - THREADS);
    if (fast)
        LAUNCH(c->stream, (act_backward<VECTOR>), blocks, THREADS, 0, du, dy, u,
               (unsigned)across, act);
    else
        LAUNCH(c->stream, (act_backward<1>), blocks, THREADS, 0, du, dy, u,
               (unsigned)across, act);
    cuda_launched("act_bwd");
}
