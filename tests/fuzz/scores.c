/*
 * scores - any bytes as a file of scores, and what is measured of those that are taken.
 *
 * Rows are labelled, probabilities lie in [0, 1], groups cover the rows.  Of every task: the
 * figures that are shares lie in [0, 1]; the area under the curve is what counting pairs
 * gives; the same rows each counted once are measured the same; as JSON the report is read
 * back; a calibration that is found is finite.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/eval/assess.h"
#include "common/eval/groups.h"
#include "common/eval/measure.h"
#include "formats/json.h"
#include "formats/scores.h"
#include "tests/fuzz/fuzz.h"

/* What the JSON parser holds when a line is refused no one can reach: LeakSanitizer looks away. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

struct job { struct scores s; char path[64]; };

static void
take(void *arg)
{
    struct job *j = arg;
    scores_read(&j->s, j->path, "g");
}

static void
arrays(const struct scores *s)
{
    FUZZ_WANT(s->n > 0 && s->classes > 0 && s->groups > 0);
    FUZZ_WANT(s->task != SCORES_SINGLE || s->classes > 1);
    for (int64_t i = 0; i < s->n; i++) {
        FUZZ_WANT(s->group[i] >= 0 && s->group[i] < s->groups && s->line[i] > 0);
        FUZZ_WANT(s->task != SCORES_SINGLE || (s->label[i] >= 0 && s->label[i] < s->classes));
        FUZZ_WANT(s->task != SCORES_REGRESSION || isfinite(s->gold[i]));
    }
    for (int64_t i = 0; i < s->n * s->classes; i++) {
        FUZZ_WANT(isfinite(s->p[i]) && (!s->z || isfinite(s->z[i])));
        FUZZ_WANT(s->task == SCORES_REGRESSION || (s->p[i] >= 0 && s->p[i] <= 1));
        FUZZ_WANT(s->task != SCORES_MULTI || s->truth[i] <= 1);
    }
    for (int g = 1; g < s->groups; g++)
        FUZZ_WANT(strcmp(s->group_name[g - 1], s->group_name[g]) < 0);
}

static double
pairs(const struct sample *s)
{
    double above = 0, all = 0;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < s->n; j++)
            if (s->label[i] && !s->label[j]) {
                const double a = s->p[2 * i + 1], b = s->p[2 * j + 1];
                above += a > b ? 1 : a == b ? .5 : 0;
                all++;
            }
    return all > 0 ? above / all : NAN;
}

static void
figures(const struct sample *s)
{
    static const char *const shares[] = {
        "accuracy", "macro_f1", "recall", "precision", "fpr", "auroc", "auprc", "ece_mass", "ece_width",
        "ece_top_mass", "ece_top_width", "auroc_ovr_macro", "subset_accuracy", "hamming", "micro_f1", "auroc_micro"
    };
    struct measure *m = measure_new(s, .5);
    const struct figures once = m->figures;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const double d = figures_value(&once, shares[i]);
        FUZZ_WANT(isnan(d) || (d >= 0 && d <= 1 + 1e-12));
    }
    const double r = figures_value(&once, "spearman"), area = figures_value(&once, "auroc");
    FUZZ_WANT(isnan(r) || (r >= -1 && r <= 1));
    if (s->task == SAMPLE_SINGLE && s->classes == 2) {
        const double want = pairs(s);
        FUZZ_WANT(isnan(want) ? isnan(area) : fabs(area - want) <= 1e-12);
    }
    uint32_t *w = mem_array((size_t)s->n, sizeof *w);
    for (int64_t i = 0; i < s->n; i++)
        w[i] = 1;
    measure_take(m, w);
    for (int i = 0; i < once.n; i++) {
        const double a = once.at[i].value, b = m->figures.at[i].value;
        FUZZ_WANT(a == b || (isnan(a) && isnan(b)));
    }
    measure_fit(m);
    FUZZ_WANT(isnan(m->fit.temperature) || s->task == SAMPLE_REGRESSION ||
              (m->fit.temperature >= .01 - 1e-12 && m->fit.temperature <= 100 + 1e-9));
    mem_free(w);
    measure_free(m);
}

static void
report(const struct sample *s)
{
    const struct eval_options json = { .json = 1, .threshold = .5, .fpr = -1, .precision = -1, .bootstrap = 2, .by = "g" };
    const struct eval_options table = { .threshold = .5, .fpr = -1, .precision = -1, .bootstrap = -1, .by = "g" };
    struct buf out = { 0 };
    struct json *j = json_new();
    struct json_value v, n;
    double rows;
    FUZZ_WANT(assess_run(&json, s, NULL, &out) == EXIT_OK);
    FUZZ_WANT(!json_parse(j, out.p, out.n, &v));
    FUZZ_WANT(json_get(v, "n", &n) && json_number(n, &rows) && rows == (double)s->n);
    FUZZ_WANT(json_get(v, "by", &n) && json_size(n) == (size_t)s->groups);
    out.n = 0;
    FUZZ_WANT(assess_run(&table, s, NULL, &out) == EXIT_OK);
    for (size_t i = 0; i < out.n; i++)
        FUZZ_WANT(out.p[i] == '\n' || ((unsigned char)out.p[i] >= 0x20 && out.p[i] != 0x7f));
    json_free(j);
    mem_free(out.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { ROWS = 64, CLASSES = 64 };
    struct job j = { 0 };
    const char *why;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_WANT(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(j.path, sizeof j.path, "/dev/fd/%d", fd);
    if (__lsan_disable)
        __lsan_disable();
    const int refused = fuzz_refused(take, &j, &why);
    if (__lsan_enable)
        __lsan_enable();
    if (refused) {
        FUZZ_WANT(why && *why);
        fuzz_forget();
        close_range((unsigned)fd, ~0u, 0); /* that of the reader as well */
        return 0;
    }
    const struct scores *s = &j.s;
    arrays(s);
    const struct sample m = {
        .task = s->task == SCORES_SINGLE ? SAMPLE_SINGLE : s->task == SCORES_MULTI ? SAMPLE_MULTI : SAMPLE_REGRESSION,
        .classes = s->classes, .n = s->n, .label = s->label, .truth = s->truth, .gold = s->gold, .p = s->p,
        .z = s->calibrated ? NULL : s->z, .raw = s->z, .name = s->name,
        .group = s->group, .groups = s->groups, .group_name = s->group_name };
    if (s->n <= ROWS && s->classes <= CLASSES) {
        figures(&m);
        report(&m);
    }
    scores_free(&j.s);
    close(fd);
    return 0;
}
