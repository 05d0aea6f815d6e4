#ifndef BPE_HEAP_H
#define BPE_HEAP_H
/*
 * heap - merging a long piece in O(n log n), whatever the table of merges looks like.
 *
 *     w->id[0..n) are the symbols; afterwards those that were swallowed are -1.
 *     rule(arg, left, right, &product) gives the rank, or HEAP_NONE.
 *
 * The rule is a constant where it is called, so that the compiler puts it inside.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mem.h"
#define HEAP_NONE UINT32_MAX
struct heap_work {         /* scratch, kept between calls: struct heap_work w = {0}; */
    uint64_t *heap;        /* rank << 32 | place, lowest first */
    int *id;
    uint32_t *before, *after;
    size_t cap, heaped;
};
typedef uint32_t heap_rule(const void *arg, int left, int right, int *product);

static inline void
heap_room(struct heap_work *w, size_t n)
{
    if (n <= w->cap)
        return;
    w->cap = mem_add(n, n / 2);
    w->heap = mem_realloc(w->heap, mem_mul(w->cap, 2), sizeof *w->heap);
    w->id = mem_realloc(w->id, w->cap, sizeof *w->id);
    w->before = mem_realloc(w->before, w->cap, sizeof *w->before);
    w->after = mem_realloc(w->after, w->cap, sizeof *w->after);
}

static inline void
heap_free(struct heap_work *w)
{
    mem_free(w->heap);
    mem_free(w->id);
    mem_free(w->before);
    mem_free(w->after);
    *w = (struct heap_work){ 0 };
}

static inline void
heap_push(struct heap_work *w, uint64_t e)
{
    size_t i = w->heaped++;

    for (; i && w->heap[(i - 1) / 2] > e; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
}

static inline uint64_t
heap_pop(struct heap_work *w)
{
    const size_t n = --w->heaped;
    uint64_t *heap = w->heap, top = heap[0], e = heap[n];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= e)
            break;
        heap[i] = heap[child];
    }
    heap[i] = e;
    return top;
}

/* The pair at `left` joins the heap when it has a rank.  Every merge takes one entry and
 * adds two at most, so that n places never need more than 2n entries. */
static inline void
heap_consider(struct heap_work *w, uint32_t left, uint32_t right, heap_rule *rule,
              const void *arg)
{
    int product;
    const uint32_t rank = rule(arg, w->id[left], w->id[right], &product);

    if (rank != HEAP_NONE)
        heap_push(w, (uint64_t)rank << 32 | left);
}

static inline void
heap_merge(struct heap_work *w, uint32_t n, heap_rule *rule, const void *arg)
{
    w->heaped = 0;
    for (uint32_t i = 0; i < n; i++) {
        w->before[i] = i ? i - 1 : HEAP_NONE;
        w->after[i] = i + 1 < n ? i + 1 : HEAP_NONE;
        if (i + 1 < n)
            heap_consider(w, i, i + 1, rule, arg);
    }
    while (w->heaped) {
        const uint64_t top = heap_pop(w);
        const uint32_t at = (uint32_t)top;
        uint32_t next;
        int product;
        if (w->id[at] < 0 || (next = w->after[at]) == HEAP_NONE)
            continue;
        if (rule(arg, w->id[at], w->id[next], &product) != top >> 32)
            continue; /* the pair that was entered is gone */
        w->id[at] = product;
        w->id[next] = -1;
        w->after[at] = w->after[next];
        if (w->after[at] != HEAP_NONE) {
            w->before[w->after[at]] = at;
            heap_consider(w, at, w->after[at], rule, arg);
        }
        if (w->before[at] != HEAP_NONE)
            heap_consider(w, w->before[at], at, rule, arg);
    }
}
#endif
