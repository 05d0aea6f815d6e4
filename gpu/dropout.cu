#include "gpu/drop.cuh"
#include "gpu/quad.cuh"

/* An element is read and written by one lane: y may be x. */
template <class Y, class X, int V>
KERNEL(ROW_THREADS, 8)
drop_rows(struct mat y, struct mat x, struct drop drop)
{
    const int t = quad_row();
    if (t >= y.rows)
        return;
    for (int at = V * quad_lane(); at < y.cols; at += V * 32) {
        const uint64_t first = (uint64_t)t * (uint64_t)y.cols + (uint64_t)at;
        struct quad q = quad_load<V>(mat_row<const X>(x, t) + at);
        UNROLL
        for (int i = 0; i < V; i++)
            q.f[i] *= drop_factor(drop, first + (uint64_t)i);
        quad_store<V>(mat_row<Y>(y, t) + at, q);
    }
}

template <class Y, class X>
static void
drop_start(struct ctx *c, struct mat y, struct mat x, struct drop drop)
{
    const int blocks = cuda_blocks(y.rows, ROW_WARPS);
    if (quads(y) && quads(x))
        LAUNCH(c->stream, (drop_rows<Y, X, 4>), blocks, ROW_THREADS, 0, y, x, drop);
    else
        LAUNCH(c->stream, (drop_rows<Y, X, 1>), blocks, ROW_THREADS, 0, y, x, drop);
}

void
cuda_dropout(struct ctx *c, struct mat y, struct mat x, struct drop drop)
{
    assert(y.rows == x.rows && y.cols == x.cols && drop.p >= 0 && drop.p < 1);
    if (drop.p > 0)
        FOR_TYPE(y, Y, FOR_TYPE(x, X, drop_start<Y, X>(c, y, x, drop)));
    else if (y.p != x.p)
        rows_cast(c, y, x);
    cuda_launched("dropout");
}
