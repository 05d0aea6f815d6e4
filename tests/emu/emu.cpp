/*
 * emu.cpp - the fibers behind emu.h.  Compiled WITHOUT sanitizers (with -DEMU_TSAN beside a
 * -fsanitize=thread kernel): it is the hardware, and only kernels are under test.
 */
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

struct machine G;

extern "C" void emu_switch(void **from, void *to);
#ifndef __x86_64__
#error "emu_switch: write this architecture's switch of callee-saved registers"
#endif
asm(".text\n.globl emu_switch\n.type emu_switch,@function\nemu_switch:\n"
    " pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
    " movq %rsp,(%rdi)\n movq %rsi,%rsp\n"
    " popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
    ".size emu_switch,.-emu_switch\n");

void
machine_die(const char *what)
{
    int meeting = 0;
    for (const warp &w : G.warps)
        meeting += __builtin_popcount(w.met);
    fprintf(stderr,
            "emu: %s: block %d, thread %d: %s (%d at the block barrier, %d in a warp operation, "
            "%d returned, of %d)\n",
            G.name ? G.name : "no kernel", G.block, G.cur, what, G.at_barrier, meeting, G.done,
            G.threads);
    _exit(3);
}

static uint32_t
draw(uint32_t n)
{
    G.seed = G.seed * 1664525u + 1013904223u;
    return (G.seed >> 8) % n;
}

void
machine_shuffle(void)
{
    for (int i = (int)G.rank.size() - 1; i > 0; i--)
        std::swap(G.rank[i], G.rank[draw(i + 1)]);
}

/* The lane of warp w to run next; the warp has one. */
static int
pick_lane(int w)
{
    const uint32_t ready = G.warps[w].ready;
    if (G.order == EMU_REVERSE)
        return w * WARP + 31 - __builtin_clz(ready);
    const int from = G.order == EMU_RANDOM ? draw(WARP) : 0;
    const uint32_t turned = from ? ready >> from | ready << (WARP - from) : ready;
    return w * WARP + (__builtin_ctz(turned) + from) % WARP;
}

/* The fiber to run next, or -1 if every one waits. */
int
machine_pick(void)
{
    const int n = (int)G.warps.size(), cur = G.cur / WARP;
    const bool stay = G.order != EMU_RANDOM || draw(64);
    if (G.order == EMU_AHEAD) {
        for (int i = 0; i < n; i++)
            if (G.warps[G.rank[i]].ready)
                return pick_lane(G.rank[i]);
        return -1;
    }
    if (stay && G.warps[cur].ready)
        return pick_lane(cur);
    const int from = G.order == EMU_RANDOM ? (int)draw(n) : cur;
    for (int i = 0; i < n; i++) {
        const int w = G.order == EMU_REVERSE ? (from + n - i) % n : (from + i) % n;
        if (G.warps[w].ready)
            return pick_lane(w);
    }
    return -1;
}

void
machine_resume(int next)
{
    if (next < 0)
        machine_die("deadlock: threads wait for others that will not come");
    if (next == G.cur)
        return;
    void **from = &G.lanes[G.cur].sp;
    G.cur = next;
    G.count.switches++;
    __tsan_switch_to_fiber(G.lanes[next].tsan, 1);
    emu_switch(from, G.lanes[next].sp);
}

static void
enter(void)
{
    __tsan_acquire(&G.start);
    (*G.body)();
    __tsan_release(&G.end);
    lane &l = G.lanes[G.cur];
    warp &w = G.warps[G.cur / WARP];
    if (l.landed < l.copies.size())
        machine_die("returned with an asynchronous copy nobody waited for");
    w.ready &= ~(1u << G.cur % WARP);
    w.live &= ~(1u << G.cur % WARP);
    G.done++;
    if (w.met)
        machine_die("returned while its warp waits in a warp operation");
    if (G.done < G.threads)
        machine_resume(machine_pick());
    __tsan_switch_to_fiber(G.main_tsan, 1);
    emu_switch(&l.sp, G.main_sp);
    abort();
}

int emu_thread(void) { return G.cur; }
int emu_threads(void) { return G.threads; }
int emu_block(void) { return G.block; }
void *emu_smem(void) { return G.smem; }
struct emu_count emu_counted(void) { return G.count; }
void emu_count_reset(void) { G.count = {}; }

static char *
stack_new(void)
{
    char *p = (char *)mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE))
        machine_die("no memory for a stack");
    return p;
}

/* A fiber that will start in enter(). */
static void
lane_start(lane *l, int i, int slot)
{
    if ((int)G.stacks[slot].size() <= i)
        G.stacks[slot].push_back(stack_new());
    void **sp = (void **)(G.stacks[slot][i] + STACK);
    *--sp = NULL;
    *--sp = (void *)enter;
    for (int k = 0; k < 6; k++)
        *--sp = NULL;
    l->sp = sp;
    l->parity = l->group = 0;
    l->landed = 0;
    l->copies.clear();
    if ((int)G.tsan[slot].size() <= i)
        G.tsan[slot].push_back(__tsan_create_fiber(0));
    l->tsan = G.tsan[slot][i];
}

/* slot: which shared memory, stacks and TSan contexts it gets. */
static void
block_run(int block, int slot, size_t smem)
{
    G.block = block;
    G.done = G.at_barrier = 0;
    memset(G.smem, POISON, smem);
    for (warp &w : G.warps) {
        w.ready = w.live = ~0u;
        w.met = 0;
    }
    for (int i = 0; i < G.threads; i++)
        lane_start(&G.lanes[i], i, slot);
    machine_shuffle();
    G.cur = 0;
    G.cur = machine_pick();
    __tsan_release(&G.start);
    __tsan_switch_to_fiber(G.lanes[G.cur].tsan, 1);
    emu_switch(&G.main_sp, G.lanes[G.cur].sp);
    G.count.blocks++;
}

static void
machine_start(const char *name, int threads, const std::function<void(void)> &body)
{
    const struct emu_turn *turn = emu_current();
    G.name = name;
    G.threads = threads;
    G.body = &body;
    G.order = turn->order;
    G.seed = turn->seed;
    G.count.launches++;
    if (threads < 1 || threads % WARP || threads > WARP * MAX_WARPS)
        machine_die("threads of a block: a multiple of 32, at most 1024");
    G.lanes.resize(threads);
    G.warps.resize(threads / WARP);
    G.rank.resize(threads / WARP);
    for (int i = 0; i < threads / WARP; i++)
        G.rank[i] = i;
    G.main_tsan = __tsan_get_current_fiber();
}

void
emu_run(const char *name, int blocks, int threads, size_t smem,
        const std::function<void(void)> &body)
{
    machine_start(name, threads, body);
    std::vector<int> turn(blocks);
    for (int i = 0; i < blocks; i++) {
        turn[i] = G.order == EMU_REVERSE ? blocks - 1 - i : i;
        if (G.order >= EMU_AHEAD)
            std::swap(turn[i], turn[draw(i + 1)]);
    }
    /*
     * Blocks are not ordered, so TSan must not see them ordered through the memory and fibers
     * they use in turn: a pool of each, and all blocks joined when the pool is used up.
     */
    std::vector<char *> pool;
    for (int i = 0; i < POOL && i < blocks; i++)
        pool.push_back(
            (char *)aligned_alloc(128, (smem + 127) / 128 * 128 + (smem == 0) * 128));
    for (int i = 0; i < blocks; i++) {
        if (i % POOL == 0)
            __tsan_acquire(&G.end);
        G.smem = pool[i % POOL];
        block_run(turn[i], i % POOL, smem);
    }
    __tsan_acquire(&G.end);
    for (char *p : pool)
        free(p);
    emu_current()->seed = G.seed;
}
