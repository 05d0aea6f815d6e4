#ifndef EMU_EMU_H
#define EMU_EMU_H
/*
 * emu - CUDA blocks on the CPU.  Every thread is a fiber; what the hardware does for a whole
 * warp or block (barriers, shuffles, mma, ldmatrix) is a meeting of fibers.
 *
 * A launch is put on its stream (cuda_runtime.h says when that runs).  Its blocks run one
 * after another, in an order that the stream's schedule draws.  The k-th stream that a
 * process creates has schedule k mod 4, seeded by MBERT_EMU_SEED (1), until emu_schedule.
 *
 * A barrier or warp operation that some threads miss, a deadlock, and an asynchronous copy
 * that nobody waited for are printed and end the process with status 3.
 *
 * Only dev.cuh and the tests include this.
 */
#include <stddef.h>
#include <stdint.h>
#include <functional>
#include <tuple>
#include "cuda_runtime.h"

/* Which fiber runs next.  A correct kernel gives the same bytes under every order and seed. */
enum emu_order {
    EMU_INORDER, /* lanes and warps ascending */
    EMU_REVERSE, /* lanes and warps descending */
    EMU_AHEAD,   /* one warp runs to the next block barrier before the others move; ranks
                    drawn at each barrier */
    EMU_RANDOM,  /* another warp at random moments, lanes from a random start */
    EMU_ORDERS
};
void emu_schedule(cudaStream_t s, enum emu_order order, uint32_t seed);

/* What launches did since emu_count_reset; warp-level operations count once a warp. */
struct emu_count {
    uint64_t launches, blocks, switches, mma, ldmatrix, conflicts, barriers, async_bytes;
};
struct emu_count emu_counted(void);
void emu_count_reset(void);

/* Puts work on a stream, or into the graph that is being captured from it. */
void emu_enqueue(cudaStream_t s, std::function<void()> work);
/* The schedule of the stream whose work runs now. */
struct emu_turn { enum emu_order order; uint32_t seed; };
struct emu_turn *emu_current(void);
/* Runs body once per thread of each block. */
void emu_run(const char *name, int blocks, int threads, size_t smem,
             const std::function<void(void)> &body);

template <class... P, class... A>
static inline void
emu_launch(cudaStream_t s, const char *name, int blocks, int threads, size_t smem,
           void (*kernel)(P...), A... args)
{
    if (blocks <= 0)
        return;
    std::tuple<P...> given(static_cast<P>(args)...); /* now, as a launch takes them */
    emu_enqueue(s, [=] {
        emu_run(name, blocks, threads, smem, [&] { std::apply(kernel, given); });
    });
}

/* For dev.cuh: where the running thread is, and its part in warp and block operations. */
int emu_thread(void);
int emu_threads(void);
int emu_block(void);
void *emu_smem(void);
void emu_sync_block(void);
void emu_sync_warp(void);
uint32_t emu_shfl_xor(uint32_t v, int mask);
uint32_t emu_ballot(bool b);
void emu_mma(float c[4], const uint32_t a[4], const uint32_t b[2]);
void emu_ldmatrix(uint32_t r[4], const uint32_t row[4], const void *at, bool trans);

/*
 * Asynchronous copies happen as late as allowed: the caller poisons dst when it issues and
 * copies when it waits.  emu_due says how many copies must land so that at most `keep`
 * committed groups are in flight.
 */
struct emu_copy {
    void *dst;
    const void *src; /* NULL: fill with zeros */
    int bytes;
};
void emu_async(struct emu_copy copy);
void emu_commit(void);
int emu_due(int keep);
struct emu_copy emu_take(void);
#endif
