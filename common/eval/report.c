#include "common/eval/report.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- JSON ------------------------------------------------------------------------------ */
static void
number(struct buf *b, double d)
{
    if (isfinite(d))
        buf_printf(b, "%.17g", d);
    else
        buf_printf(b, "null");
}

static void
field(struct buf *b, const char *name, double d)
{
    buf_printf(b, ",\"%s\":", name);
    number(b, d);
}

static void
point(struct buf *b, const struct point *p)
{
    buf_printf(b, "{\"tpr\":");
    number(b, p->tpr);
    field(b, "threshold", p->threshold);
    field(b, "fpr", p->fpr);
    buf_printf(b, "}");
}

static void
list(struct buf *b, const char *name, const double *d, int n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        buf_add(b, ",", i > 0);
        number(b, d[i]);
    }
    buf_printf(b, "]");
}

static void
bins(struct buf *b, const char *name, const struct bin *bin, int n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        buf_printf(b, "%s{\"n\":%" PRId64, i ? "," : "", bin[i].n);
        field(b, "conf", bin[i].conf);
        field(b, "hit", bin[i].hit);
        buf_printf(b, "}");
    }
    buf_printf(b, "]");
}

static void
classes(const struct counts *c, struct buf *b)
{
    buf_printf(b, ",\"confusion\":[");
    for (int i = 0; i < c->classes; i++) {
        buf_printf(b, "%s[", i ? "," : "");
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "%s%" PRId64, j ? "," : "", c->cell[i * c->classes + j]);
        buf_printf(b, "]");
    }
    buf_printf(b, "]");
    field(b, "accuracy", counts_accuracy(c));
    buf_printf(b, ",\"per_class\":[");
    for (int k = 0; k < c->classes; k++) {
        buf_printf(b, "%s{\"class\":%d,\"support\":%" PRId64, k ? "," : "", k, counts_support(c, k));
        field(b, "precision", counts_precision(c, k));
        field(b, "recall", counts_recall(c, k));
        field(b, "f1", counts_f1(c, k));
        buf_printf(b, "}");
    }
    buf_printf(b, "]");
    field(b, "macro_f1", counts_macro_f1(c));
    field(b, "micro_f1", counts_accuracy(c));
    field(b, "weighted_f1", counts_weighted_f1(c));
    field(b, "mcc", counts_mcc(c));
}

static void
binary(const struct quality *q, struct buf *b)
{
    buf_printf(b, ",\"n_pos\":%" PRId64 ",\"n_neg\":%" PRId64, q->positives, q->negatives);
    field(b, "threshold", q->threshold);
    field(b, "fpr", q->fpr);
    field(b, "fnr", q->fnr);
    field(b, "auroc", q->auroc);
    field(b, "auprc", q->auprc);
    field(b, "auprc_chance", q->auprc_chance);
    buf_printf(b, ",\"tpr_at_fpr\":{");
    for (int i = 0; i < QUALITY_FPRS; i++) {
        buf_printf(b, "%s\"%g\":", i ? "," : "", quality_fpr[i]);
        point(b, &q->tpr_at[i]);
    }
    buf_printf(b, "},\"fpr_at_tpr_0.95\":");
    point(b, &q->fpr_at_95);
    field(b, "ece_mass", q->ece_mass);
    field(b, "ece_width", q->ece_width);
}

void
report_json(const struct quality *q, struct buf *b)
{
    buf_printf(b, "{\"n\":%" PRId64 ",\"classes\":%d", q->n, q->classes);
    classes(&q->counts, b);
    if (q->classes == 2)
        binary(q, b);
    else {
        list(b, "auroc_ovr", q->auroc_ovr, q->classes);
        field(b, "auroc_ovr_macro", q->auroc_macro);
        list(b, "auprc_ovr", q->auprc_ovr, q->classes);
        field(b, "auprc_ovr_macro", q->auprc_macro);
    }
    field(b, "brier", q->brier);
    field(b, "nll", q->nll);
    field(b, "ece_top_mass", q->ece_top_mass);
    field(b, "ece_top_width", q->ece_top_width);
    buf_printf(b, ",\"ece_bins\":%d", CALIBRATION_BINS);
    bins(b, "bins_mass", q->mass, q->mass_bins);
    bins(b, "bins_width", q->width, CALIBRATION_BINS);
    buf_printf(b, "}\n");
}

/* ---- the table ------------------------------------------------------------------------- */
static const char *
cell(char *to, size_t n, double d)
{
    if (isfinite(d))
        snprintf(to, n, "%.4f", d);
    else
        snprintf(to, n, "-");
    return to;
}

/* A point of the curve; its threshold in nine digits, as clf-head writes scores, for --threshold. */
static void
row_point(struct buf *b, const char *what, double d, double threshold)
{
    char c[32];
    buf_printf(b, "%-22s%10s   threshold ", what, cell(c, sizeof c, d));
    buf_printf(b, isfinite(threshold) ? "%.9g\n" : "-\n", threshold);
}

static void
row(struct buf *b, const char *what, double d)
{
    char c[32];
    buf_printf(b, "%-22s%10s\n", what, cell(c, sizeof c, d));
}

static void
name_of(char *to, size_t n, char *const *name, int k)
{
    if (name)
        snprintf(to, n, "%.18s", name[k]);
    else
        snprintf(to, n, "%d", k);
}

static void
table_classes(const struct counts *c, char *const *name, struct buf *b)
{
    char n[32], p[32], r[32], f[32];
    buf_printf(b, "%-18s%10s%10s%10s%10s\n", "class", "rows", "precision", "recall", "F1");
    for (int k = 0; k < c->classes; k++) {
        name_of(n, sizeof n, name, k);
        buf_printf(b, "%-18s%10" PRId64 "%10s%10s%10s\n", n, counts_support(c, k), cell(p, sizeof p, counts_precision(c, k)),
                   cell(r, sizeof r, counts_recall(c, k)), cell(f, sizeof f, counts_f1(c, k)));
    }
    buf_printf(b, "\n%-18s", "truth \\ predicted");
    for (int k = 0; k < c->classes; k++) {
        name_of(n, sizeof n, name, k);
        buf_printf(b, "%10.9s", n);
    }
    for (int i = 0; i < c->classes; i++) {
        name_of(n, sizeof n, name, i);
        buf_printf(b, "\n%-18s", n);
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "%10" PRId64, c->cell[i * c->classes + j]);
    }
    buf_printf(b, "\n\n");
}

static void
table_binary(const struct quality *q, struct buf *b)
{
    char what[48];
    row(b, "AUROC", q->auroc);
    row(b, "AUPRC", q->auprc);
    row(b, "  by chance", q->auprc_chance);
    for (int i = 0; i < QUALITY_FPRS; i++) {
        snprintf(what, sizeof what, "TPR at FPR %g %%", 100 * quality_fpr[i]);
        row_point(b, what, q->tpr_at[i].tpr, q->tpr_at[i].threshold);
    }
    row_point(b, "FPR at TPR 95 %", q->fpr_at_95.fpr, q->fpr_at_95.threshold);
    row(b, "FPR at the threshold", q->fpr);
    row(b, "FNR at the threshold", q->fnr);
    row(b, "ECE (15 equal mass)", q->ece_mass);
}

void
report_table(const struct quality *q, char *const *name, struct buf *b)
{
    table_classes(&q->counts, name, b);
    buf_printf(b, "%-22s%10" PRId64 "\n", "rows", q->n);
    row(b, "accuracy", counts_accuracy(&q->counts));
    row(b, "macro F1", counts_macro_f1(&q->counts));
    row(b, "weighted F1", counts_weighted_f1(&q->counts));
    row(b, "MCC", counts_mcc(&q->counts));
    if (q->classes == 2)
        table_binary(q, b);
    else {
        row(b, "AUROC, one vs rest", q->auroc_macro);
        row(b, "AUPRC, one vs rest", q->auprc_macro);
        row(b, "ECE (15 equal mass)", q->ece_top_mass);
    }
    row(b, "Brier", q->brier);
    row(b, "NLL", q->nll);
    if (q->classes == 2)
        buf_printf(b, "%-22s%10g\n", "threshold", q->threshold);
}
