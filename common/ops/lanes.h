#ifndef OPS_LANES_H
#define OPS_LANES_H
/*
 * lanes - elementwise mathematics that gcc turns into vector code, and the attribute for
 * the functions that hold such loops: each is compiled for three instruction sets, and the
 * loader picks by CPU feature.  Sums name their lanes, so that they have one order whatever
 * the vector width.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ &&                        \
    !defined __SANITIZE_ADDRESS__
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/*
 * e^x within 2 ulp; 0 below -87.3 (no subnormals), infinity above 88.7, NaN stays.
 * x = k ln 2 + r, ln 2 in two parts (Cody and Waite 1980), the polynomial of Cephes' expf.
 */
INLINE float
lane_exp(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float a = x < -88.0f ? -88.0f : x;
    a = a > 89.0f ? 89.0f : a;
    float k = a * 1.44269504088896341f + shift;
    uint32_t bits;
    memcpy(&bits, &k, 4);
    k -= shift;
    const float r = (a - k * 0.693359375f) - k * -2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    /* 2^k in two factors: k reaches 128 */
    const uint32_t n = bits - 0x4b400000u;
    const uint32_t half = (uint32_t)((int32_t)n >> 1);
    const uint32_t b1 = (half + 127) << 23, b2 = (n - half + 127) << 23;
    float s1, s2;
    memcpy(&s1, &b1, 4);
    memcpy(&s2, &b2, 4);
    y = y * s1 * s2;
    return x < -87.3f ? 0.0f : y;
}

/*
 * Phi(x), the normal distribution function, and *e = exp(-x^2/2).  Phi = q or 1 - q with
 * q = erfc(|x|/sqrt 2)/2 = e t P(t - 0.6)/2, t = 1/(1 + 0.375 |x|/sqrt 2).  P was fitted by
 * least squares at Chebyshev nodes to relative error 1.2e-8, about 0.6 so that its terms do
 * not cancel; the whole is within 2e-7.
 */
INLINE float
lane_phi(float x, float *e)
{
    const float a = x < 0 ? -x : x;
    const float t = 1.0f / (1.0f + 0.265165042944955f * a);
    const float c = t - 0.6f;
    float p = 0.0618588014f;
    p = p * c + 0.00804163061f;
    p = p * c - 0.154165439f;
    p = p * c - 0.100620649f;
    p = p * c + 0.306506869f;
    p = p * c + 0.785162197f;
    p = p * c + 0.971511096f;
    p = p * c + 0.797771139f;
    p = p * c + 0.468960926f;
    *e = lane_exp(-0.5f * x * x);
    const float q = 0.5f * *e * (t * p);
    return x < 0 ? q : 1.0f - q;
}

/* s = 1/(1 + e^-x), and *rest = 1 - s without cancellation. */
INLINE float
lane_sigmoid(float x, float *rest)
{
    float e = lane_exp(-x);
    e = e > 1e37f ? 1e37f : e; /* infinity times 0 would be NaN */
    const float s = 1.0f / (1.0f + e);
    *rest = e * s;
    return s;
}

INLINE float
lanes_sum(const float *s)
{
    float t[4];
    for (int i = 0; i < 4; i++)
        t[i] = (s[i] + s[i + 4]) + (s[i + 8] + s[i + 12]);
    return (t[0] + t[2]) + (t[1] + t[3]);
}

INLINE double
lanes_sum_f64(const double *s)
{
    double t[4];
    for (int i = 0; i < 4; i++)
        t[i] = (s[i] + s[i + 4]) + (s[i + 8] + s[i + 12]);
    return (t[0] + t[2]) + (t[1] + t[3]);
}
#endif
