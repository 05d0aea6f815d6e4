#ifndef MBERT_WINDOWS_H
#define MBERT_WINDOWS_H
/*
 * windows - the windows of one prompt to one verdict (clf-head --aggregate).
 *
 * Windows come row by row, in their order; a row that was left does not come back.
 *     struct windows w = { .style = &style, .how = WINDOWS_MAX };
 *     if (w.n && row != w.line.row) { ... use w.line, w.z ...; windows_next(&w); }
 *     windows_add(&w, &line, z, margin);
 *     windows_free(&w);
 *
 * WINDOWS_MAX takes, of a single-label model, the window in which the classes after the
 * first have the highest odds together (of equal ones the earliest), of sets and numbers
 * the highest logit of each class; WINDOWS_MEAN the mean of the logits, class by class.
 */
#include "common/mbert/line.h"
enum { WINDOWS_ALL, WINDOWS_MAX, WINDOWS_MEAN };
struct windows {
    const struct line_style *style;
    int how;
    int n;             /* windows so far */
    struct line line;  /* the first one's, but window: the chosen one or -1; windows: n;
                        * truncated: of any */
    double *z;         /* [classes] logits of the verdict so far */
    double margin;     /* private */
};
/* log((p_1 + p_2 + ...) / p_0) of logits z. */
double windows_margin(const double *z, int classes);
/* margin: windows_margin of the logits as calibrated; single-label only. */
void windows_add(struct windows *w, const struct line *l, const float *z, double margin);
void windows_next(struct windows *w);  /* forgets the prompt */
void windows_free(struct windows *w);
#endif
