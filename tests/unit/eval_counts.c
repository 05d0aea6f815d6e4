/* eval_counts - a matrix worked out by hand, and what is undefined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/counts.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) <= 1e-15)

/* truth 0 predicted 0 0 0 1, truth 1 predicted 1 1 0, truth 2 predicted 2 0 */
static void
by_hand(void **state)
{
    static const int rows[][2] = { {0, 0}, {0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 1}, {1, 0}, {2, 2}, {2, 0} };
    struct counts c;
    (void)state;
    counts_init(&c, 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        counts_add(&c, rows[i][0], rows[i][1]);
    assert_int_equal(c.n, 9);
    assert_int_equal(c.cell[0 * 3 + 1], 1);
    assert_int_equal(c.cell[1 * 3 + 0], 1);
    assert_int_equal(counts_support(&c, 0), 4);
    assert_int_equal(counts_predicted(&c, 0), 5);
    CLOSE(counts_accuracy(&c), 6. / 9);
    CLOSE(counts_precision(&c, 0), 3. / 5);
    CLOSE(counts_recall(&c, 0), 3. / 4);
    CLOSE(counts_f1(&c, 0), 6. / 9);
    CLOSE(counts_f1(&c, 1), 4. / 6);
    CLOSE(counts_f1(&c, 2), 2. / 3);
    CLOSE(counts_macro_f1(&c), 2. / 3);
    CLOSE(counts_weighted_f1(&c), 2. / 3);
    /* truths 4 3 2, predictions 5 3 1, 6 of 9 right */
    CLOSE(counts_mcc(&c), (9. * 6 - (4 * 5 + 3 * 3 + 2 * 1)) / sqrt((81. - 29) * (81 - 35)));
    counts_free(&c);
}

static void
undefined(void **state)
{
    struct counts c;
    (void)state;
    counts_init(&c, 3);
    assert_true(isnan(counts_accuracy(&c)));
    assert_true(isnan(counts_macro_f1(&c)));
    assert_true(isnan(counts_mcc(&c)));
    counts_add(&c, 0, 1);
    assert_true(isnan(counts_precision(&c, 0)));  /* never predicted */
    assert_true(isnan(counts_recall(&c, 1)));     /* no such truth */
    assert_true(isnan(counts_f1(&c, 2)));         /* neither */
    CLOSE(counts_f1(&c, 0), 0);
    CLOSE(counts_macro_f1(&c), 0);                /* class 2 is left out */
    CLOSE(counts_weighted_f1(&c), 0);
    assert_true(isnan(counts_mcc(&c)));           /* no variance */
    counts_free(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_hand), cmocka_unit_test(undefined) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
