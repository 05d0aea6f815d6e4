#include "common/eval/report.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "common/eval/show.h"

struct interval
report_interval(const struct report *r, const char *name)
{
    for (int i = 0; i < r->intervals; i++)
        if (!strcmp(r->interval_name[i], name))
            return r->interval[i];
    return (struct interval){ NAN, NAN };
}

static void
point(struct buf *b, const struct point *p)
{
    buf_printf(b, "{\"tpr\":");
    show_number(b, p->tpr);
    show_field(b, "threshold", p->threshold);
    show_field(b, "fpr", p->fpr);
    buf_printf(b, "}");
}

static void
list(struct buf *b, const char *name, const double *d, int n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        buf_add(b, ",", i > 0);
        show_number(b, d[i]);
    }
    buf_printf(b, "]");
}

static void
bins(struct buf *b, const char *name, const struct bin *bin, int n)
{
    buf_printf(b, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        buf_printf(b, "%s{\"n\":%" PRId64, i ? "," : "", bin[i].n);
        show_field(b, "conf", bin[i].conf);
        show_field(b, "hit", bin[i].hit);
        buf_printf(b, "}");
    }
    buf_printf(b, "]");
}

static void
class(struct buf *b, const struct sample *s, int k, int64_t support)
{
    buf_printf(b, "%s{\"class\":%d", k ? "," : "", k);
    if (s->name) {
        buf_printf(b, ",\"name\":");
        show_string(b, s->name[k]);
    }
    buf_printf(b, ",\"support\":%" PRId64, support);
}

static void
counted(const struct sample *s, const struct counts *c, struct buf *b)
{
    buf_printf(b, ",\"confusion\":[");
    for (int i = 0; i < c->classes; i++) {
        buf_printf(b, "%s[", i ? "," : "");
        for (int j = 0; j < c->classes; j++)
            buf_printf(b, "%s%" PRId64, j ? "," : "", c->cell[i * c->classes + j]);
        buf_printf(b, "]");
    }
    buf_printf(b, "],\"per_class\":[");
    for (int k = 0; k < c->classes; k++) {
        class(b, s, k, counts_support(c, k));
        show_field(b, "precision", counts_precision(c, k));
        show_field(b, "recall", counts_recall(c, k));
        show_field(b, "f1", counts_f1(c, k));
        buf_printf(b, "}");
    }
    buf_printf(b, "]");
}

/* Shares that are counted have Wilson's interval; [true][predicted] of two classes. */
static void
wilson(const struct quality *q, struct buf *b)
{
    const int64_t *c = q->counts.cell;
    buf_printf(b, ",\"wilson\":{");
    show_interval(
        b, "accuracy",
        interval_wilson(round(counts_accuracy(&q->counts) * (double)q->n), (double)q->n));
    if (q->classes == 2) {
        buf_printf(b, ",");
        show_interval(b, "recall", interval_wilson((double)c[3], (double)q->positives));
        buf_printf(b, ",");
        show_interval(b, "fpr", interval_wilson((double)c[1], (double)q->negatives));
        buf_printf(b, ",");
        show_interval(b, "precision", interval_wilson((double)c[3], (double)(c[1] + c[3])));
    }
    buf_printf(b, "}");
}

static void
quality(const struct sample *s, const struct quality *q, struct buf *b)
{
    counted(s, &q->counts, b);
    if (q->classes == 2) {
        buf_printf(b, ",\"tpr_at_fpr\":{");
        for (int i = 0; i < QUALITY_FPRS; i++) {
            buf_printf(b, "%s\"%g\":", i ? "," : "", quality_fpr[i]);
            point(b, &q->tpr_at[i]);
        }
        buf_printf(b, "},\"fpr_at_tpr_0.95\":");
        point(b, &q->fpr_at_95);
    } else {
        list(b, "auroc_ovr", q->auroc_ovr, q->classes);
        list(b, "auprc_ovr", q->auprc_ovr, q->classes);
    }
    wilson(q, b);
    buf_printf(b, ",\"ece_bins\":%d", CALIBRATION_BINS);
    bins(b, "bins_mass", q->mass, q->mass_bins);
    bins(b, "bins_width", q->width, CALIBRATION_BINS);
}

static void
multilabel(const struct sample *s, const struct multilabel *m, struct buf *b)
{
    buf_printf(b, ",\"per_class\":[");
    for (int k = 0; k < m->classes; k++) {
        class(b, s, k, m->tp[k] + m->fn[k]);
        buf_printf(b, ",\"tp\":%" PRId64 ",\"fp\":%" PRId64 ",\"fn\":%" PRId64, m->tp[k],
                   m->fp[k], m->fn[k]);
        show_field(b, "precision", multilabel_precision(m, k));
        show_field(b, "recall", multilabel_recall(m, k));
        show_field(b, "f1", multilabel_f1(m, k));
        show_field(b, "auroc", m->auroc[k]);
        show_field(b, "auprc", m->auprc[k]);
        buf_printf(b, "}");
    }
    buf_printf(b, "],\"wilson\":{");
    show_interval(b, "subset_accuracy",
                  interval_wilson(round(m->subset_accuracy * (double)m->n), (double)m->n));
    buf_printf(b, "},\"ece_bins\":%d", CALIBRATION_BINS);
    bins(b, "bins_mass", m->mass, m->mass_bins);
    bins(b, "bins_width", m->width, CALIBRATION_BINS);
}

/* Three rates of one sample at the threshold, with Wilson's intervals. */
static void
rates(struct buf *b, const char *name, double tp, double fp, double positives, double negatives)
{
    buf_printf(b, ",\"%s\":{\"n\":%.0f", name, positives + negatives);
    show_field(b, "fpr", fp / negatives);
    show_field(b, "recall", tp / positives);
    show_field(b, "precision", tp / (tp + fp));
    buf_printf(b, ",\"wilson\":{");
    show_interval(b, "fpr", interval_wilson(fp, negatives));
    buf_printf(b, ",");
    show_interval(b, "recall", interval_wilson(tp, positives));
    buf_printf(b, ",");
    show_interval(b, "precision", interval_wilson(tp, tp + fp));
    buf_printf(b, "}}");
}

/* Where the threshold comes from, what it gave there, and what it gives here. */
static void
target(const struct target *t, const struct quality *q, struct buf *b)
{
    const int64_t *c = q->counts.cell;
    buf_printf(b, ",\"target\":{\"figure\":\"%s\",\"limit\":%.17g,\"chosen_on\":\"%s\"",
               t->kind == TARGET_FPR ? "fpr" : "precision", t->limit,
               t->same ? "same rows" : "validation");
    show_field(b, "threshold", t->threshold);
    rates(b, "there", (double)t->tp, (double)t->fp, (double)t->positives, (double)t->negatives);
    rates(b, "realised", (double)c[3], (double)c[1], (double)q->positives, (double)q->negatives);
    buf_printf(b, "}");
}

static void
intervals(const struct report *r, struct buf *b)
{
    buf_printf(b, ",\"ci\":{");
    for (int i = 0; i < r->intervals; i++) {
        buf_add(b, ",", i > 0);
        show_interval(b, r->interval_name[i], r->interval[i]);
    }
    buf_printf(b, "},\"boot\":%" PRId64 ",\"seed\":%" PRIu64, r->replicates, r->seed);
}

static void
groups(const struct report *r, struct buf *b)
{
    const struct sample *s = r->m->s;
    buf_printf(b, ",\"by_field\":");
    show_string(b, r->by);
    buf_printf(b, ",\"by\":{");
    for (int g = 0; g < s->groups; g++) {
        buf_add(b, ",", g > 0);
        show_string(b, s->group_name[g]);
        buf_printf(b, ":{");
        show_figures(b, &r->group[g]);
        buf_printf(b, "}");
    }
    buf_printf(b, "}");
}

static void
gates(const struct report *r, struct buf *b)
{
    buf_printf(b, ",\"gates\":[");
    for (int i = 0; i < r->gates; i++) {
        buf_printf(b, "%s{\"gate\":", i ? "," : "");
        show_string(b, r->gate[i].text);
        show_field(b, "value", r->gate[i].value);
        buf_printf(b, ",\"kept\":%s}", r->gate[i].kept ? "true" : "false");
    }
    buf_printf(b, "]");
}

void
report_json(const struct report *r, struct buf *b)
{
    const struct measure *m = r->m;
    buf_printf(b, "{");
    show_figures(b, &m->figures);
    if (m->s->task != SAMPLE_REGRESSION)
        buf_printf(b, ",\"temperature_at_bound\":%s",
                   isnan(m->fit.temperature) ? "null" : m->fit.at_bound ? "true" : "false");
    if (m->s->task == SAMPLE_SINGLE)
        quality(m->s, &m->quality, b);
    else if (m->s->task == SAMPLE_MULTI)
        multilabel(m->s, &m->multilabel, b);
    if (r->replicates)
        intervals(r, b);
    if (r->target)
        target(r->target, &m->quality, b);
    if (r->by)
        groups(r, b);
    if (r->gates)
        gates(r, b);
    buf_printf(b, "}\n");
}
