#ifndef OPS_CPU_H
#define OPS_CPU_H
/*
 * cpu - the CPU backend's ops, one family a file; what they share.
 *
 * Activations are F32, or BF16 where a run computes in bf16 or int8.  Work is cut into tasks whose borders depend on the shapes alone,
 * every task owns what it writes, and every sum has one order: any number of threads gives
 * the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include "common/ops/kernel.h"
#include "common/ops/ops.h"

#define _(op) op_##op##_fn cpu_##op;
OPS(_)
#undef _
extern const struct ops ops_cpu;

/* cblas_sgemm, row-major: C [m,n] = alpha op(A) op(B) + beta C. */
typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta,
                      float *c, int ldc);
enum { BLAS_ROW_MAJOR = 101, BLAS_AS_IS = 111, BLAS_TRANSPOSED = 112 };

struct ctx {
    int threads;
    enum isa isa;
    enum precision precision;
    const struct kernel *f32, *bf16, *i8; /* NULL: not in this run */
    sgemm_fn *sgemm;      /* NULL until the first product by OpenBLAS */
    struct space { char *p; size_t bytes; } scratch, left; /* see cpu_scratch, cpu_left */
    struct plan *spare;   /* the largest plan that was freed: the next batch's */
    char about[160], packing[32];
};

/* Loads OpenBLAS unless it is loaded; called outside parallel regions by every op that
 * multiplies. */
void blas_open(struct ctx *c);
/* At least n * size bytes, 64-byte aligned, contents undefined; valid until the next call.
 */
void *cpu_scratch(struct ctx *c, size_t n, size_t size);
/* Memory of the same kind that cpu_scratch leaves alone: the left side of a product. */
void *cpu_left(struct ctx *c, size_t bytes);
/* per floats for each of c's threads, every share on cache lines of its own. */
struct shares { float *p; size_t per; };
struct shares cpu_shares(struct ctx *c, size_t per);
float *cpu_share(struct shares s); /* the calling thread's */

#define CPU_FOR _Pragma("omp parallel for num_threads(c->threads) schedule(dynamic, 1)")
#define CPU_ROWS _Pragma("omp parallel for num_threads(c->threads) schedule(dynamic, 16)")

/* A block of query rows: rows [row, row + rows) of the sequence whose rows are [first,
 * end). */
struct block { int first, end, row, rows, out; }; /* out: the row of what it makes */
enum { QUERY_ROWS = 64 };
struct plan {
    struct block *block; /* query blocks of at most QUERY_ROWS, longest sequences first */
    int blocks;
    int *order;          /* the sequences, longest first */
    int *position;       /* [T] row within its sequence */
    int *cu;
    size_t bytes;        /* of all this, which is one block */
};

/* y [T,N] = x w^T (w [N,M], WEIGHT_ROWS) or x w (w [M,N], WEIGHT_COLUMNS), tile by tile. */
enum { TILE_ROWS = 128, TILE_COLS = 256 };
enum weight_order { WEIGHT_ROWS, WEIGHT_COLUMNS };
struct tile { float *p; int ld, row, rows, col, cols; };
/* Called once for each finished tile, by the thread that made it. */
typedef void tile_fn(const void *arg, struct tile t);
struct product {
    struct mat y, x;
    const float *w;
    enum weight_order order;
    int step; /* tiles begin at multiples of step columns; <= TILE_COLS; 0: any */
    int apart;           /* the product goes to scratch, and finish moves it to y */
    int accumulate;      /* y += */
    tile_fn *finish;     /* NULL: nothing to do */
    const void *arg;
};
void product_run(struct ctx *c, const struct product *p);
/* W's [out,in] values as F32: the mapped rows, or the widened blob. */
const float *weight_f32(const struct weight *W);

/* y = act(u) for n elements (y may be u), and slope = act'(u). */
void act_row(float *y, const float *u, int n, enum act act);
void act_slope(float *y, float *slope, const float *u, int n, enum act act);

/* y = x [D] normalised, times w, plus b (NULL: none); y may be x.  stat (NULL: not wanted)
 * = mean, 1/deviation. */
void norm_row(float *y, float *stat, const float *x, int n, const struct lnorm *norm);
/* From dy, x and stat of one row: dx +=, dw +=, db += (db NULL: no bias). */
void norm_row_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                  const float *stat, int n, const float *w);
/* h = norm(x) by rows; x itself when norm is NULL. */
struct mat norm_all(struct ctx *c, struct mat h, struct mat stat, struct mat x,
                    const struct lnorm *norm);

/* to[i] += sum over k of part[k][i] for parts of n floats, in the order of k. */
void sum_parts(struct ctx *c, float *to, const float *part, int parts, size_t stride,
               int n);

/* y[i] = keep(at + i) ? x[i] / (1 - p) : 0; y may be x; p 0 copies. */
void drop_row(float *y, const float *x, int n, struct drop drop, uint64_t at);
/* The factor of element at: 0 or 1 / (1 - p). */
float drop_factor(struct drop drop, uint64_t at);

static inline void
check_f32(struct mat m)
{
    assert(m.type == F32 && m.p && m.rows >= 0 && m.cols > 0 && m.ld >= m.cols);
    (void)m;
}
static inline int
same_shape(struct mat a, struct mat b)
{
    return a.rows == b.rows && a.cols == b.cols;
}
#endif
