#include "common/ops/cpu.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"

/* by[l] counts down: a counting sort by length, stable, longest first */
static void
sort_by_length(int *order, const int *cu, int n, int longest)
{
    int *start = mem_zalloc((size_t)longest + 2, sizeof *start);
    for (int b = 0; b < n; b++)
        start[longest - (cu[b + 1] - cu[b]) + 1]++;
    for (int l = 0; l <= longest; l++)
        start[l + 1] += start[l];
    for (int b = 0; b < n; b++)
        order[start[longest - (cu[b + 1] - cu[b])]++] = b;
    mem_free(start);
}

static int
blocks_of(int rows)
{
    return (rows + QUERY_ROWS - 1) / QUERY_ROWS;
}

void
cpu_seqs_make(struct ctx *c, struct seqs *s, int n, const int *cu)
{
    struct plan *p = mem_zalloc(1, sizeof *p);
    int longest = 0;
    (void)c;
    assert(n >= 0 && cu[0] == 0);
    for (int b = 0; b < n; b++) {
        assert(cu[b + 1] >= cu[b]);
        longest = cu[b + 1] - cu[b] > longest ? cu[b + 1] - cu[b] : longest;
        p->blocks += blocks_of(cu[b + 1] - cu[b]);
    }
    p->cu = mem_array((size_t)n + 1, sizeof *p->cu);
    p->order = mem_array((size_t)n, sizeof *p->order);
    p->position = mem_array((size_t)cu[n], sizeof *p->position);
    p->block = mem_array((size_t)p->blocks, sizeof *p->block);
    memcpy(p->cu, cu, ((size_t)n + 1) * sizeof *cu);
    sort_by_length(p->order, cu, n, longest);
    struct block *to = p->block;
    for (int i = 0; i < n; i++) {
        const int first = cu[p->order[i]], end = cu[p->order[i] + 1];
        for (int row = first; row < end; row += QUERY_ROWS)
            *to++ = (struct block){ first, end, row,
                                    end - row < QUERY_ROWS ? end - row : QUERY_ROWS };
        for (int row = first; row < end; row++)
            p->position[row] = row - first;
    }
    *s = (struct seqs){ .n = n, .rows = cu[n], .longest = longest, .cu = p->cu, .plan = p };
}

void
cpu_seqs_free(struct ctx *c, struct seqs *s)
{
    struct plan *p = s->plan;
    (void)c;
    if (p) {
        mem_free(p->cu);
        mem_free(p->order);
        mem_free(p->position);
        mem_free(p->block);
        mem_free(p);
    }
    *s = (struct seqs){ 0 };
}
