#ifndef MBERT_CREW_H
#define MBERT_CREW_H
/*
 * crew - a batch through the model at inference, by as many threads as there are.
 *
 * The batch is cut into chunks of whole sequences, small enough that a chunk's activations
 * stay in one core's cache, and each thread takes chunks alone: it meets no barrier.  What
 * is too long for one thread, and batches with fewer chunks than threads, all threads do
 * together, op by op.  A sequence's result has the same bytes either way.
 */
#include "common/mbert/mbert.h"

enum crew_output { CREW_POOLED, CREW_HIDDEN, CREW_LOGITS };
struct crew_job {
    const int *ids, *cu;        /* host: cu[n + 1], cu[0] = 0 */
    int n;                      /* sequences */
    enum crew_output output;
    enum pool_kind pooling;
    int window_off;             /* see mbert_encode */
    hidden_fn *each;            /* NULL, or called with the layers of the whole batch */
    void *arg;
};
struct crew;
/* For m, loaded without MODEL_TRAIN, with as many threads as its context has. */
struct crew *crew_open(struct model *m);
void crew_close(struct crew *w);
/* The output has a row for every token, not for every sequence. */
int crew_by_token(const struct crew *w, const struct crew_job *j);
/* Rows and columns of the output: [n, D], [T, D], or logits [n or T, C]. */
int crew_rows(const struct crew *w, const struct crew_job *j);
int crew_cols(const struct crew *w, const struct crew_job *j);
/* out: host, rows x cols floats. */
void crew_run(struct crew *w, const struct crew_job *j, float *out);
/*
 * The same in two steps, for devices that compute while the host goes on: out, which is
 * host_alloc's, is filled when crew_finish has returned; `later`, 0 or 1, is how many jobs
 * were started since.
 */
void crew_start(struct crew *w, const struct crew_job *j, float *out);
void crew_finish(struct crew *w, int later);
#endif
