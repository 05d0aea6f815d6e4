/* eval_plot - scripts of pictures: quoting, thinning that cannot be seen, the data by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>
#include "common/base/rng.h"
#include "common/eval/canvas.h"

static const struct plot svg = { .form = PLOT_SVG },
                         text = { .form = PLOT_TEXT, .columns = 80, .lines = 24 };

#define HAS(b, s) assert_non_null(strstr(ended(b), s))
#define LACKS(b, s) assert_null(strstr(ended(b), s))
static const char *
ended(struct buf *b)
{
    buf_add(b, "", 1);
    b->n--;
    return b->p;
}

static void
quoted(const char *s, int most, const char *want)
{
    struct buf b = { 0 };
    canvas_quote(&b, s, most);
    assert_string_equal(ended(&b), want);
    mem_free(b.p);
}

static void
quoting(void **state)
{
    (void)state;
    quoted("plain", 9, "'plain'");
    quoted("it's '' \"$x\" `id` @y %d \\n {a}_b^c", 99,
           "'it''s '''' \"$x\" `id` @y %d \\n {a}_b^c'");
    quoted("a\nset output 'x'\r\t\x7F", 99, "'a set output ''x''   '");
    quoted("12345", 5, "'12345'");
    quoted("123456", 5, "'12345…'");
    quoted("数据数据", 3, "'数据数…'");
    quoted("a\xFF\xE6\x95z", 9, "'a???z'");
    quoted("", 5, "''");
}

/* Row r of block $name as numbers; returns how many were read. */
static int
data(struct buf *b, const char *name, int row, double v[6])
{
    char head[32], row_text[256];
    snprintf(head, sizeof head, "%s << EOD\n", name);
    const char *p = strstr(ended(b), head);
    assert_non_null(p);
    p += strlen(head);
    for (; row && strncmp(p, "EOD", 3) != 0; row--)
        p = strchr(p, '\n') + 1;
    snprintf(row_text, sizeof row_text, "%.*s", (int)strcspn(p, "\n"), p);
    return strcmp(row_text, "EOD") ? sscanf(row_text, "%lf %lf %lf %lf %lf %lf", v, v + 1,
                                            v + 2, v + 3, v + 4, v + 5)
                                   : 0;
}

enum { MANY = 200000 };

static void
many_rows(struct plot_curve *c)
{
    double *score = mem_array(MANY, sizeof *score);
    unsigned char *truth = mem_array(MANY, 1);
    for (int i = 0; i < MANY; i++) {
        truth[i] = rng_u64(7, (uint64_t)i) % 10 == 0;
        const double u = rng_unit(8, (uint64_t)i);
        score[i] = truth[i] ? 1 - u * u * u : u * u * u;
    }
    c->name = "yes";
    curve_make(&c->curve, score, truth, MANY);
    mem_free(score);
    mem_free(truth);
}

/* What is left of 200,000 steps has the same area, and passes by every step that was
 * dropped. */
static void
thinning(void **state)
{
    struct plot_curve c;
    struct buf roc = { 0 }, pr = { 0 };
    double v[6], x = 0, y = 0, area = 0, worst = 0;
    int n = 0, k = 0;
    (void)state;
    many_rows(&c);
    plot_roc(&svg, &c, 1, 1, .5, &roc);
    for (; data(&roc, "$c0", n, v) == 2; n++) {
        for (; k < c.curve.steps; k++) { /* steps up to this point: beside the line drawn */
            const double f = (double)c.curve.fp[k] / (double)c.curve.negatives,
                         t = (double)c.curve.tp[k] / (double)c.curve.positives;
            if (f > v[0] + 1e-7 || t > v[1] + 1e-7)
                break;
            worst = fmax(worst,
                         fmin(fabs(f - x) + fabs(t - y), fabs(f - v[0]) + fabs(t - v[1])));
        }
        area += (v[0] - x) * (v[1] + y) / 2;
        x = v[0];
        y = v[1];
    }
    assert_int_equal(k, c.curve.steps);
    assert_true(x == 1 && y == 1);
    assert_true(n > 100 && n < 2000);
    assert_true(worst <= 4e-3);
    assert_true(fabs(area - curve_auroc(&c.curve)) <= 1e-4);
    plot_pr(&svg, &c, 1, 1, NAN, &pr);
    area = x = 0;
    for (n = 0; data(&pr, "$c0", n, v) == 2; n++) {
        area += (v[0] - x) * v[1];
        x = v[0];
    }
    assert_true(n > 100 && n < 2000);
    assert_true(fabs(area - curve_auprc(&c.curve)) <= 1e-3);
    LACKS(&pr, "$at");
    curve_free(&c.curve);
    mem_free(roc.p);
    mem_free(pr.p);
}

static void
few(struct plot_curve *c, const char *name)
{
    static const double score[] = { .9, .8, .8, .3 };
    static const unsigned char truth[] = { 1, 1, 0, 0 };
    c->name = name;
    curve_make(&c->curve, score, truth, 4);
}

static void
curves(void **state)
{
    struct plot_curve c[PLOT_CURVES];
    struct buf one = { 0 }, all = { 0 };
    double v[6];
    (void)state;
    for (int i = 0; i < PLOT_CURVES; i++)
        few(c + i, i ? "other" : "it's");
    plot_roc(&text, c, 1, 1, .8, &one);
    HAS(&one, "set title 'ROC of ''it''s'''\n");
    HAS(&one, "set term dumb nofeed size 80,24 noenhanced mono\n");
    HAS(&one, "title 'AUROC 0.8750'");
    HAS(&one, "title 'at threshold 0.8'");
    LACKS(&one, "multiplot");
    assert_int_equal(data(&one, "$at", 0, v), 2);
    assert_true(v[0] == .5 && v[1] == 1);
    plot_roc(&svg, c, PLOT_CURVES, 11, .8, &all);
    HAS(&all, "(AUROC; the first 10 of 11)'");
    HAS(&all, "$c9 using");
    LACKS(&all, "$c10");
    LACKS(&all, "$at");
    HAS(&all, "title '0.8750  it''s'");
    HAS(&all, "set logscale x\nset xrange [0.1:1]\n");
    for (int i = 0; i < PLOT_CURVES; i++)
        curve_free(&c[i].curve);
    mem_free(one.p);
    mem_free(all.p);
}

static void
reliability(void **state)
{
    static const struct bin bin[] = { { 10, .2, .5 }, { 0, NAN, NAN }, { 4, .9, 1 } };
    struct buf b = { 0 };
    double v[6];
    (void)state;
    plot_reliability(&svg, bin, 3, "score", .125, &b);
    assert_int_equal(data(&b, "$bin", 0, v), 6);
    assert_true(v[0] == .2 && v[1] == .5 && v[5] == 10);
    assert_true(fabs(v[2] - .2365931) <= 1e-6 &&
                fabs(v[3] - .7634069) <= 1e-6); /* 5 of 10 */
    assert_true(fabs(v[4] - .5 / 3) <= 1e-6);
    assert_int_equal(data(&b, "$bin", 1, v), 6);
    assert_true(fabs(v[2] - .5101092) <= 1e-6 && v[3] == 1); /* 4 of 4 */
    assert_int_equal(data(&b, "$bin", 2, v), 0);
    HAS(&b, "'reliability (ECE 0.1250)'");
    LACKS(&b, "nan");
    mem_free(b.p);
}

static void
confusion(void **state)
{
    static char a[] = "100% sure", none[] = "none";
    char *const name[] = { a, none };
    struct counts c;
    struct buf b = { 0 }, t = { 0 }, wide = { 0 };
    (void)state;
    counts_init(&c, 2);
    for (int i = 0; i < 4; i++)
        counts_add(&c, 0, i == 3);
    plot_confusion(&svg, &c, name, &b);
    HAS(&b, "set xtics ('100%% sure' 0, 'none' 1)\n");
    HAS(&b, "set label '3' at 0,0 ");
    HAS(&b, "set label '75.0 %' at 0,0 ");
    HAS(&b, "set label '25.0 %' at 1,0 ");
    HAS(&b, "set label '0' at 1,1 ");  /* no row of that class: */
    LACKS(&b, "%' at 1,1");            /* no share either */
    plot_confusion(&text, &c, NULL, &t);
    HAS(&t, "set ytics ('0' 0, '1' 1)\n");
    LACKS(&t, "rgb");
    counts_free(&c);
    counts_init(
        &c,
        60); /* more than numbers have room for: letters, and as many lines as it takes */
    for (int i = 0; i < 60; i++)
        counts_add(&c, i, i);
    plot_confusion(&text, &c, NULL, &wide);
    HAS(&wide, "size 80,67 ");
    LACKS(&wide, "set label");
    HAS(&wide, "pt '#'");
    counts_free(&c);
    mem_free(b.p);
    mem_free(t.p);
    mem_free(wide.p);
}

static void
histogram(void **state)
{
    static const double low[] = { 0, .024, .025, .3 }, high[] = { 1, .99, .5 };
    const struct plot_group g[] = { { "safe", low, 4 }, { "unsafe", high, 3 } };
    struct buf b = { 0 };
    double v[6], sum[2] = { 0 };
    (void)state;
    plot_hist(&svg, g, 2, "score", .5, &b);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(data(&b, "$g0", i, v), 2);
        sum[0] += v[1];
        assert_true(v[1] == (i == 0 ? 2 : i == 1 || i == 12));
        assert_int_equal(data(&b, "$g1", i, v), 2);
        sum[1] += v[1];
        assert_true(v[1] == (i == 39 ? 2 : i == 20));
    }
    assert_true(sum[0] == 4 && sum[1] == 3);
    HAS(&b, "set arrow from 0.5,");
    mem_free(b.p);
}

static struct series
line(const char *name, int n, double from, double step)
{
    struct series s = { .name = mem_strdup(name) };
    for (int i = 0; i < n; i++)
        series_add(&s, i + 1, from + i * step);
    return s;
}

static void
training(void **state)
{
    struct run r = { .loss = line("loss", 2500, 0, 1),
                     .lr = line("lr", 3, 1e-5, 1e-5),
                     .evals = 3,
                     .eval = { line("loss", 2, 3, 1), line("accuracy", 2, .5, .25),
                               line("rows", 2, 100, 0) } };
    struct buf b = { 0 }, t = { 0 };
    double v[6];
    int n = 0;
    (void)state;
    plot_training(&svg, &r, &b);
    while (data(&b, "$loss0", n, v) == 2)
        n++;
    assert_int_equal(n, 1000); /* means of two or three */
    data(&b, "$loss0", 0, v);
    assert_true(v[0] == 1.5 && v[1] == .5);
    data(&b, "$loss0", 1, v);
    assert_true(v[0] == 4 && v[1] == 3);
    HAS(&b, "layout 2,2\n");
    HAS(&b, "title 'accuracy'");
    HAS(&b, "set xrange [0:2500]\n");
    LACKS(&b, "'rows'"); /* no share: it would flatten the others */
    LACKS(&b, "$norm0");
    plot_training(&text, &r, &t);
    HAS(&t, "layout 2,1\n"); /* the lines have room for two of the three */
    HAS(&t, "set ytics 0.1\n");
    LACKS(&t, "plot $lr0");
    run_free(&r);
    mem_free(b.p);
    mem_free(t.p);
}

static void
titles(void **state)
{
    const struct plot own = { .form = PLOT_INLINE, .title = "my\ntitle" };
    struct plot_curve c;
    struct buf b = { 0 };
    (void)state;
    few(&c, "x");
    plot_pr(&own, &c, 1, 1, NAN, &b);
    HAS(&b, "set title 'my title'\n");
    LACKS(&b, "background");
    curve_free(&c.curve);
    mem_free(b.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoting),   cmocka_unit_test(thinning),
        cmocka_unit_test(curves),    cmocka_unit_test(reliability),
        cmocka_unit_test(confusion), cmocka_unit_test(histogram),
        cmocka_unit_test(training),  cmocka_unit_test(titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
