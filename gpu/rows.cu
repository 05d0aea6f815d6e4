#include "gpu/quad.cuh"

/* y = x in y's type; x may be F16, as weights in a file. */
template <class Y, class X, int V>
KERNEL(ROW_THREADS, 8)
cast(struct mat y, struct mat x)
{
    const int t = quad_row();
    if (t >= y.rows)
        return;
    for (int at = V * quad_lane(); at < y.cols; at += V * 32)
        quad_store<V>(mat_row<Y>(y, t) + at, quad_load<V>(mat_row<const X>(x, t) + at));
}

template <class Y, class X>
static void
cast_start(struct ctx *c, struct mat y, struct mat x)
{
    const int blocks = cuda_blocks(y.rows, ROW_WARPS);
    if (quads(y) && quads(x))
        LAUNCH(c->stream, (cast<Y, X, 4>), blocks, ROW_THREADS, 0, y, x);
    else
        LAUNCH(c->stream, (cast<Y, X, 1>), blocks, ROW_THREADS, 0, y, x);
}

void
rows_cast(struct ctx *c, struct mat y, struct mat x)
{
    assert(y.rows == x.rows && y.cols == x.cols);
    FOR_TYPE(y, Y, FOR_STORED(x, X, cast_start<Y, X>(c, y, x)));
    cuda_launched("cast");
}

/* ---- gather, scatter ---------------------------------------------------------------- */
/* Rows as they are. */
template <class T, int V>
DEV void
row_copy(T *y, const T *x, int cols)
{
    for (int at = V * quad_lane(); at < cols; at += V * 32)
        quad_store<V>(y + at, quad_load<V>(x + at));
}

template <class T, int V>
KERNEL(ROW_THREADS, 8)
gather(struct mat y, struct mat x, const int *rows)
{
    const int i = quad_row();
    if (i < y.rows)
        row_copy<T, V>(mat_row<T>(y, i), mat_row<const T>(x, rows[i]), y.cols);
}

/* Whether a row of x after i goes where row i goes: the last of them wins. */
DEV bool
goes_later(const int *rows, int i, int n)
{
    for (int from = i + 1; from < n; from += 32) {
        const int k = from + quad_lane();
        if (dev_ballot(k < n && rows[k] == rows[i]))
            return true;
    }
    return false;
}

template <class T, int V>
KERNEL(ROW_THREADS, 8)
scatter(struct mat y, struct mat x, const int *rows)
{
    const int i = quad_row();
    if (i < x.rows && !goes_later(rows, i, x.rows))
        row_copy<T, V>(mat_row<T>(y, rows[i]), mat_row<const T>(x, i), y.cols);
}

template <class T>
static void
move_start(struct ctx *c, struct mat y, struct mat x, const int *rows, bool back)
{
    const int blocks = cuda_blocks(back ? x.rows : y.rows, ROW_WARPS);
    void (*const kernel[2][2])(struct mat, struct mat, const int *) = {
        { gather<T, 1>, gather<T, 4> }, { scatter<T, 1>, scatter<T, 4> }
    };
    LAUNCH(c->stream, kernel[back][quads(y) && quads(x)], blocks, ROW_THREADS, 0, y, x,
           rows);
}

void
cuda_gather_rows(struct ctx *c, struct mat y, struct mat x, const int *rows)
{
    assert(y.cols == x.cols && y.type == x.type);
    FOR_TYPE(y, T, move_start<T>(c, y, x, rows, false));
    cuda_launched("gather_rows");
}

void
cuda_scatter_rows(struct ctx *c, struct mat y, struct mat x, const int *rows)
{
    assert(y.cols == x.cols && y.type == x.type);
    FOR_TYPE(y, T, move_start<T>(c, y, x, rows, true));
    cuda_launched("scatter_rows");
}

/* ---- add ---------------------------------------------------------------------------- */
template <int V>
KERNEL(ROW_THREADS, 8)
add(struct mat y, struct mat x)
{
    const int t = quad_row();
    if (t >= y.rows)
        return;
    for (int at = V * quad_lane(); at < y.cols; at += V * 32) {
        const struct quad q = quad_load<V>(mat_row<const float>(x, t) + at);
        float *to = mat_row<float>(y, t) + at;
        struct quad sum = quad_load<V>(to);
        UNROLL
        for (int i = 0; i < V; i++)
            sum.f[i] += q.f[i];
        quad_store<V>(to, sum);
    }
}

void
cuda_add(struct ctx *c, struct mat y, struct mat x)
{
    const int blocks = cuda_blocks(y.rows, ROW_WARPS);
    assert(y.rows == x.rows && y.cols == x.cols && y.type == F32 && x.type == F32);
    if (quads(y) && quads(x))
        LAUNCH(c->stream, (add<4>), blocks, ROW_THREADS, 0, y, x);
    else
        LAUNCH(c->stream, (add<1>), blocks, ROW_THREADS, 0, y, x);
    cuda_launched("add");
}
