/* eval_measure - samples of every task: against scikit-learn, weighted rows, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "common/eval/measure.h"
#include "common/eval/target.h"
#include "tests/unit/lcg.h"

#define CLOSE(a, b)                                                                        \
    assert_true(fabs((a) - (double)(b)) <= 1e-12 * fabs((double)(b)) + 1e-15)
enum { N = 40, C = 3, M = 50 };

static double
ask(const struct measure *m, const char *name)
{
    struct asked a;
    assert_true(measure_ask(m, name, strlen(name), &a));
    return measure_value(m, &a);
}

static void
make_multi(double *p, unsigned char *truth)
{
    static const double share[C] = { .5, .3, .2 };
    uint64_t x = 5;
    for (int c = 0; c < N * C; c++) {
        truth[c] = lcg(&x) < share[c % C];
        p[c] = floor(16 * (.6 * lcg(&x) + .4 * truth[c])) / 16;
    }
}

/* scikit-learn 1.9 on the same rows: f1_score and so on, roc_auc_score, average_precision_score */
static void
multi_label(void **state)
{
    static const struct { const char *name; double value; } want[] = {
        { "micro_f1", 0.7878787878787878 },
        { "macro_f1", 0.7656384573670612 },
        { "weighted_f1", 0.804699777770689 },
        { "micro_precision", 0.7222222222222222 },
        { "micro_recall", 0.8666666666666667 },
        { "subset_accuracy", 0.525 },
        { "hamming", 0.175 },
        { "auroc_micro", 0.9485925925925927 },
        { "auroc_macro", 0.9577126549139897 },
        { "auroc", 0.9577126549139897 },
        { "auprc_micro", 0.9212962962962963 },
        { "auprc_macro", 0.9095298510757449 },
        { "precision[0]", 0.9545454545454546 },
        { "recall[0]", 0.84 },
        { "f1[1]", 0.6206896551724138 },
        { "auroc[1]", 0.9200626959247649 },
        { "auprc[2]", 0.8712522045855379 },
        { "brier", 0.10774739583333333 },
        { "nll", 0.35274063038812964 },
        { "n", N },
        { "classes", C },
    };
    double p[N * C];
    unsigned char truth[N * C];
    (void)state;
    make_multi(p, truth);
    const struct sample s = {
        .task = SAMPLE_MULTI, .classes = C, .n = N, .truth = truth, .p = p
    };
    struct measure *m = measure_new(&s, .5);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CLOSE(ask(m, want[i].name), want[i].value);
    measure_free(m);
}

static void
make_values(double *p, double *gold)
{
    uint64_t x = 9;
    for (int i = 0; i < M; i++)
        gold[i] = floor(8 * lcg(&x));
    for (int i = 0; i < M; i++)
        p[i] = gold[i] + floor(6 * lcg(&x)) / 2 - 1;
}

/* scikit-learn's errors and R2, scipy.stats' pearsonr and spearmanr; then rows i mod 3 times */
static void
values(void **state)
{
    double p[M], gold[M];
    uint32_t w[M];
    (void)state;
    make_values(p, gold);
    for (int i = 0; i < M; i++)
        w[i] = i % 3;
    const struct sample s = {
        .task = SAMPLE_REGRESSION, .classes = 1, .n = M, .gold = gold, .p = p
    };
    struct measure *m = measure_new(&s, .5);
    CLOSE(ask(m, "mse"), 0.82);
    CLOSE(ask(m, "rmse"), 0.9055385138137416);
    CLOSE(ask(m, "mae"), 0.76);
    CLOSE(ask(m, "r2"), 0.8535818870080708);
    CLOSE(ask(m, "pearson"), 0.9364429919926014);
    CLOSE(ask(m, "spearman"), 0.9414129822851713);
    measure_take(m, w);
    CLOSE(ask(m, "mse"), 0.8061224489795918);
    CLOSE(ask(m, "mae"), 0.7551020408163265);
    CLOSE(ask(m, "r2"), 0.8727816484816616);
    CLOSE(ask(m, "pearson"), 0.9411378970542525);
    CLOSE(ask(m, "spearman"), 0.9484559472752865);
    measure_free(m);
    p[7] = 1e308; /* what overflows is no figure */
    m = measure_new(&s, .5);
    assert_true(!isfinite(ask(m, "mse")) && isnan(ask(m, "pearson")));
    assert_true(fabs(ask(m, "spearman")) <= 1);
    measure_free(m);
    for (int i = 0; i < M; i++)
        gold[i] = .1; /* its mean is not .1: no variance all the same */
    m = measure_new(&s, .5);
    assert_true(isnan(ask(m, "r2")) && isnan(ask(m, "pearson")) &&
                isnan(ask(m, "spearman")));
    measure_free(m);
}

/* A weighted measurement equals that of the rows written out. */
static void
weighed(const struct sample *s)
{
    uint32_t w[M];
    int64_t row[3 * M], n = 0;
    for (int i = 0; i < s->n; i++)
        for (w[i] = 0; w[i] < (uint32_t)(i * 7 % 4); w[i]++)
            row[n++] = i;
    struct sample out = sample_pick(s, row, n);
    struct measure *a = measure_new(s, .5), *b = measure_new(&out, .5);
    measure_take(a, w);
    assert_int_equal(a->figures.n, b->figures.n);
    for (int i = 0; i < a->figures.n; i++) {
        const double x = a->figures.at[i].value, y = b->figures.at[i].value;
        if (!(fabs(x - y) <= 1e-12 * fabs(y) + 1e-15) && !(isnan(x) && isnan(y)))
            fail_msg("%s: %.17g, written out %.17g", a->figures.at[i].name, x, y);
    }
    measure_take(a, NULL);
    struct measure *plain = measure_new(s, .5);
    for (int i = 0; i < a->figures.n; i++)
        assert_true(a->figures.at[i].value == plain->figures.at[i].value ||
                    isnan(plain->figures.at[i].value));
    measure_free(plain);
    measure_free(a);
    measure_free(b);
    sample_free(&out);
}

static void
weights(void **state)
{
    double p[N * C], z[N * C], two[2 * N], values_p[M], gold[M];
    unsigned char truth[N * C];
    int label[N];
    (void)state;
    make_multi(p, truth);
    weighed(&(struct sample){
        .task = SAMPLE_MULTI, .classes = C, .n = N, .truth = truth, .p = p });
    make_values(values_p, gold);
    weighed(&(struct sample){
        .task = SAMPLE_REGRESSION, .classes = 1, .n = M, .gold = gold, .p = values_p });
    for (int i = 0; i < N; i++) {
        double sum = 1e-3;
        label[i] = truth[i * C] + truth[i * C + 1];
        for (int k = 0; k < C; k++)
            sum += p[i * C + k];
        for (int k = 0; k < C; k++)
            z[i * C + k] = log(p[i * C + k] = (p[i * C + k] + 1e-3 / C) / sum);
    }
    weighed(&(struct sample){ .classes = C, .n = N, .label = label, .p = p, .z = z });
    for (int i = 0; i < N; i++) {
        label[i] = truth[i * C];
        two[2 * i + 1] = p[i * C];
        two[2 * i] = 1 - two[2 * i + 1];
    }
    weighed(&(struct sample){ .classes = 2, .n = N, .label = label, .p = two });
}

/* positives .9 .8 .8 .3, negatives .85 .4 .2 .1 */
static const double score[] = { .9, .8, .8, .3, .85, .4, .2, .1 };
static const int label8[] = { 1, 1, 1, 1, 0, 0, 0, 0 };

static struct sample
eight(double *p, char **name)
{
    for (int i = 0; i < 8; i++) {
        p[2 * i + 1] = score[i];
        p[2 * i] = 1 - score[i];
    }
    return (struct sample){ .classes = 2, .n = 8, .label = label8, .p = p, .name = name };
}

static void
names(void **state)
{
    static const char *const unknown[] = {
        "",           "f2",          "f1[]",         "f1[ok",        "f1[no",
        "auroc[bad]", "recall@fpr=", "recall@fpr=x", "recall@fpr=2", "recall@fpr=-1",
        "f1@fpr=.1",  "temperature", "recall@fpr"
    };
    double p[16];
    char ok[] = "ok", bad[] = "bad[1]", *name[] = { ok, bad };
    struct asked a;
    struct buf all = { 0 };
    (void)state;
    const struct sample s = eight(p, name);
    struct measure *m = measure_new(&s, .5);
    CLOSE(ask(m, "recall"), 3 / 4.);
    CLOSE(ask(m, "precision[bad[1]]"), 3 / 4.);
    CLOSE(ask(m, "recall[ok]"), 3 / 4.);
    CLOSE(ask(m, "recall@fpr=0"), 1 / 4.);
    CLOSE(ask(m, "tpr@fpr=0.25"), 3 / 4.);
    CLOSE(ask(m, "fpr@recall=0.5"), 1 / 4.);
    CLOSE(ask(m, "fpr@tpr=1"), 2 / 4.);
    CLOSE(ask(m, "precision@recall=1"), 4 / 6.);
    CLOSE(ask(m, "recall@precision=0.7"), 3 / 4.);
    CLOSE(ask(m, "ece"), ask(m, "ece_mass"));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_false(measure_ask(m, unknown[i], strlen(unknown[i]), &a));
    assert_true(measure_ask(m, "fpr@recall=1", 12, &a) && a.falls);
    assert_true(measure_ask(m, "nll", 3, &a) && a.falls);
    assert_true(measure_ask(m, "recall@fpr=1", 12, &a) && !a.falls);
    measure_fit(m);
    assert_true(ask(m, "temperature") == m->fit.temperature);
    measure_names(m, &all);
    buf_add(&all, "", 1);
    assert_non_null(strstr(all.p, "accuracy, macro_f1"));
    mem_free(all.p);
    measure_free(m);
}

static void
targets(void **state)
{
    double p[16];
    (void)state;
    const struct sample s = eight(p, NULL);
    struct target t = { .kind = TARGET_FPR, .limit = .25 };
    assert_true(target_choose(&t, &s));
    assert_true(t.threshold == .8 && t.tp == 3 && t.fp == 1 && t.positives == 4 &&
                t.negatives == 4 && t.n == 8);
    t = (struct target){ .kind = TARGET_PRECISION, .limit = .75 };
    assert_true(target_choose(&t, &s));
    assert_true(t.threshold == .8 && t.tp == 3 && t.fp == 1);
    t = (struct target){ .kind = TARGET_PRECISION, .limit = .6 };
    assert_true(target_choose(&t, &s));
    assert_true(t.threshold == .3 && t.tp == 4 && t.fp == 2);
    /* the highest score is the one negative's */
    static const int turned[] = { 0, 1, 1, 1, 1, 1, 1, 1 };
    const struct sample worst = { .classes = 2, .n = 8, .label = turned, .p = p };
    t = (struct target){ .kind = TARGET_FPR, .limit = .5 };
    assert_false(target_choose(&t, &worst));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(multi_label),
                                        cmocka_unit_test(values), cmocka_unit_test(weights),
                                        cmocka_unit_test(names),
                                        cmocka_unit_test(targets) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
