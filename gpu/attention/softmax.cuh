#ifndef GPU_ATTENTION_SOFTMAX_CUH
#define GPU_ATTENTION_SOFTMAX_CUH
/*
 * softmax - how much.  A row of scores s gives p = exp(scale s - lse) with lse the log of
 * the sum of exp(scale s), by the online softmax of Milakov and Gimelshein 2018.  Powers
 * are of two: the scale arrives multiplied by log2 e.
 *
 * Where a product is added to, fmaf says so: the bytes do not hang on what the compiler
 * contracts in which variant of a kernel.
 */
#include "gpu/dev.cuh"

#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

/* The two rows that a lane holds of a 16-row tile: the greatest scaled score so far, which
 * exponentials are relative to, and this lane's part of their sum. */
struct online { float top[2], sum[2]; };

/* Over the four lanes that share a row. */
DEV float
quad_max(float v)
{
    v = fmaxf(v, dev_shfl_xor(v, 1));
    return fmaxf(v, dev_shfl_xor(v, 2));
}

DEV float
quad_sum(float v)
{
    v += dev_shfl_xor(v, 1);
    return v + dev_shfl_xor(v, 2);
}

DEV void
online_start(struct online *r)
{
    r->top[0] = r->top[1] = -INFINITY;
    r->sum[0] = r->sum[1] = 0;
}

/* One more tile's scores s (hidden ones -inf) become exponentials; out and the sum so far
 * fade to the new greatest score. */
template <int NS, int NO>
DEV void
online_add(struct online *r, float s[NS][4], float out[NO][4], float scale)
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        float top = -INFINITY, sum = 0;
        UNROLL
        for (int n = 0; n < NS; n++)
            top = fmaxf(top, fmaxf(s[n][half * 2], s[n][half * 2 + 1]));
        top = fmaxf(r->top[half], quad_max(top) * scale);
        const float base = top == -INFINITY ? 0 : top; /* a row that has seen nothing yet */
        const float fade = dev_exp2(r->top[half] - base);
        r->top[half] = top;
        UNROLL
        for (int n = 0; n < NS; n++)
            UNROLL
            for (int i = half * 2; i < half * 2 + 2; i++) {
                s[n][i] = dev_exp2(fmaf(s[n][i], scale, -base));
                sum += s[n][i];
            }
        r->sum[half] = fmaf(r->sum[half], fade, sum);
        UNROLL
        for (int n = 0; n < NO; n++) {
            out[n][half * 2] *= fade;
            out[n][half * 2 + 1] *= fade;
        }
    }
}

/* What the outputs are multiplied by at the end, and lse in base e. */
DEV void
online_end(const struct online *r, float inverse[2], float lse[2])
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        const float sum = quad_sum(r->sum[half]);
        inverse[half] = 1 / sum;
        lse[half] = (r->top[half] + dev_log2(sum)) * LN2;
    }
}
#endif
