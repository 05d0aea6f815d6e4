#ifndef OPS_KERNEL_VECTOR_H
#define OPS_KERNEL_VECTOR_H
/*
 * kernel_vector - the tile product of vector registers, for the files that give it its
 * multiply-add: rows x PANEL sums in 2 x rows registers, a panel word in two, an element of
 * a broadcast.  VECTOR_ROWS x 2 + 2 + 1 registers are in use.
 */
#if defined __AVX512F__
#include <immintrin.h>
#include <string.h>
#include "common/ops/kernel.h"

enum { VECTOR_ROWS = 14 };
typedef __m512 vector_op(__m512 sum, __m512 a, __m512 b);

static inline __attribute__((always_inline)) void
vector_tile(vector_op *op, const int rows, float *c, ptrdiff_t ldc, const char *a,
            ptrdiff_t lda, const uint32_t *panel, int words, int add)
{
    __m512 s0[VECTOR_ROWS], s1[VECTOR_ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        s0[r] = add ? _mm512_loadu_ps(c + r * ldc) : _mm512_setzero_ps();
        s1[r] = add ? _mm512_loadu_ps(c + r * ldc + 16) : _mm512_setzero_ps();
    }
    for (int k = 0; k < words; k++, a += 4, panel += PANEL) {
        const __m512 b0 = _mm512_loadu_ps(panel), b1 = _mm512_loadu_ps(panel + 16);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            float word; /* two bf16 may lie at an odd element */
            memcpy(&word, a + r * lda, sizeof word);
            const __m512 x = _mm512_set1_ps(word);
            s0[r] = op(s0[r], x, b0);
            s1[r] = op(s1[r], x, b1);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(c + r * ldc, s0[r]);
        _mm512_storeu_ps(c + r * ldc + 16, s1[r]);
    }
}

#define VECTOR_CASE(op, n)                                                                 \
    case n: vector_tile(op, n, c, ldc, a, lda, panel, words, add); return;
/* kernel_mul_fn of the operation op */
#define VECTOR_MUL(name, op)                                                               \
    static void name(float *c, ptrdiff_t ldc, int rows, const void *a, ptrdiff_t lda,      \
                     const uint32_t *panel, int words, int add, struct meanwhile *m)       \
    {                                                                                      \
        kernel_finish(m);                                                                  \
        switch (rows) {                                                                    \
            VECTOR_CASE(op, 1) VECTOR_CASE(op, 2) VECTOR_CASE(op, 3) VECTOR_CASE(op, 4)    \
            VECTOR_CASE(op, 5) VECTOR_CASE(op, 6) VECTOR_CASE(op, 7) VECTOR_CASE(op, 8)    \
            VECTOR_CASE(op, 9) VECTOR_CASE(op, 10) VECTOR_CASE(op, 11)                     \
            VECTOR_CASE(op, 12) VECTOR_CASE(op, 13) VECTOR_CASE(op, 14)                    \
        }                                                                                  \
    }

static inline void
vector_nothing(void)
{
}
#endif
#endif
