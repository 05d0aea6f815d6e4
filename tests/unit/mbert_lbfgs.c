/* mbert_lbfgs - minima that are known: quadratics of bad condition, Rosenbrock's valley. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "common/mbert/lbfgs.h"

enum { N = 40 };

/* sum_i 10^(4 i/N) (x_i - i)^2 / 2 */
static double
bowl(void *arg, const double *x, double *g)
{
    double f = 0;
    (void)arg;
    for (int i = 0; i < N; i++) {
        const double c = pow(10, 4. * i / N);
        g[i] = c * (x[i] - i);
        f += c * (x[i] - i) * (x[i] - i) / 2;
    }
    return f;
}

static void
quadratic(void **state)
{
    double x[N] = { 0 }, again[N] = { 0 };
    (void)state;
    const struct lbfgs r = lbfgs_minimize(bowl, NULL, x, N, 1e-9, 1000);
    assert_true(r.converged && r.gradient <= 1e-9 && r.f <= 1e-17);
    assert_true(r.steps < 1000 && r.calls >= r.steps);
    for (int i = 0; i < N; i++)
        assert_true(fabs(x[i] - i) <= 1e-8);
    lbfgs_minimize(bowl, NULL, again, N, 1e-9, 1000);
    assert_memory_equal(x, again, sizeof x);
}

static double
valley(void *arg, const double *x, double *g)
{
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    (void)arg;
    g[0] = -2 * a - 400 * x[0] * b;
    g[1] = 200 * b;
    return a * a + 100 * b * b;
}

static void
rosenbrock(void **state)
{
    double x[2] = { -1.2, 1 };
    (void)state;
    const struct lbfgs r = lbfgs_minimize(valley, NULL, x, 2, 1e-10, 1000);
    assert_true(r.converged && fabs(x[0] - 1) <= 1e-9 && fabs(x[1] - 1) <= 1e-9);
}

/* exp(x) has no minimum; x log x is NaN below 0. */
static double
slope(void *arg, const double *x, double *g)
{
    (void)arg;
    return g[0] = exp(x[0]);
}

static double
edge(void *arg, const double *x, double *g)
{
    (void)arg;
    g[0] = log(x[0]) + 1;
    return x[0] * log(x[0]);
}

static void
ends(void **state)
{
    double x = 0, y = 30, z = 3;
    (void)state;
    struct lbfgs r = lbfgs_minimize(slope, NULL, &x, 1, 0, 5);
    assert_true(!r.converged && r.steps == 5 && x < -1 && r.gradient > 0);
    r = lbfgs_minimize(edge, NULL, &y, 1, 1e-9, 100);
    assert_true(r.converged && fabs(y - exp(-1)) <= 1e-8);
    r = lbfgs_minimize(edge, NULL, &z, 1, 10, 100); /* there already */
    assert_true(r.converged && !r.steps && r.calls == 1 && z == 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(quadratic),
                                        cmocka_unit_test(rosenbrock),
                                        cmocka_unit_test(ends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
