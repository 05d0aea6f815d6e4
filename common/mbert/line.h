#ifndef MBERT_LINE_H
#define MBERT_LINE_H
/*
 * line - one prompt's verdict as a JSON line (clf-head(1) has the format).
 */
#include "formats/config.h"
#include "formats/sequences.h"
struct line_style { enum problem problem; int classes, logits; char **name; };
/* p[classes] from logits: softmax, sigmoids, or the values themselves; computed in double. */
void line_probabilities(const struct line_style *y, const float *z, float *p);
/*
 * Appends the line of sequence i of r; NULL, or what is wrong with its label.  A kept field whose
 * name is one of the line's own is called input_NAME.
 */
const char *line_put(const struct line_style *y, const struct sequences *s, const struct record *r, int64_t i,
                     const float *z, const float *p, struct buf *out);
#endif
