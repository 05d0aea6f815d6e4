#ifndef OPS_QUANTIZE_H
#define OPS_QUANTIZE_H
/*
 * quantize - rows as int8: one scale a row, symmetric.  AVX-512 code, as panel.h.
 */
#include <stdint.h>
#include "common/base/mat.h"

/*
 * n values of type F32, BF16 or F16 to unsigned int8 about 128; the scale, largest magnitude
 * / 127: value = (q - 128) scale, to within scale / 2.  A row of zeros, or of values that are
 * all below 1e-36, has the scale 1.  A row with a NaN or an infinity has the scale NaN:
 * whatever is made of it is not finite either.
 */
float quantize_row(uint8_t *to, const void *src, enum dtype from, int n);
#endif
