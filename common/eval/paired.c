#include "common/eval/paired.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/eval/show.h"

double
paired_exact(int64_t b, int64_t c)
{
    const int64_t n = b + c, least = b < c ? b : c;
    double term = pow(.5, (double)n), sum = 0; /* C(n, i) / 2^n */
    for (int64_t i = 0; i <= least; i++) {
        sum += term;
        term *= (double)(n - i) / (double)(i + 1);
    }
    return fmin(1, 2 * sum);
}

double
paired_chi2(int64_t b, int64_t c, double *p)
{
    const double d = fmax(0, fabs((double)(b - c)) - 1), chi2 = d * d / (double)(b + c);
    *p = erfc(sqrt(chi2 / 2));
    return chi2;
}

void
paired_mcnemar(struct mcnemar *m, const struct measure *a, const struct measure *b)
{
    *m = (struct mcnemar){ 0 };
    for (int64_t i = 0; i < a->s->n; i++) {
        const int first = measure_right(a, i), second = measure_right(b, i);
        m->both += first && second;
        m->first += first && !second;
        m->second += !first && second;
        m->neither += !first && !second;
    }
    m->exact = m->first + m->second < 25;
    m->chi2 = NAN;
    if (m->exact)
        m->p = paired_exact(m->first, m->second);
    else
        m->chi2 = paired_chi2(m->first, m->second, &m->p);
}

/* d->not_better and d->interval from the differences v of the replicates. */
static void
finish(struct difference *d, double *v, int64_t n, int falls)
{
    int64_t worse = 0;
    for (int64_t r = 0; r < n; r++) {
        d->defined += !isnan(v[r]);
        worse += !isnan(v[r]) && !(falls ? v[r] < 0 : v[r] > 0);
    }
    d->not_better = d->defined ? (double)worse / (double)d->defined : NAN;
    d->interval = interval_percentile(v, n);
}

void
paired_bootstrap(struct difference *d, struct measure *a, struct measure *b,
                 const struct asked *what, int count, int64_t replicates, uint64_t seed)
{
    uint32_t *w = mem_array((size_t)a->s->n, sizeof *w);
    double *v = mem_array(mem_mul((size_t)replicates, (size_t)count), sizeof *v);
    for (int64_t r = -1; r < replicates; r++) {
        if (r >= 0)
            bootstrap_draw(w, a->s->n, seed, r);
        measure_take(a, r < 0 ? NULL : w); /* first the rows as they are */
        measure_take(b, r < 0 ? NULL : w);
        for (int k = 0; k < count; k++) {
            const double first = measure_value(a, &what[k]),
                         second = measure_value(b, &what[k]);
            if (r < 0)
                d[k] = (struct difference){ .first = first,
                                            .second = second,
                                            .difference = first - second };
            else
                v[k * replicates + r] = first - second;
        }
    }
    for (int k = 0; k < count; k++)
        finish(&d[k], v + k * replicates, replicates, what[k].falls);
    measure_take(a, NULL);
    measure_take(b, NULL);
    mem_free(v);
    mem_free(w);
}

struct result {
    const char *const *file, *const *name;
    const struct mcnemar *m;     /* NULL: a regression */
    const struct difference *d;  /* [count] */
    int count;
    int64_t n, replicates, seed;
};

static void
json(const struct result *r, struct buf *b)
{
    const struct mcnemar *m = r->m;
    buf_printf(b, "{\"n\":%" PRId64 ",\"a\":", r->n);
    show_string(b, r->file[0]);
    buf_printf(b, ",\"b\":");
    show_string(b, r->file[1]);
    if (m) {
        buf_printf(b,
                   ",\"mcnemar\":{\"both_right\":%" PRId64 ",\"a_only\":%" PRId64
                   ",\"b_only\":%" PRId64 ",\"both_wrong\":%" PRId64 ",\"method\":\"%s\"",
                   m->both, m->first, m->second, m->neither, m->exact ? "exact" : "chi2");
        show_field(b, "chi2", m->chi2);
        show_field(b, "p", m->p);
        buf_printf(b, "}");
    }
    buf_printf(b, ",\"boot\":%" PRId64 ",\"seed\":%" PRId64 ",\"metrics\":{", r->replicates,
               r->seed);
    for (int k = 0; k < r->count; k++) {
        const struct difference *d = &r->d[k];
        buf_add(b, ",", k > 0);
        show_string(b, r->name[k]);
        buf_printf(b, ":{\"replicates\":%" PRId64, d->defined);
        show_field(b, "a", d->first);
        show_field(b, "b", d->second);
        show_field(b, "difference", d->difference);
        buf_printf(b, ",");
        show_interval(b, "ci", d->interval);
        show_field(b, "a_not_better", d->not_better);
        buf_printf(b, "}");
    }
    buf_printf(b, "}}\n");
}

static void
table(const struct result *r, struct buf *b)
{
    const struct mcnemar *m = r->m;
    char cell[SHOW_CELL], low[SHOW_CELL], high[SHOW_CELL], range[2 * SHOW_CELL + 8];
    buf_printf(b, "A %s\nB %s\nrows %" PRId64 "\n", r->file[0], r->file[1], r->n);
    if (m) {
        buf_printf(b, "\n%-22s%10s%10s\n", "", "B right", "B wrong");
        buf_printf(b, "%-22s%10" PRId64 "%10" PRId64 "\n", "A right", m->both, m->first);
        buf_printf(b, "%-22s%10" PRId64 "%10" PRId64 "\n", "A wrong", m->second,
                   m->neither);
        buf_printf(b, "McNemar, %-13s%10s   p = %.4g\n", m->exact ? "exact" : "chi-square",
                   m->exact ? "" : show_cell(cell, m->chi2), m->p);
    }
    buf_printf(b, "\n%-22s%10s%10s%10s   %-20s%s\n", "", "A", "B", "A - B", "95 % interval",
               "A not better");
    for (int k = 0; k < r->count; k++) {
        const struct difference *d = &r->d[k];
        const double column[] = { d->first, d->second, d->difference };
        buf_printf(b, "%-22s", r->name[k]);
        for (int i = 0; i < 3; i++)
            buf_printf(b, "%10s", show_cell(cell, column[i]));
        snprintf(range, sizeof range, "[%s, %s]", show_cell(low, d->interval.low),
                 show_cell(high, d->interval.high));
        buf_printf(b, "   %-20s%s\n", range, show_cell(cell, d->not_better));
    }
}

/* The figures that o names, or the usual one, as what[] asks for them; returns how many. */
static int
ask(const struct eval_options *o, const struct measure *m, const char *const **name,
    struct asked *what)
{
    static const char *const usual[] = { "auroc", "rmse" };
    const int count = o->metrics.n ? o->metrics.n : 1;
    *name = o->metrics.n ? o->metrics.v : &usual[m->s->task == SAMPLE_REGRESSION];
    for (int k = 0; k < count; k++) {
        if (measure_ask(m, (*name)[k], strlen((*name)[k]), &what[k]))
            continue;
        struct buf names = { 0 };
        measure_names(m, &names);
        die_usage("option --metric: no figure '%s' here, but %.*s", (*name)[k],
                  (int)names.n, names.p);
    }
    return count;
}

void
paired_run(const struct eval_options *o, const char *const file[2], const struct sample *a,
           const struct sample *b, struct buf *out)
{
    const double threshold = o->threshold >= 0 ? o->threshold : .5;
    struct measure *first = measure_new(a, threshold), *second = measure_new(b, threshold);
    struct asked what[OPT_LIST_MAX];
    struct difference d[OPT_LIST_MAX];
    struct mcnemar m;
    struct result r = { .file = file,
                        .d = d,
                        .n = a->n,
                        .replicates = o->bootstrap > 0 ? o->bootstrap : 1000,
                        .seed = o->seed };
    r.count = ask(o, first, &r.name, what);
    paired_mcnemar(&m, first, second);
    r.m = a->task == SAMPLE_REGRESSION ? NULL : &m;
    paired_bootstrap(d, first, second, what, r.count, r.replicates, (uint64_t)o->seed);
    (o->json ? json : table)(&r, out);
    measure_free(first);
    measure_free(second);
}
