#include "common/eval/page.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/version.h"
#include "common/eval/bootstrap.h"
#include "common/eval/canvas.h"
#include "common/eval/groups.h"
#include "common/eval/html.h"
#include "common/eval/picture.h"

/* ---- figures, a line each --------------------------------------------------------------- */
struct line { const char *figure, *name; };

static const struct line summary[] = {
    { "accuracy", "Accuracy" }, { "subset_accuracy", "Rows whose every class is right" }, { "hamming", "Hamming loss" },
    { "macro_f1", "Macro F1" }, { "weighted_f1", "Weighted F1" }, { "mcc", "Matthews correlation" },
    { "precision", "Precision" }, { "recall", "Recall" }, { "f1", "F1" },
    { "fpr", "False positive rate" }, { "fnr", "False negative rate" },
    { "auroc", "AUROC" }, { "auprc", "AUPRC" }, { "auprc_chance", "AUPRC by chance" },
    { "auroc_ovr_macro", "AUROC, mean of the classes" }, { "auprc_ovr_macro", "AUPRC, mean of the classes" },
    { "micro_precision", "Micro precision" }, { "micro_recall", "Micro recall" },
    { "auroc_macro", "AUROC, mean of the classes" }, { "auprc_macro", "AUPRC, mean of the classes" },
    { "rmse", "Root mean squared error" }, { "mae", "Mean absolute error" }, { "r2", "R²" },
    { "pearson", "Pearson correlation" }, { "spearman", "Spearman correlation" },
};
static const struct line calibration[] = {
    { "ece_mass", "ECE, 15 bins of equal mass" }, { "ece_width", "ECE, 15 bins of equal width" },
    { "ece_top_mass", "ECE of the predicted class, equal mass" }, { "ece_top_width", "ECE of the predicted class, equal width" },
    { "brier", "Brier score" }, { "nll", "NLL" }, { "temperature", "Temperature that fits best" },
    { "nll_at_temperature", "NLL at that temperature" },
};
enum { SUMMARY = sizeof summary / sizeof *summary, CALIBRATION = sizeof calibration / sizeof *calibration, LINES = SUMMARY + CALIBRATION };

struct body {
    const struct page *p;
    struct measure *m;
    int64_t replicates;
    int drawn;
    const char *figure[LINES]; /* those of the bootstrap, and their intervals */
    struct interval interval[LINES];
};

static int
two(const struct sample *s)
{
    return s->task == SAMPLE_SINGLE && s->classes == 2;
}

/* The rows that a figure is a share of; 0: it is no share of rows. */
static double
rows_of(const struct measure *m, const char *figure)
{
    if (!strcmp(figure, "accuracy") || !strcmp(figure, "subset_accuracy"))
        return (double)m->s->n;
    if (!two(m->s))
        return 0;
    if (!strcmp(figure, "precision"))
        return (double)counts_predicted(&m->quality.counts, 1);
    if (!strcmp(figure, "recall") || !strcmp(figure, "fnr"))
        return (double)m->quality.positives;
    return strcmp(figure, "fpr") ? 0 : (double)m->quality.negatives;
}

/*
 * One bootstrap for all the figures that are no shares of rows.  Not of what does not vary so:
 * rows that are drawn twice make any ECE larger than that of the rows themselves.
 */
static void
bootstrap(struct body *y)
{
    struct asked asked[LINES];
    for (int i = 0; i < LINES; i++) {
        const char *figure = i < SUMMARY ? summary[i].figure : calibration[i - SUMMARY].figure;
        if (!measure_ask(y->m, figure, strlen(figure), &asked[y->drawn]) || rows_of(y->m, figure) ||
            !strcmp(figure, "auprc_chance") || !strncmp(figure, "ece", 3))
            continue;
        y->figure[y->drawn++] = figure;
    }
    bootstrap_intervals(y->m, asked, y->drawn, y->replicates, (uint64_t)y->p->options->seed, y->interval);
}

static struct interval
interval_of(const struct body *y, const char *figure, double value)
{
    const double rows = rows_of(y->m, figure);
    for (int i = 0; i < y->drawn; i++)
        if (!strcmp(y->figure[i], figure))
            return y->interval[i];
    return rows > 0 ? interval_wilson(round(value * rows), rows) : (struct interval){ NAN, NAN };
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

/* ---- classes ---------------------------------------------------------------------------- */
static void
class(const struct measure *m, int k, struct buf *b)
{
    static const char *const figure[] = { "precision", "recall", "f1", "auroc", "auprc" };
    const struct sample *s = m->s;
    const int multi = s->task == SAMPLE_MULTI;
    const int64_t rows = multi ? m->multilabel.tp[k] + m->multilabel.fn[k] : counts_support(&m->quality.counts, k);
    const int64_t said = multi ? m->multilabel.tp[k] + m->multilabel.fp[k] : counts_predicted(&m->quality.counts, k);
    char text[16];
    html_row(b, canvas_name(s->name, k, text));
    html_count(b, rows);
    for (int i = 0; i < (two(s) ? 3 : 5); i++) {
        struct asked a;
        char *ask = mem_printf("%s[%s]", figure[i], canvas_name(s->name, k, text));
        const double d = measure_ask(m, ask, strlen(ask), &a) ? measure_value(m, &a) : NAN, of = (double)(i ? rows : said);
        html_number(b, d);
        if (i < 2)
            html_interval(b, interval_wilson(round(d * of), of));
        mem_free(ask);
    }
    html_row_end(b);
}

static void
classes(const struct measure *m, struct buf *b)
{
    static const char *const head[] = { "class", "rows", "precision", "95 % interval", "recall", "95 % interval", "F1", "AUROC", "AUPRC", NULL };
    html_table(b, two(m->s) ? (const char *const[]){ head[0], head[1], head[2], head[3], head[4], head[5], head[6], NULL } : head);
    for (int k = 0; k < m->s->classes; k++)
        class(m, k, b);
    html_table_end(b);
}

enum { CELLS = 12 }; /* classes up to which the confusion is a table; of more it is a picture */

static void
confusion(const struct measure *m, struct buf *b)
{
    const struct counts *c = &m->quality.counts;
    const char *head[CELLS + 2] = { "truth \\ predicted" };
    char text[CELLS][16];
    for (int k = 0; k < c->classes; k++)
        head[k + 1] = canvas_name(m->s->name, k, text[k]);
    html_table(b, head);
    for (int i = 0; i < c->classes; i++) {
        html_row(b, head[i + 1]);
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "<td%s>%" PRId64 "</td>", i == j ? " class=\"on\"" : "", c->cell[i * c->classes + j]);
        html_row_end(b);
    }
    html_table_end(b);
}

/* ---- thresholds ------------------------------------------------------------------------- */
static void
thresholds(const struct quality *q, struct buf *b)
{
    char what[48];
    html_table(b, (const char *const[]){ "operating point", "threshold", "TPR", "95 % interval", "FPR", "95 % interval", NULL });
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
        html_interval(b, interval_wilson(round(at->tpr * (double)q->positives), (double)q->positives));
        html_number(b, at->fpr);
        html_interval(b, interval_wilson(round(at->fpr * (double)q->negatives), (double)q->negatives));
        html_row_end(b);
    }
    html_table_end(b);
}

static void
bins(const struct bin *bin, struct buf *b)
{
    char what[48];
    buf_printf(b, "<details><summary>The bins as numbers</summary>\n");
    html_table(b, (const char *const[]){ "score", "rows", "mean score", "share of hits", "95 % interval", NULL });
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        snprintf(what, sizeof what, "%.3f to %.3f", (double)i / CALIBRATION_BINS, (i + 1.) / CALIBRATION_BINS);
        html_row(b, what);
        html_count(b, bin[i].n);
        html_number(b, bin[i].conf);
        html_number(b, bin[i].hit);
        html_interval(b, interval_wilson(round(bin[i].hit * (double)bin[i].n), (double)bin[i].n));
        html_row_end(b);
    }
    html_table_end(b);
    buf_printf(b, "</details>\n");
}

/* ---- groups ----------------------------------------------------------------------------- */
static void
groups(const struct body *y, struct buf *b)
{
    const struct page *p = y->p;
    static const struct line columns[] = {
        { "accuracy", "accuracy" }, { "subset_accuracy", "all right" }, { "macro_f1", "macro F1" }, { "auroc", "AUROC" },
        { "auroc_ovr_macro", "AUROC" }, { "auroc_macro", "AUROC" }, { "recall", "recall" }, { "fpr", "FPR" },
        { "rmse", "RMSE" }, { "mae", "MAE" }, { "r2", "R²" },
    };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char *head[COLUMNS + 3] = { p->options->by, "rows" };
    struct figures *f = groups_measure(p->sample, y->m->threshold);
    int n = 0, shown[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        if (p->sample->groups && figures_find(&f[0], columns[i].figure, strlen(columns[i].figure)) >= 0) {
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

/* ---- pictures --------------------------------------------------------------------------- */
static void
figure(const struct body *y, enum picture kind, const char *label, const char *caption, struct buf *b)
{
    const struct page *p = y->p;
    static const char *const id[PICTURES] = { "roc", "pr", "reliability", "confusion", "hist", "training" };
    const struct plot plot = { .form = PLOT_INLINE };
    struct buf script = { 0 }, svg = { 0 };
    const char *why = NULL;
    if (kind == PICTURE_TRAINING)
        plot_training(&plot, p->run, &script);
    else
        why = picture_script(kind, p->sample, y->m->threshold, &plot, &script);
    if (!why) {
        picture_draw(&plot, &script, &svg);
        buf_printf(b, "<figure>\n");
        html_svg(b, id[kind], label, svg.p, svg.n);
        buf_printf(b, "<figcaption>%s</figcaption>\n</figure>\n", caption);
    } else {
        buf_printf(b, "<p class=\"soft\">No picture: %s.</p>\n", why);
    }
    mem_free(script.p);
    mem_free(svg.p);
}

/* ---- the page --------------------------------------------------------------------------- */
static void
introduction(const struct body *y, struct buf *b)
{
    const struct page *p = y->p;
    const struct sample *s = p->sample;
    char text[16];
    buf_printf(b, "<h1>");
    html_text(b, p->title ? p->title : "Scores");
    buf_printf(b, "</h1>\n<p class=\"soft\">%" PRId64 " labelled rows", s->n);
    if (s->task == SAMPLE_REGRESSION)
        buf_printf(b, " of numbers");
    else if (two(s)) {
        buf_printf(b, "; positive class <b>");
        html_text(b, canvas_name(s->name, 1, text));
        buf_printf(b, "</b>, from a score of %.9g on", y->m->threshold);
    } else {
        buf_printf(b, ", %d classes", s->classes);
        if (s->task == SAMPLE_MULTI)
            buf_printf(b, ", several a row; a class counts from a score of %.9g on", y->m->threshold);
    }
    buf_printf(b, ".</p>\n");
}

static void
classification(const struct body *y, struct buf *b)
{
    const struct sample *s = y->p->sample;
    buf_printf(b, "<h2>Classes</h2>\n");
    classes(y->m, b);
    if (s->task == SAMPLE_SINGLE) {
        buf_printf(b, "<h2>Confusion</h2>\n");
        if (s->classes <= CELLS)
            confusion(y->m, b);
        else
            figure(y, PICTURE_CONFUSION, "Confusion matrix", "The share of each true class that was predicted as each.", b);
    }
    buf_printf(b, "<h2>Ranking</h2>\n");
    figure(y, PICTURE_ROC, "ROC curve", "Receiver operating characteristic; on the right over a logarithmic false positive rate.", b);
    figure(y, PICTURE_PR, "Precision-recall curve", "Precision over recall.", b);
    if (two(s)) {
        buf_printf(b, "<h2>Thresholds</h2>\n");
        thresholds(&y->m->quality, b);
        buf_printf(b, "<p class=\"soft\">Each threshold was chosen on these same rows, so that the rates here flatter it; choose it on "
                      "other rows before it is used.</p>\n");
    }
    figure(y, PICTURE_HIST, "Histogram of scores", two(s) ? "Scores of the rows of each class; the dashed line is the threshold." : "Scores of right and of wrong answers.", b);
    buf_printf(b, "<h2>Calibration</h2>\n");
    lines(y, calibration, CALIBRATION, b);
    figure(y, PICTURE_RELIABILITY, "Reliability diagram", "Where scores are probabilities the points lie on the dashed line.", b);
    bins(s->task == SAMPLE_MULTI ? y->m->multilabel.width : y->m->quality.width, b);
}

static void
method(const struct body *y, struct buf *b)
{
    buf_printf(b, "<h2>Method</h2>\n<p class=\"soft\">Intervals of shares of rows are Wilson’s; the others are percentiles of a "
                  "bootstrap with %" PRId64 " replicates and seed %" PRId64 ". Undefined figures are –. Formulas: "
                  "metrics(1) of mbert-tools " MBERT_VERSION ", which made this page.</p>\n", y->replicates, y->p->options->seed);
}

void
page_make(const struct page *p, struct buf *b)
{
    const double threshold = p->options->threshold;
    struct body y = { .p = p, .m = measure_new(p->sample, threshold >= 0 ? threshold : .5),
                      .replicates = p->options->bootstrap > 0 ? p->options->bootstrap : PAGE_REPLICATES };
    bootstrap(&y);
    measure_fit(y.m);
    html_start(b, p->title ? p->title : "Scores");
    introduction(&y, b);
    lines(&y, summary, SUMMARY, b);
    if (p->sample->task != SAMPLE_REGRESSION)
        classification(&y, b);
    if (p->options->by) {
        buf_printf(b, "<h2>Groups</h2>\n");
        groups(&y, b);
    }
    if (p->run) {
        buf_printf(b, "<h2>Training</h2>\n");
        figure(&y, PICTURE_TRAINING, "Training run", "Losses, evaluations, learning rate and gradient norm over the steps of the training.", b);
    }
    method(&y, b);
    html_end(b);
    measure_free(y.m);
}
