#include "common/ops/cpu.h"
#include <string.h>
#include "common/base/half.h"

static void
embedding(float *x, struct mat E, int id)
{
    assert(id >= 0 && id < E.rows);
    half_widen(x, (const char *)E.p + (size_t)id * (size_t)E.ld * dtype_size(E.type),
               E.type, (size_t)E.cols);
}

void
cpu_embed_norm(struct ctx *c, struct mat x, struct mat stat, const int *ids, struct mat E,
               const struct lnorm *norm, struct drop drop)
{
    const int D = x.cols;
    check_f32(x);
    check_f32(norm->w);
    assert(E.cols == D && norm->w.cols == D && (!norm->b.p || norm->b.cols == D));
    assert(!stat.p || (stat.rows == x.rows && stat.cols == 2 && stat.type == F32));
    CPU_ROWS
    for (int t = 0; t < x.rows; t++) {
        float *row = mat_f32(x, t);
        embedding(row, E, ids[t]);
        norm_row(row, stat.p ? mat_f32(stat, t) : NULL, row, D, norm);
        drop_row(row, row, D, drop, (uint64_t)t * (uint64_t)D);
    }
}

/* The batch's rows grouped by id, rows ascending within a group: each group is one task's.
 */
struct groups { int n, *start, *row; };

static size_t
groups_size(int rows, int vocabulary)
{
    return (size_t)vocabulary + 1 + 2 * (size_t)rows + 1;
}

static struct groups
groups_make(int *memory, const int *ids, int rows, int vocabulary)
{
    int *next = memory;
    struct groups g = { 0, memory + vocabulary + 1, memory + vocabulary + 1 + rows + 1 };
    memset(next, 0, ((size_t)vocabulary + 1) * sizeof *next);
    for (int t = 0; t < rows; t++) {
        assert(ids[t] >= 0 && ids[t] < vocabulary);
        next[ids[t] + 1]++;
    }
    for (int v = 0; v < vocabulary; v++) {
        if (next[v + 1])
            g.start[g.n++] = next[v];
        next[v + 1] += next[v];
    }
    g.start[g.n] = rows;
    for (int t = 0; t < rows; t++)
        g.row[next[ids[t]]++] = t;
    return g;
}

struct embed_bwd {
    struct mat dE, dx, E, stat;
    const int *ids;
    const struct lnorm *norm;
    struct drop drop;
};

/* One row of the embedding's norm: dE may be NULL (only dw, db) or dw (only dE). */
static void
row_bwd(const struct embed_bwd *a, int t, float *dE, float *dw, float *db, float *scratch)
{
    const int D = a->E.cols;
    float *e = scratch, *dy = scratch + D, *unwanted = scratch + 2 * D;
    embedding(e, a->E, a->ids[t]);
    drop_row(dy, mat_f32(a->dx, t), D, a->drop, (uint64_t)t * (uint64_t)D);
    norm_row_bwd(dE ? dE : unwanted, dw ? dw : unwanted, db, dy, e, mat_f32(a->stat, t), D,
                 a->norm->w.p);
}

enum { PART_ROWS = 64 };

static void
norm_parts(struct ctx *c, const struct embed_bwd *a, float *dw, float *db)
{
    const int n = a->E.cols, T = a->dx.rows, parts = (T + PART_ROWS - 1) / PART_ROWS;
    const size_t stride = 2 * (size_t)n;
    float *part = cpu_scratch(c, (size_t)parts * 5 * (size_t)n, sizeof *part),
          *rest = part + (size_t)parts * stride;
    CPU_FOR
    for (int k = 0; k < parts; k++) {
        float *pw = part + (size_t)k * stride, *pb = db ? pw + n : NULL,
              *own = rest + (size_t)k * 3 * (size_t)n;
        const int end = (k + 1) * PART_ROWS < T ? (k + 1) * PART_ROWS : T;
        memset(pw, 0, stride * sizeof *pw);
        memset(own, 0, 3 * (size_t)n * sizeof *own);
        for (int t = k * PART_ROWS; t < end; t++)
            row_bwd(a, t, NULL, pw, pb, own);
    }
    sum_parts(c, dw, part, parts, stride, n);
    if (db)
        sum_parts(c, db, part + n, parts, stride, n);
}

void
cpu_embed_norm_bwd(struct ctx *c, struct mat dE, struct mat dw, struct mat db,
                   struct mat dx, const int *ids, struct mat E, struct mat stat,
                   const struct lnorm *norm, struct drop drop)
{
    const struct embed_bwd a = { dE, dx, E, stat, ids, norm, drop };
    const int D = E.cols, V = E.rows, T = dx.rows;
    check_f32(dE);
    check_f32(dw);
    check_f32(dx);
    check_f32(stat);
    assert(same_shape(dE, E) && dx.cols == D && dw.cols == D && (!db.p || db.cols == D));
    assert(stat.rows == T && stat.cols == 2 && norm->w.cols == D);
    norm_parts(c, &a, dw.p, db.p);
    const size_t per = 3 * (size_t)D, ints = groups_size(T, V);
    float *scratch = cpu_scratch(c, per * (size_t)c->threads + ints, sizeof(float));
    const struct groups g =
        groups_make((int *)(scratch + per * (size_t)c->threads), ids, T, V);
    const struct shares s = { scratch, per };
    CPU_ROWS
    for (int i = 0; i < g.n; i++) {
        float *own = cpu_share(s);
        memset(own, 0, per * sizeof *own);
        for (int k = g.start[i]; k < g.start[i + 1]; k++)
            row_bwd(&a, g.row[k], mat_f32(dE, ids[g.row[k]]), NULL, NULL, own);
    }
}
