#ifndef BASE_RNG_H
#define BASE_RNG_H
/*
 * rng - counter-based random numbers: value i of stream `key` is a pure function of
 * (key, i), so order, threads and restarts do not matter.  SplitMix64's finaliser
 * (Steele, Lea, Flood 2014): mix(key + (i + 1) * 0x9E3779B97F4A7C15).
 */
#include <stddef.h>
#include <stdint.h>
uint64_t rng_mix(uint64_t z);
uint64_t rng_key(uint64_t seed, uint64_t a, uint64_t b); /* an independent stream for (seed, a, b) */
uint64_t rng_u64(uint64_t key, uint64_t i);
double rng_unit(uint64_t key, uint64_t i);               /* [0, 1), 53 bits */
double rng_normal(uint64_t key, uint64_t i);             /* N(0, 1), Box-Muller on draws 2i, 2i+1 */
/* N(0,1) truncated to [-cut, cut], cut > 0: draws beyond are drawn again (the distribution of torch's trunc_normal_). */
double rng_truncated(uint64_t key, uint64_t i, double cut);
void rng_permute(uint32_t *p, size_t n, uint64_t key);   /* p = a permutation of 0..n-1 (Fisher-Yates) */
#endif
