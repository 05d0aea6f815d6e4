#ifndef EMU_EXCHANGE_H
#define EMU_EXCHANGE_H
/*
 * exchange - what the lanes of a warp bring to an operation that they do together, and take
 * from it: fragments as PTX lays them out.
 */
#include <stdint.h>
enum { WARP = 32 };
struct exchange {
    uint32_t in[WARP][6], out[WARP][4];
    uintptr_t at[WARP]; /* ldmatrix: where each lane's row lies */
};
/* in: a0..a3, b0, b1; out: the product alone, to be added to the accumulators. */
void exchange_mma(struct exchange *x);
/* in: each lane's row; returns the bank conflicts: rows of a matrix in one group of banks. */
int exchange_ldmatrix(struct exchange *x, bool trans);
void exchange_ballot(struct exchange *x);
#endif
