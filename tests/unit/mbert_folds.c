/* mbert_folds - folds have their share of each class; what is chosen of noise, and of a
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/mbert/folds.h"

enum { N = 301, DIM = 6, FOLDS = 4, CLASSES = 3 };

static void
dealt(void **state)
{
    float y[N];
    int fold[N], again[N], count[FOLDS][CLASSES] = { { 0 } }, all[FOLDS] = { 0 };
    (void)state;
    for (int i = 0; i < N; i++)
        y[i] = i % 10 == 0 ? 2 : i % 3 == 0; /* 31, 180 or so, 90 */
    folds_deal(fold, y, N, CLASSES, FOLDS, 7);
    folds_deal(again, y, N, CLASSES, FOLDS, 7);
    assert_memory_equal(fold, again, sizeof fold);
    for (int i = 0; i < N; i++) {
        count[fold[i]][(int)y[i]]++;
        all[fold[i]]++;
    }
    for (int k = 1; k < FOLDS; k++) {
        assert_in_range(all[k] - all[0] + 1, 0, 2);
        for (int c = 0; c < CLASSES; c++)
            assert_in_range(count[k][c] - count[0][c] + 1, 0, 2);
    }
    folds_deal(again, y, N, CLASSES, FOLDS, 8);
    assert_memory_not_equal(fold, again, sizeof fold);
}

/* x normal; y as of() says of it */
static struct folds
chosen(enum glm_loss loss, int outputs, float (*of)(const float *x, double noise))
{
    float *x = mem_array(N * DIM, sizeof *x), *y = mem_array(N, sizeof *y);
    double *ones = mem_array(N, sizeof *ones);
    struct folds f;
    for (int i = 0; i < N * DIM; i++)
        x[i] = (float)rng_normal(1, (uint64_t)i);
    for (int i = 0; i < N; i++) {
        y[i] = of(x + i * DIM, rng_normal(2, (uint64_t)i));
        ones[i] = 1;
    }
    const struct glm_data d = { x, y, ones, N, DIM, 1 };
    const struct folds_models m = { &d, 1, loss, outputs };
    folds_choose(&f, &m, FOLDS, 3);
    mem_free(x);
    mem_free(y);
    mem_free(ones);
    for (int l = 0; l < FOLDS_GRID; l++)
        assert_true(f.l2[l] == pow(10, -l) && f.sd[l] >= 0 && f.loss[l] > 0);
    return f;
}

static float
coin(const float *x, double noise)
{
    (void)x;
    return noise > 0;
}

static float
sides(const float *x, double noise)
{
    return x[0] + x[1] + .1 * noise > 0;
}

static float
thirds(const float *x, double noise)
{
    const double z = x[0] - x[2] + .3 * noise;
    return (float)((z > -.5) + (z > .5));
}

static float
line(const float *x, double noise)
{
    return (float)(100 * x[0] + 5 + noise);
}

static void
choice(void **state)
{
    (void)state;
    struct folds f = chosen(GLM_SIGMOID, 1, coin);
    assert_true(f.l2[f.best] == 1 && fabs(f.figure[0] - .5) < .1 &&
                fabs(f.loss[0] - log(2)) < .05);
    f = chosen(GLM_SIGMOID, 1, sides);
    assert_true(f.l2[f.best] < .01 && f.figure[f.best] > .99 && f.loss[f.best] < .1);
    f = chosen(GLM_SOFTMAX, CLASSES, thirds);
    assert_true(f.l2[f.best] < .1 && f.figure[f.best] > .9 && f.figure[f.best] < 1);
    f = chosen(GLM_SQUARE, 1, line);
    assert_true(f.l2[f.best] < .01 && f.figure[f.best] < 1.2 &&
                f.figure[f.best] == f.loss[f.best]);
    assert_true(f.figure[0] > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(dealt), cmocka_unit_test(choice) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
