/*
 * mbert_glm - against scikit-learn 1.9's LogisticRegression(C = 1/(n l2)) and Ridge(alpha =
 * n l2) behind a StandardScaler, on the same rows; threads, rows left out, what is
 * constant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/mbert/glm.h"

enum { ROWS = 120, DIM = 5 };
static const double l2 = .01;
struct made {
    float x[ROWS * DIM], two[ROWS], three[ROWS], value[ROWS];
    double ones[ROWS];
};

static double
draw(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (double)(*s >> 40) / 16777216;
}

static struct made *
make(void)
{
    struct made *m = mem_zalloc(1, sizeof *m);
    uint64_t s = 7;
    for (int i = 0; i < ROWS * DIM; i++)
        m->x[i] = (float)(draw(&s) * (i % DIM + 1) - i % DIM);
    for (int i = 0; i < ROWS; i++) {
        const float *x = m->x + i * DIM;
        const double t = (double)x[0] + (double)x[1] * .7 - (double)x[3] * .3 + draw(&s);
        m->two[i] = t > .5;
        m->three[i] = (float)((t > .2) + (t > 1.2));
        m->value[i] = (float)t;
        m->ones[i] = 1;
    }
    return m;
}

static struct glm
fit(enum glm_loss loss, int outputs, const struct made *m, const float *y,
    const double *weight, int threads)
{
    const struct glm_data d = { m->x, y, weight, ROWS, DIM, threads };
    struct glm g;
    glm_init(&g, loss, outputs, DIM);
    const struct lbfgs r = glm_fit(&g, &d, l2, 1e-11, 1000);
    assert_true(r.converged);
    return g;
}

/* want: W, then b */
static void
expect(struct glm g, const double *want, double within)
{
    for (int i = 0; i < g.outputs * DIM; i++)
        assert_true(fabs(g.w[i] - want[i]) <= within);
    for (int k = 0; k < g.outputs; k++)
        assert_true(fabs(g.b[k] - want[g.outputs * DIM + k]) <= within);
    glm_free(&g);
}

static void
references(void **state)
{
    static const double binary[] = { 3.26096914802,  3.16378953782,  -0.500232166363,
                                     -1.27416729957, -0.378322233161, 0.0179861538535 };
    static const double balanced[] = { 3.37929101609, 4.01729492988,   -0.396059422433,
                                       -1.61160988141, -0.501211416597, -1.38618107747 };
    static const double three[] = { -3.97489455618,  -2.09746378391,  0.349678665672,
                                    1.15278431572,   0.139402871815,  -0.630657521479,
                                    -0.902437516596, -0.134230164803, 0.0431431677101,
                                    -0.139691490558, 4.60555207766,   2.99990130051,
                                    -0.215448500869, -1.19592748343,  0.000288618743572,
                                    0.801723562136,  1.31757573283,   -2.11929929497 };
    static const double ridge[] = { 0.946937554648,  0.653849628138,   -0.0297613851198,
                                    -0.271641989099, -0.0155033654365, 0.531238743604 };
    struct made *m = make();
    double weight[ROWS];
    (void)state;
    for (int i = 0; i < ROWS; i++)
        weight[i] = m->two[i] > 0 ? ROWS / (2. * 105) : ROWS / (2. * 15);
    expect(fit(GLM_SIGMOID, 1, m, m->two, m->ones, 1), binary, 1e-7);
    expect(fit(GLM_SIGMOID, 1, m, m->two, weight, 1), balanced, 1e-7);
    expect(fit(GLM_SOFTMAX, 3, m, m->three, m->ones, 1), three, 1e-7);
    expect(fit(GLM_SQUARE, 1, m, m->value, m->ones, 1), ridge, 1e-6); /* y is float here */
    mem_free(m);
}

/* Enough of it that threads share it. */
static void
threads(void **state)
{
    enum { N = 2000, D = 200, C = 3 };
    float *x = mem_array(N * D, sizeof *x), *y = mem_array(N, sizeof *y);
    double *ones = mem_array(N, sizeof *ones);
    struct glm g[2];
    uint64_t s = 9;
    (void)state;
    for (int i = 0; i < N * D; i++)
        x[i] = (float)draw(&s);
    for (int i = 0; i < N; i++) {
        y[i] = (float)(int)(x[i * D] + x[i * D + 1] + draw(&s));
        ones[i] = 1;
    }
    for (int t = 0; t < 2; t++) {
        const struct glm_data d = { x, y, ones, N, D, 1 + 2 * t };
        glm_init(&g[t], GLM_SOFTMAX, C, D);
        assert_true(glm_fit(&g[t], &d, 1e-3, 1e-6, 1000).steps > 5);
    }
    assert_memory_equal(g[0].w, g[1].w, C * D * sizeof *g[0].w);
    assert_memory_equal(g[0].b, g[1].b, C * sizeof *g[0].b);
    glm_free(&g[0]);
    glm_free(&g[1]);
    mem_free(x);
    mem_free(y);
    mem_free(ones);
}

/* A row of weight 0 might as well not be there; a column that never varies neither. */
static void
left_out(void **state)
{
    struct made *m = make(), *less = make();
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        m->x[i * DIM + 2] = less->x[i * DIM + 2] = 1e6f / 3;
        m->ones[i] = less->ones[i] = i < ROWS / 2;
    }
    for (int i = ROWS / 2; i < ROWS; i++) {
        less->two[i] = 1 - less->two[i];
        less->x[i * DIM] = 1000;
    }
    struct glm a = fit(GLM_SIGMOID, 1, m, m->two, m->ones, 1),
               b = fit(GLM_SIGMOID, 1, less, less->two, less->ones, 1);
    assert_memory_equal(a.w, b.w, DIM * sizeof *a.w);
    assert_true(a.b[0] == b.b[0] && a.w[2] == 0 && fabs(a.w[0]) > .1);
    double z, want = a.b[0];
    for (int k = 0; k < DIM; k++)
        want += a.w[k] * m->x[k];
    glm_apply(&a, m->x, &z);
    assert_true(fabs(z - want) <= 1e-9);
    glm_free(&a);
    glm_free(&b);
    mem_free(m);
    mem_free(less);
}

/* From the minimum there is no step to make; from near it fewer than from zero. */
static void
warm(void **state)
{
    struct made *m = make();
    const struct glm_data d = { m->x, m->two, m->ones, ROWS, DIM, 1 };
    (void)state;
    struct glm g = fit(GLM_SIGMOID, 1, m, m->two, m->ones, 1);
    assert_true(glm_fit(&g, &d, l2, 1e-10, 1000).steps == 0);
    const int near = glm_fit(&g, &d, l2 / 2, 1e-6, 1000).steps;
    glm_free(&g);
    glm_init(&g, GLM_SIGMOID, 1, DIM);
    assert_true(glm_fit(&g, &d, l2 / 2, 1e-6, 1000).steps > near && near > 0);
    glm_free(&g);
    mem_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(references),
                                        cmocka_unit_test(threads),
                                        cmocka_unit_test(left_out),
                                        cmocka_unit_test(warm) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
