#include "common/ops/backward.h"
#include "common/ops/packed.h"
#include <string.h>

/* The tile grid of a product: its borders depend on the shape, never on the threads. */
struct grid { int cols, across, down; };

static struct grid
grid_of(const struct product *p)
{
    /* few rows: narrower tiles, so that two threads share one short batch */
    int cols = p->y.rows <= TILE_ROWS ? TILE_COLS / 2 : TILE_COLS;
    if (p->step) {
        assert(p->step <= TILE_COLS);
        cols = cols / p->step ? cols / p->step * p->step : p->step;
    }
    return (struct grid){ cols, (p->y.cols + cols - 1) / cols,
                          (p->y.rows + TILE_ROWS - 1) / TILE_ROWS };
}

static void
product_tile(const struct ctx *c, const struct product *p, struct tile t)
{
    const int rows = p->order == WEIGHT_ROWS, in = p->x.cols, ldw = rows ? in : p->y.cols;
    const float *w = p->w + (rows ? (size_t)t.col * (size_t)in : (size_t)t.col);
    c->sgemm(BLAS_ROW_MAJOR, BLAS_AS_IS, rows ? BLAS_TRANSPOSED : BLAS_AS_IS, t.rows,
             t.cols, in, 1, mat_f32(p->x, t.row), (int)p->x.ld, w, ldw,
             p->accumulate ? 1 : 0, t.p, t.ld);
    if (p->finish)
        p->finish(p->arg, t);
}

void
product_run(struct ctx *c, const struct product *p)
{
    const struct grid g = grid_of(p);
    check_f32(p->y);
    check_f32(p->x);
    assert(p->x.rows == p->y.rows && p->w && !(p->apart && p->accumulate));
    blas_open(c);
    const struct shares s =
        p->apart ? cpu_shares(c, (size_t)TILE_ROWS * TILE_COLS) : (struct shares){ 0 };
    CPU_FOR
    for (int i = 0; i < g.across * g.down; i++) {
        const int row = i / g.across * TILE_ROWS, col = i % g.across * g.cols;
        const int rows = p->y.rows - row < TILE_ROWS ? p->y.rows - row : TILE_ROWS;
        const int cols = p->y.cols - col < g.cols ? p->y.cols - col : g.cols;
        struct tile t = { NULL, p->apart ? cols : (int)p->y.ld, row, rows, col, cols };
        t.p = p->apart ? cpu_share(s) : mat_f32(p->y, row) + col;
        product_tile(c, p, t);
    }
}

static void
check_weight(const struct weight *W, int in, int out)
{
    assert(W->w.cols == in && W->w.rows == out &&
           (!W->b.p || (W->b.cols == out && W->b.type == F32)));
    (void)W, (void)in, (void)out;
}

struct finish { struct mat y, r; const float *b; struct drop drop; enum act act; };

static void
finish_linear(const void *arg, struct tile t)
{
    const struct finish *f = arg;
    for (int i = 0; i < t.rows; i++) {
        float *u = t.p + (ptrdiff_t)i * t.ld;
        if (f->b)
            for (int j = 0; j < t.cols; j++)
                u[j] += f->b[t.col + j];
        act_row(mat_f32(f->y, t.row + i) + t.col, u, t.cols, f->act);
    }
}

void
cpu_linear(struct ctx *c, struct mat y, struct mat u, struct mat x, const struct weight *W,
           enum act act)
{
    const struct finish f = { .y = y, .b = W->b.p, .act = act };
    check_weight(W, x.cols, y.cols);
    assert(!u.p || same_shape(u, y));
    if (W->fwd && c->f32) {
        packed_linear(c, y, u, x, W, act);
        return;
    }
    product_run(c, &(struct product){ .y = u.p ? u : y,
                                      .x = x,
                                      .w = weight_f32(W),
                                      .finish = finish_linear,
                                      .arg = &f });
}

/* The sum over x W^T is complete before the residual joins it: in place it would lose low
 * bits. */
static void
finish_add(const void *arg, struct tile t)
{
    const struct finish *f = arg;
    for (int i = 0; i < t.rows; i++) {
        float *u = t.p + (ptrdiff_t)i * t.ld, *y = mat_f32(f->y, t.row + i) + t.col;
        const float *r = mat_f32(f->r, t.row + i) + t.col;
        if (f->b)
            for (int j = 0; j < t.cols; j++)
                u[j] += f->b[t.col + j];
        if (f->drop.p > 0)
            drop_row(u, u, t.cols, f->drop,
                     (uint64_t)(t.row + i) * (uint64_t)f->y.cols + (uint64_t)t.col);
        for (int j = 0; j < t.cols; j++)
            y[j] = r[j] + u[j];
    }
}

void
cpu_linear_add(struct ctx *c, struct mat y, struct mat x, const struct weight *W,
               struct mat r, struct drop drop)
{
    const struct finish f = { .y = y, .r = r, .b = W->b.p, .drop = drop };
    check_f32(r);
    check_weight(W, x.cols, y.cols);
    assert(same_shape(y, r));
    if (W->fwd && c->f32) {
        packed_linear_add(c, y, x, W, r, drop);
        return;
    }
    product_run(c, &(struct product){ .y = y,
                                      .x = x,
                                      .w = weight_f32(W),
                                      .apart = 1,
                                      .finish = finish_add,
                                      .arg = &f });
}

void
cpu_linear_dx(struct ctx *c, struct mat dx, struct mat dy, const struct weight *W,
              int accumulate)
{
    check_weight(W, dx.cols, dy.cols);
    if (W->bwd) {
        packed_linear_dx(c, dx, dy, W, accumulate);
        return;
    }
    product_run(c, &(struct product){ .y = dx,
                                      .x = dy,
                                      .w = weight_f32(W),
                                      .order = WEIGHT_COLUMNS,
                                      .accumulate = accumulate });
}

enum { BIAS_COLS = 64 };

/* db [n] += column sums of dy, in double: rows in order */
static void
column_sums(float *db, struct mat dy, int n)
{
    double sum[BIAS_COLS] = { 0 };
    for (int t = 0; t < dy.rows; t++) {
        const float *row = mat_f32(dy, t);
        for (int j = 0; j < n; j++)
            sum[j] += row[j];
    }
    for (int j = 0; j < n; j++)
        db[j] = (float)(db[j] + sum[j]);
}

void
cpu_linear_dw(struct ctx *c, struct mat dw, struct mat db, struct mat dy, struct mat x)
{
    const int out = dy.cols, in = x.cols, T = dy.rows;
    const int rows = out <= 512 ? TILE_ROWS / 2 : TILE_ROWS;
    const int across = (in + TILE_COLS - 1) / TILE_COLS, down = (out + rows - 1) / rows;
    if (dy.type == BF16 || x.type == BF16) {
        backward_linear_dw(c, dw, db, dy, x);
        return;
    }
    check_f32(dy);
    check_f32(x);
    assert(!dw.p || (dw.type == F32 && dw.rows == out && dw.cols == in && x.rows == T));
    assert(!db.p || db.cols == out);
    if (!T)
        return;
    if (dw.p)
        blas_open(c);
    CPU_FOR
    for (int i = 0; i < (dw.p ? across * down : 0); i++) {
        const int row = i / across * rows, col = i % across * TILE_COLS;
        c->sgemm(BLAS_ROW_MAJOR, BLAS_TRANSPOSED, BLAS_AS_IS,
                 out - row < rows ? out - row : rows,
                 in - col < TILE_COLS ? in - col : TILE_COLS, T, 1, mat_f32(dy, 0) + row,
                 (int)dy.ld, mat_f32(x, 0) + col, (int)x.ld, 1, mat_f32(dw, row) + col,
                 (int)dw.ld);
    }
    if (!db.p)
        return;
    CPU_FOR
    for (int j = 0; j < out; j += BIAS_COLS)
        column_sums((float *)db.p + j, mat_cols(dy, j, out - j),
                    out - j < BIAS_COLS ? out - j : BIAS_COLS);
}
