#ifndef FORMATS_SPLIT_H
#define FORMATS_SPLIT_H
/*
 * split - a held-out part, chosen by hash.
 *
 * Of n examples the k with the lowest hash of (seed, row) go to TEST, the rest to TRAIN, each
 * in the order of the input; k = ceil(share * n) for a share in (0, 1), else the share
 * itself.  row is the stream's, or the number of the line from 0, so that splitting text and
 * splitting its tokens put the same rows on the same side.
 *     JSONL   lines are copied byte for byte; blank lines are no examples and are dropped
 *     stream  (any kind but hidden) heads get `shard`, rows keep their numbers
 * Both outputs appear together, at the end.
 */
#include <stdint.h>
struct split_options { double share; int64_t seed; int force; /* write over files that are there */ };
/* die_usage: outputs that exist (without force) or are the input; die_data: k = 0 or k >= n. */
void split_run(const struct split_options *o, const char *in, const char *train, const char *test, const char *tool);
#endif
