/* mbert_windows - the windows of a prompt to one verdict: which one, means, what is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "common/mbert/windows.h"

enum { CLASSES = 3 };

/* Adds windows with these logits, the second of them truncated, each with a text of its
 * own. */
static void
add_all(struct windows *w, const float (*z)[CLASSES], int n)
{
    char text[2] = "a";
    for (int i = 0; i < n; i++, text[0]++) {
        double d[CLASSES];
        struct line l = { .row = 5, .window = i, .truncated = i == 1 };
        for (int k = 0; k < CLASSES; k++)
            d[k] = z[i][k];
        buf_add(&l.gold, text, 1);
        buf_add(&l.kept, text, 1);
        windows_add(w, &l, z[i], windows_margin(d, w->style->classes));
        line_free(&l);
    }
}

static void
expect(const struct windows *w, int n, int window, double a, double b, double c)
{
    assert_int_equal(w->n, n);
    assert_int_equal(w->line.windows, n);
    assert_int_equal(w->line.window, window);
    assert_int_equal(w->line.row, 5);
    assert_true(w->line.gold.n == 1 && w->line.gold.p[0] == 'a' && w->line.kept.n == 1);
    assert_true(w->z[0] == a && w->z[1] == b && w->z[2] == c);
}

static const float z[4][CLASSES] = {
    { 2, 0, 1 }, { 1, 2, 2 }, { 0, 1, 1 }, { 5, 5.5f, 0 }
};

static void
single(void **state)
{
    const struct line_style y = { PROBLEM_SINGLE, CLASSES, 0, NULL, NULL };
    struct windows w = { .style = &y, .how = WINDOWS_MAX };
    (void)state;
    /* windows 1 and 2 have the same odds: the first; 3 has the highest score of all, but
     * one half is the first class's */
    add_all(&w, z, 4);
    expect(&w, 4, 1, 1, 2, 2);
    assert_true(w.line.truncated);
    windows_next(&w);
    assert_int_equal(w.n, 0);
    add_all(&w, z, 1);
    expect(&w, 1, 0, 2, 0, 1);
    assert_false(w.line.truncated);
    windows_free(&w);
}

static void
others(void **state)
{
    const struct line_style multi = { PROBLEM_MULTI, CLASSES, 0, NULL, NULL },
                            numbers = { PROBLEM_REGRESSION, CLASSES, 0, NULL, NULL },
                            one = { PROBLEM_SINGLE, CLASSES, 0, NULL, NULL };
    struct windows w = { .style = &multi, .how = WINDOWS_MAX },
                   v = { .style = &numbers, .how = WINDOWS_MAX },
                   mean = { .style = &one, .how = WINDOWS_MEAN };
    (void)state;
    add_all(&w, z, 4);
    expect(&w, 4, -1, 5, 5.5, 2);
    add_all(&v, z, 3);
    expect(&v, 3, -1, 2, 2, 2);
    add_all(&mean, z, 4);
    expect(&mean, 4, -1, 2, 2.125, 1);
    windows_free(&w);
    windows_free(&v);
    windows_free(&mean);
}

static void
margins(void **state)
{
    const double two[2] = { 1, 3 }, far[3] = { -1000, 800, 800 },
                 sunk[3] = { 1000, -800, -801 };
    (void)state;
    assert_true(windows_margin(two, 2) == 2);
    assert_true(fabs(windows_margin(far, 3) - 1800 - log(2)) < 1e-12);
    assert_true(fabs(windows_margin(sunk, 3) + 1800 - log1p(exp(-1))) < 1e-12);
    assert_true(windows_margin(two, 1) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(single), cmocka_unit_test(others),
                                        cmocka_unit_test(margins) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
