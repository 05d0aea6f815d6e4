/*
 * linear - matrix products, by cuBLASLt: BF16 or F32 in, sums in F32, nothing of TF32.
 *
 * cuBLASLt is column-major: a row-major mat is its transpose.  y = x w^T is computed as
 * y^T = w x^T.
 *
 * Which algorithm runs depends on the weight's shape alone, not on the number of rows: it is
 * asked for once, as for ROWS rows, without split sums.  So a row's result does not depend on
 * the batch around it.  Gradients of weights, whose sums run over the rows, may be split: in
 * a fixed order, for a number of rows the same each time.
 */
#include <errno.h>
#include <string.h>
#include <cublasLt.h>
#include "gpu/act.cuh"
#include "gpu/cuda.cuh"
#include "gpu/drop.cuh"

enum { ROWS = 4096, WORKSPACE = 32 << 20, BUCKETS = 256, THREADS = 256 };

/* D [m,n] = op(A) op(B) + beta C, column-major, depth k; leading dimensions are the mats'. */
struct product {
    struct mat D, C, A, B; /* C.p NULL: no addition */
    cublasOperation_t ta, tb;
    int m, n, k;
    bool split;
};
struct choice {
    struct { int m, n, k, ta, tb, in, out, align; } key;
    int set;
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
};
struct products {
    cublasLtHandle_t lt;
    void *workspace;
    struct choice choice[BUCKETS];
};

static void
lt_check(cublasStatus_t e, const char *what)
{
    if (e == CUBLAS_STATUS_SUCCESS)
        return;
    errno = 0;
    die_sys("--device cuda: cuBLASLt: %s: %s", what, cublasLtGetStatusString(e));
}

void
products_open(struct ctx *c)
{
    struct products *p = (struct products *)mem_zalloc(1, sizeof *p);
    lt_check(cublasLtCreate(&p->lt), "cublasLtCreate");
    p->workspace = cuda_alloc(c, WORKSPACE);
    c->products = p;
}

void
products_close(struct ctx *c)
{
    cuda_free(c, c->products->workspace);
    cublasLtDestroy(c->products->lt);
    mem_free(c->products);
}

/* The largest power of two up to 16 bytes that address and rows of all are multiples of. */
static int
alignment(const struct product *p)
{
    const struct mat all[] = { p->A, p->B, p->D, p->C };
    uintptr_t bits = 16;
    for (const struct mat &m : all)
        if (m.p)
            bits |= (uintptr_t)m.p | (uintptr_t)m.ld * dtype_size(m.type);
    return (int)(bits & -bits);
}

static cudaDataType_t
lt_type(enum dtype t)
{
    return t == BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

struct layouts { cublasLtMatmulDesc_t d; cublasLtMatrixLayout_t a, b, c, out; };

static struct layouts
layouts_of(const struct product *p, int n, int k)
{
    struct layouts l;
    const bool ta = p->ta == CUBLAS_OP_T, tb = p->tb == CUBLAS_OP_T;
    const cudaDataType_t in = lt_type(p->A.type), out = lt_type(p->D.type);
    const struct mat C = p->C.p ? p->C : p->D;
    lt_check(cublasLtMatmulDescCreate(&l.d, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    cublasLtMatmulDescSetAttribute(l.d, CUBLASLT_MATMUL_DESC_TRANSA, &p->ta, sizeof p->ta);
    cublasLtMatmulDescSetAttribute(l.d, CUBLASLT_MATMUL_DESC_TRANSB, &p->tb, sizeof p->tb);
    lt_check(cublasLtMatrixLayoutCreate(&l.a, in, ta ? k : p->m, ta ? p->m : k, p->A.ld), "A");
    lt_check(cublasLtMatrixLayoutCreate(&l.b, in, tb ? n : k, tb ? k : n, p->B.ld), "B");
    lt_check(cublasLtMatrixLayoutCreate(&l.c, out, p->m, n, C.ld), "C");
    lt_check(cublasLtMatrixLayoutCreate(&l.out, out, p->m, n, p->D.ld), "D");
    return l;
}

static void
layouts_free(struct layouts *l)
{
    cublasLtMatmulDescDestroy(l->d);
    cublasLtMatrixLayoutDestroy(l->a);
    cublasLtMatrixLayoutDestroy(l->b);
    cublasLtMatrixLayoutDestroy(l->c);
    cublasLtMatrixLayoutDestroy(l->out);
}

/* Asks for an algorithm of a product with n columns and depth k; 0: there is none. */
static int
choose(struct products *all, struct choice *to, const struct product *p, int n, int k, int align)
{
    struct layouts l = layouts_of(p, n, k);
    cublasLtMatmulPreference_t pref;
    cublasLtMatmulHeuristicResult_t best;
    int found = 0;
    const uint64_t room = WORKSPACE;
    const uint32_t bytes = (uint32_t)align,
                   sums = p->split ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
                                   : CUBLASLT_REDUCTION_SCHEME_NONE;
    lt_check(cublasLtMatmulPreferenceCreate(&pref), "a preference");
#define SET(what, value) cublasLtMatmulPreferenceSetAttribute(pref, what, &value, sizeof value)
    SET(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, room);
    SET(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, sums);
    SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, bytes);
    SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, bytes);
    SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, bytes);
    SET(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, bytes);
#undef SET
    const cublasStatus_t e = cublasLtMatmulAlgoGetHeuristic(all->lt, l.d, l.a, l.b, l.c, l.out,
                                                            pref, 1, &best, &found);
    cublasLtMatmulPreferenceDestroy(pref);
    layouts_free(&l);
    if (e != CUBLAS_STATUS_SUCCESS || !found)
        return 0;
    to->algo = best.algo;
    to->workspace = best.workspaceSize;
    return 1;
}

/* The next power of two: of a depth that is a number of rows. */
static int
rounded_up(int n)
{
    int up = 128;
    while (up < n && up < 1 << 30)
        up *= 2;
    return up;
}

/* The choice for this shape, made at its first product. */
static struct choice *
choice_of(struct products *all, const struct product *p)
{
    const int align = alignment(p), n = p->split ? p->n : ROWS, k = p->split ? rounded_up(p->k) : p->k;
    struct choice want = {};
    want.key = { p->m, n, k, p->ta, p->tb, p->A.type, p->D.type, align };
    struct choice *to = NULL;
    for (int i = 0; i < BUCKETS && !to; i++)
        if (!all->choice[i].set || !memcmp(&all->choice[i].key, &want.key, sizeof want.key))
            to = &all->choice[i];
    if (!to) { /* more shapes than a model has: begin again */
        memset(all->choice, 0, sizeof all->choice);
        to = all->choice;
    }
    if (to->set)
        return to;
    if (!choose(all, &want, p, n, k, align) && !choose(all, &want, p, p->n, p->k, align)) {
        errno = 0;
        die_sys("--device cuda: cuBLASLt has no product of %d x %d by %d", p->m, p->n, p->k);
    }
    want.set = 1;
    *to = want;
    return to;
}

static cublasStatus_t
start(struct ctx *c, const struct product *p, const struct choice *ch)
{
    struct products *all = c->products;
    const float one = 1, beta = p->C.p ? 1 : 0;
    const struct mat C = p->C.p ? p->C : p->D;
    struct layouts l = layouts_of(p, p->n, p->k);
    const cublasStatus_t e =
        cublasLtMatmul(all->lt, l.d, &one, p->A.p, l.a, p->B.p, l.b, &beta, C.p, l.c, p->D.p,
                       l.out, &ch->algo, all->workspace, WORKSPACE, c->stream);
    layouts_free(&l);
    return e;
}

/* What was chosen for many rows takes any number of them; should one library not, it is asked
 * for this number. */
static void
product_run(struct ctx *c, const struct product *p)
{
    if (!p->m || !p->n)
        return;
    const struct choice *ch = choice_of(c->products, p);
    cublasStatus_t e = start(c, p, ch);
    if (e == CUBLAS_STATUS_NOT_SUPPORTED || e == CUBLAS_STATUS_INVALID_VALUE) {
        struct choice own = {};
        if (choose(c->products, &own, p, p->n, p->k, alignment(p)))
            e = start(c, p, &own);
    }
    lt_check(e, "a product");
}

/* w in the type that x is multiplied in. */
static struct mat
weight_mat(const struct weight *W, enum dtype type)
{
    const struct mat w = W->fwd ? mat_of(W->fwd, W->w.rows, W->w.cols, type) : W->w;
    assert(w.type == type);
    return w;
}

/* y = act(s + b), dropped, plus r; u = s + b when wanted.  s F32 [T,N]. */
template <class Y, class U>
KERNEL(THREADS, 4)
finish(struct mat y, struct mat u, struct mat s, struct mat b, struct mat r, enum act act,
       struct drop drop)
{
    const int64_t n = (int64_t)s.rows * s.cols,
                  at = (int64_t)dev_block() * THREADS + dev_thread();
    if (at >= n)
        return;
    const int t = (int)(at / s.cols), i = (int)(at % s.cols);
    const float v = mat_row<float>(s, t)[i] + (b.p ? mat_row<float>(b, 0)[i] : 0);
    if (u.p)
        dev_put(mat_row<U>(u, t) + i, v);
    float out;
    act_row<1>(&out, &v, act);
    if (drop.p > 0)
        out *= drop_factor(drop, (uint64_t)at);
    dev_put(mat_row<Y>(y, t) + i, r.p ? mat_row<float>(r, t)[i] + out : out);
}

static void
finish_run(struct ctx *c, struct mat y, struct mat u, struct mat s, struct mat b, struct mat r,
           enum act act, struct drop drop)
{
    const int blocks = cuda_blocks((int64_t)s.rows * s.cols, THREADS);
    assert(!b.p || b.type == F32);
    FOR_TYPE(y, Y, {
        if (u.p && u.type == BF16)
            LAUNCH(c->stream, (finish<Y, bf16>), blocks, THREADS, 0, y, u, s, b, r, act, drop);
        else
            LAUNCH(c->stream, (finish<Y, float>), blocks, THREADS, 0, y, u, s, b, r, act, drop);
    });
    cuda_launched("linear");
}

/* y = x w^T, plus r. */
static void
multiply(struct ctx *c, struct mat y, struct mat x, struct mat w, struct mat r)
{
    assert(x.cols == w.cols && y.cols == w.rows && y.rows == x.rows && x.type == w.type);
    const struct product p = { y, r, w, x, CUBLAS_OP_T, CUBLAS_OP_N, w.rows, x.rows, w.cols, false };
    product_run(c, &p);
}

/* All that a linear layer can be asked for; what the product cannot do goes through scratch. */
static void
layer(struct ctx *c, struct mat y, struct mat u, struct mat x, const struct weight *W,
      struct mat r, enum act act, struct drop drop)
{
    const struct mat w = weight_mat(W, x.type);
    if (!W->b.p && !u.p && act == OP_NONE && drop.p == 0 && (!r.p || y.type == F32)) {
        multiply(c, y, x, w, r);
        return;
    }
    const size_t n = mem_mul((size_t)y.rows, (size_t)y.cols);
    const struct mat none = {},
                     s = y.type == F32 && !r.p
                             ? y /* finished where it lies: logits are large */
                             : mat_of(cuda_scratch(c, SCRATCH_SUMS, n, sizeof(float)), y.rows,
                                      y.cols, F32);
    multiply(c, s, x, w, none);
    finish_run(c, y, u, s, W->b, r, act, drop);
}

void
linear_product(struct ctx *c, struct mat y, struct mat x, const struct weight *W, struct mat r)
{
    const struct mat none = {};
    layer(c, y, none, x, W, r, OP_NONE, { 0, 0 });
}

void
cuda_linear(struct ctx *c, struct mat y, struct mat u, struct mat x, const struct weight *W,
            enum act act)
{
    const struct mat none = {};
    layer(c, y, u, x, W, none, act, { 0, 0 });
}

void
cuda_linear_add(struct ctx *c, struct mat y, struct mat x, const struct weight *W, struct mat r,
                struct drop drop)
{
    const struct mat none = {};
    assert(y.type == F32 && r.type == F32);
    layer(c, y, none, x, W, r, OP_NONE, drop);
}

void
cuda_norm_qkv(struct ctx *c, struct mat qkv, struct mat stat, struct mat h, struct mat x,
              const struct lnorm *norm, const struct weight *Wqkv, struct rope rope, int heads,
              const struct seqs *s)
{
    const struct mat none = {};
    if (norm)
        cuda_norm(c, h, stat, x, norm);
    else if (h.type != x.type)
        rows_cast(c, h, x);
    else
        h = x;
    linear_product(c, qkv, h, Wqkv, none);
    rope_turn(c, qkv, rope, heads, s, 1);
}

void
cuda_linear_dx(struct ctx *c, struct mat dx, struct mat dy, const struct weight *W,
               int accumulate)
{
    const enum dtype type = W->fwd ? cuda_type(c) : W->w.type;
    const struct mat w = weight_mat(W, type), d = cuda_as(c, dy, type, SCRATCH_LEFT), none = {};
    const struct product p = { dx, accumulate ? dx : none, w, d, CUBLAS_OP_N, CUBLAS_OP_N,
                               w.cols, d.rows, w.rows, false };
    assert(dx.cols == w.cols && dy.cols == w.rows && dx.rows == dy.rows);
    product_run(c, &p);
}

enum { CHUNK = 64 }; /* rows that one block adds up */

/* Stage 1 of the sums of columns: part [chunks, N], a thread a column. */
template <class T>
KERNEL(THREADS, 4)
column_sums(float *part, struct mat dy, int across)
{
    const int chunk = dev_block() / across, i = dev_block() % across * THREADS + dev_thread(),
              end = chunk * CHUNK + CHUNK < dy.rows ? chunk * CHUNK + CHUNK : dy.rows;
    float sum = 0;
    if (i >= dy.cols)
        return;
    for (int t = chunk * CHUNK; t < end; t++)
        sum += dev_widen(mat_row<T>(dy, t)[i]);
    part[(int64_t)chunk * dy.cols + i] = sum;
}

static void
bias_grad(struct ctx *c, struct mat db, struct mat dy)
{
    const int chunks = cuda_blocks(dy.rows, CHUNK), across = cuda_blocks(dy.cols, THREADS);
    float *part = (float *)cuda_scratch(c, SCRATCH_SUMS, mem_mul((size_t)chunks, (size_t)dy.cols),
                                        sizeof *part);
    FOR_TYPE(dy, T, LAUNCH(c->stream, (column_sums<T>), chunks * across, THREADS, 0, part, dy, across));
    sum_parts(c, (float *)db.p, part, chunks, dy.cols);
    cuda_launched("linear_dw");
}

static void
weight_grad(struct ctx *c, struct mat dw, struct mat dy, struct mat x, enum dtype type)
{
    const struct mat d = cuda_as(c, dy, type, SCRATCH_LEFT), h = cuda_as(c, x, type, SCRATCH_RIGHT);
    const struct product p = { dw, dw, h, d, CUBLAS_OP_N, CUBLAS_OP_T, dw.cols, dw.rows, dy.rows, true };
    product_run(c, &p);
}

void
cuda_linear_dw(struct ctx *c, struct mat dw, struct mat db, struct mat dy, struct mat x)
{
    const enum dtype type = dy.type == BF16 || x.type == BF16 ? BF16 : F32;
    assert(!dw.p || (dw.type == F32 && dw.rows == dy.cols && dw.cols == x.cols));
    assert(dy.rows == x.rows);
    if (!dy.rows)
        return;
    if (dw.p)
        weight_grad(c, dw, dy, x, type);
    if (db.p)
        bias_grad(c, db, dy);
}
