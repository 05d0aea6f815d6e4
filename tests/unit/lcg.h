#ifndef UNIT_LCG_H
#define UNIT_LCG_H
/* lcg - numbers in [0, 1) that a reference in another language draws as well (Knuth's MMIX). */
#include <stdint.h>
static inline double
lcg(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (double)(*x >> 11) * 0x1p-53;
}
#endif
