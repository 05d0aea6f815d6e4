#ifndef MBERT_LINE_H
#define MBERT_LINE_H
/*
 * line - one prompt's verdict as a JSON line (clf-head(1) has the format).
 *
 *     struct line l = {0};
 *     why = line_read(&style, &sequences, record, i, &l);   // what travelled with it
 *     line_probabilities(&style, scaled, p);                // scaled: a copy of z
 *     line_write(&style, &l, z, p, &out);
 *     line_free(&l);
 */
#include "formats/config.h"
#include "formats/scaling.h"
#include "formats/sequences.h"
struct line_style {
    enum problem problem;
    int classes, logits;           /* logits: printed too */
    char **name;
    const struct scaling *scaling; /* of logits before they become scores, or NULL */
};
struct line {
    int64_t row;
    int window;              /* -1: none */
    int windows;             /* 0: not told; else how many the verdict is of */
    int truncated;
    struct buf gold, kept;   /* their members, each with a comma in front */
};
/*
 * p[classes] from logits: softmax (single, token), sigmoids (multi), or the values
 * themselves; computed in double.  z is left scaled.
 */
void line_probabilities(const struct line_style *y, double *z, float *p);
/*
 * Fills l for sequence i of r, memory kept; NULL, or what is wrong with its label (labels
 * of tokens are not looked at).  A kept field whose name is one of the line's own is called
 * input_NAME.
 */
const char *line_read(const struct line_style *y, const struct sequences *s,
                      const struct record *r, int64_t i, struct line *l);
/* Appends {"row":..,"window":..,"windows":.. , to which the verdict is added, */
void line_begin(const struct line *l, struct buf *out);
/* and the rest: truncated, kept fields, } and the line's end. */
void line_end(const struct line *l, struct buf *out);
/* Appends the whole line.  z: as printed. */
void line_write(const struct line_style *y, const struct line *l, const double *z,
                const float *p, struct buf *out);
void line_free(struct line *l);
#endif
