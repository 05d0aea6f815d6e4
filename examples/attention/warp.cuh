#ifndef ATTENTION_WARP_CUH
#define ATTENTION_WARP_CUH
/*
 * warp - what one warp does with one tile of 64 keys, for tensor.cu and windowed.cu.  The
 * warp owns 16 queries: S = Q K^T is 16 x 64, O is 16 x K.
 *
 * The tensor cores multiply a 16 x 16 by a 16 x 8 matrix spread over the lanes (m16n8k16).
 * Of the product C, lane l holds four numbers: rows l / 4 and l / 4 + 8, columns 2 (l % 4)
 * and the next.  Two such C side by side, rounded to BF16, are just what the lane must hold
 * of the left factor A of another product: so P goes from one product to the next in
 * registers, and the scores are never written anywhere.  A row is spread over four lanes (a
 * quad), which is all that a maximum or a sum must cross.
 *
 * ldmatrix reads 8 x 8 matrices out of shared memory, 8 rows of 16 bytes at once.  Shared
 * memory has 128 bytes of width: rows of K = 64 BF16 would all begin in the same place, and
 * the 8 reads would wait for each other.  So the 16-byte chunks of row r are stored in the
 * order chunk ^ (r % 8): eight rows' same chunk then lies in eight different places.
 */
#include "examples/attention/ladder.h"

enum { TILE = 64, WARPS = 4, THREADS = WARPS * 32 };
enum { STEPS = K / 16, COLS = TILE / 8, CHUNKS = K / 8 };
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

/* A lane's part of 16 rows: greatest score (of the row), sum (the lane's share), output. */
struct rows { float max[2], sum[2], o[CHUNKS][4]; };

DEV bf16 *
tile_at(bf16 *tile, int row, int chunk)
{
    return tile + row * K + (chunk ^ row % 8) * 8;
}

/* Starts to copy rows r0 to r0 + 63 of a sequence of len rows; past its end are zeros. */
DEV void
tile_load(bf16 *tile, const bf16 *sequence, int r0, int len, int heads)
{
    const int row = dev_thread() / CHUNKS, chunk = dev_thread() % CHUNKS;
    const bf16 *from = sequence + at_row(r0 + row, 0, heads) + chunk * 8;
    UNROLL
    for (int i = 0; i < TILE; i += THREADS / CHUNKS) {
        const bool ok = r0 + row + i < len;
        dev_cp_async<16>(tile_at(tile, row + i, chunk),
                         ok ? from + at_row(i, 0, heads) : sequence, ok);
    }
}

/* Q: rows `row` to row + 15 of the tile, 16 columns a step. */
DEV void
warp_queries(uint32_t q[STEPS][4], bf16 *tile, int row)
{
    const int lane = dev_thread() % 32;
    UNROLL
    for (int step = 0; step < STEPS; step++)
        dev_ldmatrix(q[step], tile_at(tile, row + lane % 16, step * 2 + lane / 16));
}

/* S = Q K^T */
DEV void
warp_scores(float s[COLS][4], const uint32_t q[STEPS][4], bf16 *keys)
{
    const int lane = dev_thread() % 32, row = lane / 16 * 8 + lane % 8, half = lane / 8 % 2;
    UNROLL
    for (int step = 0; step < STEPS; step++)
        UNROLL
        for (int n = 0; n < COLS; n += 2) {
            uint32_t k[4]; /* keys 8 n to 8 n + 15 */
            dev_ldmatrix(k, tile_at(keys, n * 8 + row, step * 2 + half));
            dev_mma(s[n], q[step], k);
            dev_mma(s[n + 1], q[step], k + 2);
        }
}

DEV float
quad_max(float x)
{
    x = fmaxf(x, dev_shfl_xor(x, 1));
    return fmaxf(x, dev_shfl_xor(x, 2));
}

DEV float
quad_sum(float x)
{
    x += dev_shfl_xor(x, 1);
    return x + dev_shfl_xor(x, 2);
}

/*
 * The step of online.cu: s becomes exp(SCALE (s - max)).  Powers of two are an instruction:
 * exp(x) = 2^(x log2 e), and log2 e is multiplied into the scale.  A row that has seen no
 * key yet (a window makes this possible) has max -inf, and subtracts 0.
 */
DEV void
warp_soften(struct rows *r, float s[COLS][4])
{
    const float scale = SCALE * LOG2E;
    UNROLL
    for (int half = 0; half < 2; half++) {
        float max = r->max[half];
        UNROLL
        for (int n = 0; n < COLS; n++)
            max = fmaxf(max, fmaxf(s[n][half * 2], s[n][half * 2 + 1]));
        max = quad_max(max);
        const float base = max == -INFINITY ? 0 : max * scale;
        const float fade = dev_exp2(r->max[half] * scale - base);
        r->max[half] = max;
        r->sum[half] *= fade;
        UNROLL
        for (int n = 0; n < CHUNKS; n++)
            UNROLL
            for (int i = half * 2; i < half * 2 + 2; i++)
                r->o[n][i] *= fade;
        UNROLL
        for (int n = 0; n < COLS; n++)
            UNROLL
            for (int i = half * 2; i < half * 2 + 2; i++) {
                s[n][i] = dev_exp2(s[n][i] * scale - base);
                r->sum[half] += s[n][i];
            }
    }
}

/* O += P V; s holds P */
DEV void
warp_gather(struct rows *r, const float s[COLS][4], bf16 *values)
{
    const int lane = dev_thread() % 32;
    UNROLL
    for (int n = 0; n < COLS; n += 2) {
        const float *even = s[n], *odd = s[n + 1];
        const uint32_t p[4] = { dev_pack(even[0], even[1]), dev_pack(even[2], even[3]),
                                dev_pack(odd[0], odd[1]), dev_pack(odd[2], odd[3]) };
        UNROLL
        for (int c = 0; c < CHUNKS; c += 2) {
            uint32_t v[4]; /* values 8 n to 8 n + 15, turned over on the way */
            dev_ldmatrix_trans(v, tile_at(values, n * 8 + lane % 16, c + lane / 16));
            dev_mma(r->o[c], p, v);
            dev_mma(r->o[c + 1], p, v + 2);
        }
    }
}

/* o = O / l and lse, for rows r0 to r0 + 15 of the sequence, less those past its end. */
DEV void
warp_store(const struct rows *r, bf16 *sequence, float *lse, int r0, int len, int heads)
{
    const int lane = dev_thread() % 32;
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = r0 + lane / 4 + half * 8;
        const float sum = quad_sum(r->sum[half]), by = 1 / sum;
        if (row >= len)
            continue;
        UNROLL
        for (int n = 0; n < CHUNKS; n++)
            *(uint32_t *)(sequence + at_row(row, 0, heads) + n * 8 + lane % 4 * 2) =
                dev_pack(r->o[n][half * 2] * by, r->o[n][half * 2 + 1] * by);
        if (lane % 4 == 0)
            lse[(ptrdiff_t)row * heads] = r->max[half] * SCALE + dev_log2(sum) * LN2;
    }
}
#endif
