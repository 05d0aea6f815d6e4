/* Reliability, confusion, histograms: pictures that count rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include "common/eval/canvas.h"
#include "common/eval/interval.h"

/* ---- reliability --------------------------------------------------------------------- */
static void
axis(const char *what, struct buf *b)
{
    buf_printf(b, "set xlabel ");
    canvas_quote(b, what, 60);
    buf_printf(b, "\n");
}

void
plot_reliability(const struct plot *p, const struct bin *bin, int bins, const char *what,
                 double ece, struct buf *b)
{
    canvas_start(p, "reliability", 640, 600, b);
    buf_printf(b, "$bin << EOD\n");
    for (int i = 0; i < bins; i++)
        if (bin[i].n) {
            const struct interval w =
                interval_wilson(bin[i].hit * (double)bin[i].n, (double)bin[i].n);
            buf_printf(b, "%.7g %.7g %.7g %.7g %.7g %" PRId64 "\n", bin[i].conf, bin[i].hit,
                       w.low, w.high, (i + .5) / bins, bin[i].n);
        }
    buf_printf(b, "EOD\nset ylabel 'share of hits'\nset xrange [0:1]\nset yrange "
                  "[0:1]\nset key top left\n");
    canvas_title(p, b, "reliability (ECE %.4f)", ece);
    if (canvas_text(p)) {
        axis(what, b);
        buf_printf(b, "plot x with dots title 'perfect', $bin using 1:2 with points pt 'O' "
                      "title 'bins'\n");
        return;
    }
    buf_printf(b,
               "set multiplot\nset lmargin at screen 0.15\nset rmargin at screen 0.96\n"
               "set tmargin at screen 0.93\nset bmargin at screen 0.34\nset format x ''\n"
               "plot x with lines dt 2 lc rgb '#" CANVAS_GREY "' title 'perfect', "
               "$bin using 1:2 with lines lw 1 lc rgb '#0072B2' notitle, "
               "$bin using 1:2:3:4 with yerrorbars pt 7 ps 0.7 lw 1.5 lc rgb '#0072B2' "
               "title '%d bins, 95 %% intervals'\n",
               bins);
    axis(what, b);
    buf_printf(b, "unset title\nset ylabel 'rows'\nunset key\nset format x '%%g'\n"
                  "set tmargin at screen 0.30\nset bmargin at screen 0.11\n"
                  "set logscale y\nset yrange [0.5:*]\nset boxwidth %.7g\n", .9 / bins);
    buf_printf(b, "plot $bin using 5:6 with boxes fs solid 0.6 noborder lc rgb "
                  "'#0072B2'\nunset multiplot\n");
}

/* ---- confusion ----------------------------------------------------------------------- */
enum { NUMBERS = 12, PERCENT = 6 }; /* classes up to which the cells of a picture hold them */

static double
share(const struct counts *c, int i, int j)
{
    const int64_t rows = counts_support(c, i);
    return rows ? (double)c->cell[i * c->classes + j] / (double)rows : 0;
}

/* From white to blue: a share of 0..1 as 0xRRGGBB. */
static unsigned
shade(double s)
{
    static const double to[] = { 0x00, 0x72, 0xB2 };
    unsigned rgb = 0;
    for (int i = 0; i < 3; i++)
        rgb = rgb << 8 | (unsigned)lround(255 + s * (to[i] - 255));
    return rgb;
}

static void
ticks(const struct counts *c, char *const *name, char which, int most, int every,
      struct buf *b)
{
    char text[16];
    buf_printf(b, "set %ctics (", which);
    for (int k = 0; k < c->classes; k += every) {
        struct buf quoted = { 0 };
        canvas_quote(&quoted, canvas_name(name, k, text), most);
        buf_add(b, ", ", k ? 2 : 0);
        for (size_t i = 0; i < quoted.n; i++) /* gnuplot reads a tick's label as a format */
            buf_add(b, quoted.p[i] == '%' ? "%%" : quoted.p + i,
                    quoted.p[i] == '%' ? 2 : 1);
        buf_printf(b, " %d", k);
        mem_free(quoted.p);
    }
    buf_printf(b, ")\n");
}

static void
numbers(const struct plot *p, const struct counts *c, struct buf *b)
{
    const int n = c->classes, percent = n <= PERCENT && !canvas_text(p);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const char *ink = canvas_text(p)        ? ""
                              : share(c, i, j) > .5 ? " tc rgb '#ffffff'"
                                                    : " tc rgb '#000001'";
            buf_printf(b, "set label '%" PRId64 "' at %d,%d center front%s%s\n",
                       c->cell[i * n + j], j, i, percent ? " offset 0,0.4" : "", ink);
            if (percent && counts_support(c, i))
                buf_printf(b, "set label '%.1f %%' at %d,%d center front offset 0,-0.7%s\n",
                           100 * share(c, i, j), j, i, ink);
        }
}

/* As characters: numbers where they fit, else a darker letter for a larger share. */
static void
confusion_text(const struct plot *p, const struct counts *c, char *const *name,
               struct buf *b)
{
    static const char ink[] = { '.', '+', 'X', '#' };
    struct plot own = *p;
    const int n = c->classes, digits = snprintf(NULL, 0, "%" PRId64, c->n);
    const int room = (p->columns - 16) / n, fits = room > digits;
    own.lines = n + 7 > p->lines ? n + 7 : p->lines;
    canvas_start(&own, "confusion", 0, 0, b);
    canvas_title(p, b, fits ? "rows" : "share of each true class: . <5 %%  + <20 %%  X <50 %%  #");
    ticks(c, name, 'x', room > 3 ? room - 2 : 2, room > 3 ? 1 : 5, b);
    ticks(c, name, 'y', 9, 1, b);
    if (fits)
        numbers(p, c, b);
    for (int k = 0; k < 4 && !fits; k++) {
        static const double from[] = { 0, .05, .2, .5, 2 };
        buf_printf(b, "$c%d << EOD\n-9 -9\n", k);
        for (int i = 0; i < n * n; i++)
            if (c->cell[i] && share(c, i / n, i % n) >= from[k] &&
                share(c, i / n, i % n) < from[k + 1])
                buf_printf(b, "%d %d\n", i % n, i / n);
        buf_printf(b, "EOD\n");
    }
    buf_printf(b,
               "unset key\nset xlabel 'predicted'\nset ylabel 'truth'\nset xrange "
               "[-0.5:%d.5]\nset yrange [%d.5:-0.5]\n",
               n - 1, n - 1);
    if (fits)
        buf_printf(b, "plot -9\n");
    for (int k = 0; k < 4 && !fits; k++)
        buf_printf(b, "%s$c%d using 1:2 with points pt '%c'%s", k ? ", " : "plot ", k,
                   ink[k], k == 3 ? "\n" : "");
}

void
plot_confusion(const struct plot *p, const struct counts *c, char *const *name,
               struct buf *b)
{
    const int n = c->classes, most = n <= NUMBERS ? 18 : 12, every = (n + 39) / 40;
    if (canvas_text(p)) {
        confusion_text(p, c, name, b);
        return;
    }
    canvas_start(p, "confusion", n <= PERCENT ? 600 : 760, n <= PERCENT ? 480 : 680, b);
    canvas_title(p, b,
                 n <= NUMBERS ? "rows, and share of each true class"
                              : "share of each true class");
    ticks(c, name, 'x', most, every, b);
    ticks(c, name, 'y', most, every, b);
    if (n <= NUMBERS)
        numbers(p, c, b);
    buf_printf(b, "$cell << EOD\n");
    for (int i = 0; i < n * n; i++)
        buf_printf(b, "%d %d %u\n", i % n, i / n, shade(share(c, i / n, i % n)));
    buf_printf(b, "EOD\nunset grid\nunset key\nset border 0\nset tics scale 0\nset xlabel "
                  "'predicted'\nset ylabel 'truth'\n");
    buf_printf(b, "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\n", n - 1, n - 1);
    if (n > 4)
        buf_printf(b, "set xtics rotate by -35\n");
    buf_printf(b, "plot $cell using 1:2:(0.49):(0.49):3 with boxxyerror fs solid noborder "
                  "lc rgb variable\n");
}

/* ---- histograms ---------------------------------------------------------------------- */
void
plot_hist(const struct plot *p, const struct plot_group *g, int groups, const char *what,
          double threshold, struct buf *b)
{
    enum { BINS = 40 };
    const int bins = canvas_text(p) ? 20 : BINS;
    canvas_start(p, "hist", 640, 440, b);
    for (int k = 0; k < groups; k++) {
        int64_t rows[BINS] = { 0 };
        for (int64_t i = 0; i < g[k].n; i++) {
            const int at = (int)(g[k].score[i] * bins);
            rows[at < bins ? at : bins - 1]++;
        }
        buf_printf(b, "$g%d << EOD\n", k);
        for (int i = 0; i < bins; i++)
            buf_printf(b, "%.7g %" PRId64 "\n", (i + .5) / bins, rows[i]);
        buf_printf(b, "EOD\n");
    }
    axis(what, b);
    buf_printf(b,
               "set ylabel 'rows'\nset xrange [0:1]\nset logscale y\nset yrange "
               "[0.5:*]\nset boxwidth %.7g\n",
               .96 / bins);
    buf_printf(b, canvas_text(p) ? "set key top center\n"
                                 : "set key above center\n"); /* bars may reach the top */
    if (p->title)
        canvas_title(p, b, "%s", p->title);
    if (!isnan(threshold) && !canvas_text(p))
        buf_printf(b,
                   "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead dt 2 lw 1.5 lc "
                   "rgb '#" CANVAS_GREY "' front\n",
                   threshold, threshold);
    for (int k = 0; k < groups; k++) {
        buf_printf(b, "%s$g%d using 1:2 with ", k ? ", " : "plot ", k);
        if (canvas_text(p))
            buf_printf(b, "%s", k ? "points pt 'O'" : "impulses");
        else
            buf_printf(b, "boxes fs transparent solid 0.45 noborder lc rgb '#%s'",
                       canvas_colour[k % CANVAS_COLOURS]);
        buf_printf(b, " title ");
        canvas_quote(b, g[k].name, CANVAS_NAME);
    }
    buf_printf(b, "\n");
}
