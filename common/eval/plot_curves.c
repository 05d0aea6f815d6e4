/* ROC and precision-recall curves. */
#include <math.h>
#include <stdio.h>
#include "common/eval/canvas.h"

static const double seen = 2e-3; /* what a picture shows of a rate: a pixel */

/* Rates of step i; -1 is the point before the first. */
static void
rates(const struct curve *c, int64_t i, double *tpr, double *fpr, double *precision)
{
    const double tp = i < 0 ? 0 : (double)c->tp[i], fp = i < 0 ? 0 : (double)c->fp[i];
    *tpr = tp / (double)c->positives;
    *fpr = fp / (double)c->negatives;
    *precision = tp + fp > 0 ? tp / (tp + fp) : 1;
}

/*
 * A point is kept when it, or the next one, is a visible step away from the last that was;
 * so a long step keeps both its ends.  On the logarithmic axis a step of 2.5 % is visible.
 */
static void
roc_points(const struct curve *c, int k, struct buf *b)
{
    double tpr, fpr, skip, last_t = 0, last_f = 0;
    buf_printf(b, "$c%d << EOD\n0 0\n", k);
    for (int64_t i = 0; i < c->steps; i++) {
        double next_t = 1, next_f = 1;
        rates(c, i, &tpr, &fpr, &skip);
        if (i + 1 < c->steps)
            rates(c, i + 1, &next_t, &next_f, &skip);
        if (i + 1 < c->steps && next_t - last_t < seen && next_f - last_f < seen &&
            next_f <= 1.025 * last_f)
            continue;
        buf_printf(b, "%.7g %.7g\n", fpr, tpr);
        last_t = tpr;
        last_f = fpr;
    }
    buf_printf(b, "EOD\n");
}

static void
pr_points(const struct curve *c, int k, struct buf *b)
{
    double tpr, skip, precision, last_t = 0, last_p = -1, next_t, next_p;
    buf_printf(b, "$c%d << EOD\n", k);
    for (int64_t i = 0; i < c->steps; i++) {
        rates(c, i, &tpr, &skip, &precision);
        if (!i)
            buf_printf(b, "0 %.7g\n", precision);
        if (i && i + 1 < c->steps) {
            rates(c, i + 1, &next_t, &skip, &next_p);
            if (next_t - last_t < seen && fabs(precision - last_p) < seen &&
                fabs(next_p - last_p) < seen)
                continue;
        }
        buf_printf(b, "%.7g %.7g\n", tpr, precision);
        last_t = tpr;
        last_p = precision;
    }
    buf_printf(b, "EOD\n");
}

/* The last step whose score is at least the threshold; -1: none, or the threshold is NaN. */
static int64_t
step_at(const struct curve *c, double threshold)
{
    int64_t i = -1;
    while (i + 1 < c->steps && c->score[i + 1] >= threshold)
        i++;
    return i;
}

static void
style(const struct plot *p, int k, struct buf *b)
{
    if (!canvas_text(p))
        buf_printf(b, " lw 2 lc rgb '#%s'%s", canvas_colour[k % CANVAS_COLOURS],
                   k < CANVAS_COLOURS ? "" : " dt 2");
}

/* "plot" and one term a curve, `with` as given; the legend holds each curve's area. */
static void
terms(const struct plot *p, const struct plot_curve *c, int curves, const char *with,
      const char *figure, double (*area)(const struct curve *), struct buf *b)
{
    char text[512];
    for (int k = 0; k < curves; k++) {
        buf_printf(b, "%s$c%d using 1:2 with %s", k ? ", " : "plot ", k, with);
        style(p, k, b);
        if (curves == 1)
            snprintf(text, sizeof text, "%s %.4f", figure, area(&c[k].curve));
        else
            snprintf(text, sizeof text, "%.4f  %.*s", area(&c[k].curve), 400, c[k].name);
        buf_printf(b, " title ");
        canvas_quote(b, text, CANVAS_NAME + 8);
    }
}

static const char *
dashed(const struct plot *p)
{
    return canvas_text(p) ? "dots" : "lines dt 2 lc rgb '#" CANVAS_GREY "'";
}

static void
mark(double x, double y, struct buf *b)
{
    buf_printf(b, "$at << EOD\n%.7g %.7g\nEOD\n", x, y);
}

static void
mark_term(const struct plot *p, double threshold, struct buf *b)
{
    buf_printf(b, ", $at using 1:2 with points %s title 'at threshold %.6g'",
               canvas_text(p) ? "pt 'O'" : "pt 7 ps 1 lc rgb '#D55E00'", threshold);
}

static void
head(const struct plot *p, const struct plot_curve *c, int curves, int of,
     const char *what, const char *figure, struct buf *b)
{
    if (curves == 1)
        canvas_title(p, b, "%s of '%.*s'", what, 100, c->name);
    else if (curves < of)
        canvas_title(p, b, "%s, each class against the rest (%s; the first %d of %d)", what,
                     figure, curves, of);
    else
        canvas_title(p, b, "%s, each class against the rest (%s)", what, figure);
}

/* The second panel: from `least` on, which stands for a rate of 0, too. */
static void
roc_logarithmic(const struct plot *p, int curves, int marked, double least, struct buf *b)
{
    buf_printf(b, "set logscale x\nset xrange [%g:1]\nunset key\n", least);
    buf_printf(b, "set title 'the same, few false positives'\nplot ");
    for (int k = 0; k < curves; k++) {
        buf_printf(b, "$c%d using ($1 > %g ? $1 : %g):2 with lines", k, least, least);
        style(p, k, b);
        buf_printf(b, ", ");
    }
    if (marked)
        buf_printf(b, "$at using ($1 > %g ? $1 : %g):2 with points pt 7 ps 1 lc rgb '#D55E00', ",
                   least, least);
    buf_printf(b, "x with %s\n", dashed(p));
}

void
plot_roc(const struct plot *p, const struct plot_curve *c, int curves, int of,
         double threshold, struct buf *b)
{
    double x = 0, y = 0, skip;
    int64_t most = 10;
    const int marked = curves == 1 && !isnan(threshold);
    canvas_start(p, "roc", 960, 500, b);
    for (int k = 0; k < curves; k++) {
        roc_points(&c[k].curve, k, b);
        most = c[k].curve.negatives > most ? c[k].curve.negatives : most;
    }
    if (marked) {
        rates(&c->curve, step_at(&c->curve, threshold), &y, &x, &skip);
        mark(x, y, b);
    }
    buf_printf(b, "set xlabel 'false positive rate'\nset ylabel 'true positive rate'\n"
                  "set xrange [0:1]\nset yrange [0:1]\nset key bottom right\n");
    if (!canvas_text(p))
        buf_printf(b, "set multiplot layout 1,2\nset size square\n");
    head(p, c, curves, of, "ROC", "AUROC", b);
    terms(p, c, curves, "lines", "AUROC", curve_auroc, b);
    if (marked)
        mark_term(p, threshold, b);
    buf_printf(b, ", x with %s title 'chance'\n", dashed(p));
    if (canvas_text(p))
        return;
    roc_logarithmic(p, curves, marked, pow(10, -ceil(log10((double)most))), b);
    buf_printf(b, "unset multiplot\n");
}

void
plot_pr(const struct plot *p, const struct plot_curve *c, int curves, int of,
        double threshold, struct buf *b)
{
    double x, y, skip;
    const int marked = curves == 1 && step_at(&c->curve, threshold) >= 0;
    canvas_start(p, "pr", 640, 500, b);
    for (int k = 0; k < curves; k++)
        pr_points(&c[k].curve, k, b);
    if (marked) {
        rates(&c->curve, step_at(&c->curve, threshold), &x, &skip, &y);
        mark(x, y, b);
    }
    buf_printf(b, "set xlabel 'recall'\nset ylabel 'precision'\nset xrange [0:1]\n"
                  "set yrange [0:1.02]\nset key bottom left\n");
    head(p, c, curves, of, "precision and recall", "AUPRC", b);
    terms(p, c, curves, "fsteps", "AUPRC", curve_auprc, b);
    if (marked)
        mark_term(p, threshold, b);
    if (curves == 1)
        buf_printf(b, ", %.7g with %s title 'chance'",
                   (double)c->curve.positives / (double)c->curve.n, dashed(p));
    buf_printf(b, "\n");
}
