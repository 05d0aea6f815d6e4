#ifndef FORMATS_SCORES_H
#define FORMATS_SCORES_H
/*
 * scores - the lines that metrics reads, as arrays.  The first line fixes the form:
 *   (a) {"scores":{"safe":p,"unsafe":q},"gold":"unsafe",...}   what clf-head prints; the classes
 *       are the keys of the first line in order, and "logits":[...] beside them, in that order,
 *       is read when the first labelled line has it.  gold a list: multi-label
 *   (b) {"label":k,"score":P(1)} or {"label":k,"logits":[...]}
 *   (c) {"value":x,"gold":y}   regression, as clf-head prints it
 * Lines of (a) and (c) without gold are left out and counted.  Two logits of (b) are scored as
 * binary with p = softmax(z)[1].  Anything wrong, mixed forms and no rows: die_data naming
 * FILE:LINE.
 */
#include <stddef.h>
#include <stdint.h>
enum scores_task { SCORES_SINGLE, SCORES_MULTI, SCORES_REGRESSION };
struct scores {
    enum scores_task task;
    char *path;           /* for messages */
    int classes;          /* regression: 1 */
    int64_t n, unlabelled;
    int *label;           /* [n] 0..classes-1: single-label */
    unsigned char *truth; /* [n * classes] 0 or 1: multi-label */
    double *gold;         /* [n]: regression */
    double *p;            /* [n * classes] probabilities; binary: p[2 i + 1] is the score;
                             regression: values */
    double *z;            /* [n * classes] logits, or NULL */
    int calibrated;       /* p is not what z gives: a calibration came between */
    char **name;          /* [classes], or NULL: forms (b) and (c) */
    int64_t *line;        /* [n] numbers of the lines in the file, from 1 */
    int64_t *row;         /* [n] the field row, or NULL: a line has none */
    int *group;           /* [n] 0..groups-1, or NULL: nothing was asked for */
    int groups;
    char **group_name;    /* [groups], sorted by bytes */
};
/*
 * by: the field whose values group the rows, or NULL.  A string is itself, a number or a truth
 * value its JSON text, a line without it "(none)".
 */
void scores_read(struct scores *s, const char *path, const char *by);
/* Makes `name` (NULL: leave as it is) class 1 of two, every other class together class 0. */
void scores_positive(struct scores *s, const char *name);
/* The same task and classes in the same order: else die_data naming both files. */
void scores_alike(const struct scores *a, const struct scores *b);
/*
 * The same rows in the same order, with the same truth and, where both have them, the same
 * row numbers: else die_data naming the line of b.
 */
void scores_pair(const struct scores *a, const struct scores *b);
void scores_free(struct scores *s);

/* Of reading: text [n], each ended by NUL, one a row, sorted into groups. */
void scores_group(struct scores *s, const char *text);
int scores_class(const struct scores *s, const char *name, size_t n); /* -1: none is called so */
#endif
