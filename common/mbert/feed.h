#ifndef MBERT_FEED_H
#define MBERT_FEED_H
/*
 * feed - the batches of a tokens or batch stream, checked, and what travels along.
 *
 *     struct feed f = { .in = in, .budget = 8192, .vocab = V, .positions = P, .dir = dir };
 *     while (feed_next(&f)) { ... f.rows, f.seqs, f.cu, f.ids; feed_travel(&f, &image); }
 *     feed_free(&f);
 *
 * A record is cut at sequence borders into batches of at most `budget` tokens (a longer
 * sequence has a batch of its own); a record within the budget is one batch.  Die_data,
 * naming file, record and row: cu_seqlens not from 0 to T and growing (an empty sequence
 * has no vector), ids outside the vocabulary, sequences longer than `positions`.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "formats/stream.h"
struct feed {
    /* set by the caller */
    struct stream_in *in;
    int budget, vocab, positions;
    const char *dir;          /* the model, for messages */
    /* the batch */
    int rows, seqs, longest;  /* T, B, tokens of the longest sequence */
    const int *cu;            /* [B+1] */
    const int *ids;           /* [T] */
    const int64_t *row;       /* [B] input rows, concatenation counted in */
    /* private */
    const struct record *record;
    const int *all;           /* cu_seqlens of the record */
    int first, next, count;   /* sequences: where this batch begins, the next; all */
    int64_t numbered;         /* sequences of records without a `row` tensor so far */
    struct buf cus, cu_part, id, rownumbers, scratch;
};
int feed_next(struct feed *f); /* 1, or 0 at the end of the stream */
/*
 * Adds to b the record's other tensors, cut to the batch: cu_seqlens, row, labels,
 * truncated, window, spans, words, kept fields (`NAME` U8 with `NAME.offsets` I32 [B+1]); not input_ids.
 * They point into the feed: valid until the next feed_next.  May be called for several
 * images.
 */
void feed_travel(struct feed *f, struct image *b);
void feed_free(struct feed *f);
/*
 * The stream's head against a model directory: its vocabulary fits the config's, its
 * tokenizer is DIR/tokenizer.json (when both say).  Else die_data naming both.
 */
struct config;
void feed_check(const struct stream_in *in, const struct config *c, const char *dir);
#endif
