#ifndef GPU_DEV_CUH
#define GPU_DEV_CUH
/*
 * dev - the one door to the device.  Kernels say dev_*; nvcc turns that into PTX, a host
 * compiler into calls of emu.h (tests/emu), and the same kernel source runs in both.  No
 * other file names a CUDA intrinsic or holds assembly.
 *
 *     KERNEL(128, 4)
 *     scale_rows(float *y, int n, float by)
 *     {
 *         const int i = dev_block() * dev_threads() + dev_thread();
 *         if (i < n)
 *             y[i] *= by;
 *     }
 *     LAUNCH(c->stream, (scale_rows), blocks, 128, 0, y, n, by);
 *
 * KERNEL(threads, per_sm): the most threads of a block, and how many blocks shall fit a
 * multiprocessor.  Blocks are 32 to 1024 threads, in whole warps.  All 32 lanes of a warp
 * must reach a shuffle, ballot, mma or ldmatrix, all threads of the block dev_sync_block.
 * Lanes exchange memory through dev_sync_warp, warps through dev_sync_block.  SMEM_DYN names
 * the block's shared memory; its size is an argument of LAUNCH.  Code of a device uses no
 * double, no recursion, no malloc and no atomics.  LAUNCH with no blocks does nothing.
 */
#include <math.h>
#include <stdint.h>
#include <cuda_runtime.h>

typedef uint16_t bf16; /* storage; arithmetic is in float */
struct f16 { uint16_t bits; };
struct alignas(16) vec16 { uint32_t w[4]; };  /* what one thread loads or stores at once */
struct alignas(16) quad { float f[4]; };

#ifdef __CUDACC__

#define DEV_NAME "cuda"
#define DEV static __device__ __forceinline__
#define BOTH static __host__ __device__ __forceinline__
#define KERNEL(threads, per_sm) static __global__ void __launch_bounds__(threads, per_sm)
#define UNROLL _Pragma("unroll")
#define ROLL _Pragma("unroll 1")
#define SMEM_DYN(type, name)                                                               \
    extern __shared__ __align__(128) unsigned char dev_smem[];                             \
    type *name = (type *)dev_smem
/* kernel<..., ...> goes in parentheses */
#define LAUNCH(stream, kernel, blocks, threads, smem, ...)                                  \
    do {                                                                                   \
        const int dev_grid = (blocks);                                                     \
        if (dev_grid > 0)                                                                  \
            (kernel)<<<dev_grid, (threads), (smem), (stream)>>>(__VA_ARGS__);              \
    } while (0)

DEV int dev_thread(void) { return (int)threadIdx.x; }
DEV int dev_threads(void) { return (int)blockDim.x; }
DEV int dev_block(void) { return (int)blockIdx.x; }
DEV void dev_sync_block(void) { __syncthreads(); }
DEV void dev_sync_warp(void) { __syncwarp(); }
DEV float dev_shfl_xor(float v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }
/* Bit l is what lane l says. */
DEV uint32_t dev_ballot(bool b) { return __ballot_sync(0xffffffffu, b); }
DEV int dev_bits(uint32_t u) { return __popc(u); }
DEV uint32_t dev_smem_at(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

/* A product that is rounded, not fused with the sum that it goes into. */
DEV float dev_mul(float a, float b) { return __fmul_rn(a, b); }

/* 2^x and log2 x by the fast units: 2 ulp, subnormals are zero. */
DEV float
dev_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEV float
dev_log2(float x)
{
    float y;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Two floats rounded to nearest even; lo in the low half. */
DEV uint32_t
dev_pack(float lo, float hi)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}

DEV float dev_lo(uint32_t pair) { return __uint_as_float(pair << 16); }
DEV float dev_hi(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

DEV float
dev_widen(struct f16 x)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
    return f;
}

/* c += a b: a 16 x 16, b 16 x 8, c 16 x 8, in the fragments of PTX mma.m16n8k16. */
DEV void
dev_mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Four 8 x 8 matrices; lane l gives row l % 8 of matrix l / 8, 16 bytes in shared memory. */
DEV void
dev_ldmatrix(uint32_t r[4], const bf16 *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(dev_smem_at(row))
                 : "memory");
}

DEV void
dev_ldmatrix_trans(uint32_t r[4], const bf16 *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(dev_smem_at(row))
                 : "memory");
}

/* Starts a copy of BYTES (4 or 16, both sides aligned to it) to shared memory; zeros when not
 * ok, and src is then not read. */
template <int BYTES>
DEV void
dev_cp_async(void *dst, const void *src, bool ok)
{
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dev_smem_at(dst)),
                     "l"(src), "r"(ok ? 16 : 0)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(dev_smem_at(dst)),
                     "l"(src), "r"(ok ? 4 : 0)
                     : "memory");
}

DEV void dev_cp_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* This thread's copies have landed, but for those of the last KEEP groups. */
template <int KEEP>
DEV void
dev_cp_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(KEEP) : "memory");
}

#else /* the host: emulation */
#include <string.h>
#include "emu.h"

#define DEV_NAME "emu"
#define DEV static inline
#define BOTH static inline
#define KERNEL(threads, per_sm) static void
#define UNROLL
#define ROLL
#define SMEM_DYN(type, name) type *name = (type *)emu_smem()
#define LAUNCH(stream, kernel, blocks, threads, smem, ...)                                  \
    emu_launch((stream), #kernel, (blocks), (threads), (smem), (kernel), __VA_ARGS__)

DEV int dev_thread(void) { return emu_thread(); }
DEV int dev_threads(void) { return emu_threads(); }
DEV int dev_block(void) { return emu_block(); }
DEV void dev_sync_block(void) { emu_sync_block(); }
DEV void dev_sync_warp(void) { emu_sync_warp(); }
DEV uint32_t dev_ballot(bool b) { return emu_ballot(b); }
DEV int dev_bits(uint32_t u) { return __builtin_popcount(u); }
DEV float dev_mul(float a, float b) { return a * b; } /* built without contraction */
DEV float dev_exp2(float x) { return exp2f(x); }
DEV float dev_log2(float x) { return log2f(x); }

DEV float
dev_lo(uint32_t pair)
{
    const uint32_t u = pair << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

DEV float dev_hi(uint32_t pair) { return dev_lo(pair >> 16); }

DEV uint32_t
dev_round(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffff) > 0x7f800000)
        return 0x7fff;
    return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

DEV uint32_t dev_pack(float lo, float hi) { return dev_round(lo) | dev_round(hi) << 16; }

DEV float
dev_widen(struct f16 x)
{
    const int sign = x.bits >> 15, e = x.bits >> 10 & 31, m = x.bits & 1023;
    const float f = e == 31 ? (m ? NAN : INFINITY)
                            : ldexpf((float)(e ? m + 1024 : m), (e ? e : 1) - 25);
    return sign ? -f : f;
}

DEV float
dev_shfl_xor(float v, int mask)
{
    uint32_t u;
    memcpy(&u, &v, 4);
    u = emu_shfl_xor(u, mask);
    memcpy(&v, &u, 4);
    return v;
}

DEV void dev_mma(float c[4], const uint32_t a[4], const uint32_t b[2]) { emu_mma(c, a, b); }

/* The row is read here, in sanitized code, by the lane that names it. */
DEV void
dev_ldmatrix(uint32_t r[4], const bf16 *row)
{
    struct vec16 v = *(const struct vec16 *)row;
    emu_ldmatrix(r, v.w, row, false);
}

DEV void
dev_ldmatrix_trans(uint32_t r[4], const bf16 *row)
{
    struct vec16 v = *(const struct vec16 *)row;
    emu_ldmatrix(r, v.w, row, true);
}

/* The hardware may write dst at any moment from here to the wait: NaN now, the data then. */
template <int BYTES>
DEV void
dev_cp_async(void *dst, const void *src, bool ok)
{
    emu_async({ dst, ok ? src : NULL, BYTES });
    for (int i = 0; i < BYTES / 4; i++)
        ((uint32_t *)dst)[i] = 0xffffffff;
}

DEV void dev_cp_commit(void) { emu_commit(); }

template <int KEEP>
DEV void
dev_cp_wait(void)
{
    for (int n = emu_due(KEEP); n > 0; n--) {
        const struct emu_copy c = emu_take();
        for (int i = 0; i < c.bytes / 4; i++)
            ((uint32_t *)c.dst)[i] = c.src ? ((const uint32_t *)c.src)[i] : 0;
    }
}

#endif

DEV struct vec16 dev_load16(const void *p) { return *(const struct vec16 *)p; }
DEV void dev_store16(void *p, struct vec16 v) { *(struct vec16 *)p = v; }
DEV struct quad dev_load4(const float *p) { return *(const struct quad *)p; }
DEV void dev_store4(float *p, struct quad v) { *(struct quad *)p = v; }

/* One element of any type as float, and back (bf16: rounded to nearest even). */
DEV float dev_widen(float x) { return x; }
DEV float dev_widen(bf16 x) { return dev_lo(x); }
DEV void dev_put(float *to, float x) { *to = x; }
DEV void dev_put(bf16 *to, float x) { *to = (bf16)(dev_pack(x, 0) & 0xffff); }

/* The sum over the warp's lanes, in one order, in every lane. */
DEV float
dev_sum_warp(float v)
{
    UNROLL
    for (int m = 16; m > 0; m /= 2)
        v += dev_shfl_xor(v, m);
    return v;
}
#endif
