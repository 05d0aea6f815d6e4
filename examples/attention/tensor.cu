/*
 * tensor - the products on tensor cores, everything between them in registers, and the next
 * tile on its way while this one is used.
 *
 * q, k, v and o are BF16; scores, sums and o until its last step are F32.  A block is four
 * warps of 16 queries each.  Read warp.cuh first: there is what a warp does with a tile,
 * here how tiles come.
 *
 * There are two places (stages) for a tile of keys and one of values.  cp.async copies from
 * memory to shared memory without passing through registers, and without waiting:
 *
 *     loads     tile 0     tile 1     tile 2     tile 3
 *     uses         -       tile 0     tile 1     tile 2
 *     into      stage 0    stage 1    stage 0    stage 1
 *
 * One barrier a tile is enough.  Once a thread is past it, all threads' copies of this tile
 * have landed, because each waited for its own before; and all threads are done with the
 * tile before, so its stage may be filled again.
 */
#include "examples/attention/warp.cuh"

/* Keys that do not exist: columns from n on.  exp(-inf) is 0. */
DEV void
hide(float s[COLS][4], int n)
{
    const int mine = n - dev_thread() % 4 * 2;
    UNROLL
    for (int c = 0; c < COLS; c++)
        UNROLL
        for (int i = 0; i < 4; i++)
            if (c * 8 + i % 2 >= mine)
                s[c][i] = -INFINITY;
}

KERNEL(THREADS, 3)
attend_tensor(struct batch<bf16> b, int blocks)
{
    SMEM_DYN(bf16, queries);
    bf16 *keys = queries + TILE * K, *values = keys + 2 * TILE * K;
    const struct place at = place_of(b.cu, blocks, TILE, b.heads);
    const ptrdiff_t first = at_row(at.row, at.head, b.heads);
    const int row = dev_thread() / 32 * 16; /* the warp's first, in the tile of queries */
    struct rows r = { { -INFINITY, -INFINITY }, { 0, 0 }, {} };
    uint32_t q[STEPS][4];
    if (at.q0 >= at.len)
        return;
    tile_load(queries, b.q + first, at.q0, at.len, b.heads);
    dev_cp_commit();
    tile_load(keys, b.k + first, 0, at.len, b.heads);
    tile_load(values, b.v + first, 0, at.len, b.heads);
    dev_cp_commit();
    dev_cp_wait<1>(); /* all but the last group: the queries */
    dev_sync_block();
    warp_queries(q, queries, row);
    for (int j0 = 0, stage = 0; j0 < at.len; j0 += TILE, stage ^= 1) {
        const int other = (stage ^ 1) * TILE * K, next = j0 + TILE;
        float s[COLS][4] = {};
        dev_cp_wait<0>();
        dev_sync_block();
        if (next < at.len) {
            tile_load(keys + other, b.k + first, next, at.len, b.heads);
            tile_load(values + other, b.v + first, next, at.len, b.heads);
            dev_cp_commit();
        }
        warp_scores(s, q, keys + stage * TILE * K);
        if (next > at.len)
            hide(s, at.len - j0);
        warp_soften(&r, s);
        warp_gather(&r, s, values + stage * TILE * K);
    }
    warp_store(&r, b.o + first, b.lse + first / K, at.q0 + row, at.len, b.heads);
}

static void
attend(struct batch<bf16> b, const int *, cudaStream_t stream)
{
    const int blocks = blocks_of(b.longest, TILE), smem = 5 * TILE * K * sizeof(bf16);
    LAUNCH(stream, attend_tensor, b.n * blocks * b.heads, THREADS, smem, b, blocks);
}

int
main(int argc, char **argv)
{
    return ladder<bf16>(argc, argv, { "tensor", attend, true, false, 2e-5 });
}
