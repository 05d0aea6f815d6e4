#ifndef GPU_VECTOR_CUH
#define GPU_VECTOR_CUH
/*
 * vector - V neighbouring elements of a row as floats in registers: 8, by loads and stores
 * of 16 bytes, for mats that pass vector_fits; or 1, for any.  A kernel is written once for
 * both.
 */
#include "gpu/cuda.cuh"

enum { VECTOR = 8 };

template <int V>
DEV void
vector_load(float x[V], const float *p)
{
    if (V == 1)
        x[0] = *p;
    UNROLL
    for (int i = 0; i + 4 <= V; i += 4) {
        const struct quad q = dev_load4(p + i);
        UNROLL
        for (int j = 0; j < 4; j++)
            x[i + j] = q.f[j];
    }
}

template <int V>
DEV void
vector_load(float x[V], const bf16 *p)
{
    if (V == 1)
        x[0] = dev_widen(*p);
    UNROLL
    for (int i = 0; i + 8 <= V; i += 8) {
        const struct vec16 v = dev_load16(p + i);
        UNROLL
        for (int j = 0; j < 4; j++) {
            x[i + 2 * j] = dev_lo(v.w[j]);
            x[i + 2 * j + 1] = dev_hi(v.w[j]);
        }
    }
}

template <int V>
DEV void
vector_store(float *p, const float x[V])
{
    if (V == 1)
        *p = x[0];
    UNROLL
    for (int i = 0; i + 4 <= V; i += 4) {
        const struct quad q = { { x[i], x[i + 1], x[i + 2], x[i + 3] } };
        dev_store4(p + i, q);
    }
}

template <int V>
DEV void
vector_store(bf16 *p, const float x[V])
{
    if (V == 1)
        dev_put(p, x[0]);
    UNROLL
    for (int i = 0; i + 8 <= V; i += 8) {
        struct vec16 v;
        UNROLL
        for (int j = 0; j < 4; j++)
            v.w[j] = dev_pack(x[i + 2 * j], x[i + 2 * j + 1]);
        dev_store16(p + i, v);
    }
}

/* All rows of m can be read by eights of 16 bytes. */
static inline bool
vector_fits(struct mat m)
{
    const uintptr_t size = m.type == BF16 ? sizeof(bf16) : sizeof(float);
    return (uintptr_t)m.p % 16 == 0 && (uintptr_t)m.ld * size % 16 == 0 &&
           m.cols % VECTOR == 0;
}
#endif
