#ifndef GPU_ATTENTION_SEQ_CUH
#define GPU_ATTENTION_SEQ_CUH
/*
 * seq - where.  A block of four warps takes one item of the work list for one head; each
 * warp owns 16 MT of its rows and visits the tiles of the other side that they can see.
 */
#include "gpu/cuda.cuh"

/* TILE: rows that stream by at once. */
enum { THREADS = 128, WARPS = THREADS / 32, TILE = 64 };

struct span { int lo, hi; };

/*
 * The rows of the other side that rows [first, first + rows) may see, lo rounded down to a
 * whole tile.  Seeing is mutual, so it serves queries looking for keys and keys looking for
 * queries.
 */
BOTH struct span
seq_visible(int first, int rows, int len, int window)
{
    struct span s = { 0, len };
    if (window >= 0) {
        const int end = first + rows < len ? first + rows : len;
        s.lo = first > window ? (first - window) / TILE * TILE : 0;
        s.hi = end < len - window ? end + window : len;
    }
    return s;
}

/* first: the block's first row within its sequence, own: the warp's. */
struct place { struct work w; int head, first, own, lane; };

/* Heads vary fastest, so that the list's order is the card's. */
DEV struct place
seq_place(const struct work *list, int heads, int rows)
{
    struct place at;
    at.w = list[dev_block() / heads];
    at.head = dev_block() % heads;
    at.first = at.w.block * rows;
    at.own = at.first + dev_thread() / 32 * (rows / WARPS);
    at.lane = dev_thread() % 32;
    return at;
}

/* The head's columns of m's row `row`. */
template <int K>
DEV bf16 *
seq_at(struct mat m, int row, int head)
{
    return mat_row<bf16>(m, row) + head * K;
}
#endif
