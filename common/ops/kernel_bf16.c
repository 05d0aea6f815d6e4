/* kernel_bf16 - bf16 products by vdpbf16ps, int8 by vpdpbusd. */
#if defined __AVX512BF16__ && defined __AVX512VNNI__
#include "common/ops/kernel_vector.h"

static inline __attribute__((always_inline)) __m512
dot_bf16(__m512 sum, __m512 a, __m512 b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

static inline __attribute__((always_inline)) __m512
dot_u8_i8(__m512 sum, __m512 a, __m512 b)
{
    return _mm512_castsi512_ps(_mm512_dpbusd_epi32(
        _mm512_castps_si512(sum), _mm512_castps_si512(a), _mm512_castps_si512(b)));
}

VECTOR_MUL(mul_bf16, dot_bf16)
VECTOR_MUL(mul_i8, dot_u8_i8)

const struct kernel kernel_bf16 = { "bf16", BF16, 1, VECTOR_ROWS, 1 << 30,
                                    mul_bf16, vector_nothing, vector_nothing };
const struct kernel kernel_vnni = { "vnni", I8, 1, VECTOR_ROWS, 1 << 30,
                                    mul_i8, vector_nothing, vector_nothing };
#else
typedef int kernel_bf16_unused;
#endif
