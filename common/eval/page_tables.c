#include "common/eval/page_tables.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/eval/canvas.h"
#include "common/eval/groups.h"
#include "common/eval/html.h"

/* ---- figures, a line each ------------------------------------------------------------ */
struct line { const char *figure, *name; };

static const struct line summary[] = {
    { "accuracy", "Accuracy" },
    { "subset_accuracy", "Rows whose every class is right" },
    { "hamming", "Hamming loss" },
    { "macro_f1", "Macro F1" },
    { "weighted_f1", "Weighted F1" },
    { "mcc", "Matthews correlation" },
    { "precision", "Precision" },
    { "recall", "Recall" },
    { "f1", "F1" },
    { "fpr", "False positive rate" },
    { "fnr", "False negative rate" },
    { "auroc", "AUROC" },
    { "auprc", "AUPRC" },
    { "auprc_chance", "AUPRC by chance" },
    { "auroc_ovr_macro", "AUROC, mean of the classes" },
    { "auprc_ovr_macro", "AUPRC, mean of the classes" },
    { "micro_precision", "Micro precision" },
    { "micro_recall", "Micro recall" },
    { "auroc_macro", "AUROC, mean of the classes" },
    { "auprc_macro", "AUPRC, mean of the classes" },
    { "rmse", "Root mean squared error" },
    { "mae", "Mean absolute error" },
    { "r2", "R²" },
    { "pearson", "Pearson correlation" },
    { "spearman", "Spearman correlation" },
};
static const struct line calibration[] = {
    { "ece_mass", "ECE, 15 bins of equal mass" },
    { "ece_width", "ECE, 15 bins of equal width" },
    { "ece_top_mass", "ECE of the predicted class, equal mass" },
    { "ece_top_width", "ECE of the predicted class, equal width" },
    { "brier", "Brier score" },
    { "nll", "NLL" },
    { "temperature", "Temperature that fits best" },
    { "nll_at_temperature", "NLL at that temperature" },
};
enum {
    SUMMARY = sizeof summary / sizeof *summary,
    CALIBRATION = sizeof calibration / sizeof *calibration,
    LINES = SUMMARY + CALIBRATION
};

int
page_two(const struct sample *s)
{
    return s->task == SAMPLE_SINGLE && s->classes == 2;
}

/* The rows that a figure is a share of; 0: it is no share of rows. */
static double
rows_of(const struct measure *m, const char *figure)
{
    if (!strcmp(figure, "accuracy") || !strcmp(figure, "subset_accuracy"))
        return (double)m->s->n;
    if (!page_two(m->s))
        return 0;
    if (!strcmp(figure, "precision"))
        return (double)counts_predicted(&m->quality.counts, 1);
    if (!strcmp(figure, "recall") || !strcmp(figure, "fnr"))
        return (double)m->quality.positives;
    return strcmp(figure, "fpr") ? 0 : (double)m->quality.negatives;
}

/*
 * One bootstrap for all the figures that are no shares of rows.  Not of what does not vary
 * so: rows that are drawn twice make any ECE larger than that of the rows themselves.
 */
void
page_bootstrap(struct body *y)
{
    struct asked asked[PAGE_LINES];
    _Static_assert((int)LINES <= (int)PAGE_LINES, "room for every line");
    for (int i = 0; i < LINES; i++) {
        const char *figure =
            i < SUMMARY ? summary[i].figure : calibration[i - SUMMARY].figure;
        if (!measure_ask(y->m, figure, strlen(figure), &asked[y->drawn]) ||
            rows_of(y->m, figure) || !strcmp(figure, "auprc_chance") ||
            !strncmp(figure, "ece", 3))
            continue;
        y->figure[y->drawn++] = figure;
    }
    bootstrap_intervals(y->m, asked, y->drawn, y->replicates, (uint64_t)y->p->options->seed,
                        y->interval);
}

static struct interval
interval_of(const struct body *y, const char *figure, double value)
{
    const double rows = rows_of(y->m, figure);
    for (int i = 0; i < y->drawn; i++)
        if (!strcmp(y->figure[i], figure))
            return y->interval[i];
    return rows > 0 ? interval_wilson(round(value * rows), rows)
                    : (struct interval){ NAN, NAN };
}

static void
lines(const struct body *y, const struct line *line, int n, struct buf *b)
{
    html_table(b, (const char *const[]){ "", "value", "95 % interval", NULL });
    for (int i = 0; i < n; i++) {
        if (figures_find(&y->m->figures, line[i].figure, strlen(line[i].figure)) < 0)
            continue;
        const double value = figures_value(&y->m->figures, line[i].figure);
        html_row(b, line[i].name);
        html_number(b, value);
        html_interval(b, interval_of(y, line[i].figure, value));
        html_row_end(b);
    }
    html_table_end(b);
}

/* ---- classes ------------------------------------------------------------------------- */
static void
class(const struct measure *m, int k, struct buf *b)
{
    static const char *const figure[] = { "precision", "recall", "f1", "auroc", "auprc" };
    const struct sample *s = m->s;
    const int multi = s->task == SAMPLE_MULTI;
    const int64_t rows = multi ? m->multilabel.tp[k] + m->multilabel.fn[k]
                               : counts_support(&m->quality.counts, k);
    const int64_t said = multi ? m->multilabel.tp[k] + m->multilabel.fp[k]
                               : counts_predicted(&m->quality.counts, k);
    char text[16];
    html_row(b, canvas_name(s->name, k, text));
    html_count(b, rows);
    for (int i = 0; i < (page_two(s) ? 3 : 5); i++) {
        struct asked a;
        char *ask = mem_printf("%s[%s]", figure[i], canvas_name(s->name, k, text));
        const double d = measure_ask(m, ask, strlen(ask), &a) ? measure_value(m, &a) : NAN,
                     of = (double)(i ? rows : said);
        html_number(b, d);
        if (i < 2)
            html_interval(b, interval_wilson(round(d * of), of));
        mem_free(ask);
    }
    html_row_end(b);
}

void
page_classes(const struct measure *m, struct buf *b)
{
    static const char *const head[] = { "class", "rows", "precision", "95 % interval",
                                        "recall", "95 % interval", "F1", "AUROC", "AUPRC",
                                        NULL };
    html_table(b, page_two(m->s) ? (const char *const[]){ head[0], head[1], head[2], head[3],
                                                     head[4], head[5], head[6], NULL }
                            : head);
    for (int k = 0; k < m->s->classes; k++)
        class(m, k, b);
    html_table_end(b);
}

void
page_confusion(const struct measure *m, struct buf *b)
{
    const struct counts *c = &m->quality.counts;
    const char *head[PAGE_CELLS + 2] = { "truth \\ predicted" };
    char text[PAGE_CELLS][16];
    for (int k = 0; k < c->classes; k++)
        head[k + 1] = canvas_name(m->s->name, k, text[k]);
    html_table(b, head);
    for (int i = 0; i < c->classes; i++) {
        html_row(b, head[i + 1]);
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "<td%s>%" PRId64 "</td>", i == j ? " class=\"on\"" : "",
                       c->cell[i * c->classes + j]);
        html_row_end(b);
    }
    html_table_end(b);
}

/* ---- thresholds ---------------------------------------------------------------------- */
void
page_thresholds(const struct quality *q, struct buf *b)
{
    char what[48];
    html_table(b, (const char *const[]){ "operating point", "threshold", "TPR",
                                         "95 % interval", "FPR", "95 % interval", NULL });
    for (int i = 0; i <= QUALITY_FPRS; i++) {
        const struct point *at = i < QUALITY_FPRS ? &q->tpr_at[i] : &q->fpr_at_95;
        if (i < QUALITY_FPRS)
            snprintf(what, sizeof what, "FPR at most %g %%", 100 * quality_fpr[i]);
        else
            snprintf(what, sizeof what, "TPR at least 95 %%");
        html_row(b, what);
        if (isnan(at->threshold))
            buf_printf(b, "<td>–</td>");
        else
            buf_printf(b, "<td>%.9g</td>", at->threshold);
        html_number(b, at->tpr);
        html_interval(b, interval_wilson(round(at->tpr * (double)q->positives),
                                         (double)q->positives));
        html_number(b, at->fpr);
        html_interval(b, interval_wilson(round(at->fpr * (double)q->negatives),
                                         (double)q->negatives));
        html_row_end(b);
    }
    html_table_end(b);
}

void
page_bins(const struct bin *bin, struct buf *b)
{
    char what[48];
    buf_printf(b, "<details><summary>The bins as numbers</summary>\n");
    html_table(b, (const char *const[]){ "score", "rows", "mean score", "share of hits",
                                         "95 % interval", NULL });
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        snprintf(what, sizeof what, "%.3f to %.3f", (double)i / CALIBRATION_BINS,
                 (i + 1.) / CALIBRATION_BINS);
        html_row(b, what);
        html_count(b, bin[i].n);
        html_number(b, bin[i].conf);
        html_number(b, bin[i].hit);
        html_interval(
            b, interval_wilson(round(bin[i].hit * (double)bin[i].n), (double)bin[i].n));
        html_row_end(b);
    }
    html_table_end(b);
    buf_printf(b, "</details>\n");
}

/* ---- groups -------------------------------------------------------------------------- */
void
page_groups(const struct body *y, struct buf *b)
{
    const struct page *p = y->p;
    static const struct line columns[] = {
        { "accuracy", "accuracy" },
        { "subset_accuracy", "all right" },
        { "macro_f1", "macro F1" },
        { "auroc", "AUROC" },
        { "auroc_ovr_macro", "AUROC" },
        { "auroc_macro", "AUROC" },
        { "recall", "recall" },
        { "fpr", "FPR" },
        { "rmse", "RMSE" },
        { "mae", "MAE" },
        { "r2", "R²" },
    };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char *head[COLUMNS + 3] = { p->options->by, "rows" };
    struct figures *f = groups_measure(p->sample, y->m->threshold);
    int n = 0, shown[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        if (p->sample->groups &&
            figures_find(&f[0], columns[i].figure, strlen(columns[i].figure)) >= 0) {
            shown[n] = i;
            head[2 + n++] = columns[i].name;
        }
    html_table(b, head);
    for (int g = 0; g < p->sample->groups; g++) {
        html_row(b, p->sample->group_name[g]);
        html_count(b, (int64_t)figures_value(&f[g], "n"));
        for (int i = 0; i < n; i++)
            html_number(b, figures_value(&f[g], columns[shown[i]].figure));
        html_row_end(b);
    }
    html_table_end(b);
    mem_free(f);
}

void
page_summary(const struct body *y, struct buf *b)
{
    lines(y, summary, SUMMARY, b);
}

void
page_calibration(const struct body *y, struct buf *b)
{
    lines(y, calibration, CALIBRATION, b);
}
