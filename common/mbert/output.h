#ifndef MBERT_OUTPUT_H
#define MBERT_OUTPUT_H
/*
 * output - what mbert-fwd writes: a record for each batch, with what travels along.
 *
 *     struct output o = { .in = in, .out = out, .dir = dir, .crew = w };
 *     output_put(&o, feed, result);      // written at once
 *     output_hold(&o, feed, result);     // still being computed: written by
 *     output_flush(&o, later);           // this, which waits for it
 *     output_free(&o);
 *
 * One batch can be held: while a device computes it, the host reads and starts the next.
 * A value that is not finite is die_data naming file, record and row.
 */
#include "common/mbert/crew.h"
#include "common/mbert/feed.h"
struct result {
    const char *name;       /* of the tensor; a constant */
    float *host;            /* [rows, cols] */
    int rows, cols;
    int per_token;          /* rows = T, else B */
    int counted;            /* its examples and tokens count: once a batch */
};
struct held {
    int full;
    struct result result;
    int seqs, tokens;
    char *file;             /* where the batch came from, for messages: a copy */
    long long record;
    const int *cu;
    const int64_t *row;
    struct image image;     /* what travels, kept in bytes */
    struct buf bytes;
};
struct output {
    struct stream_in *in;
    struct stream_out *out;
    const char *dir;        /* the model, for messages */
    int normalize;          /* rows of length 1 */
    struct crew *crew;
    struct image image;     /* zero to begin with */
    struct held held;
};
void output_put(struct output *o, struct feed *d, struct result r);
/* Nothing may be held already. */
void output_hold(struct output *o, struct feed *d, struct result r);
/* Writes what is held, if anything; later: crew_finish's. */
void output_flush(struct output *o, int later);
void output_free(struct output *o);
#endif
