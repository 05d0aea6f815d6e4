#ifndef FORMATS_SCORES_H
#define FORMATS_SCORES_H
/*
 * scores - the lines that metrics reads, as arrays.  Two forms, fixed by the first line:
 *   (a) {"scores":{"safe":p,"unsafe":q},"gold":"unsafe",...}   what clf-head prints; the classes
 *       are the keys of the first line in order; lines without gold are left out and counted
 *   (b) {"label":k,"score":P(1)} or {"label":k,"logits":[...]}
 * Two logits are scored as binary with p = softmax(z)[1].  Anything wrong, mixed forms and no
 * rows: die_data naming FILE:LINE.
 */
#include <stdint.h>
struct scores {
    int classes;
    int64_t n, unlabelled;
    int *label;       /* [n] 0..classes-1 */
    double *p;        /* [n * classes] probabilities; binary: p[2 i + 1] is the score */
    double *z;        /* [n * classes] logits, or NULL: form (b) with logits */
    char **name;      /* [classes], or NULL: form (b) */
};
void scores_read(struct scores *s, const char *path);
/* Makes `name` (NULL: leave as it is) class 1 of two, every other class together class 0. */
void scores_positive(struct scores *s, const char *name);
void scores_free(struct scores *s);
#endif
