#ifndef GPU_ATTENTION_BWD_CUH
#define GPU_ATTENTION_BWD_CUH
/*
 * bwd - the gradients, without atomics, P recomputed from the saved lse (Dao 2023,
 * FlashAttention-2):
 *     P = exp(scale q k^T - lse)    delta = rowsum(dout * o)    dS = P * (dout v^T - delta)
 *     dq = scale dS k               dk = scale dS^T q           dv = P^T dout
 * attention_dq owns rows of queries and streams keys; attention_dkv owns rows of keys and
 * streams queries, so that its P^T and dS^T are operands A straight from registers.  With
 * lse known no row needs to be seen whole: 16 streamed rows at a time keep few scores
 * alive.
 */
#include "gpu/attention/mask.cuh"
#include "gpu/attention/softmax.cuh"
#include "gpu/attention/tile.cuh"

struct backward {
    struct mat dq, dk, dv, dout, o, lse, q, k, v;
    const struct work *list;
    float *sums; /* [2,H,T]: lse in base 2, then delta */
    int heads, rows, window;
    float scale;
};

/* Those of the place's sequence and head. */
DEV const float *
sums_at(const struct backward &g, struct place at)
{
    return g.sums + (ptrdiff_t)at.head * g.rows + at.w.row;
}

/* 16 bytes of dout and o a thread: K/8 neighbours hold a row of a head, and the rows of a
 * head follow each other. */
template <int K>
KERNEL(THREADS, 8)
attention_delta(struct backward g, int blocks)
{
    const int head = dev_block() / blocks,
              at = dev_block() % blocks * THREADS + dev_thread();
    const bool ok = at / (K / 8) < g.rows;
    const int row = ok ? at / (K / 8) : 0, chunk = at % (K / 8);
    const struct vec16 x = dev_load16(seq_at<K>(g.dout, row, head) + chunk * 8),
                       y = dev_load16(seq_at<K>(g.o, row, head) + chunk * 8);
    float sum = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        sum = fmaf(dev_lo(x.w[i]), dev_lo(y.w[i]), sum);
        sum = fmaf(dev_hi(x.w[i]), dev_hi(y.w[i]), sum);
    }
    UNROLL
    for (int m = 1; m < K / 8; m *= 2)
        sum += dev_shfl_xor(sum, m);
    if (ok && chunk == 0) {
        float *to = g.sums + (ptrdiff_t)head * g.rows + row;
        to[(ptrdiff_t)g.heads * g.rows] = sum;
        *to = mat_row<float>(g.lse, row)[head] * LOG2E;
    }
}

/* ---- dq ------------------------------------------------------------------------------ */
template <int K, int MT>
struct dq_shape {
    enum { ROWS = WARPS * 16 * MT, SMEM = (2 * ROWS + 4 * TILE) * K * 2 };
};

/* What a warp holds of its queries. */
template <int K, int MT>
struct own_queries {
    uint32_t q[MT][K / 16][4], dout[MT][K / 16][4];
    float power[MT][2], delta[MT][2], dq[MT][K / 8][4];
};

/* Rows past the end: P = 0, whatever the zeros in their place give. */
template <int K, int MT>
DEV void
dq_start(struct own_queries<K, MT> *x, const struct backward &g, struct place at)
{
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
        UNROLL
        for (int half = 0; half < 2; half++) {
            const int i = at.own + mt * 16 + at.lane / 4 + half * 8;
            const float *from = sums_at(g, at) + i;
            x->power[mt][half] = i < at.w.len ? *from : INFINITY;
            x->delta[mt][half] = i < at.w.len ? from[g.heads * g.rows] : 0;
        }
        UNROLL
        for (int n = 0; n < K / 8; n++)
            UNROLL
            for (int e = 0; e < 4; e++)
                x->dq[mt][n][e] = 0;
    }
}

/* dq += dS k for the 16 keys from `key` on, whose rows the two tiles begin with. */
template <int K, int MT, bool WINDOW>
DEV void
dq_add(struct own_queries<K, MT> *x, const bf16 *keys, const bf16 *values,
       struct mask<WINDOW> m, struct place at, int key, float scale)
{
    const bool all = mask_all(m, at.own, 16 * MT, key, 16);
    float s[MT][2][4] = {}, dp[MT][2][4] = {};
    UNROLL
    for (int step = 0; step < K / 16; step++) {
        uint32_t bk[4], bv[4];
        tile_b<K>(bk, keys, 0, step);
        tile_b<K>(bv, values, 0, step);
        UNROLL
        for (int mt = 0; mt < MT; mt++)
            UNROLL
            for (int n = 0; n < 2; n++) {
                dev_mma(s[mt][n], x->q[mt][step], bk + 2 * n);
                dev_mma(dp[mt][n], x->dout[mt][step], bv + 2 * n);
            }
    }
    uint32_t ds[MT][4];
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
        UNROLL
        for (int n = 0; n < 2; n++)
            UNROLL
            for (int e = 0; e < 4; e++) {
                const int i = at.own + mt * 16 + at.lane / 4 + e / 2 * 8,
                          j = key + n * 8 + at.lane % 4 * 2 + e % 2;
                float p = dev_exp2(fmaf(s[mt][n][e], scale, -x->power[mt][e / 2]));
                if (!all && !mask_sees(m, i, j))
                    p = 0;
                s[mt][n][e] = p * (dp[mt][n][e] - x->delta[mt][e / 2]);
            }
        tile_a_from(ds[mt], s[mt][0], s[mt][1]);
    }
    UNROLL
    for (int step = 0; step < K / 16; step++) {
        uint32_t b[4];
        tile_b_trans<K>(b, keys, 0, step);
        UNROLL
        for (int mt = 0; mt < MT; mt++) {
            dev_mma(x->dq[mt][step * 2], ds[mt], b);
            dev_mma(x->dq[mt][step * 2 + 1], ds[mt], b + 2);
        }
    }
}

template <int K, int MT, bool WINDOW>
KERNEL(THREADS, MT == 1 ? 3 : 2)
attention_dq(struct backward g)
{
    constexpr int ROWS = dq_shape<K, MT>::ROWS;
    SMEM_DYN(bf16, block);
    bf16 *block_dout = block + ROWS * K, *stages = block_dout + ROWS * K;
    const struct place at = seq_place(g.list, g.heads, ROWS);
    const int row = at.w.row, len = at.w.len, own = at.own - at.first;
    const struct span seen = seq_visible(at.first, ROWS, len, WINDOW ? g.window : -1);
    /* a warp past the end sees nobody */
    const struct mask<WINDOW> m = { at.own < len ? len : 0, g.window };
    struct own_queries<K, MT> x;

    tile_load<K, ROWS>(block, g.q, at, at.first, len);
    tile_load<K, ROWS>(block_dout, g.dout, at, at.first, len);
    pair_load<K>(stages, g.k, g.v, at, seen.lo);
    dq_start(&x, g, at);
    for (int key = seen.lo, stage = 0; key < seen.hi; key += TILE, stage ^= 1) {
        const bf16 *keys = stages + stage * 2 * TILE * K, *values = keys + TILE * K;
        if (PLANT != 2)
            tile_ready();
        if (key + TILE < seen.hi)
            pair_load<K>(stages + (stage ^ 1) * 2 * TILE * K, g.k, g.v, at, key + TILE);
        if (PLANT == 2)
            tile_ready();
        if (key == seen.lo)
            UNROLL
            for (int i = 0; i < MT * (K / 16); i++) {
                const int mt = i / (K / 16), step = i % (K / 16);
                tile_a<K>(x.q[mt][step], block, own + mt * 16, step);
                tile_a<K>(x.dout[mt][step], block_dout, own + mt * 16, step);
            }
        ROLL
        for (int c = 0; c < TILE; c += 16)
            if (!mask_none(m, at.own, 16 * MT, key + c, 16))
                dq_add<K, MT, WINDOW>(&x, keys + c * K, values + c * K, m, at, key + c,
                                      g.scale * LOG2E);
    }
    const float scale[2] = { g.scale, g.scale };
    UNROLL
    for (int mt = 0; mt < MT; mt++)
        tile_store<K>(g.dq, at.head, row + at.own + mt * 16, row + len,
                      block + (own + mt * 16) * K, x.dq[mt], scale);
}

/* ---- dk, dv -------------------------------------------------------------------------- */
/* One stage of shared memory: 64 queries. */
template <int K>
struct dkv_stage { bf16 q[TILE * K], dout[TILE * K]; float sums[2 * TILE]; };

/* HELD: 16-column steps of v in registers, or 0: read again for every 16 queries. */
template <int K, int MT, bool WINDOW>
struct dkv_shape {
    enum {
        ROWS = WARPS * 16 * MT,
        SMEM = 2 * ROWS * K * 2 + 2 * (int)sizeof(struct dkv_stage<K>),
        HELD = MT * K < (WINDOW ? 64 : 128) ? K / 16 : 0,
        STEPS = HELD ? HELD : 1
    };
};

/* What a warp holds of its keys. */
template <int K, int MT, bool WINDOW>
struct own_keys {
    uint32_t k[MT][K / 16][4], v[MT][dkv_shape<K, MT, WINDOW>::STEPS][4];
    float dk[MT][K / 8][4], dv[MT][K / 8][4];
};

template <int K>
DEV void
dkv_load(struct dkv_stage<K> *to, const struct backward &g, struct place at, int first)
{
    const int len = at.w.len;
    tile_load<K, TILE>(to->q, g.q, at, first, len);
    tile_load<K, TILE>(to->dout, g.dout, at, first, len);
    tile_load_columns<TILE>(to->sums, sums_at(g, at), g.heads * g.rows, first, len);
    dev_cp_commit();
}

/* Transposed scores k q^T become P^T, and v dout^T becomes dS^T, for 16 queries from row c
 * of the stage on. */
template <int K, int MT, bool WINDOW>
DEV void
dkv_soften(float s[MT][2][4], float dp[MT][2][4], const struct dkv_stage<K> *from, int c,
           struct mask<WINDOW> m, struct place at, int query, float scale)
{
    const bool all = mask_all(m, at.own, 16 * MT, query + c, 16);
    UNROLL
    for (int mt = 0; mt < MT; mt++)
        UNROLL
        for (int n = 0; n < 2; n++)
            UNROLL
            for (int e = 0; e < 4; e++) {
                const int j = at.own + mt * 16 + at.lane / 4 + e / 2 * 8,
                          i = c + n * 8 + at.lane % 4 * 2 + e % 2;
                float p = dev_exp2(fmaf(s[mt][n][e], scale, -from->sums[i]));
                if (!all && !mask_sees(m, j, query + i))
                    p = 0;
                s[mt][n][e] = p;
                dp[mt][n][e] = p * (dp[mt][n][e] - from->sums[TILE + i]);
            }
}

/* dk += dS^T q and dv += P^T dout for the 16 queries from row c of the stage on, whose row
 * 0 is `query`.  values: the warp's rows of v in shared memory. */
template <int K, int MT, bool WINDOW>
DEV void
dkv_add(struct own_keys<K, MT, WINDOW> *x, const bf16 *values,
        const struct dkv_stage<K> *from, int c, struct mask<WINDOW> m, struct place at,
        int query, float scale)
{
    constexpr bool HELD = dkv_shape<K, MT, WINDOW>::HELD != 0;
    const bf16 *q = from->q + c * K, *dout = from->dout + c * K;
    float s[MT][2][4] = {}, dp[MT][2][4] = {};
    UNROLL
    for (int step = 0; step < K / 16; step++) {
        uint32_t bq[4], bo[4];
        tile_b<K>(bq, q, 0, step);
        tile_b<K>(bo, dout, 0, step);
        UNROLL
        for (int mt = 0; mt < MT; mt++) {
            if (!HELD)
                tile_a<K>(x->v[mt][0], values, mt * 16, step);
            UNROLL
            for (int n = 0; n < 2; n++) {
                dev_mma(s[mt][n], x->k[mt][step], bq + 2 * n);
                dev_mma(dp[mt][n], x->v[mt][HELD ? step : 0], bo + 2 * n);
            }
        }
    }
    dkv_soften<K, MT, WINDOW>(s, dp, from, c, m, at, query, scale);
    uint32_t p[MT][4], ds[MT][4];
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
        tile_a_from(p[mt], s[mt][0], s[mt][1]);
        tile_a_from(ds[mt], dp[mt][0], dp[mt][1]);
    }
    UNROLL
    for (int step = 0; step < K / 16; step++) {
        uint32_t bq[4], bo[4];
        tile_b_trans<K>(bq, q, 0, step);
        tile_b_trans<K>(bo, dout, 0, step);
        UNROLL
        for (int mt = 0; mt < MT; mt++)
            UNROLL
            for (int n = 0; n < 2; n++) {
                dev_mma(x->dk[mt][step * 2 + n], ds[mt], bq + 2 * n);
                dev_mma(x->dv[mt][step * 2 + n], p[mt], bo + 2 * n);
            }
    }
}

template <int K, int MT, bool WINDOW>
KERNEL(THREADS, MT == 1 ? 3 : 2)
attention_dkv(struct backward g)
{
    typedef dkv_shape<K, MT, WINDOW> shape;
    SMEM_DYN(bf16, block);
    bf16 *block_v = block + shape::ROWS * K;
    struct dkv_stage<K> *stages = (struct dkv_stage<K> *)(block_v + shape::ROWS * K);
    const struct place at = seq_place(g.list, g.heads, shape::ROWS);
    const int len = at.w.len, own = at.own - at.first;
    const struct span seen =
        seq_visible(at.first, shape::ROWS, len, WINDOW ? g.window : -1);
    /* a warp past the end sees nobody */
    const struct mask<WINDOW> m = { at.own < len ? len : 0, g.window };
    struct own_keys<K, MT, WINDOW> x;
    UNROLL
    for (int i = 0; i < MT * (K / 8) * 4; i++)
        x.dk[i / 4 / (K / 8)][i / 4 % (K / 8)][i % 4] =
            x.dv[i / 4 / (K / 8)][i / 4 % (K / 8)][i % 4] = 0;

    tile_load<K, shape::ROWS>(block, g.k, at, at.first, len);
    tile_load<K, shape::ROWS>(block_v, g.v, at, at.first, len);
    dkv_load(stages, g, at, seen.lo);
    for (int query = seen.lo, stage = 0; query < seen.hi; query += TILE, stage ^= 1) {
        if (PLANT != 2)
            tile_ready();
        if (query + TILE < seen.hi)
            dkv_load(stages + (stage ^ 1), g, at, query + TILE);
        if (PLANT == 2)
            tile_ready();
        if (query == seen.lo)
            UNROLL
            for (int i = 0; i < MT * (K / 16); i++) {
                const int mt = i / (K / 16), step = i % (K / 16);
                tile_a<K>(x.k[mt][step], block, own + mt * 16, step);
                if (shape::HELD != 0)
                    tile_a<K>(x.v[mt][step % shape::STEPS], block_v, own + mt * 16, step);
            }
        ROLL
        for (int c = 0; c < TILE; c += 16)
            if (!mask_none(m, at.own, 16 * MT, query + c, 16))
                dkv_add<K, MT, WINDOW>(&x, block_v + own * K, stages + stage, c, m, at,
                                       query, g.scale * LOG2E);
    }
    /* read again: registers are dear in the loop */
    const struct place end = seq_place(g.list, g.heads, shape::ROWS);
    const float scale[2] = { g.scale, g.scale }, one[2] = { 1, 1 };
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
        const int first = end.w.row + end.own + mt * 16, last = end.w.row + end.w.len,
                  corner = (own + mt * 16) * K;
        tile_store<K>(g.dk, end.head, first, last, block + corner, x.dk[mt], scale);
        tile_store<K>(g.dv, end.head, first, last, block_v + corner, x.dv[mt], one);
    }
}
#endif
