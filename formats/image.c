#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"
#include "formats/jsonout.h"
#include "formats/record.h"

void
image_init(struct image *b)
{
    *b = (struct image){ 0 };
}

void
image_reset(struct image *b)
{
    for (int i = 0; i < b->owned_n; i++)
        mem_free(b->owned[i]);
    b->owned_n = b->r.tensors = b->r.metas = 0;
    b->size = 0;
}

void
image_free(struct image *b)
{
    image_reset(b);
    mem_free(b->owned);
    mem_free(b->bytes);
    record_free(&b->r);
    image_init(b);
}

static const char *
own(struct image *b, const char *s)
{
    if (b->owned_n == b->owned_cap) {
        b->owned_cap = b->owned_cap * 2 + 16;
        b->owned = mem_realloc(b->owned, (size_t)b->owned_cap, sizeof *b->owned);
    }
    return b->owned[b->owned_n++] = mem_strdup(s);
}

void
image_meta(struct image *b, const char *key, const char *value)
{
    struct record *r = &b->r;
    for (int i = 0; i < r->metas; i++)
        if (!strcmp(r->meta[i].key, key)) {
            r->meta[i].value = own(b, value);
            return;
        }
    if (r->metas == r->meta_cap) {
        r->meta_cap = r->meta_cap * 2 + 16;
        r->meta = mem_realloc(r->meta, (size_t)r->meta_cap, sizeof *r->meta);
    }
    r->meta[r->metas++] = (struct meta){ own(b, key), own(b, value) };
}

void
image_metaf(struct image *b, const char *key, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert(n >= 0 && n < (int)sizeof text); /* for numbers and short words */
    image_meta(b, key, text);
}

void
image_tensor(struct image *b, const char *name, enum dtype type, int rank, const int64_t *shape, const void *data)
{
    struct record *r = &b->r;
    size_t n = dtype_size(type);
    assert(rank >= 0 && rank <= TENSOR_RANK);
    if (r->tensors == r->tensor_cap) {
        r->tensor_cap = r->tensor_cap * 2 + 16;
        r->tensor = mem_realloc(r->tensor, (size_t)r->tensor_cap, sizeof *r->tensor);
    }
    struct tensor *t = &r->tensor[r->tensors++];
    *t = (struct tensor){ .name = own(b, name), .type = type, .rank = rank, .data = data };
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        n = mem_mul(n, (size_t)shape[i]);
    }
    t->bytes = n;
}

void
image_1d(struct image *b, const char *name, enum dtype type, int64_t n, const void *data)
{
    image_tensor(b, name, type, 1, &n, data);
}

void
image_2d(struct image *b, const char *name, enum dtype type, int64_t rows, int64_t cols, const void *data)
{
    image_tensor(b, name, type, 2, (int64_t[]){ rows, cols }, data);
}

static int
by_size_then_name(const void *pa, const void *pb)
{
    const struct tensor *a = pa, *b = pb;
    const size_t x = dtype_size(a->type), y = dtype_size(b->type);
    return x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
}

static int
by_key(const void *pa, const void *pb)
{
    return strcmp(((const struct meta *)pa)->key, ((const struct meta *)pb)->key);
}

static int
by_name(const void *pa, const void *pb)
{
    return strcmp((*(const struct tensor *const *)pa)->name, (*(const struct tensor *const *)pb)->name);
}

static void
put_tensor(struct buf *h, const struct tensor *t)
{
    jsonout_string(h, t->name, strlen(t->name));
    buf_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->type));
    for (int i = 0; i < t->rank; i++)
        buf_printf(h, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    buf_printf(h, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->offset,
               (unsigned long long)(t->offset + t->bytes));
}

/* The JSON header: __metadata__ first, then the tensors' keys sorted by name. */
static void
put_header(struct buf *h, struct record *r)
{
    const struct tensor **sorted = mem_array((size_t)r->tensors + 1, sizeof *sorted);
    const char *comma = "";
    buf_add(h, "{", 1);
    if (r->metas) {
        buf_printf(h, "\"__metadata__\":{");
        for (int i = 0; i < r->metas; i++) {
            buf_add(h, ",", i > 0);
            jsonout_string(h, r->meta[i].key, strlen(r->meta[i].key));
            buf_add(h, ":", 1);
            jsonout_string(h, r->meta[i].value, strlen(r->meta[i].value));
        }
        buf_add(h, "}", 1);
        comma = ",";
    }
    for (int i = 0; i < r->tensors; i++)
        sorted[i] = &r->tensor[i];
    if (r->tensors)
        qsort(sorted, (size_t)r->tensors, sizeof *sorted, by_name);
    for (int i = 0; i < r->tensors; i++, comma = ",") {
        buf_add(h, comma, strlen(comma));
        put_tensor(h, sorted[i]);
    }
    buf_add(h, "}", 1);
    while ((8 + h->n) % 64)
        buf_add(h, " ", 1);
    mem_free(sorted);
}

void
image_finish(struct image *b)
{
    struct record *r = &b->r;
    struct buf h = { 0 };
    size_t data = 0;
    if (r->tensors)
        qsort(r->tensor, (size_t)r->tensors, sizeof *r->tensor, by_size_then_name);
    if (r->metas)
        qsort(r->meta, (size_t)r->metas, sizeof *r->meta, by_key);
    for (int i = 0; i < r->tensors; i++) {
        r->tensor[i].offset = data;
        data = mem_add(data, r->tensor[i].bytes);
    }
    put_header(&h, r);
    b->size = mem_add(8 + h.n, data);
    if (b->size > b->cap) {
        mem_free(b->bytes);
        b->bytes = mem_alloc(b->cap = b->size);
    }
    for (int i = 0; i < 8; i++)
        b->bytes[i] = (char)((uint64_t)h.n >> 8 * i & 255);
    memcpy(b->bytes + 8, h.p, h.n);
    char *at = b->bytes + 8 + h.n;
    for (int i = 0; i < r->tensors; at += r->tensor[i++].bytes)
        if (r->tensor[i].bytes)
            memcpy(at, r->tensor[i].data, r->tensor[i].bytes);
    mem_free(h.p);
}
