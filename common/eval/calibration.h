#ifndef EVAL_CALIBRATION_H
#define EVAL_CALIBRATION_H
/*
 * calibration - expected calibration error: sum over bins of n_b/n |mean confidence - mean
 * outcome|.
 *
 * Equal mass: rows sorted by confidence, with B' = min(15, n) bin b holds positions
 * floor(b n/B') .. floor((b+1) n/B') - 1; rows of equal confidence carry the mean outcome of
 * their tie group, so that the order of the rows does not matter.  Equal width: bin =
 * min(floor(15 confidence), 14); empty bins count nothing.
 *
 * The ranking's score is the confidence, its truth the outcome; w as in ranking.h, n is then
 * the sum of the weights.  Both fill bin[CALIBRATION_BINS], return the error (NaN: no rows);
 * mass sets *bins to B'.
 */
#include "common/eval/ranking.h"
enum { CALIBRATION_BINS = 15 };
struct bin { int64_t n; double conf, hit; }; /* n 0: conf and hit NaN */
double calibration_mass(const struct ranked *r, int64_t n, const uint32_t *w, struct bin *bin, int *bins);
double calibration_width(const struct ranked *r, int64_t n, const uint32_t *w, struct bin *bin);
#endif
