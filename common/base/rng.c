#include "common/base/rng.h"
#include <math.h>

static const uint64_t golden = 0x9E3779B97F4A7C15u;

uint64_t
rng_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t
rng_key(uint64_t seed, uint64_t a, uint64_t b)
{
    return rng_mix(rng_mix(rng_mix(seed + golden) + (a + 1) * golden) + (b + 1) * golden);
}

uint64_t
rng_u64(uint64_t key, uint64_t i)
{
    return rng_mix(key + (i + 1) * golden);
}

double
rng_unit(uint64_t key, uint64_t i)
{
    return (double)(rng_u64(key, i) >> 11) * 0x1p-53;
}

double
rng_normal(uint64_t key, uint64_t i)
{
    const double pi = 3.14159265358979323846;
    const double u = 1 - rng_unit(key, 2 * i); /* (0, 1]: the logarithm is finite */
    return sqrt(-2 * log(u)) * cos(2 * pi * rng_unit(key, 2 * i + 1));
}

double
rng_truncated(uint64_t key, uint64_t i, double cut)
{
    /* each try is a stream of its own, so value i depends on (key, i) alone */
    for (uint64_t again = 0;; again++) {
        const double x = rng_normal(key + again * 0xD1B54A32D192ED03u, i);
        if (x >= -cut && x <= cut)
            return x;
    }
}

/* Uniform in [0, n) without bias: the few draws that would favour small values are redrawn. */
static uint64_t
below(uint64_t key, uint64_t i, uint64_t n)
{
    const uint64_t reject = -n % n;
    for (uint64_t again = 0;; again++) {
        const uint64_t u = rng_u64(key + again * 0xD1B54A32D192ED03u, i);
        if (u >= reject)
            return u % n;
    }
}

void
rng_permute(uint32_t *p, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = below(key, i, i);
        const uint32_t t = p[i - 1];
        p[i - 1] = p[j];
        p[j] = t;
    }
}
