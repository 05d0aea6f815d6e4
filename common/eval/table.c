/* table - report_table: a report for people. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/eval/report.h"
#include "common/eval/show.h"

static const struct interval none = { NAN, NAN };

/* A point of the curve; its threshold in nine digits, as clf-head writes scores, for --threshold. */
static void
row_point(struct buf *b, const char *what, double d, double threshold)
{
    char c[SHOW_CELL];
    buf_printf(b, "%-22s%10s   threshold ", what, show_cell(c, d));
    buf_printf(b, isfinite(threshold) ? "%.9g\n" : "-\n", threshold);
}

static void
head(struct buf *b, int areas)
{
    buf_printf(b, "%-18s%10s%10s%10s%10s", "class", "rows", "precision", "recall", "F1");
    buf_printf(b, areas ? "%10s%10s\n" : "\n", "AUROC", "AUPRC");
}

/* A class: rows, precision, recall, F1 and, where it is one against the rest, the areas. */
static void
class(struct buf *b, const struct sample *s, int k, int64_t rows, const double *d, int n)
{
    char c[SHOW_CELL];
    buf_printf(b, "%-18s%10" PRId64, show_class(c, s->name, k, 18), rows);
    for (int i = 0; i < n; i++)
        buf_printf(b, "%10s", show_cell(c, d[i]));
    buf_printf(b, "\n");
}

static void
confusion(const struct sample *s, const struct counts *c, struct buf *b)
{
    char n[SHOW_CELL];
    buf_printf(b, "\n%-18s", "truth \\ predicted");
    for (int k = 0; k < c->classes; k++)
        buf_printf(b, "%10s", show_class(n, s->name, k, 9));
    for (int i = 0; i < c->classes; i++) {
        buf_printf(b, "\n%-18s", show_class(n, s->name, i, 18));
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "%10" PRId64, c->cell[i * c->classes + j]);
    }
    buf_printf(b, "\n\n");
}

static void
binary(const struct report *r, const struct quality *q, struct buf *b)
{
    const int64_t *c = q->counts.cell;
    char what[48];
    show_row(b, "AUROC", q->auroc, report_interval(r, "auroc"));
    show_row(b, "AUPRC", q->auprc, report_interval(r, "auprc"));
    show_row(b, "  by chance", q->auprc_chance, none);
    for (int i = 0; i < QUALITY_FPRS; i++) {
        snprintf(what, sizeof what, "TPR at FPR %g %%", 100 * quality_fpr[i]);
        row_point(b, what, q->tpr_at[i].tpr, q->tpr_at[i].threshold);
    }
    row_point(b, "FPR at TPR 95 %", q->fpr_at_95.fpr, q->fpr_at_95.threshold);
    show_row(b, "FPR at the threshold", q->fpr,
             interval_wilson((double)c[1], (double)q->negatives));
    show_row(b, "FNR at the threshold", q->fnr,
             interval_wilson((double)c[2], (double)q->positives));
    show_row(b, "ECE (15 equal mass)", q->ece_mass, none);
}

static void
quality(const struct report *r, struct buf *b)
{
    const struct quality *q = &r->m->quality;
    const struct counts *c = &q->counts;
    const int two = q->classes == 2;
    head(b, !two);
    for (int k = 0; k < q->classes; k++)
        class(b, r->m->s, k, counts_support(c, k),
              (double[]){ counts_precision(c, k), counts_recall(c, k), counts_f1(c, k),
                          two ? NAN : q->auroc_ovr[k], two ? NAN : q->auprc_ovr[k] },
              two ? 3 : 5);
    confusion(r->m->s, c, b);
    buf_printf(b, "%-22s%10" PRId64 "\n", "rows", q->n);
    show_row(b, "accuracy", counts_accuracy(c),
             interval_wilson(round(counts_accuracy(c) * (double)q->n), (double)q->n));
    show_row(b, "macro F1", counts_macro_f1(c), report_interval(r, "macro_f1"));
    show_row(b, "weighted F1", counts_weighted_f1(c), none);
    show_row(b, "MCC", counts_mcc(c), none);
    if (two)
        binary(r, q, b);
    else {
        show_row(b, "AUROC, one vs rest", q->auroc_macro,
                 report_interval(r, "auroc_ovr_macro"));
        show_row(b, "AUPRC, one vs rest", q->auprc_macro,
                 report_interval(r, "auprc_ovr_macro"));
        show_row(b, "ECE (15 equal mass)", q->ece_top_mass, none);
    }
    show_row(b, "Brier", q->brier, none);
    show_row(b, "NLL", q->nll, none);
    show_row(b, "  at temperature", r->m->fit.nll, none);
    show_row(b, "temperature", r->m->fit.temperature, none);
    if (two)
        buf_printf(b, "%-22s%10.9g\n", "threshold", q->threshold);
}

static void
multilabel(const struct report *r, struct buf *b)
{
    const struct multilabel *m = &r->m->multilabel;
    head(b, 1);
    for (int k = 0; k < m->classes; k++)
        class(b, r->m->s, k, m->tp[k] + m->fn[k],
              (double[]){ multilabel_precision(m, k), multilabel_recall(m, k),
                          multilabel_f1(m, k), m->auroc[k], m->auprc[k] },
              5);
    buf_printf(b, "\n%-22s%10" PRId64 "\n", "rows", m->n);
    show_row(b, "subset accuracy", m->subset_accuracy,
             interval_wilson(round(m->subset_accuracy * (double)m->n), (double)m->n));
    show_row(b, "Hamming loss", m->hamming, none);
    show_row(b, "micro F1", m->micro_f1, report_interval(r, "micro_f1"));
    show_row(b, "macro F1", m->macro_f1, report_interval(r, "macro_f1"));
    show_row(b, "weighted F1", m->weighted_f1, none);
    show_row(b, "AUROC, micro", m->auroc_micro, none);
    show_row(b, "AUROC, macro", m->auroc_macro, report_interval(r, "auroc_macro"));
    show_row(b, "AUPRC, micro", m->auprc_micro, none);
    show_row(b, "AUPRC, macro", m->auprc_macro, report_interval(r, "auprc_macro"));
    show_row(b, "ECE (15 equal mass)", m->ece_mass, none);
    show_row(b, "Brier", m->brier, none);
    show_row(b, "NLL", m->nll, none);
    show_row(b, "  at temperature", r->m->fit.nll, none);
    show_row(b, "temperature", r->m->fit.temperature, none);
    buf_printf(b, "%-22s%10.9g\n", "threshold", m->threshold);
}

static void
regression(const struct report *r, struct buf *b)
{
    const struct regression *g = &r->m->regression;
    buf_printf(b, "%-22s%10" PRId64 "\n", "rows", g->n);
    show_row(b, "MSE", g->mse, none);
    show_row(b, "RMSE", g->rmse, report_interval(r, "rmse"));
    show_row(b, "MAE", g->mae, report_interval(r, "mae"));
    show_row(b, "R2", g->r2, report_interval(r, "r2"));
    show_row(b, "Pearson", g->pearson, report_interval(r, "pearson"));
    show_row(b, "Spearman", g->spearman, report_interval(r, "spearman"));
}

/* What the threshold was chosen for, where, and the rates there and here side by side. */
static void
target(const struct report *r, struct buf *b)
{
    const struct target *t = r->target;
    const int64_t *c = r->m->quality.counts.cell;
    const struct { const char *what; int64_t k[2], n[2]; } rate[] = {
        { "FPR", { t->fp, c[1] }, { t->negatives, c[0] + c[1] } },
        { "recall", { t->tp, c[3] }, { t->positives, c[2] + c[3] } },
        { "precision", { t->tp, c[3] }, { t->tp + t->fp, c[1] + c[3] } },
    };
    const char *where[] = { t->same ? "where chosen" : "validation",
                            t->same ? "same rows" : "test" };
    buf_printf(b, "\nthreshold %.9g: %s %s %g on %s\n", t->threshold,
               t->kind == TARGET_FPR ? "FPR" : "precision",
               t->kind == TARGET_FPR ? "<=" : ">=", t->limit,
               t->same ? "these rows themselves, for want of --validation"
                       : "the validation rows");
    for (size_t i = 0; i < sizeof rate / sizeof *rate; i++)
        for (int k = t->same; k < 2; k++) {
            char what[48];
            snprintf(what, sizeof what, "%s, %s", rate[i].what, where[k]);
            show_row(b, what, (double)rate[i].k[k] / (double)rate[i].n[k],
                     interval_wilson((double)rate[i].k[k], (double)rate[i].n[k]));
        }
}

enum { COLUMNS = 7 };
struct column { const char *head, *figure; };

static const struct column *
columns(const struct sample *s)
{
    static const struct column two[COLUMNS] = {
        { "positive", "n_pos" }, { "accuracy", "accuracy" }, { "macro F1", "macro_f1" },
        { "AUROC", "auroc" },    { "recall", "recall" },     { "FPR", "fpr" }
    };
    static const struct column many[COLUMNS] = { { "accuracy", "accuracy" },
                                                 { "macro F1", "macro_f1" },
                                                 { "AUROC", "auroc_ovr_macro" } };
    static const struct column multi[COLUMNS] = { { "subset", "subset_accuracy" },
                                                  { "micro F1", "micro_f1" },
                                                  { "macro F1", "macro_f1" },
                                                  { "AUROC", "auroc_macro" } };
    static const struct column value[COLUMNS] = { { "RMSE", "rmse" },
                                                  { "MAE", "mae" },
                                                  { "R2", "r2" },
                                                  { "Pearson", "pearson" },
                                                  { "Spearman", "spearman" } };
    if (s->task == SAMPLE_SINGLE)
        return s->classes == 2 ? two : many;
    return s->task == SAMPLE_MULTI ? multi : value;
}

static void
groups(const struct report *r, struct buf *b)
{
    const struct sample *s = r->m->s;
    const struct column *c = columns(s);
    char cell[SHOW_CELL];
    buf_printf(b, "\n%-24s%10s", show_name(cell, r->by, 23), "rows");
    for (int i = 0; c[i].head; i++)
        buf_printf(b, "%10s", c[i].head);
    for (int g = 0; g < s->groups; g++) {
        buf_printf(b, "\n%-24s%10.0f", show_name(cell, s->group_name[g], 23),
                   figures_value(&r->group[g], "n"));
        for (int i = 0; c[i].head; i++) {
            const double d = figures_value(&r->group[g], c[i].figure);
            if (!strcmp(c[i].figure, "n_pos"))
                buf_printf(b, "%10.0f", d);
            else
                buf_printf(b, "%10s", show_cell(cell, d));
        }
    }
    buf_printf(b, "\n");
}

void
report_table(const struct report *r, struct buf *b)
{
    switch (r->m->s->task) {
    case SAMPLE_SINGLE: quality(r, b); break;
    case SAMPLE_MULTI: multilabel(r, b); break;
    case SAMPLE_REGRESSION: regression(r, b); break;
    }
    if (r->target)
        target(r, b);
    if (r->by)
        groups(r, b);
    if (r->gates)
        buf_printf(b, "\n");
    for (int i = 0; i < r->gates; i++) {
        char cell[SHOW_CELL];
        buf_printf(b, "%-22s%10s   %s\n", r->gate[i].text,
                   show_cell(cell, r->gate[i].value), r->gate[i].kept ? "kept" : "missed");
    }
}
