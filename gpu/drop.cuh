#ifndef GPU_DROP_CUH
#define GPU_DROP_CUH
/*
 * drop - dropout's factor of one element: 0 or 1 / (1 - p), the same bits as drop_factor of
 * common/ops/dropout.c.  Value i of stream key is SplitMix64's finaliser of
 * key + (i + 1) * golden (rng_u64); its 24 highest bits are compared with p.
 */
#include "common/ops/ops.h"
#include "gpu/dev.cuh"

DEV float
drop_factor(struct drop drop, uint64_t at)
{
    uint64_t z = drop.key + (at + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    const float u = (float)(uint32_t)(z >> 40) * 0x1p-24f;
    return u >= drop.p ? 1 / (1 - drop.p) : 0;
}
#endif
