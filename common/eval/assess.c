#include "common/eval/assess.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/eval/groups.h"
#include "common/eval/report.h"

void
assess_check(const struct eval_options *o, int validation)
{
    if (o->fpr >= 0 && o->precision >= 0)
        die_usage("--target-fpr and --target-precision exclude each other");
    const int target = o->fpr >= 0 || o->precision >= 0;
    if (target && o->threshold >= 0)
        die_usage("--threshold and --target-%s exclude each other",
                  o->fpr >= 0 ? "fpr" : "precision");
    if (validation && !target)
        die_usage("--validation needs --target-fpr or --target-precision");
}

static int
choose(struct target *t, const struct eval_options *o, const struct sample *s,
       const struct sample *validation)
{
    const struct sample *on = validation ? validation : s;
    *t = (struct target){ .kind = o->fpr >= 0 ? TARGET_FPR : TARGET_PRECISION, .same = !validation,
                          .limit = o->fpr >= 0 ? o->fpr : o->precision };
    if (s->task != SAMPLE_SINGLE || s->classes != 2)
        die_usage("--target-%s needs two classes: name the positive one with --positive",
                  o->fpr >= 0 ? "fpr" : "precision");
    if (target_choose(t, on))
        return 1;
    fprintf(stderr, "%s: no threshold has %s %g on the %s rows\n", argv0,
            t->kind == TARGET_FPR ? "FPR <=" : "precision >=", t->limit,
            validation ? "validation" : "same");
    return 0;
}

/* The figures that a bootstrap is made of, as --json calls them, and how to ask for each. */
static void
bootstrap(struct report *r, struct measure *m)
{
    static const char *const names[][REPORT_INTERVALS] = {
        { "accuracy", "macro_f1", "auroc", "auprc", "tpr_at_fpr_0.01" },
        { "accuracy", "macro_f1", "auroc_ovr_macro", "auprc_ovr_macro" },
        { "subset_accuracy", "micro_f1", "macro_f1", "auroc_macro", "auprc_macro" },
        { "mse", "rmse", "mae", "r2", "pearson", "spearman" },
    };
    const struct sample *s = m->s;
    struct asked asked[REPORT_INTERVALS];
    const int kind = s->task == SAMPLE_SINGLE ? s->classes > 2 : s->task == SAMPLE_MULTI ? 2 : 3;
    const char *const *name = names[kind];
    for (; r->intervals < REPORT_INTERVALS && name[r->intervals]; r->intervals++) {
        const char *ask = name[r->intervals];
        r->interval_name[r->intervals] = ask;
        if (!strcmp(ask, "tpr_at_fpr_0.01"))
            ask = "tpr@fpr=0.01";
        const int known = measure_ask(m, ask, strlen(ask), &asked[r->intervals]);
        assert(known);
        (void)known;
    }
    bootstrap_intervals(m, asked, r->intervals, r->replicates, r->seed, r->interval);
}

int
assess_run(const struct eval_options *o, const struct sample *s,
           const struct sample *validation, struct buf *out)
{
    struct target t;
    struct gate gate[OPT_LIST_MAX];
    struct report r = { .replicates = o->bootstrap > 0 ? o->bootstrap : 0,
                        .seed = (uint64_t)o->seed,
                        .by = o->by,
                        .gate = gate,
                        .gates = o->gates.n };
    double threshold = o->threshold >= 0 ? o->threshold : .5;
    int kept = 1;
    if (o->fpr >= 0 || o->precision >= 0) {
        if (!choose(&t, o, s, validation))
            return EXIT_NO;
        r.target = &t;
        threshold = t.threshold;
    }
    struct measure *m = measure_new(s, threshold);
    if (r.replicates)
        bootstrap(&r, m);
    measure_fit(m);
    r.m = m;
    for (int i = 0; i < o->gates.n; i++)
        gate_parse(&gate[i], o->gates.v[i], m);
    for (int i = 0; i < o->gates.n; i++)
        kept &= gate_check(&gate[i], m);
    struct figures *group = o->by ? groups_measure(s, threshold) : NULL;
    r.group = group;
    (o->json ? report_json : report_table)(&r, out);
    mem_free(group);
    measure_free(m);
    return kept ? EXIT_OK : EXIT_NO;
}
