#ifndef GPU_SUMS_CUH
#define GPU_SUMS_CUH
/*
 * sums - columns of many rows summed by a block: SUM_COLS columns, the rows in SUM_GROUPS
 * runs, each in order, then the runs in order.  The number of rows fixes that; of up to
 * SUM_GROUPS rows it is the rows' own order.
 */
#include "gpu/dev.cuh"

enum {
    SUM_COLS = 16,
    SUM_GROUPS = 16,
    SUM_THREADS = SUM_COLS * SUM_GROUPS,
    SUM_AHEAD = 8, /* loads in flight a thread */
    SUM_BYTES = SUM_THREADS * 4
};

DEV int sum_column(void) { return dev_thread() % SUM_COLS; }
DEV bool sum_first(void) { return dev_thread() < SUM_COLS; }

/* The sum of n elements, ld apart, of this thread's column; for the threads of sum_first.
 * The block's shared memory is SUM_BYTES; a thread without a column gives n = 0. */
template <class T>
DEV float
sum_rows(const T *p, ptrdiff_t ld, int n)
{
    SMEM_DYN(float, sums);
    const int per = (n + SUM_GROUPS - 1) / SUM_GROUPS,
              first = dev_thread() / SUM_COLS * per,
              end = first + per < n ? first + per : n;
    float sum = 0;
    for (int k = first; k < end; k += SUM_AHEAD) {
        float v[SUM_AHEAD];
        UNROLL
        for (int i = 0; i < SUM_AHEAD; i++)
            v[i] = k + i < end ? dev_widen(p[(k + i) * ld]) : 0;
        UNROLL
        for (int i = 0; i < SUM_AHEAD; i++)
            sum += v[i];
    }
    sums[dev_thread()] = sum;
    dev_sync_block();
    sum = 0;
    if (sum_first())
        UNROLL
        for (int g = 0; g < SUM_GROUPS; g++)
            sum += sums[g * SUM_COLS + sum_column()];
    return sum;
}
#endif
