#include "common/eval/measure.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct measure *
measure_new(const struct sample *s, double threshold)
{
    struct measure *m = mem_zalloc(1, sizeof *m);
    m->s = s;
    m->threshold = threshold;
    switch (s->task) {
    case SAMPLE_SINGLE:
        m->quality_rows = quality_rows_new(s, threshold);
        quality_init(&m->quality, s->classes);
        break;
    case SAMPLE_MULTI:
        m->multilabel_rows = multilabel_rows_new(s, threshold);
        multilabel_init(&m->multilabel, s->classes);
        break;
    case SAMPLE_REGRESSION:
        m->regression_rows = regression_rows_new(s);
        break;
    }
    measure_take(m, NULL);
    return m;
}

void
measure_take(struct measure *m, const uint32_t *w)
{
    m->figures.n = 0;
    switch (m->s->task) {
    case SAMPLE_SINGLE:
        quality_take(&m->quality, m->quality_rows, w);
        figures_quality(&m->figures, &m->quality);
        break;
    case SAMPLE_MULTI:
        multilabel_take(&m->multilabel, m->multilabel_rows, w);
        figures_multilabel(&m->figures, &m->multilabel);
        break;
    case SAMPLE_REGRESSION:
        regression_take(&m->regression, m->regression_rows, w);
        figures_regression(&m->figures, &m->regression);
        break;
    }
}

void
measure_fit(struct measure *m)
{
    if (m->s->task == SAMPLE_REGRESSION)
        return;
    struct sample cells = { 0 };
    if (m->s->task == SAMPLE_MULTI)
        cells = sample_cells(m->s);
    const struct sample *s = m->s->task == SAMPLE_MULTI ? &cells : m->s;
    double *z = sample_logits(s, s->z);
    temper_fit(&m->fit, z, s->label, s->n, s->classes);
    figures_fit(&m->figures, &m->fit);
    mem_free(z);
    sample_free(&cells);
}

void
measure_free(struct measure *m)
{
    if (!m)
        return;
    quality_rows_free(m->quality_rows);
    multilabel_rows_free(m->multilabel_rows);
    regression_rows_free(m->regression_rows);
    quality_free(&m->quality);
    multilabel_free(&m->multilabel);
    mem_free(m);
}

enum { C_PRECISION, C_RECALL, C_F1, C_AUROC, C_AUPRC };
static const char *const class_figure[] = { "precision", "recall", "f1", "auroc", "auprc" };
static const char *const curve_figure[] = { "recall@fpr",       "tpr@fpr",
                                            "fpr@recall",       "fpr@tpr",
                                            "precision@recall", "recall@precision" };
enum { CLASS_FIGURES = 5, CURVE_FIGURES = 6 };

static int
is(const char *s, size_t n, const char *name)
{
    return strlen(name) == n && !memcmp(s, name, n);
}

static int
find(const char *s, size_t n, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (is(s, n, names[i]))
            return i;
    return -1;
}

/* How many of class_figure the sample has. */
static int
class_figures(const struct sample *s)
{
    return s->task == SAMPLE_REGRESSION                  ? 0
           : s->task == SAMPLE_SINGLE && s->classes == 2 ? C_AUROC
                                                         : CLASS_FIGURES;
}

static int
has_curve(const struct sample *s)
{
    return s->task == SAMPLE_SINGLE && s->classes == 2;
}

/* NAME[CLASS] */
static int
ask_class(const struct sample *s, const char *name, size_t n, struct asked *a)
{
    const char *open = memchr(name, '[', n);
    if (!open || name[n - 1] != ']')
        return 0;
    a->kind = ASKED_CLASS;
    a->which = find(name, (size_t)(open - name), class_figure, class_figures(s));
    const char *class = open + 1;
    const size_t length = (size_t)(name + n - 1 - class);
    for (a->of = 0; a->of < s->classes; a->of++) {
        char number[16];
        snprintf(number, sizeof number, "%d", a->of);
        if (is(class, length, s->name ? s->name[a->of] : number))
            break;
    }
    return a->which >= 0 && a->of < s->classes;
}

/* NAME@NAME=X */
static int
ask_curve(const struct sample *s, const char *name, size_t n, struct asked *a)
{
    const char *equals = memchr(name, '=', n);
    char number[32], *end;
    if (!equals || !has_curve(s))
        return 0;
    const size_t length = (size_t)(name + n - 1 - equals);
    if (!length || length >= sizeof number)
        return 0;
    memcpy(number, equals + 1, length);
    number[length] = 0;
    a->kind = ASKED_CURVE;
    a->which = find(name, (size_t)(equals - name), curve_figure, CURVE_FIGURES);
    a->at = strtod(number, &end);
    a->falls = a->which == 2 || a->which == 3;
    return a->which >= 0 && !*end && a->at >= 0 && a->at <= 1;
}

int
measure_ask(const struct measure *m, const char *name, size_t n, struct asked *a)
{
    const struct sample *s = m->s;
    const int many = s->task == SAMPLE_SINGLE && s->classes > 2,
              multi = s->task == SAMPLE_MULTI;
    *a = (struct asked){ 0 };
    if (is(name, n, "ece"))
        name = many ? "ece_top_mass" : "ece_mass", n = strlen(name);
    else if (is(name, n, "auroc") && (many || multi))
        name = many ? "auroc_ovr_macro" : "auroc_macro", n = strlen(name);
    else if (is(name, n, "auprc") && (many || multi))
        name = many ? "auprc_ovr_macro" : "auprc_macro", n = strlen(name);
    a->which = figures_find(&m->figures, name, n);
    a->falls = figures_falls(name, n);
    return a->which >= 0 || (n && (ask_class(s, name, n, a) || ask_curve(s, name, n, a)));
}

static double
value_class(const struct measure *m, int which, int k)
{
    const struct quality *q = &m->quality;
    const struct multilabel *l = &m->multilabel;
    const int multi = m->s->task == SAMPLE_MULTI;
    switch (which) {
    case C_PRECISION:
        return multi ? multilabel_precision(l, k) : counts_precision(&q->counts, k);
    case C_RECALL: return multi ? multilabel_recall(l, k) : counts_recall(&q->counts, k);
    case C_F1: return multi ? multilabel_f1(l, k) : counts_f1(&q->counts, k);
    case C_AUROC: return multi ? l->auroc[k] : q->auroc_ovr[k];
    default: return multi ? l->auprc[k] : q->auprc_ovr[k];
    }
}

double
measure_value(const struct measure *m, const struct asked *a)
{
    if (a->kind == ASKED_FIGURE)
        return m->figures.at[a->which].value;
    if (a->kind == ASKED_CLASS)
        return value_class(m, a->which, a->of);
    const struct curve *c = quality_curve(m->quality_rows);
    switch (a->which) {
    case 0: case 1: return curve_tpr_at_fpr(c, a->at).tpr;
    case 2: case 3: return curve_fpr_at_tpr(c, a->at).fpr;
    case 4: return curve_precision_at_tpr(c, a->at);
    default: return curve_tpr_at_precision(c, a->at).tpr;
    }
}

void
measure_names(const struct measure *m, struct buf *to)
{
    for (int i = 0; i < m->figures.n; i++)
        buf_printf(to, "%s%s", i ? ", " : "", m->figures.at[i].name);
    for (int i = 0; i < class_figures(m->s); i++)
        buf_printf(to, ", %s[CLASS]", class_figure[i]);
    for (int i = 0; has_curve(m->s) && i < CURVE_FIGURES; i++)
        buf_printf(to, ", %s=X", curve_figure[i]);
}

int
measure_right(const struct measure *m, int64_t i)
{
    const struct sample *s = m->s;
    if (s->task == SAMPLE_SINGLE)
        return quality_predicted(m->quality_rows, i) == s->label[i];
    return s->task == SAMPLE_MULTI && multilabel_right(s, m->threshold, i);
}
