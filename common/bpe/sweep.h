#ifndef BPE_SWEEP_H
#define BPE_SWEEP_H
/*
 * sweep - merging up to SWEEP_MAX bytes rank by rank.
 *
 * Where every product ranks after its parts (pairs.ordered), a merge only makes pairs of
 * higher ranks: so the ranks are gone through once, upwards, each with a list of the places
 * whose pair has it.  No heap, and places are visited from left to right.
 */
#include <stddef.h>
#include <stdint.h>
struct pairs;
enum { SWEEP_MAX = 8192 };
struct sweep;
struct sweep *sweep_new(void);
void sweep_free(struct sweep *w);
/* Writes the symbols of s[0..n), 0 < n <= SWEEP_MAX, to out (room for n); returns how many. */
size_t sweep_merge(struct sweep *w, const struct pairs *p, const unsigned char *s, size_t n,
                   uint16_t *out);
#endif
