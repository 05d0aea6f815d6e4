/* product.cpp - the product behind the emulation's cublasLt.h.  Compiled without sanitizers. */
#include "cublasLt.h"
#include <string.h>
#include <vector>
#include "emu.h"

struct emu_lt { int unused; };
struct emu_desc { cublasOperation_t a, b; };
struct emu_layout { cudaDataType_t type; int64_t rows, cols, ld; };
struct emu_preference { int unused; };

enum { ROWS = 64, COLS = 4, DEPTH = 64 };

static float
element(const void *p, cudaDataType_t type, int64_t i)
{
    if (type == CUDA_R_32F)
        return ((const float *)p)[i];
    const uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void
put(void *p, cudaDataType_t type, int64_t i, float f)
{
    uint32_t u;
    if (type == CUDA_R_32F) {
        ((float *)p)[i] = f;
        return;
    }
    memcpy(&u, &f, 4);
    ((uint16_t *)p)[i] = (u & 0x7fffffff) > 0x7f800000 ? 0x7fff
                                                       : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

/* op(M) in F32 as rows of k: element (i, k) of A, (k, j) of B at [i or j][k] or [k][i or j]. */
static std::vector<float>
gathered(const void *p, struct emu_layout l, bool turn)
{
    std::vector<float> v((size_t)l.rows * (size_t)l.cols);
    for (int64_t c = 0; c < l.cols; c++)
        for (int64_t r = 0; r < l.rows; r++)
            v[turn ? r * l.cols + c : c * l.rows + r] = element(p, l.type, c * l.ld + r);
    return v;
}

struct piece { const float *a, *b; int64_t m, n, k; };

/* sum[j][i] += sum over k of a[k][i] b[k][j], for ROWS x COLS and DEPTH terms at most. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static void
add_terms(float sum[COLS][ROWS], struct piece p, int64_t i0, int64_t j0, int64_t k0)
{
    const int rows = p.m - i0 < ROWS ? (int)(p.m - i0) : ROWS;
    float acc[COLS][ROWS] = {};
    for (int64_t k = k0; k < k0 + DEPTH && k < p.k; k++) {
        float b[COLS], a[ROWS] = {};
        for (int j = 0; j < COLS; j++)
            b[j] = j0 + j < p.n ? p.b[k * p.n + j0 + j] : 0;
        memcpy(a, p.a + k * p.m + i0, (size_t)rows * sizeof *a);
        for (int j = 0; j < COLS; j++)
            for (int i = 0; i < ROWS; i++)
                acc[j][i] += a[i] * b[j];
    }
    for (int j = 0; j < COLS; j++)
        for (int i = 0; i < ROWS; i++)
            sum[j][i] += acc[j][i];
}

struct call {
    struct emu_desc d;
    struct emu_layout a, b, c, out;
    const void *A, *B, *C;
    void *D;
    float alpha, beta;
};

static void
run(const struct call &q)
{
    /* A as [k][m]: its columns when op is N; B as [k][n] */
    const std::vector<float> a = gathered(q.A, q.a, q.d.a == CUBLAS_OP_T),
                             b = gathered(q.B, q.b, q.d.b == CUBLAS_OP_N);
    const struct piece p = { a.data(), b.data(), q.out.rows, q.out.cols,
                             q.d.a == CUBLAS_OP_T ? q.a.rows : q.a.cols };
    for (int64_t j0 = 0; j0 < p.n; j0 += COLS)
        for (int64_t i0 = 0; i0 < p.m; i0 += ROWS) {
            float acc[COLS][ROWS] = {};
            for (int64_t k0 = 0; k0 < p.k; k0 += DEPTH)
                add_terms(acc, p, i0, j0, k0);
            for (int64_t j = j0; j < j0 + COLS && j < p.n; j++)
                for (int64_t i = i0; i < i0 + ROWS && i < p.m; i++) {
                    float f = q.alpha * acc[j - j0][i - i0];
                    if (q.beta != 0)
                        f += q.beta * element(q.C, q.c.type, j * q.c.ld + i);
                    put(q.D, q.out.type, j * q.out.ld + i, f);
                }
        }
}

const char *
cublasLtGetStatusString(cublasStatus_t s)
{
    return s == CUBLAS_STATUS_SUCCESS ? "success" : "not supported";
}

cublasStatus_t
cublasLtCreate(cublasLtHandle_t *h)
{
    *h = new emu_lt();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy(cublasLtHandle_t h)
{
    delete h;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute,
                         cudaDataType_t scale)
{
    if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *d = new emu_desc();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t which,
                               const void *value, size_t bytes)
{
    if (bytes != sizeof(cublasOperation_t))
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(which == CUBLASLT_MATMUL_DESC_TRANSA ? &d->a : &d->b, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType_t type, uint64_t rows,
                           uint64_t cols, int64_t ld)
{
    if (ld < (int64_t)rows)
        return CUBLAS_STATUS_INVALID_VALUE;
    *l = new emu_layout{ type, (int64_t)rows, (int64_t)cols, ld };
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = new emu_preference();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                     cublasLtMatmulPreferenceAttributes_t, const void *, size_t)
{
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}

/* Rows, columns and depths agree, types are what the library multiplies. */
static bool
fits(struct emu_desc d, struct emu_layout a, struct emu_layout b, struct emu_layout c,
     struct emu_layout out)
{
    const int64_t m = d.a == CUBLAS_OP_T ? a.cols : a.rows, k = d.a == CUBLAS_OP_T ? a.rows : a.cols;
    const int64_t n = d.b == CUBLAS_OP_T ? b.rows : b.cols, l = d.b == CUBLAS_OP_T ? b.cols : b.rows;
    return m == out.rows && n == out.cols && k == l && c.rows == m && c.cols == n &&
           c.type == out.type && a.type == b.type &&
           (a.type == CUDA_R_16BF || out.type == CUDA_R_32F);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d,
                               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                               cublasLtMatmulPreference_t, int want,
                               struct cublasLtMatmulHeuristicResult_t *result, int *found)
{
    *found = want > 0 && fits(*d, *a, *b, *c, *out);
    if (!*found)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *result = {};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *A,
               cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b,
               const void *beta, const void *C, cublasLtMatrixLayout_t c, void *D,
               cublasLtMatrixLayout_t out, const struct cublasLtMatmulAlgo_t *, void *, size_t,
               cudaStream_t s)
{
    if (!fits(*d, *a, *b, *c, *out))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    const struct call q = { *d, *a, *b, *c, *out, A, B, C, D, *(const float *)alpha,
                            *(const float *)beta };
    emu_enqueue(s, [=] { run(q); });
    return CUBLAS_STATUS_SUCCESS;
}
