#ifndef EVAL_PLOT_H
#define EVAL_PLOT_H
/*
 * plot - pictures as gnuplot scripts: arrays in, text out, the data inside.  Nothing is run
 * here; picture_draw (picture.h) does that.
 *
 * Every function adds a whole script to `script`, for `gnuplot -d -`, which then writes the
 * picture to its standard output.  The script depends on the arguments alone.  Names and
 * titles may be any bytes: they are quoted, shortened, and nothing in them is markup.
 * Curves of many rows are thinned to what a picture can show.
 */
#include "common/base/mem.h"
#include "common/base/series.h"
#include "common/eval/calibration.h"
#include "common/eval/counts.h"
#include "common/eval/curves.h"

enum plot_form {
    PLOT_TEXT,   /* characters, columns x lines */
    PLOT_SVG,    /* on white */
    PLOT_PNG,    /* on white */
    PLOT_INLINE  /* SVG without a background, for a page that has one */
};
struct plot {
    enum plot_form form;
    int columns, lines; /* PLOT_TEXT */
    const char *title;  /* in place of the picture's own; NULL: that */
};

/* A curve of one class against the rest; it has positives and negatives.  name: of the class. */
struct plot_curve { const char *name; struct curve curve; };
enum { PLOT_CURVES = 10 }; /* more are no picture */
/*
 * TPR over FPR, beside it (not as text) the same over a logarithmic FPR.  c [curves], at most
 * PLOT_CURVES, are the first of `of`.  With one curve and a threshold that is not NaN, the
 * point there is marked.
 */
void plot_roc(const struct plot *p, const struct plot_curve *c, int curves, int of,
              double threshold, struct buf *script);
/* Precision over recall, in steps, as average precision sums it; of one curve by chance, too. */
void plot_pr(const struct plot *p, const struct plot_curve *c, int curves, int of,
             double threshold, struct buf *script);

/*
 * The share of hits over the mean confidence of each bin that is not empty, with Wilson 95 %
 * intervals; under it (not as text) the rows of each bin, bins being of equal width.
 * what: the confidence's name on the axis.  ece: for the title.
 */
void plot_reliability(const struct plot *p, const struct bin *bin, int bins,
                      const char *what, double ece, struct buf *script);
/* Counts and shares of each true class, at most PLOT_CLASSES; name [classes], or NULL: by number. */
enum { PLOT_CLASSES = 200 };
void plot_confusion(const struct plot *p, const struct counts *c, char *const *name,
                    struct buf *script);

/* Scores 0..1 of one group of rows. */
struct plot_group { const char *name; const double *score; int64_t n; };
/* Rows, on a logarithmic axis, over score; two groups at most; threshold NaN: none. */
void plot_hist(const struct plot *p, const struct plot_group *g, int groups,
               const char *what, double threshold, struct buf *script);

/*
 * Losses, evaluation figures, learning rate and gradient norm over steps, a panel each; as text
 * as many of them as the lines have room for.  Of the figures those that fit one panel: the
 * first 8 whose values lie in -1..1, the loss being beside the other.  r has a loss.
 */
void plot_training(const struct plot *p, const struct run *r, struct buf *script);
#endif
