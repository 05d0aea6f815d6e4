#include "common/base/half.h"
#include <assert.h>
#include <string.h>

static inline float
float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t
bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

float
half_from_bf16(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t
half_to_bf16(float f)
{
    const uint32_t u = bits_of(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float
half_from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return float_of(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    /* subnormal: fraction / 2^24, exact in a float */
    const float f = (float)fraction * 0x1p-24f;
    return sign ? -f : f;
}

uint16_t
half_to_f16(float f)
{
    const uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) {
        /* below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        const uint32_t m = bits_of(float_of(a) + 0.5f) - bits_of(0.5f);
        return (uint16_t)(sign | m);
    }
    return (uint16_t)(sign | ((a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13));
}

void
half_widen(float *out, const void *in, enum dtype type, size_t n)
{
    const uint16_t *h = in;
    const double *d = in;
    assert(type == F32 || type == BF16 || type == F16 || type == F64);
    if (type == F32)
        memcpy(out, in, n * sizeof *out);
    else if (type == BF16)
        for (size_t i = 0; i < n; i++)
            out[i] = half_from_bf16(h[i]);
    else if (type == F16)
        for (size_t i = 0; i < n; i++)
            out[i] = half_from_f16(h[i]);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)d[i];
}

void
half_narrow(void *out, enum dtype type, const float *in, size_t n)
{
    uint16_t *h = out;
    double *d = out;
    assert(type == F32 || type == BF16 || type == F16 || type == F64);
    if (type == F32)
        memcpy(out, in, n * sizeof *in);
    else if (type == BF16)
        for (size_t i = 0; i < n; i++)
            h[i] = half_to_bf16(in[i]);
    else if (type == F16)
        for (size_t i = 0; i < n; i++)
            h[i] = half_to_f16(in[i]);
    else
        for (size_t i = 0; i < n; i++)
            d[i] = in[i];
}
