/*
 * emu.cpp - the fibers behind emu.h.  Compiled WITHOUT sanitizers (with -DEMU_TSAN beside a
 * -fsanitize=thread kernel): it is the hardware, and only kernels are under test.
 */
#include "emu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

#ifdef EMU_TSAN
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned);
void __tsan_switch_to_fiber(void *, unsigned);
void __tsan_acquire(void *);
void __tsan_release(void *);
}
enum { POOL = 4 };
#else
static void *__tsan_get_current_fiber(void) { return NULL; }
static void *__tsan_create_fiber(unsigned) { return NULL; }
static void __tsan_switch_to_fiber(void *, unsigned) {}
static void __tsan_acquire(void *) {}
static void __tsan_release(void *) {}
enum { POOL = 1 };
#endif

enum { WARP = 32, MAX_WARPS = 32, STACK = 256 << 10, POISON = 0xff };
enum meeting { SYNC_WARP, SHFL, BALLOT, MMA, LDMATRIX, LDMATRIX_TRANS };
static const char *const meeting_name[] = { "__syncwarp", "shuffle", "ballot", "mma", "ldmatrix",
                                            "ldmatrix.trans" };

struct async { struct emu_copy copy; int group; };
struct lane {
    void *sp, *tsan;
    int parity;                /* which exchange buffer its next warp operation uses */
    int group;                 /* asynchronous copy group being filled */
    std::vector<async> copies; /* issued and not landed, oldest first */
    size_t landed;
};
struct exchange {
    uint32_t in[WARP][6], out[WARP][4];
    uintptr_t at[WARP];
};
struct warp {
    uint32_t ready, live, met; /* lanes that can run, have not returned, wait in the operation */
    int kind;
    struct exchange x[2];      /* two, so that one meeting per operation is enough */
    char sync;                 /* the address TSan knows the warp barrier by */
};

/* The machine: one block at a time. */
static struct {
    std::vector<lane> lanes;
    std::vector<warp> warps;
    std::vector<int> rank;          /* EMU_AHEAD: warps, most eager first */
    std::vector<char *> stacks[POOL];
    std::vector<void *> tsan[POOL]; /* TSan's contexts, reused: making one is dear */
    const char *name;
    const std::function<void(void)> *body;
    char *smem;
    int block, blocks, threads, cur, at_barrier, done;
    void *main_sp, *main_tsan;
    char sync, start, end;          /* TSan: block barrier, launch, end of launch */
    enum emu_order order;
    uint32_t seed;
    struct emu_count count;
} G;

extern "C" void emu_switch(void **from, void *to);
#ifndef __x86_64__
#error "emu_switch: write this architecture's switch of callee-saved registers"
#endif
asm(".text\n.globl emu_switch\n.type emu_switch,@function\nemu_switch:\n"
    " pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
    " movq %rsp,(%rdi)\n movq %rsi,%rsp\n"
    " popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
    ".size emu_switch,.-emu_switch\n");

static void
die(const char *what)
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

static void
shuffle_ranks(void)
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
static int
pick(void)
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

static void
resume(int next)
{
    if (next < 0)
        die("deadlock: threads wait for others that will not come");
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
        die("returned with an asynchronous copy nobody waited for");
    w.ready &= ~(1u << G.cur % WARP);
    w.live &= ~(1u << G.cur % WARP);
    G.done++;
    if (w.met)
        die("returned while its warp waits in a warp operation");
    if (G.done < G.threads)
        resume(pick());
    __tsan_switch_to_fiber(G.main_tsan, 1);
    emu_switch(&l.sp, G.main_sp);
    abort();
}

static float
widen(uint32_t half)
{
    const uint32_t u = half << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/*
 * PTX m16n8k16: lane l = 4g + t holds a0..a3 = (g, 2t) (g+8, 2t) (g, 2t+8) (g+8, 2t+8), b0 b1
 * = (2t, g) (2t+8, g), c0..c3 = (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1).
 */
static void
mma_warp(struct exchange *x)
{
    float a[16][16], b[16][8], c[16][8] = {};
    for (int l = 0; l < WARP; l++)
        for (int i = 0; i < 6; i++)
            for (int e = 0; e < 2; e++) {
                const int g = l / 4, k = l % 4 * 2 + e;
                const float v = widen(x->in[l][i] >> 16 * e & 0xffff);
                if (i < 4)
                    a[g + i % 2 * 8][k + i / 2 * 8] = v;
                else
                    b[k + (i - 4) * 8][g] = v;
            }
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 8; n++)
                c[r][n] += a[r][k] * b[k][n];
    for (int l = 0; l < WARP; l++)
        for (int i = 0; i < 4; i++)
            memcpy(&x->out[l][i], &c[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2], 4);
    G.count.mma++;
}

/*
 * Lane l gives row l % 8 of matrix l / 8 and receives of each matrix the pair at row l / 4,
 * columns 2 (l % 4); transposed: rows and columns exchanged.  Eight rows in the same bank
 * group are read one after another: conflicts.
 */
static void
ldmatrix_warp(struct exchange *x, bool trans)
{
    for (int i = 0; i < 4; i++) {
        uint32_t groups = 0;
        for (int r = 0; r < 8; r++)
            groups |= 1u << x->at[i * 8 + r] / 16 % 8;
        G.count.conflicts += 8 - __builtin_popcount(groups);
        for (int l = 0; l < WARP; l++) {
            uint32_t pair = 0;
            for (int e = 0; e < 2; e++) {
                const int row = trans ? l % 4 * 2 + e : l / 4,
                          col = trans ? l / 4 : l % 4 * 2 + e;
                pair |= (x->in[i * 8 + row][col / 2] >> col % 2 * 16 & 0xffff) << 16 * e;
            }
            x->out[l][i] = pair;
        }
    }
    G.count.ldmatrix++;
}

static void
ballot_warp(struct exchange *x)
{
    uint32_t said = 0;
    for (int l = 0; l < WARP; l++)
        said |= x->in[l][0] << l;
    for (int l = 0; l < WARP; l++)
        x->out[l][0] = said;
}

/* The running lane joins its warp's operation; the last to come does the work for all. */
static struct exchange *
meet(enum meeting kind)
{
    lane &l = G.lanes[G.cur];
    warp &w = G.warps[G.cur / WARP];
    struct exchange *x = &w.x[l.parity];
    l.parity ^= 1;
    if (w.live != ~0u)
        die("warp operation after some of the warp's lanes returned");
    if (w.met && w.kind != kind) {
        char s[96];
        snprintf(s, sizeof s, "warp diverged: a lane in %s, others in %s", meeting_name[kind],
                 meeting_name[w.kind]);
        die(s);
    }
    w.kind = kind;
    w.met |= 1u << G.cur % WARP;
    w.ready &= ~w.met;
    if (w.met != ~0u) {
        resume(pick());
        return x;
    }
    if (kind == MMA)
        mma_warp(x);
    else if (kind == BALLOT)
        ballot_warp(x);
    else if (kind == LDMATRIX || kind == LDMATRIX_TRANS)
        ldmatrix_warp(x, kind == LDMATRIX_TRANS);
    w.met = 0;
    w.ready = ~0u;
    resume(pick());
    return x;
}

int emu_thread(void) { return G.cur; }
int emu_threads(void) { return G.threads; }
int emu_block(void) { return G.block; }
int emu_blocks(void) { return G.blocks; }
void *emu_smem(void) { return G.smem; }
struct emu_count emu_counted(void) { return G.count; }
void emu_count_reset(void) { G.count = {}; }

/* Only the two barriers order memory; shuffles, mma and ldmatrix do not: TSan is told so. */
void
emu_sync_warp(void)
{
    char *sync = &G.warps[G.cur / WARP].sync;
    __tsan_release(sync);
    meet(SYNC_WARP);
    __tsan_acquire(sync);
}

void
emu_sync_block(void)
{
    warp &w = G.warps[G.cur / WARP];
    __tsan_release(&G.sync);
    if (G.done)
        die("block barrier after some threads returned");
    w.ready &= ~(1u << G.cur % WARP);
    if (++G.at_barrier == G.threads) {
        G.at_barrier = 0;
        G.count.barriers++;
        for (warp &v : G.warps)
            v.ready = ~0u;
        shuffle_ranks();
    }
    resume(pick());
    __tsan_acquire(&G.sync);
}

/* Where the running lane puts what it brings to the next meeting. */
static uint32_t *
bring(void)
{
    return G.warps[G.cur / WARP].x[G.lanes[G.cur].parity].in[G.cur % WARP];
}

uint32_t
emu_shfl_xor(uint32_t v, int mask)
{
    const int me = G.cur % WARP;
    bring()[0] = v;
    return meet(SHFL)->in[me ^ mask][0];
}

uint32_t
emu_ballot(bool b)
{
    const int me = G.cur % WARP;
    bring()[0] = b;
    return meet(BALLOT)->out[me][0];
}

void
emu_mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    const int me = G.cur % WARP;
    uint32_t *in = bring();
    for (int i = 0; i < 6; i++)
        in[i] = i < 4 ? a[i] : b[i - 4];
    struct exchange *x = meet(MMA);
    for (int i = 0; i < 4; i++) {
        float f;
        memcpy(&f, &x->out[me][i], 4);
        c[i] += f;
    }
}

void
emu_ldmatrix(uint32_t r[4], const uint32_t row[4], const void *at, bool trans)
{
    const int me = G.cur % WARP;
    struct exchange *x = &G.warps[G.cur / WARP].x[G.lanes[G.cur].parity];
    x->at[me] = (uintptr_t)at;
    if ((uintptr_t)at % 16)
        die("ldmatrix row not aligned to 16 bytes");
    for (int i = 0; i < 4; i++)
        x->in[me][i] = row[i];
    meet(trans ? LDMATRIX_TRANS : LDMATRIX);
    for (int i = 0; i < 4; i++)
        r[i] = x->out[me][i];
}

void
emu_async(struct emu_copy copy)
{
    lane &l = G.lanes[G.cur];
    if ((uintptr_t)copy.dst % copy.bytes || (uintptr_t)copy.src % copy.bytes)
        die("asynchronous copy not aligned to its size");
    l.copies.push_back({ copy, l.group });
    G.count.async_bytes += copy.bytes;
}

void emu_commit(void) { G.lanes[G.cur].group++; }

int
emu_due(int keep)
{
    const lane &l = G.lanes[G.cur];
    size_t i = l.landed;
    while (i < l.copies.size() && l.copies[i].group < l.group - keep)
        i++;
    return (int)(i - l.landed);
}

struct emu_copy
emu_take(void)
{
    lane &l = G.lanes[G.cur];
    const struct emu_copy c = l.copies[l.landed++].copy;
    if (l.landed == l.copies.size()) {
        l.copies.clear();
        l.landed = 0;
    }
    return c;
}

static char *
stack_new(void)
{
    char *p = (char *)mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE))
        die("no memory for a stack");
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
    shuffle_ranks();
    G.cur = 0;
    G.cur = pick();
    __tsan_release(&G.start);
    __tsan_switch_to_fiber(G.lanes[G.cur].tsan, 1);
    emu_switch(&G.main_sp, G.lanes[G.cur].sp);
    G.count.blocks++;
}

static void
machine_start(const char *name, int blocks, int threads, const std::function<void(void)> &body)
{
    const struct emu_turn *turn = emu_current();
    G.name = name;
    G.threads = threads;
    G.blocks = blocks;
    G.body = &body;
    G.order = turn->order;
    G.seed = turn->seed;
    G.count.launches++;
    if (threads < 1 || threads % WARP || threads > WARP * MAX_WARPS)
        die("threads of a block: a multiple of 32, at most 1024");
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
    machine_start(name, blocks, threads, body);
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
