/* eval_paired - McNemar's test against statsmodels, differences against a slow bootstrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/paired.h"
#include "tests/unit/lcg.h"

#define CLOSE(a, b)                                                                        \
    assert_true(fabs((a) - (double)(b)) <= 1e-12 * fabs((double)(b)) + 1e-15)

/* statsmodels 0.15 mcnemar(exact=True), mcnemar(exact=False, correction=True) */
static void
mcnemar_test(void **state)
{
    double p;
    (void)state;
    CLOSE(paired_exact(3, 9), 0.14599609375);
    CLOSE(paired_exact(5, 0), 0.0625);
    CLOSE(paired_exact(12, 12), 1);
    CLOSE(paired_exact(10, 4), 0.1795654296875);
    CLOSE(paired_exact(0, 0), 1);
    CLOSE(paired_chi2(30, 12, &p), 6.880952380952381);
    CLOSE(p, 0.008711912962379598);
    CLOSE(paired_chi2(100, 140, &p), 6.3375);
    CLOSE(p, 0.01182113783662232);
    CLOSE(paired_chi2(40, 40, &p), 0);
    CLOSE(p, 1);
}

static void
difference_of_two(void **state)
{
    enum { N = 60, R = 200 };
    double p[2][2 * N], v[R];
    int label[N];
    uint32_t w[N];
    uint64_t x = 3;
    struct asked what;
    struct difference d;
    struct mcnemar t;
    (void)state;
    for (int i = 0; i < N; i++) {
        label[i] = lcg(&x) < .4;
        for (int k = 0; k < 2; k++) {
            p[k][2 * i + 1] = .7 * lcg(&x) + (k ? .1 : .25) * label[i];
            p[k][2 * i] = 1 - p[k][2 * i + 1];
        }
    }
    const struct sample s[2] = { { .classes = 2, .n = N, .label = label, .p = p[0] },
                                 { .classes = 2, .n = N, .label = label, .p = p[1] } };
    struct measure *a = measure_new(&s[0], .5), *b = measure_new(&s[1], .5);
    paired_mcnemar(&t, a, b);
    assert_int_equal(t.both + t.first + t.second + t.neither, N);
    CLOSE((double)(t.first - t.second) / N,
          figures_value(&a->figures, "accuracy") - figures_value(&b->figures, "accuracy"));
    assert_true(measure_ask(a, "brier", 5, &what));
    const double whole = measure_value(a, &what) - measure_value(b, &what);
    paired_bootstrap(&d, a, b, &what, 1, R, 42);
    assert_true(d.difference == whole && d.first - d.second == whole && d.defined == R);
    double worse = 0;
    for (int r = 0; r < R; r++) {
        double sum[2] = { 0, 0 };
        bootstrap_draw(w, N, 42, r);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 2; k++)
                sum[k] +=
                    w[i] * (p[k][2 * i + 1] - label[i]) * (p[k][2 * i + 1] - label[i]);
        v[r] = (sum[0] - sum[1]) / N;
        worse += v[r] >= 0; /* less is better */
    }
    CLOSE(d.not_better, worse / R);
    const struct interval i = interval_percentile(v, R);
    CLOSE(d.interval.low, i.low);
    CLOSE(d.interval.high, i.high);
    measure_free(a);
    measure_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(mcnemar_test),
                                        cmocka_unit_test(difference_of_two) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
