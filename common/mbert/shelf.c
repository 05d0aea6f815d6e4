#include "common/mbert/shelf.h"
#include <stdlib.h>

struct piece { int64_t row; int window; size_t at, n; };

void
shelf_add(struct shelf *s, int64_t row, int window, const void *p, size_t n)
{
    const struct piece k = { row, window, s->bytes.n, n };
    buf_add(&s->bytes, p, n);
    buf_add(&s->index, &k, sizeof k);
}

static int
in_order(const void *pa, const void *pb)
{
    const struct piece *a = pa, *b = pb;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    if (a->window != b->window)
        return a->window < b->window ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

void
shelf_each(struct shelf *s, void (*fn)(void *arg, const char *p, size_t n), void *arg)
{
    struct piece *k = (struct piece *)(void *)s->index.p;
    const size_t n = s->index.n / sizeof *k;
    if (n)
        qsort(k, n, sizeof *k, in_order);
    for (size_t i = 0; i < n; i++)
        fn(arg, s->bytes.p + k[i].at, k[i].n);
}

void
shelf_free(struct shelf *s)
{
    mem_free(s->bytes.p);
    mem_free(s->index.p);
    *s = (struct shelf){ 0 };
}
