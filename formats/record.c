#include "formats/record.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"
#include "formats/json.h"

enum { HEADER_MAX = 16 << 20 };

void
record_init(struct record *r)
{
    *r = (struct record){ 0 };
}

void
record_free(struct record *r)
{
    if (r->json)
        json_free(r->json);
    if (r->text)
        mem_free(r->text->p);
    mem_free(r->text);
    mem_free(r->tensor);
    mem_free(r->meta);
    record_init(r);
}

static uint64_t
header_bytes(const void *p)
{
    const unsigned char *b = p;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | b[i];
    return n;
}

/* The offsets of one tensor's entry, checked to be integers with 0 <= begin <= end. */
static const char *
offsets(struct json_value entry, uint64_t *begin, uint64_t *end)
{
    struct json_value list, v;
    int64_t at[2];
    int n = 0;
    if (json_type(entry) != JSON_OBJECT)
        return "tensor entry is not an object";
    if (!json_get(entry, "data_offsets", &list) || json_type(list) != JSON_ARRAY || json_size(list) != 2)
        return "data_offsets is not a list of two";
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &v);)
        if (!json_int(v, &at[n++]) || at[n - 1] < 0)
            return "data_offsets are not whole numbers >= 0";
    if (at[1] < at[0])
        return "data_offsets end before they begin";
    *begin = (uint64_t)at[0];
    *end = (uint64_t)at[1];
    return NULL;
}

size_t
record_extent(const void *p, size_t n, size_t max_record, const char **why)
{
    struct json_value root, v;
    const char *key;
    size_t nkey, total;
    uint64_t last = 0;
    *why = NULL;
    if (n < 8)
        return 0;
    const uint64_t header = header_bytes(p);
    if (header > HEADER_MAX)
        return *why = "header longer than 16 MiB, or not a safetensors image", 0;
    if (header < 2)
        return *why = "header too short", 0;
    if (n < 8 + header)
        return 0;
    struct json *j = json_new();
    *why = ((const char *)p)[8] == '{' ? json_parse(j, (const char *)p + 8, header, &root) : "header does not start with '{'";
    if (!*why && json_type(root) != JSON_OBJECT)
        *why = "header is not an object";
    for (struct json_iter it = *why ? (struct json_iter){ { 0 } } : json_iter(root); !*why && json_next(&it, &key, &nkey, &v);) {
        uint64_t begin, end;
        if (nkey == 12 && !memcmp(key, "__metadata__", 12))
            continue;
        if (!(*why = offsets(v, &begin, &end)) && end > last)
            last = end;
    }
    json_free(j);
    if (!*why && (!size_add(8 + header, last, &total) || total > max_record))
        *why = "record larger than the limit (--max-record)";
    return *why ? 0 : total;
}

static const char *
keep_string(struct record *r, const char *s, size_t n)
{
    char *at = r->text->p + r->text->n; /* room was made for all of the header's strings */
    memcpy(at, s, n);
    at[n] = 0;
    r->text->n += n + 1;
    return at;
}

static const char *
read_meta(struct record *r, struct json_value object)
{
    const char *key, *s;
    size_t nkey, n;
    struct json_value v;
    if (json_type(object) != JSON_OBJECT)
        return "__metadata__ is not an object";
    r->meta = mem_realloc(r->meta, json_size(object) + 1, sizeof *r->meta);
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &nkey, &v);) {
        if (!json_string(v, &s, &n))
            return "metadata value is not a string";
        if (memchr(key, 0, nkey) || memchr(s, 0, n))
            return "metadata holds a NUL";
        struct meta *m = &r->meta[r->metas++];
        m->key = keep_string(r, key, nkey);
        m->value = keep_string(r, s, n);
    }
    return NULL;
}

static const char *
read_shape(struct tensor *t, struct json_value list)
{
    struct json_value v;
    size_t n = 1;
    if (json_type(list) != JSON_ARRAY)
        return "shape is not a list";
    if (json_size(list) > TENSOR_RANK)
        return "tensor of more than 8 dimensions";
    t->rank = 0;
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &v);) {
        int64_t d;
        if (!json_int(v, &d) || d < 0)
            return "shape is not of whole numbers >= 0";
        t->shape[t->rank++] = d;
        if (!size_mul(n, (size_t)d, &n))
            return "shape overflows";
    }
    if (!size_mul(n, dtype_size(t->type), &n))
        return "shape overflows";
    return n == t->bytes ? NULL : "data_offsets disagree with shape and dtype";
}

static const char *
read_tensor(struct record *r, const char *name, size_t nname, struct json_value entry)
{
    struct tensor *t = &r->tensor[r->tensors++];
    struct json_value v;
    const char *s, *why;
    size_t n;
    uint64_t end;
    if (memchr(name, 0, nname))
        return "tensor name holds a NUL";
    if ((why = offsets(entry, &t->offset, &end)))
        return why;
    t->name = keep_string(r, name, nname);
    t->bytes = end - t->offset;
    if (!json_get(entry, "dtype", &v) || !json_string(v, &s, &n))
        return "dtype is missing";
    const int type = dtype_find(s, n);
    if (type < 0)
        return "unknown dtype";
    t->type = (enum dtype)type;
    if (!json_get(entry, "shape", &v))
        return "shape is missing";
    if ((why = read_shape(t, v)))
        return why;
    return t->offset % dtype_size(t->type) ? "tensor data is not aligned to its type" : NULL;
}

static int
by_offset(const void *pa, const void *pb)
{
    const struct tensor *a = pa, *b = pb;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->bytes != b->bytes) /* empty tensors before the one that begins where they are */
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int
by_key(const void *pa, const void *pb)
{
    return strcmp(((const struct meta *)pa)->key, ((const struct meta *)pb)->key);
}

static const char *
lay_out(struct record *r, const char *data, size_t bytes)
{
    size_t at = 0;
    if (r->tensors)
        qsort(r->tensor, (size_t)r->tensors, sizeof *r->tensor, by_offset);
    if (r->metas)
        qsort(r->meta, (size_t)r->metas, sizeof *r->meta, by_key);
    for (int i = 0; i < r->tensors; i++) {
        struct tensor *t = &r->tensor[i];
        if (t->offset != at)
            return t->offset > at ? "hole in the data" : "tensors overlap";
        if (t->bytes > bytes - at)
            return "image is cut short";
        t->data = data + at;
        at += t->bytes;
    }
    return at == bytes ? NULL : "bytes left over after the last tensor";
}

const char *
record_decode(struct record *r, const void *p, size_t n)
{
    struct json_value root, v;
    const char *key, *text = (const char *)p + 8, *why;
    size_t nkey;
    r->tensors = r->metas = 0;
    r->size = n;
    if (n < 8)
        return "image is cut short";
    const uint64_t header = header_bytes(p);
    if (header > HEADER_MAX)
        return "header longer than 16 MiB, or not a safetensors image";
    if (header > n - 8)
        return "image is cut short";
    if (header < 2 || *text != '{')
        return "header does not start with '{'";
    if (!r->json)
        r->json = json_new();
    if ((why = json_parse(r->json, text, header, &root)))
        return why;
    if (json_type(root) != JSON_OBJECT)
        return "header is not an object";
    if (json_size(root) > TENSOR_MAX)
        return "more than 65,536 tensors";
    if (!r->text)
        r->text = mem_zalloc(1, sizeof *r->text);
    r->text->n = 0;
    buf_room(r->text, 2 * header); /* every string and its NUL: it never moves */
    r->tensor = mem_realloc(r->tensor, json_size(root) + 1, sizeof *r->tensor);
    for (struct json_iter it = json_iter(root); json_next(&it, &key, &nkey, &v);) {
        const int meta = nkey == 12 && !memcmp(key, "__metadata__", 12);
        if ((why = meta ? read_meta(r, v) : read_tensor(r, key, nkey, v)))
            return why;
    }
    return lay_out(r, text + header, n - 8 - header);
}

const char *
record_meta(const struct record *r, const char *key)
{
    for (int i = 0; i < r->metas; i++)
        if (!strcmp(r->meta[i].key, key))
            return r->meta[i].value;
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
    if (!t)
        *why = "is missing";
    else if (t->type != type)
        *why = "has another dtype";
    else if (t->rank != rank || (rank > 0 && d0 >= 0 && t->shape[0] != d0) ||
             (rank > 1 && d1 >= 0 && t->shape[1] != d1))
        *why = "has another shape";
    return *why ? NULL : t;
}
