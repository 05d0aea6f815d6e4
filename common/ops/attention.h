#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H
/* attention - what forward and backward agree on: who sees whom, and dropout's counter. */
#include "common/ops/cpu.h"

enum { KEY_ROWS = 256 };

struct heads { int n, size, window; float scale; struct drop drop; };
struct heads heads_of(struct mat q, int heads, const struct seqs *s, int window,
                      float scale, struct drop drop);

/* Rows of the keys that some row of the block sees. */
struct keys { int first, end; };
static inline struct keys
keys_of(const struct heads *h, struct block b)
{
    struct keys k = { b.first, b.end };
    if (h->window >= 0 && h->window < b.row - b.first)
        k.first = b.row - h->window;
    if (h->window >= 0 && h->window < b.end - (b.row + b.rows))
        k.end = b.row + b.rows + h->window;
    return k;
}

/* Of keys [k, k + n), those that row t sees are columns [from, to) of the tile; none: from
 * = to = 0. */
struct seen { int from, to; };
static inline struct seen
seen_by(const struct heads *h, int t, int k, int n)
{
    struct seen s = { 0, n };
    if (h->window < 0)
        return s;
    if (t - k > h->window)
        s.from = t - k - h->window;
    if (k + n - 1 - t > h->window)
        s.to = t + h->window + 1 - k;
    return s.from < s.to ? s : (struct seen){ 0, 0 };
}

/* Heads that panels can hold: as packed_norm_qkv wants them. */
static inline int
heads_packed(int size)
{
    return size == PANEL || size % (2 * PANEL) == 0;
}
op_attention_fn attention_packed;

/* Applies dropout to row t's probabilities of keys [k, k + n); counter (row, head, key's
 * position). */
void drop_keys(float *s, const struct heads *h, struct block b, int t, int head, int k,
               int n);
#endif
