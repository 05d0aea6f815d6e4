#include "common/ops/cpu.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"

/* A counting sort by length, stable, longest first; start: [longest + 2]. */
static void
sort_by_length(int *order, const int *cu, int n, int longest, int *start)
{
    memset(start, 0, ((size_t)longest + 2) * sizeof *start);
    for (int b = 0; b < n; b++)
        start[longest - (cu[b + 1] - cu[b]) + 1]++;
    for (int l = 0; l <= longest; l++)
        start[l + 1] += start[l];
    for (int b = 0; b < n; b++)
        order[start[longest - (cu[b + 1] - cu[b])]++] = b;
}

static int
blocks_of(int rows)
{
    return (rows + QUERY_ROWS - 1) / QUERY_ROWS;
}

/* A plan with `bytes` behind it: the spare one, or a new one with room to grow. */
static struct plan *
plan_take(struct ctx *c, size_t bytes)
{
    struct plan *p = c->spare;
    size_t room = 1 << 14;
    bytes = mem_add(bytes, sizeof *p);
    if (p && p->bytes >= bytes) {
        c->spare = NULL;
        return p;
    }
    while (room < bytes)
        room = mem_mul(room, 2);
    p = mem_alloc(room);
    p->bytes = room;
    return p;
}

/* Places the arrays; returns the scratch of sort_by_length. */
static int *
plan_place(struct plan *p, int n, int rows, int blocks)
{
    p->blocks = blocks;
    p->block = (struct block *)(p + 1);
    p->cu = (int *)(p->block + blocks);
    p->order = p->cu + n + 1;
    p->position = p->order + n;
    return p->position + rows;
}

void
cpu_seqs_make(struct ctx *c, struct seqs *s, int n, const int *cu)
{
    int longest = 0, blocks = 0;
    assert(n >= 0 && cu[0] == 0);
    for (int b = 0; b < n; b++) {
        assert(cu[b + 1] >= cu[b]);
        longest = cu[b + 1] - cu[b] > longest ? cu[b + 1] - cu[b] : longest;
        blocks += blocks_of(cu[b + 1] - cu[b]);
    }
    const size_t ints = 2 * (size_t)n + (size_t)cu[n] + (size_t)longest + 3;
    struct plan *p = plan_take(c, mem_add(mem_mul((size_t)blocks, sizeof *p->block),
                                          mem_mul(ints, sizeof *p->cu)));
    int *start = plan_place(p, n, cu[n], blocks);
    memcpy(p->cu, cu, ((size_t)n + 1) * sizeof *cu);
    sort_by_length(p->order, cu, n, longest, start);
    struct block *to = p->block;
    for (int i = 0; i < n; i++) {
        const int first = cu[p->order[i]], end = cu[p->order[i] + 1];
        for (int row = first; row < end; row += QUERY_ROWS)
            *to++ = (struct block){ first, end, row,
                                    end - row < QUERY_ROWS ? end - row : QUERY_ROWS, row };
        for (int row = first; row < end; row++)
            p->position[row] = row - first;
    }
    *s = (struct seqs){ .n = n, .rows = cu[n], .longest = longest, .cu = p->cu, .plan = p };
}

/* Kept for the next batch when it is the largest: a loop over batches allocates no more. */
void
cpu_seqs_free(struct ctx *c, struct seqs *s)
{
    struct plan *p = s->plan;
    if (p && (!c->spare || c->spare->bytes < p->bytes)) {
        mem_free(c->spare);
        c->spare = p;
    } else {
        mem_free(p);
    }
    *s = (struct seqs){ 0 };
}
