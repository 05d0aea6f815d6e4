#include "formats/record.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"
#include "formats/json.h"

/*
 * One header on its way in: what was read of the tensor at hand.  `why` is the first fault;
 * everything below returns early when it is set.
 */
struct decoder { struct record *r; const char *why; };

void
record_init(struct record *r)
{
    memset(r, 0, sizeof *r);
}

void
record_free(struct record *r)
{
    mem_free(r->tensor);
    mem_free(r->meta);
    json_free(r->json);
    if (r->text)
        mem_free(r->text->p);
    mem_free(r->text);
    if (r->aligned)
        mem_free(r->aligned->p);
    mem_free(r->aligned);
    record_init(r);
}

/* u64 little-endian, the length of the JSON header; *why when it cannot be one. */
static uint64_t
header_length(const void *p, const char **why)
{
    const unsigned char *b = p;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | b[i];
    if (n > RECORD_MAX_HEADER)
        *why = "header longer than 16 MiB, or not a safetensors image";
    else if (n < 2)
        *why = "header shorter than {}";
    return n;
}

/*
 * A string of the header as NUL-terminated text of ours.  The buffer was made as large as
 * the header, where each string has two quotes of its own, so it never moves.
 */
static const char *
keep(struct record *r, const char *s, size_t n)
{
    char *to = r->text->p + r->text->n;
    if (memchr(s, 0, n))
        return NULL;
    memcpy(to, s, n);
    to[n] = 0;
    r->text->n += n + 1;
    return to;
}

static void
add_meta(struct decoder *d, struct json_value v)
{
    struct record *r = d->r;
    struct json_iter it = json_iter(v);
    const char *key, *value;
    size_t nkey, nvalue;
    if (json_type(v) != JSON_OBJECT)
        d->why = "__metadata__ is not an object";
    while (!d->why && json_next(&it, &key, &nkey, &v)) {
        if (!json_string(v, &value, &nvalue)) {
            d->why = "metadata value that is not a string";
            break;
        }
        if (r->metas == r->meta_cap) {
            r->meta_cap = r->meta_cap ? 2 * r->meta_cap : 32;
            r->meta = mem_realloc(r->meta, (size_t)r->meta_cap, sizeof *r->meta);
        }
        struct meta *m = &r->meta[r->metas++];
        m->key = keep(r, key, nkey);
        m->value = keep(r, value, nvalue);
        if (!m->key || !m->value)
            d->why = "metadata with a NUL character";
    }
}

/* "shape":[...] -> rank, shape and the number of elements. */
static size_t
read_shape(struct decoder *d, struct json_value v, struct tensor *t)
{
    struct json_iter it = json_iter(v);
    size_t elements = 1;
    if (json_type(v) != JSON_ARRAY)
        d->why = "shape is not a list";
    else if (json_size(v) > TENSOR_RANK)
        d->why = "more than 8 dimensions";
    while (!d->why && json_next(&it, NULL, NULL, &v)) {
        int64_t *x = &t->shape[t->rank++];
        if (!json_int(v, x) || *x < 0)
            d->why = "shape with a number that is not a size";
        else if (!size_mul(elements, (size_t)*x, &elements))
            d->why = "shape too large";
    }
    return elements;
}

static void
read_offsets(struct decoder *d, struct json_value v, struct tensor *t)
{
    struct json_iter it = json_iter(v);
    int64_t at[2];
    if (json_type(v) != JSON_ARRAY || json_size(v) != 2) {
        d->why = "data_offsets is not a list of two";
        return;
    }
    for (int i = 0; i < 2 && json_next(&it, NULL, NULL, &v); i++)
        if (!json_int(v, &at[i]) || at[i] < 0) {
            d->why = "data_offsets with a number that is not an offset";
            return;
        }
    if (at[0] > at[1]) {
        d->why = "data_offsets that run backwards";
        return;
    }
    t->offset = (uint64_t)at[0];
    t->bytes = (size_t)(at[1] - at[0]);
}

static void
add_tensor(struct decoder *d, const char *name, size_t n, struct json_value v)
{
    struct record *r = d->r;
    struct json_value dtype, shape, offsets;
    const char *type;
    size_t ntype, bytes;
    if (r->tensors == TENSOR_MAX) {
        d->why = "more than 65536 tensors";
        return;
    }
    if (r->tensors == r->tensor_cap) {
        r->tensor_cap = r->tensor_cap ? 2 * r->tensor_cap : 16;
        r->tensor = mem_realloc(r->tensor, (size_t)r->tensor_cap, sizeof *r->tensor);
    }
    struct tensor *t = memset(&r->tensor[r->tensors++], 0, sizeof *r->tensor);
    t->name = keep(r, name, n);
    if (!t->name)
        d->why = "tensor name with a NUL character";
    else if (json_type(v) != JSON_OBJECT)
        d->why = "tensor entry that is not an object";
    else if (!json_get(v, "dtype", &dtype) || !json_string(dtype, &type, &ntype))
        d->why = "tensor without a dtype";
    else if (!json_get(v, "shape", &shape))
        d->why = "tensor without a shape";
    else if (!json_get(v, "data_offsets", &offsets))
        d->why = "tensor without data_offsets";
    if (d->why)
        return;
    const int found = dtype_find(type, ntype);
    t->type = found < 0 ? DTYPES : (enum dtype)found;
    bytes = read_shape(d, shape, t);
    if (!d->why)
        read_offsets(d, offsets, t);
    if (d->why || found < 0)
        return;
    if (!size_mul(bytes, dtype_size(t->type), &bytes))
        d->why = "shape too large";
    else if (bytes != t->bytes)
        d->why = "tensor size does not match its shape";
}

static int
by_key(const void *a, const void *b)
{
    const struct meta *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Ascending, an empty tensor before the one that begins where it does. */
static int
by_offset(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Known types first, each part still by offset. */
static void
set_foreign_aside(struct record *r)
{
    struct tensor *other = NULL;
    int kept = 0;
    for (int i = 0; i < r->tensors; i++) {
        if (r->tensor[i].type != DTYPES) {
            r->tensor[kept++] = r->tensor[i];
            continue;
        }
        if (!other)
            other = mem_array((size_t)r->tensors, sizeof *other);
        other[r->foreign++] = r->tensor[i];
    }
    if (r->foreign)
        memcpy(r->tensor + kept, other, (size_t)r->foreign * sizeof *other);
    r->tensors = kept;
    mem_free(other);
}

static const char *
lay_out(struct record *r, size_t header)
{
    uint64_t end = 0;
    if (r->metas)
        qsort(r->meta, (size_t)r->metas, sizeof *r->meta, by_key);
    if (r->tensors)
        qsort(r->tensor, (size_t)r->tensors, sizeof *r->tensor, by_offset);
    for (int i = 0; i < r->tensors; i++) {
        if (r->tensor[i].offset > end)
            return "hole between tensors";
        if (r->tensor[i].offset < end)
            return "tensors overlap";
        end += r->tensor[i].bytes;
    }
    if (!size_add(header, end, &r->size))
        return "shape too large";
    set_foreign_aside(r);
    return NULL;
}

static void
restart(struct record *r, size_t header)
{
    r->tensors = r->foreign = r->metas = 0;
    r->size = 0;
    if (!r->json)
        r->json = json_new();
    if (!r->text)
        r->text = mem_zalloc(1, sizeof *r->text);
    r->text->n = 0;
    buf_room(r->text, mem_add(header, 1));
}

const char *
record_header(struct record *r, const void *p, size_t n)
{
    struct decoder d = { r, NULL };
    struct json_value v, x;
    const char *text = (const char *)p + 8, *key;
    size_t nkey;
    if (n < 8)
        return "truncated: shorter than a header's length";
    const uint64_t header = header_length(p, &d.why);
    if (d.why)
        return d.why;
    if (header > n - 8)
        return "truncated: the header is cut";
    if (text[0] != '{')
        return "header does not start with {";
    restart(r, header);
    d.why = json_parse(r->json, text, header, &v);
    if (d.why)
        return d.why;
    struct json_iter it = json_iter(v);
    while (!d.why && json_next(&it, &key, &nkey, &x)) {
        if (nkey == 12 && !memcmp(key, "__metadata__", 12))
            add_meta(&d, x);
        else
            add_tensor(&d, key, nkey, x);
    }
    return d.why ? d.why : lay_out(r, 8 + header);
}

void
record_attach(struct record *r, const void *p)
{
    const int all = r->tensors + r->foreign;
    uint64_t data = 0, begin = r->size;
    size_t extra = 0;
    for (int i = 0; i < all; i++)
        data += r->tensor[i].bytes;
    begin -= data;
    for (int i = 0; i < all; i++)
        r->tensor[i].data = (const char *)p + begin + r->tensor[i].offset;
    for (int i = 0; i < r->tensors; i++)
        if ((uintptr_t)r->tensor[i].data % dtype_size(r->tensor[i].type))
            extra = mem_add(extra, mem_add(r->tensor[i].bytes, 8));
    if (!extra)
        return;
    if (!r->aligned)
        r->aligned = mem_zalloc(1, sizeof *r->aligned);
    r->aligned->n = 0;
    char *to = buf_room(r->aligned, extra);
    for (int i = 0; i < r->tensors; i++)
        if ((uintptr_t)r->tensor[i].data % dtype_size(r->tensor[i].type)) {
            r->tensor[i].data = memcpy(to, r->tensor[i].data, r->tensor[i].bytes);
            to += (r->tensor[i].bytes + 7) & ~(size_t)7;
        }
}

const char *
record_decode(struct record *r, const void *p, size_t n)
{
    const char *why = record_header(r, p, n);
    if (why)
        return why;
    if (r->size > n)
        return "truncated: data is missing";
    if (r->size < n)
        return "bytes after the last tensor";
    record_attach(r, p);
    return NULL;
}

size_t
record_extent(const void *p, size_t n, size_t max_record, const char **why)
{
    struct record r;
    size_t size = 0;
    *why = NULL;
    if (n < 8)
        return 0;
    const uint64_t header = header_length(p, why);
    if (*why)
        return 0;
    if (8 + header > max_record) {
        *why = "record larger than the limit";
        return 0;
    }
    if (header > n - 8)
        return 0;
    record_init(&r);
    *why = record_header(&r, p, n);
    if (!*why && r.size > max_record)
        *why = "record larger than the limit";
    if (!*why)
        size = r.size;
    record_free(&r);
    return size;
}

const char *
record_meta(const struct record *r, const char *key)
{
    int low = 0, high = r->metas;
    while (low < high) {
        const int middle = low + (high - low) / 2, c = strcmp(r->meta[middle].key, key);
        if (!c)
            return r->meta[middle].value;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct tensor *
record_tensor(const struct record *r, const char *name)
{
    for (int i = 0; i < r->tensors; i++)
        if (!strcmp(r->tensor[i].name, name))
            return &r->tensor[i];
    return NULL;
}

const struct tensor *
record_need(const struct record *r, const char *name, enum dtype type, int rank, int64_t d0,
            int64_t d1, const char **why)
{
    const struct tensor *t = record_tensor(r, name);
    *why = NULL;
    if (!t) {
        *why = "is missing";
        for (int i = r->tensors; i < r->tensors + r->foreign; i++)
            if (!strcmp(r->tensor[i].name, name))
                *why = "has a dtype this program does not know";
        return NULL;
    }
    if (t->type != type)
        *why = "has the wrong dtype";
    else if (t->rank != rank)
        *why = "has the wrong number of dimensions";
    else if ((rank > 0 && d0 >= 0 && t->shape[0] != d0) ||
             (rank > 1 && d1 >= 0 && t->shape[1] != d1))
        *why = "has the wrong shape";
    return *why ? NULL : t;
}
