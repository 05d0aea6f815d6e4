/* ops_vector - vector.h, the vector mathematics, against libm in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/avx512.h"

#if defined __AVX512F__
#include "common/ops/vector.h"

static float exp2_one(float x) { return _mm512_cvtss_f32(vector_exp2(splat(x))); }
static float fine_one(float x) { return _mm512_cvtss_f32(vector_exp2_fine(splat(x))); }
static float phi_one(float x) { return _mm512_cvtss_f32(vector_phi(splat(x))); }

/* The largest relative error of f against 2^x, n steps over [-125, 127]. */
static double
exp2_error(float (*f)(float), int n)
{
    double worst = 0;
    for (int i = 0; i <= n; i++) {
        const float x = (float)(-125 + 252.0 * i / n);
        const double want = exp2((double)x), error = fabs((double)f(x) / want - 1);
        if (!(error <= worst))
            worst = error;
    }
    return worst;
}

static void
powers_of_two(void **state)
{
    (void)state;
    assert_true(exp2_error(exp2_one, 2000003) < 3e-7);
    assert_true(exp2_error(fine_one, 2000003) < 1.5e-7);
    float (*const f[])(float) = { exp2_one, fine_one };
    for (int i = 0; i < 2; i++) {
        for (int e = -125; e <= 127; e++)
            assert_true(f[i]((float)e) == ldexpf(1, e)); /* probabilities of 1 are 1 */
        assert_true(f[i](-125.01f) == 0 && f[i](-126) == 0 && f[i](-1e30f) == 0);
        assert_true(f[i](-INFINITY) == 0);
        assert_true(isnan(f[i](NAN)));
    }
}

static double
phi_error(float x)
{
    const double want = (double)x * 0.5 * erfc(-(double)x * 0.70710678118654752440);
    return fabs((double)(x * phi_one(x)) - want);
}

static void
normal_distribution(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i <= 2000000; i++) {
        const double error = phi_error((float)((i - 1000000) * 4e-5));
        if (!(error <= worst))
            worst = error;
    }
    for (uint32_t u = 0; u < 0x42200000; u += 1013) { /* floats to 40, tiny ones too */
        const double error = fmax(phi_error(of_bits(u)), phi_error(-of_bits(u)));
        if (!(error <= worst))
            worst = error;
    }
    assert_true(worst < 1e-6);
    assert_true(phi_one(0) == 0.5f && phi_one(-0.0f) == 0.5f);
    assert_true(phi_one(INFINITY) == 1 && phi_one(-INFINITY) == 0);
    assert_true(phi_one(1e30f) == 1 && phi_one(-1e30f) == 0);
    assert_true(isnan(phi_one(NAN)) && isnan(phi_one(-NAN)));
    for (float x = 5.2f; x < 6; x = nextafterf(x, 7)) { /* beyond the polynomial */
        const float p = phi_one(x), q = phi_one(-x);
        if (!(p >= 1 - 1e-6f && p <= 1 + 1e-6f && q >= -1e-6f && q <= 1e-6f))
            fail_msg("phi(+-%.9g) is %.9g, %.9g", (double)x, (double)p, (double)q);
    }
}

static void
check_bf16(const float x[32])
{
    uint16_t one[16], pair[32];
    const __m512 lo = _mm512_loadu_ps(x), hi = _mm512_loadu_ps(x + 16);
    _mm256_storeu_si256((__m256i *)(void *)one, to_bf16(lo));
    _mm512_storeu_si512(pair, pair_to_bf16(lo, hi));
    for (int i = 0; i < 32; i++)
        if (isnan(x[i]) ? !isnan(half_from_bf16(pair[i])) : pair[i] != bf16_of(x[i]))
            fail_msg("%a becomes %04x, not %04x", (double)x[i], pair[i], bf16_of(x[i]));
    assert_memory_equal(one, pair, sizeof one);
}

static void
to_sixteen_bits(void **state)
{
    (void)state;
    float x[32];
    for (uint32_t u = 0; u < 0xfff00000; u += 32 * 1021) { /* all exponents, both signs */
        for (uint32_t i = 0; i < 32; i++)
            x[i] = of_bits(u + i * 1021);
        check_bf16(x);
    }
    for (uint32_t high = 1; high < 0x7f80; high += 3) { /* ties, and beside them */
        for (uint32_t i = 0; i < 32; i++)
            x[i] = of_bits((high ^ i / 6 % 2) << 16 | (0x7ffd + i % 6) | (i & 1) << 31);
        check_bf16(x);
    }
    const float edge[32] = { 0, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 3.4e38f, -3.4e38f,
                             0x1p-126f, 0x1.fffffep-127f, 1e-45f, -1e-45f };
    check_bf16(edge);
}

static void
transposition(void **state)
{
    (void)state;
    int32_t m[16][16];
    __m512i r[16];
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 16; j++)
            m[i][j] = i * 1000 + j;
        r[i] = _mm512_loadu_si512(m[i]);
    }
    transpose16(r);
    for (int i = 0; i < 16; i++) {
        int32_t row[16];
        _mm512_storeu_si512(row, r[i]);
        for (int j = 0; j < 16; j++)
            assert_int_equal(row[j], m[j][i]);
    }
}

ANY_CPU int
main(void)
{
    static const struct avx512_test tests[] = {
        { "powers of two", powers_of_two, ISA_AVX512 },
        { "normal distribution", normal_distribution, ISA_AVX512 },
        { "to sixteen bits", to_sixteen_bits, ISA_BF16 },
        { "transposition", transposition, ISA_AVX512 },
    };
    return avx512_run(tests, sizeof tests / sizeof *tests);
}
#else
int
main(void)
{
    puts("1..1\nok 1 - avx512 # SKIP not built for AVX-512");
    return 0;
}
#endif
