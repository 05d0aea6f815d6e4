/* eval_interval - intervals, and the draws of the bootstrap, against other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/bootstrap.h"

#define CLOSE(a, b)                                                                        \
    assert_true(fabs((a) - (double)(b)) <= 1e-12 * fabs((double)(b)) + 1e-15)

/* statsmodels 0.15 proportion_confint(method="wilson") */
static void
wilson(void **state)
{
    static const struct { double k, n, low, high; } cases[] = {
        { 0, 10, 0, 0.27753279986288926 },
        { 7, 10, 0.39677814746114537, 0.8922087325936989 },
        { 10, 10, 0.7224672001371106, 1 },
        { 1, 1, 0.2065493143772374, 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct interval w = interval_wilson(cases[i].k, cases[i].n);
        CLOSE(w.low, cases[i].low);
        CLOSE(w.high, cases[i].high);
    }
    assert_true(isnan(interval_wilson(0, 0).low) && isnan(interval_wilson(0, 0).high));
}

/* numpy.percentile([5, 1, 4, 2, 8, 7, 3], [2.5, 97.5]) */
static void
percentile(void **state)
{
    double v[] = { 5, NAN, 1, 4, 2, NAN, 8, 7, 3 }, one[] = { 2 }, none[] = { NAN };
    (void)state;
    const struct interval i = interval_percentile(v, 9);
    CLOSE(i.low, 1.15);
    CLOSE(i.high, 7.85);
    assert_true(interval_percentile(one, 1).low == 2 &&
                interval_percentile(one, 1).high == 2);
    assert_true(isnan(interval_percentile(none, 1).low));
}

/* SplitMix64 from seed 1234567 starts 6457827717110365317, 3203168211198807973 */
static void
draws(void **state)
{
    uint32_t w[10], sum = 0;
    (void)state;
    bootstrap_draw(w, 2, 1234567, 0);
    assert_int_equal(w[0], 2); /* floor(2 u / 2^64) of both is 0: .35, .17 */
    bootstrap_draw(w, 3, 1234567, 0);
    assert_true(w[1] >= 1); /* 3 * .35 = 1.05 */
    for (int r = 0; r < 1000; r++) {
        bootstrap_draw(w, 10, 7, r);
        for (int i = 0; i < 10; i++)
            sum += w[i];
    }
    assert_int_equal(sum, 10000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(wilson),
                                        cmocka_unit_test(percentile),
                                        cmocka_unit_test(draws) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
