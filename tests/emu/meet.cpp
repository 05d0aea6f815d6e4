/* meet.cpp - barriers, warp operations and asynchronous copies: where fibers meet.  Compiled
 * without sanitizers. */
#include "machine.h"
#include <stdio.h>
#include <string.h>

enum meeting { SYNC_WARP, SHFL, BALLOT, MMA, LDMATRIX, LDMATRIX_TRANS };
static const char *const meeting_name[] = { "__syncwarp", "shuffle", "ballot", "mma", "ldmatrix",
                                            "ldmatrix.trans" };

/* The running lane joins its warp's operation; the last to come does the work for all. */
static struct exchange *
meet(enum meeting kind)
{
    lane &l = G.lanes[G.cur];
    warp &w = G.warps[G.cur / WARP];
    struct exchange *x = &w.x[l.parity];
    l.parity ^= 1;
    if (w.live != ~0u)
        machine_die("warp operation after some of the warp's lanes returned");
    if (w.met && w.kind != kind) {
        char s[96];
        snprintf(s, sizeof s, "warp diverged: a lane in %s, others in %s", meeting_name[kind],
                 meeting_name[w.kind]);
        machine_die(s);
    }
    w.kind = kind;
    w.met |= 1u << G.cur % WARP;
    w.ready &= ~w.met;
    if (w.met != ~0u) {
        machine_resume(machine_pick());
        return x;
    }
    if (kind == MMA) {
        exchange_mma(x);
        G.count.mma++;
    } else if (kind == BALLOT) {
        exchange_ballot(x);
    } else if (kind == LDMATRIX || kind == LDMATRIX_TRANS) {
        G.count.conflicts += exchange_ldmatrix(x, kind == LDMATRIX_TRANS);
        G.count.ldmatrix++;
    }
    w.met = 0;
    w.ready = ~0u;
    machine_resume(machine_pick());
    return x;
}

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
        machine_die("block barrier after some threads returned");
    w.ready &= ~(1u << G.cur % WARP);
    if (++G.at_barrier == G.threads) {
        G.at_barrier = 0;
        G.count.barriers++;
        for (warp &v : G.warps)
            v.ready = ~0u;
        machine_shuffle();
    }
    machine_resume(machine_pick());
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
        machine_die("ldmatrix row not aligned to 16 bytes");
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
        machine_die("asynchronous copy not aligned to its size");
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
