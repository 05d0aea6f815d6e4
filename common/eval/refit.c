#include "common/eval/refit.h"
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "common/eval/temper.h"
#include "common/eval/quality.h"
#include "common/eval/show.h"

static void
temperature(struct refit *r, const struct sample *s, const double *z)
{
    struct temper f;
    temper_fit(&f, z, s->label, s->n, s->classes);
    if (isnan(f.temperature))
        die_data("the logits of every row are equal: no temperature does better than "
                 "another");
    if (f.at_bound)
        warn("temperature %g is the end of what is searched", f.temperature);
    r->a = f.temperature;
    r->b = 0;
}

static void
platt(struct refit *r, const struct sample *s, const double *z)
{
    double *score = mem_array((size_t)s->n, sizeof *score);
    unsigned char *truth = mem_array((size_t)s->n, 1);
    int64_t positives = 0;
    for (int64_t i = 0; i < s->n; i++) {
        score[i] = z[2 * i + 1] - z[2 * i];
        positives += truth[i] = s->label[i] == 1;
    }
    if (!positives || positives == s->n)
        die_data("Platt scaling needs rows of both classes");
    temper_platt(&r->a, &r->b, score, truth, s->n);
    if (!(r->a > 0))
        die_data("Platt scaling would turn the order of the scores round (a = %.6g)", r->a);
    mem_free(score);
    mem_free(truth);
}

/* The logits z [n * classes] scaled in place, and p [n * classes] of them. */
static void
scale(const struct refit *r, double *z, double *p, int64_t n, int classes)
{
    for (int64_t i = 0; i < n; i++, z += classes, p += classes) {
        double high, sum = 0;
        if (r->method == REFIT_PLATT) {
            z[1] = r->a * (z[1] - z[0]) + r->b;
            z[0] = 0;
        }
        for (int k = 0; k < classes && r->method == REFIT_TEMPERATURE; k++)
            z[k] /= r->a;
        high = z[0];
        for (int k = 1; k < classes; k++)
            high = fmax(high, z[k]);
        for (int k = 0; k < classes; k++)
            sum += p[k] = exp(z[k] - high);
        for (int k = 0; k < classes; k++)
            p[k] /= sum;
    }
}

static void
figures(double to[4], const struct sample *s, const double *p, const double *z)
{
    struct quality q;
    quality_measure(&q, s->label, p, z, s->n, s->classes, .5);
    const int two = s->classes == 2;
    to[0] = two ? q.ece_mass : q.ece_top_mass;
    to[1] = two ? q.ece_width : q.ece_top_width;
    to[2] = q.brier;
    to[3] = q.nll;
    quality_free(&q);
}

static void
report(const struct refit *r, int64_t n, const double d[2][4], int json, struct buf *b)
{
    static const char *const name[] = { "ece_mass", "ece_width", "brier", "nll" };
    static const char *const shown[] = { "ECE (15 equal mass)", "ECE (15 equal width)",
                                         "Brier", "NLL" };
    char cell[SHOW_CELL];
    const int two = r->method == REFIT_PLATT;
    if (!json) {
        buf_printf(b, two ? "Platt a %.9g, b %.9g\n" : "temperature %.9g\n", r->a, r->b);
        buf_printf(b, "%-22s%10s%10s\n", "", "before", "after");
        for (int i = 0; i < 4; i++) {
            buf_printf(b, "%-22s%10s", shown[i], show_cell(cell, d[0][i]));
            buf_printf(b, "%10s\n", show_cell(cell, d[1][i]));
        }
        return;
    }
    buf_printf(b, "{\"n\":%lld,\"method\":\"%s\"", (long long)n,
               two ? "platt" : "temperature");
    show_field(b, two ? "a" : "temperature", r->a);
    if (two)
        show_field(b, "b", r->b);
    for (int k = 0; k < 2; k++) {
        buf_printf(b, ",\"%s\":{", k ? "after" : "before");
        for (int i = 0; i < 4; i++) {
            buf_printf(b, "%s\"%s\":", i ? "," : "", name[i]);
            show_number(b, d[k][i]);
        }
        buf_printf(b, "}");
    }
    buf_printf(b, "}\n");
}

void
refit_run(struct refit *r, const struct sample *s, int json, struct buf *out)
{
    struct sample cells = { 0 };
    double d[2][4];
    if (s->task == SAMPLE_REGRESSION)
        die_usage("calibrate needs scores of classes, not values");
    if (r->method == REFIT_PLATT && (s->task != SAMPLE_SINGLE || s->classes != 2))
        die_usage("option --method: Platt scaling needs two classes");
    const int64_t n = s->n;
    if (s->task == SAMPLE_MULTI) {
        cells = sample_cells(s);
        s = &cells;
    }
    double *z = sample_logits(s, s->raw);
    double *p = mem_array(mem_mul((size_t)s->n, (size_t)s->classes), sizeof *p);
    (r->method == REFIT_PLATT ? platt : temperature)(r, s, z);
    figures(d[0], s, s->p, s->z);
    scale(r, z, p, s->n, s->classes);
    figures(d[1], s, p, z);
    report(r, n, (const double (*)[4])d, json, out);
    mem_free(z);
    mem_free(p);
    sample_free(&cells);
}
