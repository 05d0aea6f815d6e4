#ifndef GPU_ATTENTION_MASK_CUH
#define GPU_ATTENTION_MASK_CUH
/*
 * mask - who sees whom.  Query i and key j of one sequence see each other when both exist
 * and, with a window, |i - j| <= window.  Below, a is a row of the side that a warp owns,
 * b one of the side that streams by.
 */
#include "gpu/dev.cuh"

template <bool WINDOW>
struct mask { int len, window; };

template <bool WINDOW>
DEV bool
mask_sees(struct mask<WINDOW> m, int a, int b)
{
    const bool near = !WINDOW || (unsigned)(a - b + m.window) <= 2u * (unsigned)m.window;
    return near && b < m.len;
}

/* Each of rows [a, a + na) sees each of [b, b + nb): no test per element. */
template <bool WINDOW>
DEV bool
mask_all(struct mask<WINDOW> m, int a, int na, int b, int nb)
{
    const bool near =
        !WINDOW || (a + na - 1 - b <= m.window && b + nb - 1 - a <= m.window);
    return near && b + nb <= m.len;
}

/* None sees any: no work. */
template <bool WINDOW>
DEV bool
mask_none(struct mask<WINDOW> m, int a, int na, int b, int nb)
{
    const bool far =
        WINDOW && (a - (b + nb - 1) > m.window || b - (a + na - 1) > m.window);
    return far || b >= m.len;
}
#endif
