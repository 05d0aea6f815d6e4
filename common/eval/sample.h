#ifndef EVAL_SAMPLE_H
#define EVAL_SAMPLE_H
/*
 * sample - labelled scores as arrays: what everything in common/eval measures.  The arrays
 * belong to whoever filled the struct; a field that the rows do not have is NULL.
 */
#include <stdint.h>
enum sample_task { SAMPLE_SINGLE, SAMPLE_MULTI, SAMPLE_REGRESSION };
struct sample {
    enum sample_task task;
    int classes;                /* SAMPLE_REGRESSION: 1 */
    int64_t n;                  /* rows, at least 1 */
    const int *label;           /* [n] 0..classes-1: SAMPLE_SINGLE */
    const unsigned char *truth; /* [n * classes] 0 or 1: SAMPLE_MULTI */
    const double *gold;         /* [n]: SAMPLE_REGRESSION */
    const double *p;            /* [n * classes] probabilities, or the values of a regression;
                                   two classes: p[2 i + 1] is the score */
    const double *z;            /* [n * classes] logits, or NULL */
    char *const *name;          /* [classes], or NULL: classes are called by number */
    const int64_t *row;         /* [n] the rows' numbers in what was scored, or NULL */
    const int *group;           /* [n] 0..groups-1, or NULL */
    int groups;
    char *const *group_name;    /* [groups], sorted by bytes */
};
#endif
