#include "gpu/norm.cuh"
#include "gpu/sums.cuh"

template <class X, class Y>
KERNEL(ROW_THREADS, 6)
norm_rows_held(struct mat y, struct mat stat, struct mat x, struct lnorm n)
{
    const int t = quad_row();
    if (t < y.rows)
        norm_held(mat_row<Y>(y, t), stat.p ? mat_row<float>(stat, t) : NULL,
                  mat_row<const X>(x, t), n, drop{ 0, 0 }, 0);
}

template <class X, class Y>
KERNEL(ROW_THREADS, 8)
norm_rows_read(struct mat y, struct mat stat, struct mat x, struct lnorm n)
{
    const int t = quad_row();
    if (t < y.rows)
        norm_read(mat_row<Y>(y, t), stat.p ? mat_row<float>(stat, t) : NULL,
                  mat_row<const X>(x, t), n, drop{ 0, 0 }, 0);
}

template <class X, class Y>
static void
norm_rows(struct ctx *c, struct mat y, struct mat stat, struct mat x, const struct lnorm *n)
{
    const int blocks = cuda_blocks(y.rows, ROW_WARPS);
    if (norm_holds(y, x, n))
        LAUNCH(c->stream, (norm_rows_held<X, Y>), blocks, ROW_THREADS, 0, y, stat, x, *n);
    else
        LAUNCH(c->stream, (norm_rows_read<X, Y>), blocks, ROW_THREADS, 0, y, stat, x, *n);
}

void
cuda_norm(struct ctx *c, struct mat y, struct mat stat, struct mat x,
          const struct lnorm *norm)
{
    norm_check(y, stat, x, norm);
    assert(y.rows == x.rows);
    FOR_TYPE(x, X, FOR_TYPE(y, Y, norm_rows<X, Y>(c, y, stat, x, norm)));
    cuda_launched("norm");
}

void
cuda_norm_bwd(struct ctx *c, struct mat dx, struct mat dw, struct mat db, struct mat dy,
              struct mat x, struct mat stat, const struct lnorm *norm)
{
    const struct norm_back a = { dx, dy, x, stat, *norm, NULL, NULL, { 0, 0 } };
    norm_check(dx, stat, x, norm);
    assert(dx.type == F32 && x.type == F32 && stat.p && dy.cols == x.cols);
    assert(dx.rows == x.rows && dy.rows == x.rows);
    FOR_TYPE(dy, G, norm_backward<float, G, false>(c, a, dw, db));
    cuda_launched("norm_bwd");
}

/* ---- stage 2 of sums over rows ------------------------------------------------------ */
KERNEL(SUM_THREADS, 4)
add_parts(float *to, float *also, const float *part, int parts, int cols)
{
    const int across = (cols + SUM_COLS - 1) / SUM_COLS, second = dev_block() / across,
              i = dev_block() % across * SUM_COLS + sum_column();
    const float *from = part + (size_t)second * (size_t)parts * (size_t)cols + i,
                sum = sum_rows(from, cols, i < cols ? parts : 0);
    if (sum_first() && i < cols)
        (second ? also : to)[i] += sum;
}

/* Few parts of many columns: a thread a column. */
KERNEL(SUM_THREADS, 4)
add_few_parts(float *to, const float *part, int parts, int cols)
{
    const int64_t i = (int64_t)dev_block() * SUM_THREADS + dev_thread();
    float sum = 0;
    if (i >= cols)
        return;
    for (int k = 0; k < parts; k++)
        sum += part[(int64_t)k * cols + i];
    to[i] += sum;
}

void
sum_two_parts(struct ctx *c, float *to, float *also, const float *part, int parts, int cols)
{
    const int blocks = parts ? cuda_blocks(cols, SUM_COLS) * (also ? 2 : 1) : 0;
    LAUNCH(c->stream, (add_parts), blocks, SUM_THREADS, SUM_BYTES, to, also, part, parts,
           cols);
    cuda_launched("sum_parts");
}

void
sum_parts(struct ctx *c, float *to, const float *part, int parts, int cols)
{
    enum { MANY = 1 << 15 };
    if (parts > SUM_GROUPS || cols < MANY) {
        sum_two_parts(c, to, NULL, part, parts, cols);
        return;
    }
    LAUNCH(c->stream, (add_few_parts), cuda_blocks(cols, SUM_THREADS), SUM_THREADS, 0, to,
           part, parts, cols);
    cuda_launched("sum_parts");
}
