/*
 * windowed - query i sees key j only when |i - j| <= w: tiles that no query of the block
 * can see are never loaded, and the blocks come from a list of those that have work.
 *
 * Of a block of queries q0 to q0 + 63 the keys that any can see are
 *
 *     max(0, q0 - w) .. min(len, q0 + 64 + w) - 1
 *
 * so a query costs about 2 w + 64 keys, however long its sequence.  Only tiles at the edges
 * of the window or of the sequence test their elements; elsewhere all queries see all keys.
 *
 * A padded grid has n ceil(longest / 64) blocks a head, most of them empty when lengths
 * differ.  The list has sum of ceil(len / 64), an item for each block that exists: short
 * sequences lie beside each other on the card, a long one is spread over as many blocks as
 * it needs.  Long ones come first, so that the last blocks to start are short.
 *
 * The product of this project goes on from here: gpu/attention.
 */
#include "examples/attention/warp.cuh"

/* Queries q0 to q0 + 63 of the sequence of len rows that begins at `row`. */
struct work { int row, len, q0; };

/* Rows r0 .. against the keys j0 ..: hides what is past the end or further away than w. */
DEV void
hide(float s[COLS][4], int r0, int j0, int len, int w)
{
    const int lane = dev_thread() % 32;
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = r0 + lane / 4 + half * 8, mine = j0 + lane % 4 * 2;
        const int from = row - w - mine, last = row + w < len - 1 ? row + w : len - 1;
        UNROLL
        for (int c = 0; c < COLS; c++)
            UNROLL
            for (int i = 0; i < 2; i++)
                if (c * 8 + i < from || c * 8 + i > last - mine)
                    s[c][half * 2 + i] = -INFINITY;
    }
}

KERNEL(THREADS, 3)
attend_windowed(struct batch<bf16> b, const struct work *list)
{
    SMEM_DYN(bf16, queries);
    bf16 *keys = queries + TILE * K, *values = keys + 2 * TILE * K;
    const struct work at = list[dev_block() / b.heads];
    const ptrdiff_t first = at_row(at.row, dev_block() % b.heads, b.heads);
    const int w = b.window, row = dev_thread() / 32 * 16, r0 = at.q0 + row;
    const int from = at.q0 > w ? (at.q0 - w) / TILE * TILE : 0;
    const int to = at.q0 + TILE + w < at.len ? at.q0 + TILE + w : at.len;
    struct rows r = { { -INFINITY, -INFINITY }, { 0, 0 }, {} };
    uint32_t q[STEPS][4];
    tile_load(queries, b.q + first, at.q0, at.len, b.heads);
    dev_cp_commit();
    tile_load(keys, b.k + first, from, at.len, b.heads);
    tile_load(values, b.v + first, from, at.len, b.heads);
    dev_cp_commit();
    dev_cp_wait<1>(); /* all but the last group: the queries */
    dev_sync_block();
    warp_queries(q, queries, row);
    for (int j0 = from, stage = 0; j0 < to; j0 += TILE, stage ^= 1) {
        const int other = (stage ^ 1) * TILE * K, next = j0 + TILE;
        float s[COLS][4] = {};
        dev_cp_wait<0>();
        dev_sync_block();
        if (next < to) {
            tile_load(keys + other, b.k + first, next, at.len, b.heads);
            tile_load(values + other, b.v + first, next, at.len, b.heads);
            dev_cp_commit();
        }
        warp_scores(s, q, keys + stage * TILE * K);
        /* the first row against the last key, the last row against the first */
        if (next > at.len || next - 1 - r0 > w || r0 + 15 - j0 > w)
            hide(s, r0, j0, at.len, w);
        warp_soften(&r, s);
        warp_gather(&r, s, values + stage * TILE * K);
    }
    warp_store(&r, b.o + first, b.lse + first / K, r0, at.len, b.heads);
}

static std::vector<struct work>
work_list(const int *cu, int n)
{
    std::vector<struct work> list;
    for (int b = 0; b < n; b++)
        for (int q0 = 0, len = cu[b + 1] - cu[b]; q0 < len; q0 += TILE)
            list.push_back({ cu[b], len, q0 });
    std::stable_sort(list.begin(), list.end(),
                     [](struct work x, struct work y) { return x.len > y.len; });
    return list;
}

static void
attend(struct batch<bf16> b, const int *cu, cudaStream_t stream)
{
    const std::vector<struct work> list = work_list(cu, b.n);
    struct work *work = card_copy<struct work>(list.data(), list.size());
    if (b.window < 0)
        b.window = b.longest; /* every key is nearer */
    const int smem = 5 * TILE * K * sizeof(bf16);
    LAUNCH(stream, attend_windowed, (int)list.size() * b.heads, THREADS, smem, b, work);
    must(cudaStreamSynchronize(stream), "windowed");
    must(cudaFree(work), "cudaFree");
}

int
main(int argc, char **argv)
{
    return ladder<bf16>(argc, argv, { "windowed", attend, true, true, 2e-5 });
}
