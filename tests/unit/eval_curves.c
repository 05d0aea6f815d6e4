/* eval_curves - against slow counts of pairs, ties included, and what is undefined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/curves.h"

enum { N = 200 };
struct sample { double score[N]; unsigned char truth[N]; };

/* scores on a grid of `steps`, so that many are equal; positives lean upwards */
static void
draw(struct sample *s, int steps, uint64_t seed)
{
    uint64_t x = seed;
    for (int i = 0; i < N; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        s->truth[i] = (x >> 40) % 3 == 0;
        s->score[i] = (double)((x >> 33) % (uint64_t)steps + (uint64_t)s->truth[i]) / steps;
    }
}

static void
counted(const struct sample *s, double t, double *tpr, double *fpr)
{
    double tp = 0, fp = 0, p = 0;
    for (int i = 0; i < N; i++) {
        p += s->truth[i];
        tp += s->truth[i] && s->score[i] >= t;
        fp += !s->truth[i] && s->score[i] >= t;
    }
    *tpr = tp / p;
    *fpr = fp / (N - p);
}

static double
pairs(const struct sample *s)
{
    double sum = 0, all = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (s->truth[i] && !s->truth[j]) {
                all++;
                sum += s->score[i] > s->score[j] ? 1 : s->score[i] == s->score[j] ? .5 : 0;
            }
    return sum / all;
}

static void
areas_and_points(void **state)
{
    static const double limits[] = { 1, .5, .1, .05, .01, 0 };
    struct sample s;
    struct curve c;
    double tpr, fpr;
    (void)state;
    for (int steps = 2; steps <= 64; steps *= 2) {
        draw(&s, steps, (uint64_t)steps);
        curve_make(&c, s.score, s.truth, N);
        assert_true(c.steps <= steps + 1);
        assert_true(fabs(curve_auroc(&c) - pairs(&s)) <= 1e-14);
        double last = 0, area = 0;
        for (int64_t i = 0; i < c.steps; i++) {
            assert_true(!i || c.score[i] < c.score[i - 1]);
            counted(&s, c.score[i], &tpr, &fpr);
            assert_true(tpr == (double)c.tp[i] / (double)c.positives);
            assert_true(fpr == (double)c.fp[i] / (double)c.negatives);
            area += (tpr - last) * (double)c.tp[i] / (double)(c.tp[i] + c.fp[i]);
            last = tpr;
        }
        assert_true(fabs(curve_auprc(&c) - area) <= 1e-14);
        for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
            const struct point p = curve_tpr_at_fpr(&c, limits[k]);
            assert_true(p.fpr <= limits[k]);
            double best = 0; /* no threshold within the limit does better */
            for (int64_t i = 0; i < c.steps; i++) {
                counted(&s, c.score[i], &tpr, &fpr);
                best = fpr <= limits[k] && tpr > best ? tpr : best;
            }
            assert_true(p.tpr == best);
        }
        assert_true(curve_fpr_at_tpr(&c, .95).tpr >= .95);
        curve_free(&c);
    }
}

static void
undefined(void **state)
{
    static const double score[] = { .9, .9, .1 };
    static const unsigned char truths[3][3] = { { 1, 1, 1 }, { 0, 0, 0 }, { 1, 0, 1 } };
    struct curve c;
    (void)state;
    curve_make(&c, score, truths[0], 3);
    assert_true(isnan(curve_auroc(&c)) && curve_auprc(&c) == 1);
    assert_true(isnan(curve_tpr_at_fpr(&c, 1).tpr) && isnan(curve_fpr_at_tpr(&c, 0).fpr));
    curve_free(&c);
    curve_make(&c, score, truths[1], 3);
    assert_true(isnan(curve_auroc(&c)) && isnan(curve_auprc(&c)));
    curve_free(&c);
    curve_make(&c, score, truths[2], 3);
    const struct point none = curve_tpr_at_fpr(&c, .5); /* the top score is a tie: FPR 1 at once */
    assert_true(none.tpr == 0 && none.fpr == 0 && isnan(none.threshold));
    curve_free(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(areas_and_points), cmocka_unit_test(undefined) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
