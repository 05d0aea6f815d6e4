#include "common/ops/cpu.h"
#include "common/ops/lanes.h"

/* Each: y = act(u), *d = act'(u); unused results cost nothing once inlined. */
INLINE float
gelu(float u, float *d)
{
    float e;
    const float phi = lane_phi(u, &e);
    *d = phi + u * (0.398942280401432678f * e);
    return u * phi;
}

INLINE float
silu(float u, float *d)
{
    float rest;
    const float s = lane_sigmoid(u, &rest);
    *d = s * (1.0f + u * rest);
    return u * s;
}

/* u/2 (1 + tanh v) = u sigmoid(2 v), v = sqrt(2/pi) (u + 0.044715 u^3) */
INLINE float
gelu_tanh(float u, float *d)
{
    const float k = 1.5957691216057308f;
    float rest;
    const float s = lane_sigmoid(k * (u + 0.044715f * u * u * u), &rest);
    /* huge u: 0 times infinity must not become NaN */
    const float v = u < -20.0f ? -20.0f : u > 20.0f ? 20.0f : u;
    *d = s + v * s * rest * k * (1.0f + 3 * 0.044715f * v * v);
    return u * s;
}

INLINE float
relu(float u, float *d)
{
    *d = u > 0 ? 1.0f : u <= 0 ? 0.0f : u;
    return u <= 0 ? 0.0f : u; /* NaN stays */
}

#define ROW(f)                                                                             \
    CLONES static void f##_row(float *y, const float *u, int n)                            \
    {                                                                                      \
        float unused;                                                                      \
        for (int i = 0; i < n; i++)                                                        \
            y[i] = f(u[i], &unused);                                                       \
    }                                                                                      \
    CLONES static void f##_slope(float *restrict y, float *restrict d,                     \
                                 const float *restrict u, int n)                           \
    {                                                                                      \
        for (int i = 0; i < n; i++)                                                        \
            y[i] = f(u[i], &d[i]);                                                         \
    }
ROW(gelu)
ROW(silu)
ROW(gelu_tanh)
ROW(relu)
#undef ROW

void
act_row(float *y, const float *u, int n, enum act act)
{
    switch (act) {
    case OP_GELU: gelu_row(y, u, n); return;
    case OP_SILU: silu_row(y, u, n); return;
    case OP_GELU_TANH: gelu_tanh_row(y, u, n); return;
    case OP_RELU: relu_row(y, u, n); return;
    case OP_NONE: break;
    }
    assert(act == OP_NONE);
    if (y != u)
        memcpy(y, u, (size_t)n * sizeof *y);
}

void
act_slope(float *y, float *slope, const float *u, int n, enum act act)
{
    switch (act) {
    case OP_GELU: gelu_slope(y, slope, u, n); return;
    case OP_SILU: silu_slope(y, slope, u, n); return;
    case OP_GELU_TANH: gelu_tanh_slope(y, slope, u, n); return;
    case OP_RELU: relu_slope(y, slope, u, n); return;
    case OP_NONE: break;
    }
    assert(act == OP_NONE);
    memcpy(y, u, (size_t)n * sizeof *y);
    for (int i = 0; i < n; i++)
        slope[i] = 1;
}

void
cpu_act_bwd(struct ctx *c, struct mat du, struct mat dy, struct mat u, enum act act)
{
    check_f32(du);
    check_f32(dy);
    check_f32(u);
    assert(same_shape(du, dy) && same_shape(du, u));
    const struct shares s = cpu_shares(c, 2 * (size_t)u.cols);
    CPU_ROWS
    for (int t = 0; t < u.rows; t++) {
        float *y = cpu_share(s), *slope = y + u.cols, *to = mat_f32(du, t);
        const float *from = mat_f32(dy, t);
        act_slope(y, slope, mat_f32(u, t), u.cols, act);
        for (int i = 0; i < u.cols; i++)
            to[i] = from[i] * slope[i];
    }
}
