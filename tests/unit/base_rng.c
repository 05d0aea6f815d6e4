/* base_rng - the counter-based generator: known values, distributions, permutations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/rng.h"

static void
it_is_splitmix64(void **s)
{
    (void)s;
    /* the published first outputs of SplitMix64 started at 1234567 */
    assert_true(rng_u64(1234567, 0) == 6457827717110365317u);
    assert_true(rng_u64(1234567, 1) == 3203168211198807973u);
}

static void
streams_differ(void **s)
{
    (void)s;
    assert_true(rng_key(1, 2, 3) != rng_key(1, 3, 2));
    assert_true(rng_key(1, 2, 3) != rng_key(2, 1, 3));
    assert_true(rng_key(42, 0, 0) != rng_key(42, 0, 1));
}

static void
moments(void **s)
{
    (void)s;
    enum { N = 200000 };
    const uint64_t key = rng_key(7, 0, 0);
    double u = 0, n1 = 0, n2 = 0, t1 = 0, t2 = 0, far = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double a = rng_unit(key, i), b = rng_normal(key, i);
        assert_true(a >= 0 && a < 1);
        u += a;
        n1 += b;
        n2 += b * b;
    }
    for (uint64_t i = 0; i < N / 10; i++) {
        const double c = rng_truncated(key, i, 2);
        t1 += c;
        t2 += c * c;
        if (fabs(c) > far)
            far = fabs(c);
    }
    assert_true(fabs(u / N - .5) < .005);
    assert_true(fabs(n1 / N) < .01 && fabs(n2 / N - 1) < .02);
    /* variance of N(0,1) cut at 2: 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.7737 */
    assert_true(fabs(t1 / (N / 10)) < .02 && fabs(t2 / (N / 10) - .7737) < .02);
    assert_true(far <= 2);
}

static void
permutations(void **s)
{
    (void)s;
    enum { N = 1000 };
    uint32_t p[N], q[N];
    unsigned char seen[N] = { 0 };
    rng_permute(p, N, rng_key(42, 0, 0));
    rng_permute(q, N, rng_key(42, 0, 0));
    assert_memory_equal(p, q, sizeof p);
    rng_permute(q, N, rng_key(42, 1, 0));
    assert_true(memcmp(p, q, sizeof p) != 0);
    for (int i = 0; i < N; i++) {
        assert_true(p[i] < N && !seen[p[i]]);
        seen[p[i]] = 1;
    }
    /* every place is reached about equally often by element 0 of 4 */
    int count[4] = { 0 };
    for (uint64_t k = 0; k < 4000; k++) {
        rng_permute(q, 4, rng_key(9, k, 0));
        for (int i = 0; i < 4; i++)
            count[i] += q[i] == 0;
    }
    for (int i = 0; i < 4; i++)
        assert_true(count[i] > 850 && count[i] < 1150);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_splitmix64),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(moments),
        cmocka_unit_test(permutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
