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
    const double *z;            /* [n * classes] logits that p is of, or NULL */
    const double *raw;          /* as z, or the logits before a calibration that p is after, or NULL */
    char *const *name;          /* [classes], or NULL: classes are called by number */
    const int64_t *row;         /* [n] the rows' numbers in what was scored, or NULL */
    const int *group;           /* [n] 0..groups-1, or NULL */
    int groups;
    char *const *group_name;    /* [groups], sorted by bytes */
};
/*
 * Fresh logits [n * classes], as temperatures want them: a copy of z when there is one, else of
 * probabilities q clipped to [2^-52, 1 - 2^-52] (0, ln q - ln(1 - q)) for two classes,
 * ln q - ln(1 - q) each for multi-label, ln q each for more.
 */
double *sample_logits(const struct sample *s, const double *z);
/*
 * The cells of a multi-label sample as rows of two classes: row i * classes + k is class k of
 * row i, its truth, p = (1 - p_k, p_k), z and raw (0, z_k).  Free with sample_free.
 */
struct sample sample_cells(const struct sample *s);
/* Rows row[0..n) of s, in that order; free with sample_free.  Groups and row numbers are left out. */
struct sample sample_pick(const struct sample *s, const int64_t *row, int64_t n);
void sample_free(struct sample *s); /* only what the two above have made */
#endif
