#ifndef MBERT_BATCHES_H
#define MBERT_BATCHES_H
/*
 * batches - examples in an order, cut into micro-batches; for masked language modelling with
 * tokens hidden.
 *
 * Order is a function of (seed, epoch), what is hidden of (seed, epoch, example): neither
 * depends on --tokens, nor on what was run before.
 */
#include "common/mbert/examples.h"

/* BERT's rule (Devlin et al. 2019): of the tokens drawn, 80 % become [MASK], 10 % another
 * token, 10 % stay. */
struct hiding {
    double share;            /* of tokens drawn, special ones never */
    int mask, vocab;         /* id of [MASK]; ids that a token may become are below vocab */
    unsigned char *special;  /* [vocab] 1: never drawn */
};
/* Streams of random numbers of a run, keyed by (seed, stream, epoch or step). */
enum { STREAM_ORDER = 1, STREAM_DROPOUT, STREAM_HIDDEN };
struct batches {
    /* set by the caller */
    const struct examples *e;
    enum problem problem;
    int tokens;              /* most in a micro-batch; a longer example goes alone */
    uint64_t seed;
    const float *weight;     /* of classes (single, token), or NULL: all 1 */
    const struct hiding *hiding; /* PROBLEM_MLM */
    /* the micro-batch */
    struct buf ids, cu, labels; /* int [T], int [B+1], as trainer_add wants them */
    /* private */
    uint32_t *order;         /* NULL: as they came */
    int64_t epoch;           /* of order and hiding; -1: evaluation */
};
void batches_start(struct batches *b, int shuffled); /* epoch is -1 */
void batches_epoch(struct batches *b, int64_t epoch);
/* Gathers examples at..end of the order, as many as fit, at least one; returns how many. */
int batches_gather(struct batches *b, int64_t at, int64_t end);
/*
 * What the losses of the examples at..end are divided by to be a mean: rows, or rows times
 * their width (multi-label, regression), labelled tokens, hidden tokens; where classes have
 * weights the sum of those (torch.nn.CrossEntropyLoss).  0: nothing to learn from.
 */
double batches_total(struct batches *b, int64_t at, int64_t end);
void batches_free(struct batches *b);
/* Reads what may be hidden from the names of the special tokens in e's stream; die_data when
 * there is no [MASK]. */
void hiding_open(struct hiding *h, const struct examples *e, double share);
void hiding_free(struct hiding *h);
#endif
