#ifndef GPU_QUAD_CUH
#define GPU_QUAD_CUH
/*
 * quad - rows of matrices by warps, a lane V neighbouring columns at a time: 4 by one load
 * or store (F32: 16 bytes, a 16-bit type: 8, aligned to that; the host asks quads() of each
 * mat first), or 1.  Four and not more, so that the lanes of one load fill the sectors of a
 * row of F32.  Of a quad for V = 1 only f[0] counts.
 */
#include "gpu/cuda.cuh"

enum { ROW_WARPS = 4, ROW_THREADS = 32 * ROW_WARPS }; /* rows a block */

struct alignas(8) vec8 { uint32_t w[2]; };

/* Whether the rows of m start at quads and hold nothing but quads. */
static inline bool
quads(struct mat m)
{
    return m.cols % 4 == 0 && m.ld % 4 == 0 &&
           (uintptr_t)m.p % (m.type == F32 ? 16 : 8) == 0;
}

/* Runs the statement with T the type of mat m's elements, which may come from a file: F32,
 * BF16 or F16. */
#define FOR_STORED(m, T, ...)                                                              \
    do {                                                                                   \
        if ((m).type == F16) {                                                             \
            typedef struct f16 T;                                                          \
            __VA_ARGS__;                                                                   \
        } else {                                                                           \
            FOR_TYPE(m, T, __VA_ARGS__);                                                   \
        }                                                                                  \
    } while (0)

DEV int quad_lane(void) { return dev_thread() % 32; }
/* This warp's row. */
DEV int quad_row(void) { return dev_block() * ROW_WARPS + dev_thread() / 32; }
/* The first column of this lane's j-th quad of a row. */
DEV int quad_at(int j) { return 4 * (quad_lane() + 32 * j); }

DEV struct quad quad_zero(void) { return { { 0, 0, 0, 0 } }; }

template <int V>
DEV struct quad
quad_load(const float *p)
{
    return V == 4 ? dev_load4(p) : quad{ { *p, 0, 0, 0 } };
}

template <int V>
DEV struct quad
quad_load(const bf16 *p)
{
    if (V == 1)
        return { { dev_widen(*p), 0, 0, 0 } };
    const struct vec8 v = *(const struct vec8 *)p;
    return { { dev_lo(v.w[0]), dev_hi(v.w[0]), dev_lo(v.w[1]), dev_hi(v.w[1]) } };
}

template <int V>
DEV struct quad
quad_load(const struct f16 *p)
{
    if (V == 1)
        return { { dev_widen(*p), 0, 0, 0 } };
    const struct vec8 v = *(const struct vec8 *)p;
    struct quad q;
    UNROLL
    for (int i = 0; i < 4; i++)
        q.f[i] = dev_widen(f16{ (uint16_t)(v.w[i / 2] >> i % 2 * 16) });
    return q;
}

template <int V>
DEV void
quad_store(float *p, struct quad q)
{
    if (V == 4)
        dev_store4(p, q);
    else
        *p = q.f[0];
}

template <int V>
DEV void
quad_store(bf16 *p, struct quad q)
{
    if (V == 4)
        *(struct vec8 *)p = { { dev_pack(q.f[0], q.f[1]), dev_pack(q.f[2], q.f[3]) } };
    else
        dev_put(p, q.f[0]);
}

/* This lane's quads of a row of up to 128 N columns, zero beyond its last. */
template <int N, class T>
DEV void
row_load(struct quad x[N], const T *row, int cols)
{
    UNROLL
    for (int j = 0; j < N; j++)
        x[j] = quad_at(j) < cols ? quad_load<4>(row + quad_at(j)) : quad_zero();
}
#endif
