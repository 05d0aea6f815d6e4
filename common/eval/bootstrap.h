#ifndef EVAL_BOOTSTRAP_H
#define EVAL_BOOTSTRAP_H
/*
 * bootstrap - rows drawn again with replacement.  Draw i of replicate r is row
 * floor(u n / 2^64), u output r n + i of SplitMix64 started at seed (rng.h): the same rows for
 * the same seed, whatever is measured.
 */
#include "common/eval/interval.h"
#include "common/eval/measure.h"
/* w [n]: how often each row is drawn. */
void bootstrap_draw(uint32_t *w, int64_t n, uint64_t seed, int64_t replicate);
/*
 * Percentile intervals of what[count] over the replicates; those in which a figure is undefined
 * are left out.  Afterwards m is measured as it was, without measure_fit.
 */
void bootstrap_intervals(struct measure *m, const struct asked *what, int count, int64_t replicates,
                         uint64_t seed, struct interval *out);
#endif
