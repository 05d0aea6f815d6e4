/*
 * online - one pass: the softmax of the keys so far, corrected when a greater score comes.
 *
 * A row keeps m (the greatest score so far), l = sum exp(s - m) and o = sum exp(s - m) v.
 * A group of keys with scores s_j brings
 *
 *     m' = max(m, max_j s_j)          fade = exp(m - m')
 *     l' = l fade + sum_j exp(s_j - m')
 *     o' = o fade + sum_j exp(s_j - m') v_j
 *
 * and after the last group the answer is o / l (the sum: Milakov and Gimelshein 2018; with
 * o: Rabe and Staats 2021, Dao et al. 2022).  Training needs one number a row later on,
 * lse = m + log l: the backward pass computes p_ij = exp(s_ij - lse_i) again rather than
 * read T x T of them.
 *
 * As in tiled.cu a thread owns a query.  Groups are of 16 keys: the correction, K
 * multiplications, is paid once in 16 keys, and 16 sums are under way beside each other.
 */
#include "examples/attention/ladder.h"

enum { QUERIES = 128, KEYS = 64, GROUP = 16 };

struct online { float max, sum, o[K]; };

/* KEYS rows from `row` on; those past the sequence's end are zeros, for their p is 0, but 0
 * times whatever lay there need not be 0. */
DEV void
tile_load(float *tile, const float *from, int row, struct place at, int heads)
{
    for (int i = dev_thread(); i < KEYS * (K / 4); i += QUERIES) {
        const int r = row + i / (K / 4), c = i % (K / 4) * 4;
        struct quad x = { { 0, 0, 0, 0 } };
        if (r < at.len)
            x = dev_load4(from + at_row(at.row + r, at.head, heads) + c);
        dev_store4(tile + i * 4, x);
    }
}

/* The scores of a group, of which the first n exist. */
DEV void
group_scores(float s[GROUP], const float q[K], const float *keys, int n)
{
    UNROLL
    for (int j = 0; j < GROUP; j++)
        s[j] = 0;
    UNROLL
    for (int c = 0; c < K; c += 4)
        UNROLL
        for (int j = 0; j < GROUP; j++) {
            const struct quad k = dev_load4(keys + j * K + c);
            UNROLL
            for (int i = 0; i < 4; i++)
                s[j] += q[c + i] * k.f[i];
        }
    UNROLL
    for (int j = 0; j < GROUP; j++)
        s[j] = j < n ? s[j] * SCALE : -INFINITY;
}

DEV void
online_add(struct online *r, const float s[GROUP], const float *values)
{
    float max = r->max;
    UNROLL
    for (int j = 0; j < GROUP; j++)
        max = fmaxf(max, s[j]);
    const float fade = expf(r->max - max); /* the first time exp(-inf), which is 0 */
    r->max = max;
    r->sum *= fade;
    UNROLL
    for (int c = 0; c < K; c++)
        r->o[c] *= fade;
    UNROLL
    for (int j = 0; j < GROUP; j++) {
        const float p = expf(s[j] - max);
        r->sum += p;
        UNROLL
        for (int c = 0; c < K; c += 4) {
            const struct quad v = dev_load4(values + j * K + c);
            UNROLL
            for (int i = 0; i < 4; i++)
                r->o[c + i] += p * v.f[i];
        }
    }
}

KERNEL(QUERIES, 2)
attend_online(struct batch<float> b, int blocks)
{
    SMEM_DYN(float, keys);
    float *values = keys + KEYS * K;
    const struct place at = place_of(b.cu, blocks, QUERIES, b.heads);
    const int row = at.q0 + dev_thread();
    if (at.q0 >= at.len)
        return;
    const int has = row < at.len ? row : at.len - 1;
    const ptrdiff_t mine = at_row(at.row + has, at.head, b.heads);
    struct online r = { -INFINITY, 0, {} };
    float q[K];
    UNROLL
    for (int c = 0; c < K; c++)
        q[c] = b.q[mine + c];
    for (int j0 = 0; j0 < at.len; j0 += KEYS) {
        tile_load(keys, b.k, j0, at, b.heads);
        tile_load(values, b.v, j0, at, b.heads);
        dev_sync_block();
        for (int j = j0; j < j0 + KEYS && j < at.len; j += GROUP) {
            float s[GROUP];
            group_scores(s, q, keys + (j - j0) * K, at.len - j);
            online_add(&r, s, values + (j - j0) * K);
        }
        dev_sync_block();
    }
    if (row >= at.len)
        return;
    UNROLL
    for (int c = 0; c < K; c++)
        b.o[mine + c] = r.o[c] / r.sum;
    b.lse[mine / K] = r.max + logf(r.sum);
}

static void
attend(struct batch<float> b, const int *, cudaStream_t stream)
{
    const int blocks = blocks_of(b.longest, QUERIES);
    const int smem = 2 * KEYS * K * sizeof(float);
    LAUNCH(stream, attend_online, b.n * blocks * b.heads, QUERIES, smem, b, blocks);
}

int
main(int argc, char **argv)
{
    return ladder<float>(argc, argv, { "online", attend, true, false, 1e-10 });
}
