#ifndef EVAL_PICTURE_H
#define EVAL_PICTURE_H
/*
 * picture - the pictures of a sample or a training run by name, and gnuplot to draw them.
 *
 *     struct drawing d;
 *     picture_ask(&d, 2, (char *[]){ "roc", "scores.jsonl" }, "roc.svg", NULL);
 *     ... the sample is read from d.from, for PICTURE_TRAINING the run ...
 *     picture_make(&d, &sample, NULL, .5, &svg);
 */
#include "common/eval/plot.h"
#include "common/eval/sample.h"
enum picture {
    PICTURE_ROC, PICTURE_PR, PICTURE_RELIABILITY, PICTURE_CONFUSION, PICTURE_HIST,
    PICTURE_TRAINING, PICTURES
};
#define PICTURE_NAMES "roc|pr|reliability|confusion|hist|training"
struct drawing { enum picture kind; struct plot plot; const char *from; };
/*
 * What is wanted: word[0..n) are PICTURE_NAMES and the file it is made from ("-" without), path
 * is where it goes.  Its end says how it is drawn: .svg, .png; NULL: text, of the size of the
 * terminal on standard output (COLUMNS and LINES count first; 80 x 24 where nothing says).
 * Anything else: die_usage.  title: in place of the picture's own, or NULL.
 */
void picture_ask(struct drawing *d, int n, char *const *word, const char *path,
                 const char *title);
/*
 * Draws d of the sample, or of the run for PICTURE_TRAINING; a sample without it is die_data.
 * threshold below 0: not given, 0.5.
 */
void picture_make(const struct drawing *d, const struct sample *s, const struct run *run,
                  double threshold, struct buf *out);

/*
 * The script of a picture that is not PICTURE_TRAINING; returns NULL, or why the sample has
 * none (a constant).  threshold: positive from this score on, with two classes.
 */
const char *picture_script(enum picture kind, const struct sample *s, double threshold,
                           const struct plot *p, struct buf *script);
/* Runs gnuplot over a script of plot.h and adds what it drew to out; no gnuplot: die_sys. */
void picture_draw(const struct plot *p, const struct buf *script, struct buf *out);
#endif
