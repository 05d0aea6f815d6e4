/* What a training run logged. */
#include <math.h>
#include <string.h>
#include "common/eval/canvas.h"

enum {
    POINTS = 1000, /* of a curve; more are averaged */
    FIGURES = 8,   /* of evaluation */
    LINES = 11     /* of a panel of characters, at least */
};

static int
there(const struct series *s)
{
    return s && s->n;
}

/* A block of data; series of more than POINTS are means of equal parts. */
static void
block(const struct series *s, const char *name, int k, struct buf *b)
{
    const int64_t n = s->n < POINTS ? s->n : POINTS;
    buf_printf(b, "$%s%d << EOD\n", name, k);
    for (int64_t i = 0; i < n; i++) {
        const int64_t from = i * s->n / n, to = (i + 1) * s->n / n;
        double x = 0, y = 0;
        for (int64_t j = from; j < to; j++) {
            x += s->x[j] / (double)(to - from);
            y += s->y[j] / (double)(to - from);
        }
        buf_printf(b, "%.9g %.9g\n", x, y);
    }
    buf_printf(b, "EOD\n");
}

/* A line of a point or two is hardly seen. */
static int
few(const struct series *s)
{
    return s->n < 20;
}

static void
term(const struct plot *p, const char *name, int k, int points, int colour,
     const char *title, struct buf *b)
{
    static const char letters[] = "OX#+@%&=";
    buf_printf(b, "$%s%d using 1:2 with ", name, k);
    if (canvas_text(p) && points)
        buf_printf(b, "points pt '%c'", letters[colour % 8]);
    else if (canvas_text(p))
        buf_printf(b, "lines");
    else
        buf_printf(b, "%s lw 2 lc rgb '#%s'", points ? "linespoints pt 7 ps 0.6" : "lines",
                   canvas_colour[colour % CANVAS_COLOURS]);
    buf_printf(b, " title ");
    canvas_quote(b, title, CANVAS_NAME);
}

/*
 * Characters: gnuplot would set more tick marks than a low panel has lines, so some four of
 * a round distance between the lowest and the highest of n series.
 */
static void
ticks(const struct plot *p, const struct series *const *s, int n, struct buf *b)
{
    double low = INFINITY, high = -INFINITY;
    if (!canvas_text(p))
        return;
    for (int k = 0; k < n; k++)
        for (int64_t i = 0; s[k] && i < s[k]->n; i++) {
            low = fmin(low, s[k]->y[i]);
            high = fmax(high, s[k]->y[i]);
        }
    const double range = high > low ? high - low : fmax(fabs(high), 1e-9),
                 unit = pow(10, floor(log10(range / 4)));
    const double step = range / 4 / unit; /* 1 to 10 */
    buf_printf(b, "set ytics %g\n", unit * (step <= 2 ? 2 : step <= 5 ? 5 : 10));
}

/* The evaluation figures that go into one panel: those from -1 to 1, the loss apart. */
static int
figures(const struct run *r, const struct series *shown[FIGURES])
{
    int n = 0;
    for (int i = 0; i < r->evals && n < FIGURES; i++) {
        const struct series *s = &r->eval[i];
        int fits = there(s) && strcmp(s->name, "loss") != 0;
        for (int64_t j = 0; fits && j < s->n; j++)
            fits = fabs(s->y[j]) <= 1;
        if (fits)
            shown[n++] = s;
    }
    return n;
}

static void
losses(const struct plot *p, const struct run *r, struct buf *b)
{
    ticks(p, (const struct series *const[]){ &r->loss, run_eval(r, "loss") }, 2, b);
    buf_printf(b, "set ylabel 'loss'\nset key top right\nplot ");
    term(p, "loss", 0, few(&r->loss), 0, "training", b);
    if (there(run_eval(r, "loss"))) {
        buf_printf(b, ", ");
        term(p, "loss", 1, 1, 1, "evaluation", b);
    }
    buf_printf(b, "\n");
}

static void
evaluation(const struct plot *p, const struct series *const *shown, int n, struct buf *b)
{
    ticks(p, shown, n, b);
    buf_printf(b, "set ylabel 'evaluation'\nset key bottom right\n");
    for (int k = 0; k < n; k++) {
        buf_printf(b, "%s", k ? ", " : "plot ");
        term(p, "eval", k, 1, k, shown[k]->name, b);
    }
    buf_printf(b, "\n");
}

static void
alone(const struct plot *p, const struct series *s, const char *name, const char *axis,
      struct buf *b)
{
    ticks(p, &s, 1, b);
    buf_printf(b, "set ylabel '%s'\nunset key\nplot ", axis);
    term(p, name, 0, few(s), 0, axis, b);
    buf_printf(b, "\n");
}

static void
blocks(const struct run *r, const struct series *const *shown, int n, struct buf *b)
{
    block(&r->loss, "loss", 0, b);
    if (there(run_eval(r, "loss")))
        block(run_eval(r, "loss"), "loss", 1, b);
    for (int k = 0; k < n; k++)
        block(shown[k], "eval", k, b);
    if (there(&r->lr))
        block(&r->lr, "lr", 0, b);
    if (there(&r->grad_norm))
        block(&r->grad_norm, "norm", 0, b);
}

/* The last step of all panels, at least 1. */
static double
last(const struct run *r)
{
    double x = fmax(1, r->loss.x[r->loss.n - 1]);
    for (int i = 0; i < r->evals; i++)
        if (there(&r->eval[i]))
            x = fmax(x, r->eval[i].x[r->eval[i].n - 1]);
    return x;
}

void
plot_training(const struct plot *p, const struct run *r, struct buf *b)
{
    const struct series *shown[FIGURES];
    const int evals = figures(r, shown), text = canvas_text(p);
    int panels = 1 + (evals > 0) + there(&r->lr) + there(&r->grad_norm), left;
    if (text && panels > p->lines / LINES)
        panels = p->lines / LINES > 0 ? p->lines / LINES : 1;
    const int columns = text || panels == 1 ? 1 : 2,
              rows = (panels + columns - 1) / columns;
    canvas_start(p, "training", columns == 1 ? 640 : 960, 320 * rows + 40, b);
    blocks(r, shown, evals, b);
    buf_printf(b, "set multiplot layout %d,%d%s", rows, columns, p->title ? " title " : "");
    if (p->title)
        canvas_quote(b, p->title, text ? p->columns - 4 : 90);
    left = panels - 1;
    buf_printf(b, "\nset xrange [0:%.9g]\n%s", last(r) * (text ? 1.02 : 1), /* not on the border */
               text && left ? "" : "set xlabel 'step'\n");
    losses(p, r, b);
    if (evals && left-- > 0) {
        buf_printf(b, "%s", left ? "" : "set xlabel 'step'\n");
        evaluation(p, shown, evals, b);
    }
    if (there(&r->lr) && left-- > 0) {
        buf_printf(b, "%s", left ? "" : "set xlabel 'step'\n");
        alone(p, &r->lr, "lr", "learning rate", b);
    }
    if (there(&r->grad_norm) && left-- > 0) {
        buf_printf(b, "set xlabel 'step'\n");
        alone(p, &r->grad_norm, "norm", "gradient norm", b);
    }
    buf_printf(b, "unset multiplot\n");
}
