#ifndef BASE_HALF_H
#define BASE_HALF_H
/*
 * half - 16-bit floats.  bf16 is the upper half of an IEEE binary32; f16 is binary16.
 * To bf16 and f16: round to nearest, ties to even; NaN stays NaN, overflow becomes infinity.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
float half_from_bf16(uint16_t h);
uint16_t half_to_bf16(float f);
float half_from_f16(uint16_t h);
uint16_t half_to_f16(float f);
/* n elements of type F32, BF16, F16 or F64 to float, and float to one of them. */
void half_widen(float *out, const void *in, enum dtype type, size_t n);
void half_narrow(void *out, enum dtype type, const float *in, size_t n);
#endif
