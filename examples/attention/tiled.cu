/*
 * tiled - keys and values pass through shared memory in tiles, and each tile is loaded once
 * for all queries of a block.  Nothing of size T is kept: scores are computed twice.
 *
 *     pass 1     m_i = max_j s_ij
 *     pass 2     l_i = sum_j exp(s_ij - m_i),   o_i = sum_j exp(s_ij - m_i) v_j / l_i
 *
 * A thread owns a query and keeps q_i and o_i in registers; a block is 128 queries of one
 * sequence and head.  All p_ij of a row have one denominator: o is divided once, last.
 */
#include "examples/attention/ladder.h"

enum { QUERIES = 128, KEYS = 64 };

/* n rows from `row` on, by all threads of the block; neighbours load neighbouring bytes. */
DEV void
tile_load(float *tile, const float *from, int row, int n, struct place at, int heads)
{
    for (int i = dev_thread(); i < n * (K / 4); i += QUERIES) {
        const int r = i / (K / 4), c = i % (K / 4) * 4;
        const float *x = from + at_row(at.row + row + r, at.head, heads) + c;
        dev_store4(tile + r * K + c, dev_load4(x));
    }
}

/* Every lane of a warp reads the same key: one read of shared memory serves 32 queries. */
DEV float
score(const float q[K], const float *key)
{
    struct quad sum = { { 0, 0, 0, 0 } };
    UNROLL
    for (int c = 0; c < K; c += 4) {
        const struct quad k = dev_load4(key + c);
        UNROLL
        for (int i = 0; i < 4; i++)
            sum.f[i] += q[c + i] * k.f[i];
    }
    return (sum.f[0] + sum.f[1] + (sum.f[2] + sum.f[3])) * SCALE;
}

DEV void
add(float o[K], float p, const float *value)
{
    UNROLL
    for (int c = 0; c < K; c += 4) {
        const struct quad v = dev_load4(value + c);
        UNROLL
        for (int i = 0; i < 4; i++)
            o[c + i] += p * v.f[i];
    }
}

KERNEL(QUERIES, 2)
attend_tiled(struct batch<float> b, int blocks)
{
    SMEM_DYN(float, keys);
    float *values = keys + KEYS * K;
    const struct place at = place_of(b.cu, blocks, QUERIES, b.heads);
    const int row = at.q0 + dev_thread();
    if (at.q0 >= at.len)
        return; /* the whole block: nobody waits for it at a barrier */
    /* a thread without a query computes the last one again, and does not store it */
    const int has = row < at.len ? row : at.len - 1;
    const ptrdiff_t mine = at_row(at.row + has, at.head, b.heads);
    float q[K], o[K], max = -INFINITY, sum = 0;
    UNROLL
    for (int c = 0; c < K; c++) {
        q[c] = b.q[mine + c];
        o[c] = 0;
    }
    for (int j0 = 0; j0 < at.len; j0 += KEYS) {
        const int n = at.len - j0 < KEYS ? at.len - j0 : KEYS;
        tile_load(keys, b.k, j0, n, at, b.heads);
        dev_sync_block(); /* the tile is complete */
        for (int j = 0; j < n; j++)
            max = fmaxf(max, score(q, keys + j * K));
        dev_sync_block(); /* the tile may be overwritten */
    }
    for (int j0 = 0; j0 < at.len; j0 += KEYS) {
        const int n = at.len - j0 < KEYS ? at.len - j0 : KEYS;
        tile_load(keys, b.k, j0, n, at, b.heads);
        tile_load(values, b.v, j0, n, at, b.heads);
        dev_sync_block();
        for (int j = 0; j < n; j++) {
            const float p = expf(score(q, keys + j * K) - max);
            sum += p;
            add(o, p, values + j * K);
        }
        dev_sync_block();
    }
    if (row < at.len)
        UNROLL
        for (int c = 0; c < K; c++)
            b.o[mine + c] = o[c] / sum;
}

static void
attend(struct batch<float> b, const int *, cudaStream_t stream)
{
    const int blocks = blocks_of(b.longest, QUERIES);
    const int smem = 2 * KEYS * K * sizeof(float);
    LAUNCH(stream, attend_tiled, b.n * blocks * b.heads, QUERIES, smem, b, blocks);
}

int
main(int argc, char **argv)
{
    return ladder<float>(argc, argv, { "tiled", attend, false, false, 1e-10 });
}
