#ifndef GPU_ATTENTION_TILE_CUH
#define GPU_ATTENTION_TILE_CUH
/*
 * tile - how rows lie in shared memory and how the operands of mma come out of it.  A tile
 * is R rows of K bf16; the 16-byte chunks of a row are permuted by its number, so that the
 * same chunk of eight rows lies in eight groups of banks.
 */
#include "gpu/attention/seq.cuh"

/*
 * Bugs that tests/emu/plants.sh compiles in, to see that the tests see them: 1 no barrier
 * after a load, 2 the next load before the barrier, 3 one row past the end, 4 a barrier in
 * divergent code, 5 the barrier before the wait, 6 and 7 no warp barrier before and after
 * the staging of an output.
 */
#ifndef PLANT
#define PLANT 0
#endif

template <int K>
DEV int
tile_at(int row, int chunk)
{
    constexpr int chunks = K / 8, share = chunks < 8 ? 8 / chunks : 1,
                  mask = chunks < 8 ? chunks - 1 : 7;
    return row * K + (chunk ^ (row / share & mask)) * 8;
}

/* Starts the copy of rows [first, first + R) of the place's sequence and head, zeros for
 * those from len on. */
template <int K, int R>
DEV void
tile_load(bf16 *tile, struct mat m, struct place at, int first, int len)
{
    constexpr int chunks = K / 8, round = THREADS / chunks; /* rows that the block copies */
    static_assert(R % round == 0, "whole rounds");
    const int row = dev_thread() / chunks, chunk = dev_thread() % chunks, ld = (int)m.ld;
    const bf16 *from = seq_at<K>(m, at.w.row, at.head) + row * ld + chunk * 8;
    UNROLL
    for (int i = 0; i < R; i += round)
        dev_cp_async<16>(tile + tile_at<K>(i + row, chunk),
                         from + (ptrdiff_t)(first + i) * ld,
                         first + i + row < len + (PLANT == 3));
}

/* A stage of keys: their tile and that of their values. */
template <int K>
DEV void
pair_load(bf16 *stage, struct mat k, struct mat v, struct place at, int first)
{
    tile_load<K, TILE>(stage, k, at, first, at.w.len);
    tile_load<K, TILE>(stage + TILE * K, v, at, first, at.w.len);
    dev_cp_commit();
}

/* Starts the copy of two columns of R floats, one a row, `apart` floats apart. */
template <int R>
DEV void
tile_load_columns(float *tile, const float *seq, int apart, int first, int len)
{
    static_assert(2 * R == THREADS, "one each");
    const int column = dev_thread() / R, row = dev_thread() % R;
    dev_cp_async<4>(tile + dev_thread(), seq + (ptrdiff_t)column * apart + first + row,
                    first + row < len);
}

/* All copies so far have landed and every thread knows; every thread is done with the tile
 * before. */
DEV void
tile_ready(void)
{
    if (PLANT != 5)
        dev_cp_wait<0>();
    if (PLANT != 1)
        dev_sync_block();
    if (PLANT == 5)
        dev_cp_wait<0>();
}

/* Operand A, 16 x 16: rows row.. and columns 16 step.. of the tile. */
template <int K>
DEV void
tile_a(uint32_t a[4], const bf16 *tile, int row, int step)
{
    const int l = dev_thread() % 32;
    dev_ldmatrix(a, tile + (tile_at<K>(row + l % 16, l / 16) ^ step * 16));
}

/* Operands B of x tile^T for 16 columns, b[0..1] and b[2..3]: n = rows row.., k = columns
 * 16 step.. of the tile. */
template <int K>
DEV void
tile_b(uint32_t b[4], const bf16 *tile, int row, int step)
{
    const int l = dev_thread() % 32;
    dev_ldmatrix(b, tile + (tile_at<K>(row + l / 16 * 8 + l % 8, l / 8 % 2) ^ step * 16));
}

/* Those of x tile: k = rows row.., n = columns 16 step.. of the tile. */
template <int K>
DEV void
tile_b_trans(uint32_t b[4], const bf16 *tile, int row, int step)
{
    const int l = dev_thread() % 32;
    dev_ldmatrix_trans(b, tile + (tile_at<K>(row + l % 16, l / 16) ^ step * 16));
}

/* Two neighbouring 16 x 8 results, rounded, are operand A of the next product. */
DEV void
tile_a_from(uint32_t a[4], const float left[4], const float right[4])
{
    a[0] = dev_pack(left[0], left[1]);
    a[1] = dev_pack(left[2], left[3]);
    a[2] = dev_pack(right[0], right[1]);
    a[3] = dev_pack(right[2], right[3]);
}

/*
 * Writes 16 rows of results, the lane's two times scale[0] and scale[1], to the head's
 * columns of rows [first, end) of m.  corner: 16 x K of shared memory that this warp alone
 * touches.
 */
template <int K>
DEV void
tile_store(struct mat m, int head, int first, int end, bf16 *corner,
           const float c[K / 8][4], const float scale[2])
{
    constexpr int chunks = K / 8;
    const int l = dev_thread() % 32;
    if (PLANT != 6)
        dev_sync_warp(); /* the corner's last readers were other lanes */
    UNROLL
    for (int n = 0; n < K / 8; n++)
        UNROLL
        for (int half = 0; half < 2; half++) {
            const int row = l / 4 + half * 8;
            *(uint32_t *)(corner + tile_at<K>(row, n) + l % 4 * 2) =
                dev_pack(c[n][half * 2] * scale[half], c[n][half * 2 + 1] * scale[half]);
        }
    if (PLANT != 7)
        dev_sync_warp();
    UNROLL
    for (int i = 0; i < 16 * chunks / 32; i++) {
        const int at = i * 32 + l, row = at / chunks, chunk = at % chunks;
        if (first + row < end)
            dev_store16(seq_at<K>(m, first + row, head) + chunk * 8,
                        dev_load16(corner + tile_at<K>(row, chunk)));
    }
}
#endif
