#ifndef GPU_ACT_CUH
#define GPU_ACT_CUH
/*
 * act - activations of V elements in registers.  The choice is outside of the loop: one
 * branch, which all threads take alike, for V elements.  gelu is the exact form, by erf.
 * NaN stays NaN.
 */
#include "gpu/dev.cuh"
#include "common/ops/ops.h"

/* Each: act(u), and *d = act'(u); unused results cost nothing once inlined. */
DEV float
act_none(float u, float *d)
{
    *d = 1;
    return u;
}

/* u Phi(u); Phi' = exp(-u^2/2) / sqrt(2 pi) */
DEV float
act_gelu(float u, float *d)
{
    const float phi = fmaf(0.5f, erff(u * 0.707106781186547524f), 0.5f);
    *d = phi + u * (0.398942280401432678f * dev_exp2(-0.721347520444481704f * u * u));
    return u * phi;
}

/* s = 1 / (1 + e^-x), and *rest = 1 - s without cancellation. */
DEV float
act_sigmoid(float x, float *rest)
{
    float e = dev_exp2(-1.44269504088896341f * x);
    e = e > 1e37f ? 1e37f : e; /* infinity times 0 would be NaN */
    const float s = 1.0f / (1.0f + e);
    *rest = e * s;
    return s;
}

DEV float
act_silu(float u, float *d)
{
    float rest;
    const float s = act_sigmoid(u, &rest);
    *d = s * (1.0f + u * rest);
    return u * s;
}

/* u/2 (1 + tanh v) = u sigmoid(2 v), v = sqrt(2/pi) (u + 0.044715 u^3) */
DEV float
act_gelu_tanh(float u, float *d)
{
    const float k = 1.5957691216057308f;
    float rest;
    const float s = act_sigmoid(k * (u + 0.044715f * u * u * u), &rest);
    /* huge u: 0 times infinity must not become NaN */
    const float v = u < -20.0f ? -20.0f : u > 20.0f ? 20.0f : u;
    *d = s + v * s * rest * k * (1.0f + 3 * 0.044715f * v * v);
    return u * s;
}

DEV float
act_relu(float u, float *d)
{
    *d = u > 0 ? 1.0f : u <= 0 ? 0.0f : u;
    return u <= 0 ? 0.0f : u;
}

/* y = act(u), d = act'(u); y may be u. */
template <int V>
DEV void
act_slope(float y[V], float d[V], const float u[V], enum act act)
{
#define ACT(f)                                                                             \
    UNROLL                                                                                 \
    for (int i = 0; i < V; i++)                                                            \
        y[i] = f(u[i], &d[i]);                                                             \
    return
    switch (act) {
    case OP_NONE: ACT(act_none);
    case OP_GELU: ACT(act_gelu);
    case OP_SILU: ACT(act_silu);
    case OP_GELU_TANH: ACT(act_gelu_tanh);
    case OP_RELU: ACT(act_relu);
    }
#undef ACT
}

template <int V>
DEV void
act_row(float y[V], const float u[V], enum act act)
{
    float unused[V];
    act_slope<V>(y, unused, u, act);
}
#endif
