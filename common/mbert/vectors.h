#ifndef MBERT_VECTORS_H
#define MBERT_VECTORS_H
/*
 * vectors - the labelled rows of a pooled stream held in memory, once and as floats: what a
 * head is fitted on.
 */
#include "common/mbert/examples.h"
#include "formats/stream.h"
struct vectors {
    struct examples e;   /* name, n, unlabelled, labels, problem, width, highest, names */
    int dim;
    struct buf x;        /* float [n, dim] */
};
/*
 * Reads the stream to its end.  Rows without a label are left out and counted.  Vectors
 * that are not [B,dim] or not finite, labels of mixed kinds or not one a sequence, no
 * labels at all, no rows: die_data.  A number a row has one name, whatever the head says.
 */
void vectors_read(struct vectors *v, struct stream_in *in, int dim);
void vectors_free(struct vectors *v);
float *vectors_row(const struct vectors *v, int64_t i);
/* Rows per class of a problem of one class a row: count [classes]. */
void vectors_count(const struct vectors *v, int64_t *count);
#endif
