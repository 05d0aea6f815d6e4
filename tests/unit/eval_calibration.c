/* eval_calibration - bins by hand, edges, and no dependence on the order of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/calibration.h"

#include "common/base/mem.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) <= 1e-15)

static double
mass(const double *conf, const unsigned char *hit, int64_t n, struct bin *b, int *bins)
{
    struct ranked *r = ranking_make(conf, hit, n);
    const double error = calibration_mass(r, n, NULL, b, bins);
    mem_free(r);
    return error;
}

static double
width(const double *conf, const unsigned char *hit, int64_t n, struct bin *b)
{
    struct ranked *r = ranking_make(conf, hit, n);
    const double error = calibration_width(r, n, NULL, b);
    mem_free(r);
    return error;
}

static void
few_rows(void **state)
{
    static const double conf[] = { .75, .25 };
    static const unsigned char hit[] = { 1, 0 };
    struct bin b[CALIBRATION_BINS];
    int bins;
    (void)state;
    CLOSE(mass(conf, hit, 2, b, &bins), .25);
    assert_int_equal(bins, 2);
    CLOSE(b[0].conf, .25);
    CLOSE(width(conf, hit, 2, b), .25);
    assert_int_equal(b[3].n, 1);  /* 15 * .25 = 3.75 */
    assert_int_equal(b[11].n, 1); /* 15 * .75 = 11.25 */
    assert_true(!b[0].n && isnan(b[0].conf) && isnan(b[0].hit));
}

static void
edges(void **state)
{
    static const double conf[] = { 0, .2, .4, 1 };
    static const unsigned char hit[] = { 0, 0, 1, 1 };
    struct bin b[CALIBRATION_BINS];
    (void)state;
    width(conf, hit, 4, b);
    assert_int_equal(b[0].n, 1);
    assert_int_equal(b[3].n, 1);  /* left-closed: 15 * .2 = 3 */
    assert_int_equal(b[6].n, 1);
    assert_int_equal(b[14].n, 1); /* the last is closed */
}

/* Groups of equal confidence that straddle the borders of bins: any order, the same figure. */
static void
order(void **state)
{
    enum { N = 60 };
    double conf[N], back[N];
    unsigned char hit[N], back_hit[N];
    struct bin b[CALIBRATION_BINS];
    int bins;
    (void)state;
    for (int i = 0; i < N; i++) {
        conf[i] = i % 7 / 8.;
        hit[i] = i % 3 == 0;
        back[N - 1 - i] = conf[i];
        back_hit[N - 1 - i] = hit[i];
    }
    const double one = mass(conf, hit, N, b, &bins);
    assert_int_equal(bins, CALIBRATION_BINS);
    int64_t sum = 0;
    for (int i = 0; i < bins; i++)
        sum += b[i].n;
    assert_int_equal(sum, N);
    assert_true(one > 0);
    CLOSE(one, mass(back, back_hit, N, b, &bins));
}

/* Weights count rows again: the same as the rows written out. */
static void
weighted(void **state)
{
    static const double conf[] = { .1, .3, .3, .6, .9 },
                        out[] = { .1, .1, .1, .3, .6, .6, .9 };
    static const unsigned char hit[] = { 0, 1, 0, 1, 1 },
                               out_hit[] = { 0, 0, 0, 0, 1, 1, 1 };
    static const uint32_t w[] = { 3, 0, 1, 2, 1 };
    struct bin a[CALIBRATION_BINS], b[CALIBRATION_BINS];
    int bins;
    (void)state;
    struct ranked *r = ranking_make(conf, hit, 5);
    CLOSE(calibration_mass(r, 5, w, a, &bins), mass(out, out_hit, 7, b, &bins));
    assert_int_equal(bins, 7);
    for (int i = 0; i < bins; i++)
        assert_true(a[i].n == b[i].n && a[i].conf == b[i].conf && a[i].hit == b[i].hit);
    CLOSE(calibration_width(r, 5, w, a), width(out, out_hit, 7, b));
    mem_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(few_rows), cmocka_unit_test(edges),
                                        cmocka_unit_test(order),
                                        cmocka_unit_test(weighted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
