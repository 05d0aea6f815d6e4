#ifndef GPU_ATTENTION_FWD_CUH
#define GPU_ATTENTION_FWD_CUH
/*
 * fwd - o = softmax(scale q k^T) v for one block of queries.  Keys and values pass through
 * two stages of shared memory, the next tile in flight while this one is used; one barrier
 * a tile says both that it has landed and that the other stage is free.
 *
 * Every sum runs in the order of the sequence's own rows, in tiles counted from its first:
 * neither the batch nor MT shows in the bytes.
 */
#include "gpu/attention/mask.cuh"
#include "gpu/attention/softmax.cuh"
#include "gpu/attention/tile.cuh"

struct forward {
    struct mat o, lse, q, k, v;
    const struct work *list;
    int heads, window;
    float scale;
};

/* HELD: 16-column steps of q in registers, or 0: read again for every tile. */
template <int K, int MT>
struct forward_shape {
    enum {
        ROWS = WARPS * 16 * MT,
        SMEM = (ROWS + 4 * TILE) * K * 2,
        HELD = MT * K < 128 ? K / 16 : 0,
        STEPS = HELD ? HELD : 1
    };
};

/* s = q k^T */
template <int K, int MT, bool WINDOW>
DEV void
forward_scores(float s[MT][TILE / 8][4], uint32_t q[MT][forward_shape<K, MT>::STEPS][4],
               const bf16 *queries, const bf16 *keys, struct mask<WINDOW> m, int own,
               int key)
{
    constexpr bool HELD = forward_shape<K, MT>::HELD != 0;
    UNROLL
    for (int step = 0; step < K / 16; step++) {
        if (!HELD)
            UNROLL
            for (int mt = 0; mt < MT; mt++)
                tile_a<K>(q[mt][0], queries, mt * 16, step);
        UNROLL
        for (int c = 0; c < TILE / 16; c++) {
            if (WINDOW && mask_none(m, own, 16 * MT, key + c * 16, 16))
                continue;
            uint32_t b[4];
            tile_b<K>(b, keys, c * 16, step);
            UNROLL
            for (int mt = 0; mt < MT; mt++) {
                dev_mma(s[mt][c * 2], q[mt][HELD ? step : 0], b);
                dev_mma(s[mt][c * 2 + 1], q[mt][HELD ? step : 0], b + 2);
            }
        }
    }
}

/* Hidden scores become -inf. */
template <int MT, bool WINDOW>
DEV void
forward_mask(float s[MT][TILE / 8][4], struct mask<WINDOW> m, int own, int key, int lane)
{
    if (mask_all(m, own, 16 * MT, key, TILE))
        return;
    UNROLL
    for (int mt = 0; mt < MT; mt++)
        UNROLL
        for (int n = 0; n < TILE / 8; n++)
            UNROLL
            for (int e = 0; e < 4; e++)
                if (!mask_sees(m, own + mt * 16 + lane / 4 + e / 2 * 8,
                               key + n * 8 + lane % 4 * 2 + e % 2))
                    s[mt][n][e] = -INFINITY;
}

/* out += p v */
template <int K, int MT, bool WINDOW>
DEV void
forward_values(float out[MT][K / 8][4], const float p[MT][TILE / 8][4], const bf16 *values,
               struct mask<WINDOW> m, int own, int key)
{
    UNROLL
    for (int c = 0; c < TILE / 16; c++) {
        if (WINDOW && mask_none(m, own, 16 * MT, key + c * 16, 16))
            continue;
        uint32_t a[MT][4];
        UNROLL
        for (int mt = 0; mt < MT; mt++)
            tile_a_from(a[mt], p[mt][c * 2], p[mt][c * 2 + 1]);
        UNROLL
        for (int step = 0; step < K / 16; step++) {
            uint32_t b[4];
            tile_b_trans<K>(b, values, c * 16, step);
            UNROLL
            for (int mt = 0; mt < MT; mt++) {
                dev_mma(out[mt][step * 2], a[mt], b);
                dev_mma(out[mt][step * 2 + 1], a[mt], b + 2);
            }
        }
    }
}

/* The answers of 16 queries, from row `own` of the sequence on. */
template <int K>
DEV void
forward_store(const struct forward &a, struct place at, int own, bf16 *corner,
              const float out[K / 8][4], const struct online *soft)
{
    float inverse[2], lse[2];
    online_end(soft, inverse, lse);
    tile_store<K>(a.o, at.head, at.w.out + own, at.w.out + at.w.asked, corner, out,
                  inverse);
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = own + at.lane / 4 + half * 8;
        if (a.lse.p && at.lane % 4 == 0 && row < at.w.asked)
            mat_row<float>(a.lse, at.w.row + row)[at.head] = lse[half];
    }
}

template <int K, int MT, bool WINDOW>
KERNEL(THREADS, MT == 1 ? 3 : 2)
attention_forward(struct forward a)
{
    typedef forward_shape<K, MT> shape;
    SMEM_DYN(bf16, block);
    const struct place at = seq_place(a.list, a.heads, shape::ROWS);
    const struct work w = at.w;
    const int rows = w.asked - at.first < shape::ROWS ? w.asked - at.first : shape::ROWS;
    const struct span seen = seq_visible(at.first, rows, w.len, WINDOW ? a.window : -1);
    const struct mask<WINDOW> m = { w.len, a.window };
    bf16 *queries = block + (at.own - at.first) * K, *stages = block + shape::ROWS * K;
    const float scale = a.scale * LOG2E;
    float out[MT][K / 8][4] = {};
    struct online soft[MT];
    uint32_t q[MT][shape::STEPS][4];
    UNROLL
    for (int mt = 0; mt < MT; mt++)
        online_start(&soft[mt]);

    tile_load<K, shape::ROWS>(block, a.q, at, at.first, w.asked);
    pair_load<K>(stages, a.k, a.v, at, seen.lo);
    for (int key = seen.lo, stage = 0; key < seen.hi; key += TILE, stage ^= 1) {
        const bf16 *keys = stages + stage * 2 * TILE * K, *values = keys + TILE * K;
        if (PLANT != 2)
            tile_ready();
        if (key + TILE < seen.hi)
            pair_load<K>(stages + (stage ^ 1) * 2 * TILE * K, a.k, a.v, at, key + TILE);
        if (PLANT == 2)
            tile_ready();
        if (at.own >= w.asked)
            continue; /* a warp that nobody asks: it only loads */
        if (key == seen.lo)
            UNROLL
            for (int i = 0; i < MT * shape::HELD; i++) {
                const int mt = i / shape::STEPS, step = i % shape::STEPS;
                tile_a<K>(q[mt][step], queries, mt * 16, step);
            }
        float s[MT][TILE / 8][4] = {};
        forward_scores<K, MT, WINDOW>(s, q, queries, keys, m, at.own, key);
        forward_mask<MT, WINDOW>(s, m, at.own, key, at.lane);
        UNROLL
        for (int mt = 0; mt < MT; mt++)
            online_add<TILE / 8, K / 8>(&soft[mt], s[mt], out[mt], scale);
        forward_values<K, MT, WINDOW>(out, s, values, m, at.own, key);
    }
    UNROLL
    for (int mt = 0; mt < MT; mt++)
        if (at.own + mt * 16 < w.asked)
            forward_store<K>(a, at, at.own + mt * 16, queries + mt * 16 * K, out[mt],
                             &soft[mt]);
    if (PLANT == 4 && dev_thread() < 64)
        dev_sync_block();
}
#endif
