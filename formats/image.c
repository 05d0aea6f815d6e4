#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/jsonout.h"
#include "formats/record.h"

void
image_init(struct image *b)
{
    memset(b, 0, sizeof *b);
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

/* s, which is ours now, is freed by image_reset. */
static const char *
own(struct image *b, char *s)
{
    if (b->owned_n == b->owned_cap) {
        b->owned_cap = b->owned_cap ? 2 * b->owned_cap : 32;
        b->owned = mem_realloc(b->owned, (size_t)b->owned_cap, sizeof *b->owned);
    }
    return b->owned[b->owned_n++] = s;
}

static void
set_meta(struct image *b, const char *key, char *value)
{
    struct record *r = &b->r;
    value = (char *)(uintptr_t)own(b, value);
    for (int i = 0; i < r->metas; i++)
        if (!strcmp(r->meta[i].key, key)) {
            r->meta[i].value = value;
            return;
        }
    if (r->metas == r->meta_cap) {
        r->meta_cap = r->meta_cap ? 2 * r->meta_cap : 32;
        r->meta = mem_realloc(r->meta, (size_t)r->meta_cap, sizeof *r->meta);
    }
    r->meta[r->metas++] = (struct meta){ own(b, mem_strdup(key)), value };
}

void
image_meta(struct image *b, const char *key, const char *value)
{
    set_meta(b, key, mem_strdup(value));
}

void
image_metaf(struct image *b, const char *key, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        die_sys("out of memory");
    va_end(ap);
    set_meta(b, key, text);
}

void
image_tensor(struct image *b, const char *name, enum dtype type, int rank,
             const int64_t *shape, const void *data)
{
    struct record *r = &b->r;
    if (!strcmp(name, "__metadata__") || record_tensor(r, name))
        die_data("tensor name '%s' is taken", name);
    if (r->tensors == TENSOR_MAX || rank > TENSOR_RANK)
        die_data("too many tensors or dimensions at '%s'", name);
    if (r->tensors == r->tensor_cap) {
        r->tensor_cap = r->tensor_cap ? 2 * r->tensor_cap : 16;
        r->tensor = mem_realloc(r->tensor, (size_t)r->tensor_cap, sizeof *r->tensor);
    }
    struct tensor *t = memset(&r->tensor[r->tensors++], 0, sizeof *r->tensor);
    t->name = own(b, mem_strdup(name));
    t->type = type;
    t->rank = rank;
    t->data = data;
    t->bytes = dtype_size(type);
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->bytes = mem_mul(t->bytes, (size_t)shape[i]);
    }
}

static size_t
aligned(size_t n)
{
    return mem_add(n, 63) & ~(size_t)63;
}

void
image_keep(struct image *b, struct buf *to)
{
    size_t bytes = 0;
    for (int i = 0; i < b->r.tensors; i++)
        bytes = mem_add(bytes, aligned(b->r.tensor[i].bytes));
    to->n = 0;
    char *p = buf_room(to, mem_add(bytes, 64));
    p += -(uintptr_t)p & 63;
    for (int i = 0; i < b->r.tensors; i++) {
        struct tensor *t = &b->r.tensor[i];
        if (t->bytes)
            memcpy(p, t->data, t->bytes);
        t->data = p;
        p += aligned(t->bytes);
    }
}

void
image_1d(struct image *b, const char *name, enum dtype type, int64_t n, const void *data)
{
    image_tensor(b, name, type, 1, &n, data);
}

void
image_2d(struct image *b, const char *name, enum dtype type, int64_t rows, int64_t cols,
         const void *data)
{
    image_tensor(b, name, type, 2, (int64_t[]){ rows, cols }, data);
}

static int
by_key(const void *a, const void *b)
{
    const struct meta *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Large elements first: what follows a tensor is then aligned for its own type. */
static int
by_size(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    const size_t m = dtype_size(x->type), n = dtype_size(y->type);
    return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

static void
put_string(struct buf *h, const char *s)
{
    jsonout_string(h, s, strlen(s));
}

static void
put_meta(struct buf *h, const struct record *r)
{
    buf_printf(h, "\"__metadata__\":{");
    for (int i = 0; i < r->metas; i++) {
        if (i)
            buf_add(h, ",", 1);
        put_string(h, r->meta[i].key);
        buf_add(h, ":", 1);
        put_string(h, r->meta[i].value);
    }
    buf_add(h, "}", 1);
}

static void
put_tensor(struct buf *h, const struct tensor *t)
{
    const char *comma = "";
    put_string(h, t->name);
    buf_printf(h, ":{\"data_offsets\":[%llu,%llu],\"dtype\":\"%s\",\"shape\":[",
               (unsigned long long)t->offset, (unsigned long long)t->offset + t->bytes,
               dtype_name(t->type));
    for (int i = 0; i < t->rank; i++, comma = ",")
        buf_printf(h, "%s%lld", comma, (long long)t->shape[i]);
    buf_printf(h, "]}");
}

/* The header as it will stand in front of the data, 64-byte padding and length included. */
void
image_header(struct image *b)
{
    struct record *r = &b->r;
    struct buf h = { b->bytes, 8, b->cap };
    size_t at = 0;
    if (!h.p) {
        h.n = 0;
        buf_room(&h, 8);
        h.n = 8;
    }
    if (r->metas)
        qsort(r->meta, (size_t)r->metas, sizeof *r->meta, by_key);
    if (r->tensors)
        qsort(r->tensor, (size_t)r->tensors, sizeof *r->tensor, by_size);
    buf_add(&h, "{", 1);
    if (r->metas)
        put_meta(&h, r);
    for (int i = 0; i < r->tensors; i++) {
        if (i || r->metas)
            buf_add(&h, ",", 1);
        r->tensor[i].offset = at;
        at = mem_add(at, r->tensor[i].bytes);
        put_tensor(&h, &r->tensor[i]);
    }
    buf_add(&h, "}", 1);
    while (h.n % 64)
        buf_add(&h, " ", 1);
    if (h.n - 8 > RECORD_MAX_HEADER)
        die_data("header of %zu bytes is longer than 16 MiB", h.n - 8);
    for (int i = 0; i < 8; i++)
        h.p[i] = (char)(unsigned char)((h.n - 8) >> 8 * i & 255);
    b->bytes = h.p;
    b->cap = h.cap;
    b->size = h.n;
    r->size = mem_add(h.n, at);
}

void
image_fill(struct image *b)
{
    struct buf h = { b->bytes, b->size, b->cap };
    buf_room(&h, b->r.size - b->size);
    for (int i = 0; i < b->r.tensors; i++)
        buf_add(&h, b->r.tensor[i].data, b->r.tensor[i].bytes);
    b->bytes = h.p;
    b->size = h.n;
    b->cap = h.cap;
}

void
image_finish(struct image *b)
{
    image_header(b);
    image_fill(b);
}
