/* seqs - what the kernels need to know of a batch, made on the host and uploaded at once. */
#include <algorithm>
#include <string.h>
#include "gpu/cuda.cuh"

static int
blocks_of(int len, int rows)
{
    return (len + rows - 1) / rows;
}

static void
plan_free(struct ctx *c, struct plan *p)
{
    cuda_free(c, p->device);
    cuda_host_free(c, p->host);
    cudaEventDestroy(p->copied);
    mem_free(p);
}

void
plans_free(struct ctx *c)
{
    while (c->spare) {
        struct plan *p = c->spare;
        c->spare = p->next;
        plan_free(c, p);
    }
}

/* A plan of at least that many bytes whose last upload has been read: the spare one that was
 * used last, so that a batch that comes again meets the same addresses. */
static struct plan *
plan_take(struct ctx *c, size_t bytes)
{
    struct plan *p = c->spare;
    if (p) {
        c->spare = p->next;
        cuda_check(cudaEventSynchronize(p->copied), "an upload");
        if (p->bytes >= bytes)
            return p;
        plan_free(c, p);
    }
    p = (struct plan *)mem_zalloc(1, sizeof *p);
    for (p->bytes = 1 << 14; p->bytes < bytes;)
        p->bytes = mem_mul(p->bytes, 2);
    p->device = cuda_alloc(c, p->bytes);
    p->host = cuda_host_alloc(c, p->bytes);
    cuda_check(cudaEventCreateWithFlags(&p->copied, cudaEventDisableTiming), "an event");
    return p;
}

/* Blocks of `rows` queries, the longest sequences' first; returns the end. */
static struct work *
list_blocks(struct work *to, const int *cu, const int *order, int n, int rows)
{
    for (int i = 0; i < n; i++) {
        const int row = cu[order[i]], len = cu[order[i] + 1] - row;
        for (int b = 0; b < blocks_of(len, rows); b++) {
            const struct work w = { row, len, b, row, len };
            *to++ = w;
        }
    }
    return to;
}

static struct work *
list_firsts(struct work *to, const int *cu, const int *order, int n)
{
    for (int i = 0; i < n; i++) {
        const struct work w = { cu[order[i]], cu[order[i] + 1] - cu[order[i]], 0, order[i], 1 };
        if (w.len)
            *to++ = w;
    }
    return to;
}

/* cu, position, sequence, then the lists: the same offsets on the host and the device. */
static void
plan_fill(struct plan *p, const int *cu, const int *order, int n)
{
    const int T = cu[n];
    int *at = (int *)p->host, *const position = at + n + 1, *const sequence = position + T;
    char *const device = (char *)p->device, *const host = (char *)p->host;
    memcpy(at, cu, ((size_t)n + 1) * sizeof *cu);
    for (int b = 0; b < n; b++)
        for (int t = cu[b]; t < cu[b + 1]; t++) {
            position[t] = t - cu[b];
            sequence[t] = b;
        }
    struct work *small = (struct work *)(sequence + T),
                *large = list_blocks(small, cu, order, n, WORK_SMALL),
                *first = list_blocks(large, cu, order, n, WORK_LARGE),
                *end = list_firsts(first, cu, order, n);
    p->cu = (const int *)device;
    p->position = p->cu + n + 1;
    p->sequence = p->position + T;
    p->small = (const struct work *)(device + ((char *)small - host));
    p->large = p->small + (large - small);
    p->first = p->small + (first - small);
    p->smalls = (int)(large - small);
    p->larges = (int)(first - large);
    p->firsts = (int)(end - first);
}

void
cuda_seqs_make(struct ctx *c, struct seqs *s, int n, const int *cu)
{
    int longest = 0;
    size_t items = (size_t)n;
    assert(n >= 0 && cu[0] == 0);
    for (int b = 0; b < n; b++) {
        const int len = cu[b + 1] - cu[b];
        assert(len >= 0);
        longest = len > longest ? len : longest;
        items += (size_t)(blocks_of(len, WORK_SMALL) + blocks_of(len, WORK_LARGE));
    }
    const size_t ints = (size_t)n + 1 + 2 * (size_t)cu[n],
                 bytes = ints * sizeof *cu + items * sizeof(struct work),
                 kept = ((size_t)n + 1) * sizeof *cu;
    struct plan *p = plan_take(c, bytes);
    int *order = (int *)mem_array((size_t)n + 1, sizeof *order);
    for (int b = 0; b < n; b++)
        order[b] = b;
    std::stable_sort(order, order + n, [cu](int a, int b) {
        return cu[a + 1] - cu[a] > cu[b + 1] - cu[b];
    });
    plan_fill(p, cu, order, n);
    mem_free(order);
    cuda_check(cudaMemcpyAsync(p->device, p->host, bytes, cudaMemcpyHostToDevice, c->stream),
               "an upload");
    cuda_check(cudaEventRecord(p->copied, c->stream), "an event");
    int *own = (int *)mem_array(1, kept);
    memcpy(own, cu, kept);
    *s = { n, cu[n], longest, own, p };
}

void
cuda_seqs_free(struct ctx *c, struct seqs *s)
{
    struct plan *p = (struct plan *)s->plan;
    if (p) {
        p->next = c->spare;
        c->spare = p;
    }
    mem_free((void *)s->cu);
    *s = {};
}
