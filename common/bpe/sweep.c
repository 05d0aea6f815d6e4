#include "common/bpe/sweep.h"
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/pairs.h"

enum { RANKS = 65536, WORD = 64, NODES = 3 * SWEEP_MAX, FEW = 16 };

struct sweep {
    uint16_t symbol[SWEEP_MAX], rank[SWEEP_MAX]; /* rank: of the pair that begins here */
    uint16_t next[SWEEP_MAX], before[SWEEP_MAX];
    uint16_t place[NODES], link[NODES]; /* entries of lists, in rings */
    uint16_t last[RANKS];               /* of each rank's list; PAIRS_NONE: empty */
    uint64_t used[RANKS / WORD];        /* ranks whose list is not empty */
    uint16_t list[NODES];
    unsigned nodes;
};

struct sweep *
sweep_new(void)
{
    struct sweep *w = mem_zalloc(1, sizeof *w);

    memset(w->last, 0xFF, sizeof w->last);
    return w;
}

void
sweep_free(struct sweep *w)
{
    mem_free(w);
}

static inline void
put(struct sweep *w, unsigned place, unsigned rank)
{
    const unsigned node = w->nodes, last = w->last[rank];

    w->rank[place] = (uint16_t)rank;
    if (rank == PAIRS_NONE)
        return;
    w->nodes++;
    w->place[node] = (uint16_t)place;
    if (last == PAIRS_NONE) {
        w->link[node] = (uint16_t)node;
        w->used[rank / WORD] |= UINT64_C(1) << rank % WORD;
    } else {
        w->link[node] = w->link[last];
        w->link[last] = (uint16_t)node;
    }
    w->last[rank] = (uint16_t)node;
}

/* list[0..n) from left to right: by insertion, or through a set of places. */
static unsigned
order(uint16_t *list, unsigned n)
{
    uint64_t set[SWEEP_MAX / WORD] = {0};

    if (n <= FEW) {
        for (unsigned i = 1; i < n; i++) {
            const uint16_t x = list[i];
            unsigned k = i;
            for (; k && list[k - 1] > x; k--)
                list[k] = list[k - 1];
            list[k] = x;
        }
        return n;
    }
    for (unsigned i = 0; i < n; i++)
        set[list[i] / WORD] |= UINT64_C(1) << list[i] % WORD;
    n = 0;
    for (unsigned w = 0; w < SWEEP_MAX / WORD; w++)
        for (uint64_t x = set[w]; x; x &= x - 1)
            list[n++] = (uint16_t)(w * WORD + (unsigned)__builtin_ctzll(x));
    return n;
}

/* The places whose pair has this rank, or had it, from left to right; its list is emptied.
 */
static unsigned
take(struct sweep *w, unsigned rank)
{
    const unsigned last = w->last[rank];
    unsigned n = 0, sorted = 1, node = last;

    do {
        node = w->link[node];
        w->list[n] = w->place[node];
        sorted &= !n || w->list[n - 1] < w->list[n];
        n++;
    } while (node != last);
    w->last[rank] = PAIRS_NONE;
    return sorted ? n : order(w->list, n);
}

static inline void
merge_at(struct sweep *w, const struct pairs *p, unsigned at, unsigned rank, unsigned n)
{
    const unsigned gone = w->next[at], after = w->next[gone];

    w->symbol[at] = (uint16_t)rank;
    w->rank[gone] = PAIRS_NONE;
    w->symbol[gone] = PAIRS_NONE;
    w->next[at] = (uint16_t)after;
    if (after < n) {
        w->before[after] = (uint16_t)at;
        put(w, at, pairs_find(p, rank, w->symbol[after]));
    } else
        w->rank[at] = PAIRS_NONE;
    if (at) {
        const unsigned left = w->before[at];
        put(w, left, pairs_find(p, w->symbol[left], rank));
    }
}

size_t
sweep_merge(struct sweep *w, const struct pairs *p, const unsigned char *s, size_t n,
            uint16_t *out)
{
    size_t left = 0;

    w->nodes = 0;
    for (unsigned i = 0; i < n; i++) {
        w->symbol[i] = s[i];
        w->next[i] = (uint16_t)(i + 1);
        w->before[i] = (uint16_t)(i - 1);
        if (i + 1 < n)
            put(w, i, p->grid[s[i] << 8 | s[i + 1]]);
    }
    w->rank[n - 1] = PAIRS_NONE;
    for (unsigned word = 0; word < RANKS / WORD; word++)
        while (w->used[word]) {
            const unsigned rank = word * WORD + (unsigned)__builtin_ctzll(w->used[word]);
            const unsigned places = take(w, rank);
            w->used[word] &= w->used[word] - 1; /* what joins has a higher rank */
            for (unsigned i = 0; i < places; i++)
                if (w->rank[w->list[i]] == rank)
                    merge_at(w, p, w->list[i], rank, (unsigned)n);
        }
    for (size_t i = 0; i < n; i++)
        if (w->symbol[i] != PAIRS_NONE)
            out[left++] = w->symbol[i];
    return left;
}
