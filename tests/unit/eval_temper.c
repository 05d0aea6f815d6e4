/* eval_temper - calibrations against scipy and against Newton's method in numpy, and the ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/temper.h"
#include "tests/unit/lcg.h"

#define NEAR(a, b, tol) assert_true(fabs((a) - (b)) <= (tol) * fabs(b))

/* scipy.optimize.minimize_scalar(bounded, xatol 1e-12): T = 1.22530435705981 */
static void
three_classes(void **state)
{
    enum { N = 60 };
    double z[3 * N];
    int label[N];
    uint64_t x = 13;
    struct temper f;
    (void)state;
    for (int i = 0; i < N; i++) {
        label[i] = (int)(3 * lcg(&x));
        for (int k = 0; k < 3; k++)
            z[3 * i + k] = 6 * lcg(&x) - 3 + 2 * (label[i] == k);
    }
    temper_fit(&f, z, label, N, 3);
    NEAR(f.temperature, 1.22530435705981, 1e-7);
    NEAR(f.nll, 0.6259324874631058, 1e-13);
    assert_int_equal(f.at_bound, 0);
}

static void
bounds(void **state)
{
    static const double right[] = { 0, 1, 1, 0 }, wrong[] = { 1, 0, 0, 1 },
                        equal[] = { 2, 2, -1, -1 };
    static const int label[] = { 1, 0 };
    struct temper f;
    (void)state;
    temper_fit(&f, right, label, 2, 2); /* the sharper the better */
    assert_true(f.at_bound && f.temperature == 1 / 100.);
    temper_fit(&f, wrong, label, 2, 2); /* the flatter the better */
    assert_true(f.at_bound && f.temperature == 1 / .01);
    temper_fit(&f, equal, label, 2, 2);
    assert_true(isnan(f.temperature) && isnan(f.nll) && !f.at_bound);
}

/* Newton's method in numpy on the same rows; scikit-learn 1.9's Platt agrees to 1e-8. */
static void
platt(void **state)
{
    enum { N = 200 };
    double s[N], a, b;
    unsigned char truth[N];
    uint64_t x = 11;
    (void)state;
    for (int i = 0; i < N; i++) {
        truth[i] = lcg(&x) < .3;
        s[i] = 4 * lcg(&x) - 2 + 1.5 * truth[i];
    }
    temper_platt(&a, &b, s, truth, N);
    NEAR(a, 0.9048780407885071, 1e-6);
    NEAR(b, -1.2257527796905077, 1e-6);
}

static void
platt_separable(void **state)
{
    static const double s[] = { -1, -2, -.5, .5, 1, 3 };
    static const unsigned char truth[] = { 0, 0, 0, 1, 1, 1 };
    double a, b;
    (void)state;
    temper_platt(&a, &b, s, truth, 6);
    NEAR(a, 0.8025961628120538, 1e-6);
    NEAR(b, -0.07550465498662, 1e-5);
    static const double far[] = { -1e6, 1e6 };
    temper_platt(&a, &b, far, (const unsigned char[]){ 0, 1 }, 2);
    assert_true(isfinite(a) && isfinite(b) && a > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(three_classes),
                                        cmocka_unit_test(bounds), cmocka_unit_test(platt),
                                        cmocka_unit_test(platt_separable) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
