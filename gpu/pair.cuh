#ifndef GPU_PAIR_CUH
#define GPU_PAIR_CUH
/*
 * pair - sums in two floats: hi + lo, lo what rounding took from hi, about 2^-44 of the sum
 * of magnitudes.  The card has little double arithmetic; this costs ten operations a term,
 * less than reading it.  The error of a sum by Knuth's TwoSum (The Art of Computer
 * Programming 4.2.2), of a product by fma.
 */
#include "gpu/dev.cuh"

struct pair { float hi, lo; };

DEV struct pair
pair_add(struct pair s, float x)
{
    const float t = s.hi + x, part = t - s.hi;
    return { t, s.lo + ((s.hi - (t - part)) + (x - part)) };
}

/* The same whichever is first. */
DEV struct pair
pair_join(struct pair a, struct pair b)
{
    const float lo = a.lo + b.lo;
    const struct pair s = pair_add({ a.hi, 0 }, b.hi);
    return { s.hi, s.lo + lo };
}

/* s + x^2 */
DEV struct pair
pair_square(struct pair s, float x)
{
    const float square = dev_mul(x, x);
    s.lo += fmaf(x, x, -square);
    return pair_add(s, square);
}

DEV struct pair
pair_scale(struct pair s, float by)
{
    const float hi = dev_mul(s.hi, by);
    return { hi, fmaf(s.hi, by, -hi) + s.lo * by };
}

/* One float; a sum that overflowed stays infinite, NaN stays NaN. */
DEV float
pair_float(struct pair s)
{
    return fabsf(s.hi) < INFINITY ? s.hi + s.lo : s.hi;
}

/* sqrt(hi + lo): one Newton step from sqrt(hi). */
DEV float
pair_root(struct pair s)
{
    const float r = sqrtf(s.hi);
    return s.hi > 0 && s.hi < INFINITY ? r + (fmaf(-r, r, s.hi) + s.lo) / (2 * r) : r;
}

/* The sum over the block's threads, in one order, in every thread; shared: one a warp. */
DEV struct pair
pair_block(struct pair s, struct pair *shared)
{
    UNROLL
    for (int m = 16; m > 0; m /= 2)
        s = pair_join(s, { dev_shfl_xor(s.hi, m), dev_shfl_xor(s.lo, m) });
    if (dev_thread() % 32 == 0)
        shared[dev_thread() / 32] = s;
    dev_sync_block();
    s = shared[0];
    for (int i = 1; i < dev_threads() / 32; i++)
        s = pair_join(s, shared[i]);
    return s;
}
#endif
