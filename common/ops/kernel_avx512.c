/* kernel_avx512 - f32 products by fused multiply-add. */
#if defined __AVX512F__
#include "common/ops/kernel_vector.h"

static inline __attribute__((always_inline)) __m512
fma_f32(__m512 sum, __m512 a, __m512 b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

VECTOR_MUL(mul, fma_f32)

const struct kernel kernel_avx512_f32 = { "avx512", F32, 1, VECTOR_ROWS, 1 << 30,
                                          mul, vector_nothing, vector_nothing };
#else
typedef int kernel_avx512_unused;
#endif
