#include "common/eval/figures.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static void
add(struct figures *f, const char *name, double value)
{
    assert(f->n < FIGURES);
    f->at[f->n++] = (struct figure){ name, value };
}

void
figures_quality(struct figures *f, const struct quality *q)
{
    add(f, "n", (double)q->n);
    add(f, "classes", q->classes);
    add(f, "accuracy", counts_accuracy(&q->counts));
    add(f, "macro_f1", counts_macro_f1(&q->counts));
    add(f, "micro_f1", counts_accuracy(&q->counts));
    add(f, "weighted_f1", counts_weighted_f1(&q->counts));
    add(f, "mcc", counts_mcc(&q->counts));
    if (q->classes == 2) {
        add(f, "n_pos", (double)q->positives);
        add(f, "n_neg", (double)q->negatives);
        add(f, "threshold", q->threshold);
        add(f, "precision", q->precision);
        add(f, "recall", q->recall);
        add(f, "f1", q->f1);
        add(f, "fpr", q->fpr);
        add(f, "fnr", q->fnr);
        add(f, "auroc", q->auroc);
        add(f, "auprc", q->auprc);
        add(f, "auprc_chance", q->auprc_chance);
        add(f, "ece_mass", q->ece_mass);
        add(f, "ece_width", q->ece_width);
    } else {
        add(f, "auroc_ovr_macro", q->auroc_macro);
        add(f, "auprc_ovr_macro", q->auprc_macro);
    }
    add(f, "brier", q->brier);
    add(f, "nll", q->nll);
    add(f, "ece_top_mass", q->ece_top_mass);
    add(f, "ece_top_width", q->ece_top_width);
}

void
figures_multilabel(struct figures *f, const struct multilabel *m)
{
    add(f, "n", (double)m->n);
    add(f, "classes", m->classes);
    add(f, "threshold", m->threshold);
    add(f, "subset_accuracy", m->subset_accuracy);
    add(f, "hamming", m->hamming);
    add(f, "micro_precision", m->micro_precision);
    add(f, "micro_recall", m->micro_recall);
    add(f, "micro_f1", m->micro_f1);
    add(f, "macro_f1", m->macro_f1);
    add(f, "weighted_f1", m->weighted_f1);
    add(f, "auroc_micro", m->auroc_micro);
    add(f, "auroc_macro", m->auroc_macro);
    add(f, "auprc_micro", m->auprc_micro);
    add(f, "auprc_macro", m->auprc_macro);
    add(f, "brier", m->brier);
    add(f, "nll", m->nll);
    add(f, "ece_mass", m->ece_mass);
    add(f, "ece_width", m->ece_width);
}

void
figures_regression(struct figures *f, const struct regression *g)
{
    add(f, "n", (double)g->n);
    add(f, "mse", g->mse);
    add(f, "rmse", g->rmse);
    add(f, "mae", g->mae);
    add(f, "r2", g->r2);
    add(f, "pearson", g->pearson);
    add(f, "spearman", g->spearman);
}

void
figures_fit(struct figures *f, const struct temper *t)
{
    add(f, "temperature", t->temperature);
    add(f, "nll_at_temperature", t->nll);
}

int
figures_find(const struct figures *f, const char *name, size_t n)
{
    for (int i = 0; i < f->n; i++)
        if (strlen(f->at[i].name) == n && !memcmp(f->at[i].name, name, n))
            return i;
    return -1;
}

double
figures_value(const struct figures *f, const char *name)
{
    const int i = figures_find(f, name, strlen(name));
    return i < 0 ? NAN : f->at[i].value;
}

int
figures_falls(const char *name, size_t n)
{
    static const char *const falling[] = {
        "fpr",      "fnr",       "hamming",      "brier",         "nll",
        "ece_mass", "ece_width", "ece_top_mass", "ece_top_width", "nll_at_temperature",
        "mse",      "rmse",      "mae"
    };
    for (size_t i = 0; i < sizeof falling / sizeof *falling; i++)
        if (strlen(falling[i]) == n && !memcmp(falling[i], name, n))
            return 1;
    return 0;
}
