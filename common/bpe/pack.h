#ifndef BPE_PACK_H
#define BPE_PACK_H
/*
 * pack - tokens to batches: sequences end to end, no padding, bounded by a token budget.
 *
 * A batch takes the next sequences while it has at most `tokens` tokens and `sequences`
 * sequences; a sequence longer than the budget is a batch of its own.  The order is that of
 * the input, or with `shuffle` a permutation that depends on seed and the number of
 * sequences alone; that takes the whole stream into memory.
 */
#include <stdint.h>
#include "formats/stream.h"

enum { PACK_TOKENS = 8192, PACK_MAX_TOKENS = 1 << 24 };
struct pack_options {
    int tokens;     /* budget, 1..PACK_MAX_TOKENS */
    int sequences;  /* at most so many in a batch; 0: any number */
    int shuffle;
    int64_t seed;
};
/*
 * Writes the batches of `in`, a tokens (or batch) stream, to out.  stream_bad: no input_ids
 * U16 | I32 [T], cu_seqlens or row; a sequence of no tokens; an id that is negative or not
 * below the head's `vocab`; records that differ in their tensors.
 */
void pack_run(const struct pack_options *o, struct stream_in *in, struct stream_out *out);
#endif
